"""What is known before a step, as `live` gathers it: plain values, so that a decision can be tried on any of them."""

from __future__ import annotations

from typing import NamedTuple

from otel_agentperf.baselines.normals import Normals


class Pace(NamedTuple):
    """The model requests of this process in the last five minutes, failed ones left out."""

    requests: int = 0
    average_s: float = 0.0

    def is_above(self, seconds: float) -> bool:
        """Whether they took longer than this on average; without any, they did not."""
        return self.requests > 0 and self.average_s > seconds

    def is_below(self, seconds: float) -> bool:
        """Whether they took less than this on average; without any, they did not."""
        return self.requests > 0 and self.average_s < seconds


class Place(NamedTuple):
    """Where the step is: what its past is looked up by."""

    graph: str = ""
    node: str = ""


class Past(NamedTuple):
    """What was learned, and where."""

    normals: Normals | None
    place: Place


class Models(NamedTuple):
    """Which models there are to choose from."""

    allowed: tuple[str, ...] = ()
    """By the user, in the order in which the user prefers them; empty allows any."""
    usual: str = ""
    """The model of the last request of this node, else of this process; empty where there was none."""
    known: tuple[str, ...] = ()
    """Names of which prices are known; empty until the price list is loaded."""


class Prompting(NamedTuple):
    """How the last requests of a node began. Prices in US dollars per token."""

    requests: int
    """That are looked at."""
    comparable: int
    """Of these, those that came within five minutes after another one of the same model."""
    repeated: int
    """Of these, those that began as the one before did, at a length that the model caches."""
    shared_tokens: float
    """Average length of what they had in common."""
    cached_tokens: float
    """Average of what was read from the cache."""
    minimum_tokens: int | None
    """Least beginning that the model caches by itself; `None` where it caches nothing."""
    per_hour: float
    """How often such requests come."""
    fresh_usd: float | None
    cached_usd: float | None
    storage_usd_hour: float | None
    """Keeping one token for an hour."""


class Seen(NamedTuple):
    """What is known of one action with one set of arguments."""

    calls: int
    runs: int
    varies: bool
    """It gave different results."""
    average_s: float
    average_usd: float


class Load(NamedTuple):
    """What was in use in the last minute, of the host or of what the container may use; `None` is unknown."""

    cpu_percent: float | None = None
    own_cpu_percent: float | None = None
    memory_percent: float | None = None
    lag_s: float | None = None
    """The longest time that an event loop was late."""
    open_files_share: float | None = None


class Progress(NamedTuple):
    """What the run has taken so far."""

    graph: str
    elapsed_s: float
    cost_usd: float
