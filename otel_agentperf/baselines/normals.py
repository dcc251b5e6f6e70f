"""What can be asked of a baseline: how long, how dear and how good something was until now.

Rules and advice know nothing else of it. A subject that was never seen has no `Normal`: who
asks says nothing then, or that there is not enough data.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class SubjectKind(StrEnum):
    """What a baseline tells apart."""

    __hash__ = str.__hash__  # Enum hashes in Python

    GRAPH = "graph"
    NODE = "node"
    TOOL = "tool"
    MODEL = "model"
    NODE_MODEL = "node_model"
    """A model as one node uses it."""


class Measure(StrEnum):
    """What is measured of a subject, each time that it ran."""

    __hash__ = str.__hash__

    DURATION_S = "duration_s"
    """Of those that did not fail and were not interrupted: the time of others is not its own."""
    COST_USD = "cost_usd"
    """All that was billed beneath it, where all of it had a price."""
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    FIRST_CHUNK_S = "first_chunk_s"
    """Time to the first chunk of a streamed answer."""


class Subject(NamedTuple):
    """Whose normal it is."""

    kind: SubjectKind
    name: str
    """Of the graph, node, tool or model."""
    graph: str = ""
    """Of a node, and of a model as a node uses it: the graph that the node belongs to."""
    node: str = ""
    """Of a model as a node uses it: the node."""


class Day(NamedTuple):
    """One day of a subject and measure, of all that was seen of it, unweighted."""

    day: int
    """Days since 1970-01-01, UTC."""
    samples: int
    mean: float
    median: float


class Outcomes(NamedTuple):
    """How often something succeeded, weighted by age; `samples` is their number, unweighted."""

    successes: float
    failures: float
    samples: int


class Normal(Protocol):
    """The distribution of one measure of one subject, older days counting less."""

    @property
    def samples(self) -> int:
        """How many were seen, in all days that are kept."""
        ...

    @property
    def weight(self) -> float:
        """How many they amount to, older days counting less."""
        ...

    @property
    def mean(self) -> float:
        """Their weighted average."""
        ...

    @property
    def relative_error(self) -> float:
        """Of a quantile: it differs from a value that was seen by at most this share of that value."""
        ...

    def quantile(self, share: float) -> float:
        """The value that this share of them, 0 to 1, does not exceed, within `relative_error`."""
        ...

    def share_below(self, value: float) -> float:
        """The share of them, 0 to 1, that is smaller than a value; those equal to it count half."""
        ...


class Normals(Protocol):
    """A baseline, as it is asked."""

    def normal(self, subject: Subject, measure: Measure) -> Normal | None:
        """The distribution of a measure; `None` where it was never seen."""
        ...

    def outcomes(self, subject: Subject) -> Outcomes | None:
        """How often it succeeded; `None` where it was never seen."""
        ...

    def days(self, subject: Subject, measure: Measure) -> Sequence[Day]:
        """Its days, oldest first; empty where it was never seen."""
        ...

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use."""
        ...
