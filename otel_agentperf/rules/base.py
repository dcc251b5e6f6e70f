"""What a rule is: one pattern, found in the operations of a run, a session or the process.

A rule is pure. It declares what it watches and at which scope; the engine makes one state
for each scope, bounds and evicts it, and hands the rule every operation that it watches, in
the order in which they ended. The rule yields suggestions and nothing else.

A rule over a session or the process judges alike whether one state has seen all operations
(live) or the states of single runs were merged in any order (replay).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from otel_agentperf.baselines.normals import Normals
from otel_agentperf.model import Complexity, Operation, OperationKind, Suggestion, Totals
from otel_agentperf.pricing.book import PriceBook

if TYPE_CHECKING:
    from otel_agentperf.rules.executions import Execution
    from otel_agentperf.rules.shape import Tree

S = TypeVar("S")
_IDS = 2**64


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
    """Those whose price is known."""
    answers: int = 0
    """Model requests that did not fail and whose tokens are known."""
    output_tokens: int = 0
    thought_tokens: int = 0
    """Of these answers, as the line above."""


class Row(NamedTuple):
    """One operation of a run, in the form in which a run's shape is kept. Times are Unix nanoseconds."""

    span_id: int
    parent_id: int
    """0 where there is none."""
    kind: OperationKind
    start_ns: int
    end_ns: int
    cost_usd: float
    """Not a number where it is unknown, or nothing was billed."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    reasoning_tokens: int
    is_error: bool
    is_agent: bool
    has_cost: bool
    """Whether it was billed, at a known price or not."""
    function_calls: int
    """That the answer asked for; 0 where none, or not known."""
    given: int
    """The fingerprint of a model request, of the state that a node was given, or of a tool's arguments.

    That of a request whose instructions were not recorded is another one for each agent. 0 where it is not
    known, and where there are no arguments."""
    head: int
    """The fingerprint of a request's beginning, its instruction and tools; 0 where it is not known."""
    step: int
    """Of its graph, in which a node ran; -1 where it is not known."""
    traits: int
    """See `rules.traits`."""
    name: str
    agent: str
    outcome: str | None
    model: str = ""
    """The model whose usage only the span of an agent or graph reports; empty for all else."""

    @property
    def duration_ns(self) -> int:
        """Wall time, never negative."""
        return max(0, self.end_ns - self.start_ns)


class Prompt(NamedTuple):
    """What was asked in one model request. Times are Unix nanoseconds."""

    end_ns: int
    start_ns: int
    span_id: int
    tokens: int
    paid_usd: float
    """For the prompt, fresh and cached; not a number where it is unknown, or below `traits.LONG_TOKENS`."""
    agent: str
    model: str


def span_hex(span_id: int) -> str:
    """A span's id as 16 hex digits."""
    return f"{span_id:016x}"


def int_of(span_id: str) -> int:
    """A span's id as a number; one that is no 64-bit hexadecimal number is hashed to one."""
    try:
        number = int(span_id, 16)
    except ValueError:
        return _hashed(span_id)
    return number if 0 <= number < _IDS else _hashed(span_id)


def of_agent(fingerprint: str, agent: str) -> str:
    """A fingerprint that is the same for one agent only.

    Args:
        fingerprint: of a request whose instructions were not recorded: other agents have other ones.
        agent: whose request it is.
    """
    return f"{int_of(fingerprint) ^ int_of(f'agent {agent}'):016x}"


@lru_cache(maxsize=4096)
def _hashed(span_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(span_id.encode(), digest_size=8).digest(), "big")


class Shape(Protocol):
    """All operations of a run, as far as they were kept."""

    dropped: int
    """Operations beyond the limit: where there are any, the shape is not whole."""
    most_asked: int
    """The most functions that one answer of a model asked for."""
    traits: int
    """All traits that any operation has."""
    longest_prompt: int
    """Input tokens of the longest one."""

    def rows(self) -> list[Row]:
        """The operations in order of start; the root is among them once it has ended."""
        ...

    def ended(self) -> list[Row]:
        """The operations in the order in which they ended."""
        ...

    def agents(self) -> list[Row]:
        """The invocations of agents, in the order in which they ended."""
        ...

    def given_again(self) -> AbstractSet[OperationKind]:
        """The kinds of which two operations, or more, were given the same."""
        ...

    def prompts(self) -> Iterator[Prompt]:
        """The model requests with known tokens, in the order in which they ended."""
        ...

    def used_by(self, span_id: int) -> tuple[str, ...]:
        """The spans of earlier answers of which a piece stands in a request."""
        ...

    def tree(self, root: Operation) -> Tree:
        """What lies beneath what; made once for all rules."""
        ...

    def executions(self, root: Operation) -> list[Execution]:
        """What ran, as a baseline tells it apart; made once for all rules."""
        ...


@dataclass(slots=True)
class View:
    """What a rule may know of its scope beside the operation: read only."""

    scope: Scope
    name: str
    """The session's id, or the root's name for a run."""
    totals: Totals = field(default_factory=Totals)
    """Of a run or a session; replay has those of the process too."""
    contributors: dict[str, Spending] = field(default_factory=dict[str, Spending])
    """By `kind:name`."""
    prices: PriceBook | None = None
    """What tokens cost elsewhere; `None` where nothing can be priced."""
    columns: Shape | None = None
    """The shape of the run; in the wider scopes of the one that has just ended, while `conclude` is called."""
    calls: int = 0
    """Of the process: model requests, and requests for embeddings, so far."""
    is_single: bool = False
    """Of a session: it ends with its only run, so that nothing of it is needed afterwards."""
    normals: Normals | None = None
    """What was learned of days before this one; `None` where nothing was."""


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
    """Kinds of operation that `observe` is called for; empty where `conclude` looks at the run's shape."""
    needs: ClassVar[int] = 0
    """Traits of which an operation has to have one for `observe` to be called, see `traits`; 0 asks for none."""
    stays_awake: ClassVar[bool] = False
    """Whether it is called for every operation that it watches, once one has had a trait that it needs."""
    asks_normals: ClassVar[bool] = False
    """Whether it rests on a baseline, and is not called at all where there is none."""
    complexity: ClassVar[Complexity]
    options: ClassVar[Mapping[str, Option]] = {}

    def __init__(self, options: Mapping[str, float | int] | None = None) -> None:
        given = options or {}
        self.chosen = frozenset(given)
        """Names of the options that the settings give; the others have their defaults."""
        for name, option in self.options.items():
            setattr(self, name, given.get(name, option.default))

    @property
    def is_off(self) -> bool:
        """Whether its options leave it nothing to look for, so that it is not called at all."""
        return False

    @abstractmethod
    def start(self) -> S:
        """A new state for one run, session or process."""

    @abstractmethod
    def observe(self, state: S, operation: Operation, view: View) -> Iterable[Suggestion]:
        """Take in one finished operation; called in the order in which they end."""

    def conclude(self, state: S, root: Operation, view: View) -> Iterable[Suggestion]:
        """Say what can be said now that a run is over.

        The default judges the session or process, so that its last word takes in the whole run.
        """
        del root
        return () if view.scope is Scope.RUN else self.judge(state, view)

    def merge(self, state: S, other: S) -> S:
        """What two states of a session or the process amount to, in whatever order they come.

        Rules over a run are never asked.

        Args:
            state: may be changed and given back.
            other: is left as it is.
        """
        raise NotImplementedError

    def judge(self, state: S, view: View) -> Iterable[Suggestion]:
        """All that stands now in a session or the process. The default says nothing."""
        del state, view
        return ()


def billed_kinds() -> frozenset[OperationKind]:
    """The kinds of operation that carry a cost of their own."""
    return frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS, OperationKind.SERVICE})
