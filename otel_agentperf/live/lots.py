"""What was drawn for the runs of this process at a node where advice may be applied, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from otel_agentperf.advice.applying import Advised
from otel_agentperf.advice.trial import TakenBack, Trial
from otel_agentperf.live.frames import Frame

MODEL, TIMEOUT = "model", "timeout"
TREATED, CONTROL, ABSTAINED = "treated", "control", "abstained"

WhyNot = Callable[[str, "frozenset[str] | None"], "str | None"]
"""Why a request cannot go to a model, given what that model has signed in this run."""


class CallAdvisor(Protocol):
    """Who is asked before a request; it answers from what was learned, and in microseconds."""

    def for_call(self, frame: Frame, asked: str, allowed: tuple[str, ...]) -> Advised:
        """What to do with a request that is made in a frame; nothing where there is not enough data."""
        ...

    def seen(self, graph: str, node: str, model: str) -> int:
        """How many requests of this model the node was seen to make."""
        ...


class Key(NamedTuple):
    """Whose trial it is."""

    graph: str
    node: str
    asked: str
    """The model that the program asks for."""
    change: str
    """`MODEL` or `TIMEOUT`."""
    model: str
    """The model that is tried; empty for a time-out."""


class Drawn(NamedTuple):
    """The lot of one run for one change."""

    key: Key
    trial: Trial
    share: float
    treated: bool


class Use:
    """One run's use of one node with one model: what was drawn for it, and what came of it."""

    __slots__ = (
        "calls",
        "cost_usd",
        "duration_ns",
        "failed",
        "model",
        "refused",
        "signed",
        "timeout",
        "timeout_s",
        "why",
    )

    def __init__(self) -> None:
        self.model: Drawn | None = None
        self.timeout: Drawn | None = None
        self.timeout_s: float | None = None
        self.why = ""
        """Why no other model is tried."""
        self.refused = False
        self.signed: frozenset[str] | None = None
        self.calls = 0
        self.failed = False
        self.duration_ns = 0
        self.cost_usd: float | None = 0.0

    def drawn(self) -> list[Drawn]:
        """What the lot was drawn for."""
        return [drawn for drawn in (self.model, self.timeout) if drawn is not None]


class Decided(NamedTuple):
    """What is done with one request."""

    use: Use
    graph: str
    node: str
    model: str | None
    timeout_s: float | None
    decision: str
    reason: str


class Happened(NamedTuple):
    """A trial that was taken back."""

    key: Key
    taken_back: TakenBack
