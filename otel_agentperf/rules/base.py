"""What a rule is: one pattern, found in the operations of a run, a session or the process.

A rule is pure. It declares what it watches and at which scope; the engine makes one state
for each scope, bounds and evicts it, and hands the rule every operation that it watches, in
the order in which they ended. The rule yields suggestions and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from otel_agentperf.model import Complexity, Operation, OperationKind, Suggestion, Totals

S = TypeVar("S")


class Scope(StrEnum):
    """How long the state of a rule lives."""

    RUN = "run"
    SESSION = "session"
    PROCESS = "process"


class Group(StrEnum):
    """What a rule is about; settings select and ignore by it."""

    COST = "cost"
    LATENCY = "latency"
    REPETITION = "repetition"
    CACHING = "caching"
    MODEL_CHOICE = "model_choice"
    PARALLELISM = "parallelism"
    CONTEXT_GROWTH = "context_growth"
    RESOURCES = "resources"
    FAILURES = "failures"


@dataclass(slots=True)
class Spending:
    """What one contributor (a node, model, tool or service) has used so far."""

    cost_usd: float = 0.0
    operations: int = 0


@dataclass(slots=True)
class View:
    """What a rule may know of its scope beside the operation: read only."""

    scope: Scope
    name: str
    """The session's id, or the root's name for a run."""
    totals: Totals = field(default_factory=Totals)
    contributors: dict[str, Spending] = field(default_factory=dict[str, Spending])
    """By `kind:name`."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a rule: what it means and what is allowed."""

    default: float | int
    unit: str
    sentence: str
    minimum: float = 0.0
    maximum: float = 1e12


class Rule(ABC, Generic[S]):
    """Base of all rules. Class variables declare, the methods find.

    Args:
        options: the values of this rule's options, already validated; defaults fill the rest.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    """The pattern in snake case; also the suggestion's `type`."""
    group: ClassVar[Group]
    scope: ClassVar[Scope]
    watches: ClassVar[frozenset[OperationKind]]
    complexity: ClassVar[Complexity]
    options: ClassVar[Mapping[str, Option]] = {}

    def __init__(self, options: Mapping[str, float | int] | None = None) -> None:
        given = options or {}
        for name, option in self.options.items():
            setattr(self, name, given.get(name, option.default))

    @abstractmethod
    def start(self) -> S:
        """A new state for one run, session or process."""

    @abstractmethod
    def observe(self, state: S, operation: Operation, view: View) -> Iterable[Suggestion]:
        """Take in one finished operation; called in the order in which they end."""

    def conclude(self, state: S, root: Operation, view: View) -> Iterable[Suggestion]:
        """Say what can be said only now that a run is over. The default says nothing."""
        del state, root, view
        return ()


def billed_kinds() -> frozenset[OperationKind]:
    """The kinds of operation that carry a cost of their own."""
    return frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS, OperationKind.SERVICE})
