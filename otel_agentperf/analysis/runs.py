"""The state of one run and of one session: sums, compact columns, the states of the rules.

A run is one outermost graph or agent execution and all beneath it in this process. A session
is the runs that share a conversation id; a run without one is a session of its own.
"""

from __future__ import annotations

from decimal import Decimal
from math import nan
from typing import Any

from otel_agentperf.analysis.columns import Columns
from otel_agentperf.analysis.ledger import Ledger
from otel_agentperf.analysis.resources import RunUse
from otel_agentperf.analysis.split import DUST_USD
from otel_agentperf.model import ZERO_USD, Cost, Level, Operation, OperationKind, Suggestion, Totals, Usage
from otel_agentperf.rules.base import Spending, View
from otel_agentperf.rules.bounded import target_of
from otel_agentperf.rules.traits import SAMPLED

_EMITTED_EVIDENCE_RATIO = 2
MAX_CONTRIBUTORS = 500
OTHER_CONTRIBUTOR = "other:other"
"""Who is charged beyond that many."""
# Members of an enum are dear to look up in Python 3.11, and every operation passes here.
_NODE, _INFERENCE, _TOOL = OperationKind.NODE, OperationKind.INFERENCE, OperationKind.TOOL
_EMBEDDINGS, _SERVICE = OperationKind.EMBEDDINGS, OperationKind.SERVICE


class ScopeState:
    """What a run, a session and the process have in common.

    Args:
        view: what the rules of this scope see.
        rules: how many of them there are.
    """

    __slots__ = ("announced", "rule_states", "view")

    def __init__(self, view: View, rules: int) -> None:
        self.view = view
        self.rule_states: list[Any] = [None] * rules
        self.announced: dict[tuple[str, str], tuple[Level, dict[str, float | int]]] = {}

    def renew(self, fresh: ScopeState) -> None:
        """Become what a state that knows nothing yet is.

        Args:
            fresh: that state, of the same scope.
        """
        self.view, self.rule_states, self.announced = fresh.view, fresh.rule_states, fresh.announced

    def is_news(self, suggestion: Suggestion) -> bool:
        """Whether a suggestion is new, has risen in level, or has doubled in its evidence."""
        key = suggestion.key
        before = self.announced.get(key)
        if before is not None:
            level, evidence = before
            risen = suggestion.level is Level.ALARM and level is Level.NOTICE
            doubled = any(
                old > 0 and suggestion.evidence.get(name, 0) >= _EMITTED_EVIDENCE_RATIO * old
                for name, old in evidence.items()
            )
            if not risen and not doubled:
                return False
        self.announced[key] = (suggestion.level, suggestion.evidence)
        return True

    def has_said(self, suggestion: Suggestion) -> bool:
        """Whether just this was announced here, with the same level and evidence."""
        return self.announced.get(suggestion.key) == (suggestion.level, suggestion.evidence)


class Session(ScopeState):
    """The runs that share a conversation id; without an id, a single run.

    Args:
        session_id: the conversation id; empty where there is none.
        view: what the rules of this scope see.
        rules: how many of them there are.
    """

    __slots__ = ("_ledger", "id", "over_budget", "runs")

    def __init__(self, session_id: str, view: View, rules: int) -> None:
        super().__init__(view, rules)
        self.id = session_id
        self.runs = 0
        self.over_budget = False
        """Whether it has been counted as such."""
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """What is remembered of its finished runs."""
        if self._ledger is None:
            self._ledger = Ledger()
        return self._ledger


class Run(ScopeState):
    """One outermost execution and all beneath it.

    Args:
        run_id: tells it from other live runs.
        view: what its rules see.
        session: the session that it belongs to.
        process: the state of the rules over the process.
        start_ns: when it began, Unix nanoseconds.
        rules: how many rules look at single runs.
        limit: the most operations whose shape is kept.
        shares_view: whether the session has no other run and has the sums of this one.
    """

    __slots__ = (
        "aside",
        "columns",
        "contributors",
        "evicted",
        "finished",
        "id",
        "process",
        "score",
        "session",
        "start_ns",
        "success",
        "suggestions",
        "sums",
        "used",
    )

    def __init__(
        self,
        run_id: int,
        view: View,
        session: Session,
        process: ScopeState,
        start_ns: int,
        rules: int,
        limit: int,
        *,
        shares_view: bool,
    ) -> None:
        super().__init__(view, rules)
        self.id = run_id
        self.session = session
        self.process = process
        self.start_ns = start_ns
        self.columns = view.columns = Columns(limit)
        wider = session.view
        self.sums = (view.totals,) if shares_view else (view.totals, wider.totals)
        """Its own sums, and those of its session where that has others."""
        self.contributors = (view.contributors,) if shares_view else (view.contributors, wider.contributors)
        self.suggestions: dict[tuple[str, str], Suggestion] = {}
        self.success: bool | None = None
        self.score: float | None = None
        self.used: RunUse | None = None
        self.aside = False
        """Whether it is no run: what ran beneath a plain root that holds agents or graphs, whose runs these are."""
        self.finished = False
        self.evicted = False

    @property
    def name(self) -> str:
        """The root's name."""
        return self.view.name

    @property
    def totals(self) -> Totals:
        """Sums over all operations so far."""
        return self.view.totals


def count(run: Run, operation: Operation, traits: int, *, is_root: bool = False) -> None:
    """Add one operation to the shape of its run, and to the sums of the run and of its session."""
    cost = operation.cost
    add_to_totals(run.sums, operation)
    kind = operation.kind
    if kind is _INFERENCE or kind is _EMBEDDINGS:
        run.process.view.calls += 1
    cost_usd = nan if cost is None or cost.total_usd is None else float(cost.total_usd)
    if cost is not None or operation.inference is not None:
        contributor = contributor_of(operation)
        is_answer = kind is _INFERENCE and operation.error_type is None
        usage = operation.usage if is_answer else None
        for contributors in run.contributors:
            _charge(contributors, contributor, usage, cost_usd)
    if is_root or not run.finished:  # what ends after its run is counted, and the shape stays as it was told
        run.columns.add(operation, traits, cost_usd, is_root=is_root)
    if traits & SAMPLED and not is_root:
        add_use(run, operation)


def add_use(run: Run, operation: Operation, *, is_root: bool = False) -> None:
    """Add what was used while an operation ran."""
    if run.used is None:
        run.used = RunUse()
    run.used.add(operation, is_root=is_root)


def _charge(contributors: dict[str, Spending], contributor: str, usage: Usage | None, cost_usd: float) -> None:
    spending = contributors.get(contributor)
    if spending is None:
        if len(contributors) >= MAX_CONTRIBUTORS:
            contributor = OTHER_CONTRIBUTOR
        spending = contributors.setdefault(contributor, Spending())
    if cost_usd == cost_usd:  # noqa: PLR0124 - a number
        spending.cost_usd += cost_usd
        spending.operations += 1
    if usage is not None:
        spending.answers += 1
        spending.output_tokens += usage.output_tokens
        spending.thought_tokens += usage.reasoning_tokens


def add_to_totals(sums: tuple[Totals, ...], operation: Operation) -> None:  # noqa: C901, PLR0912, PLR0915 - every operation passes here: no calls that can be spared
    """Add one counted operation to each of these sums."""
    kind, usage, cost = operation.kind, operation.usage, operation.cost
    failed = operation.error_type is not None and not operation.error_beneath
    for totals in sums:
        totals.operations += 1
        if failed:
            totals.errors += 1
        if kind is _NODE:
            continue
        if kind is _INFERENCE:
            totals.inference_calls += 1
        elif kind is _TOOL:
            totals.tool_calls += 1
        elif kind is _EMBEDDINGS:
            totals.embedding_calls += 1
        elif kind is _SERVICE:
            totals.service_calls += 1
        elif usage is not None or cost is not None:
            totals.reported += 1
        if usage is not None:
            totals.input_tokens += usage.input_tokens
            totals.output_tokens += usage.output_tokens
            if usage.cache_read_tokens:
                totals.cache_read_tokens += usage.cache_read_tokens
            if usage.reasoning_tokens:
                totals.reasoning_tokens += usage.reasoning_tokens
        if cost is not None:
            total_usd = cost.total_usd
            if total_usd is None:
                totals.unpriced_calls += 1
                continue
            totals.priced_calls += 1
            totals.cost_usd += total_usd
            output_usd = cost.output_usd
            if output_usd is None or cost.input_usd is None:
                _add_other_cost(totals, kind, cost, total_usd)
            elif output_usd:
                totals.output_usd += output_usd
                if usage is not None and usage.reasoning_tokens:
                    if cost.reasoning_usd:
                        totals.reasoning_usd += cost.reasoning_usd
                    else:
                        totals.reasoning_unknown += 1
            if cost.cache_read_usd:
                totals.cache_read_usd += cost.cache_read_usd
            if cost.grounding_usd:
                totals.grounding_usd += cost.grounding_usd
            if cost.cache_write_usd:
                totals.cache_write_usd += cost.cache_write_usd
            if cost.storage_usd:
                totals.storage_usd += cost.storage_usd
            if cost.estimated and total_usd:
                totals.estimated_usd += total_usd
                if cost.assumption is not None:
                    totals.add_assumptions(*cost.assumption.split("; "))


def _add_other_cost(totals: Totals, kind: OperationKind, cost: Cost, total_usd: Decimal) -> None:
    """Add a cost without a price for tokens in and out: that of a service, or one total that somebody else gave."""
    parts = (cost.input_usd, cost.cache_read_usd, cost.cache_write_usd, cost.grounding_usd, cost.storage_usd)
    rest_usd = total_usd - sum((part for part in parts if part is not None), ZERO_USD)
    if kind is _SERVICE and rest_usd == total_usd:
        totals.services_usd += total_usd
    elif rest_usd > DUST_USD:
        totals.unsplit_usd += rest_usd


def contributor_of(operation: Operation) -> str:
    """Who is charged for an operation in a list of contributors: `kind:name`."""
    if operation.kind is _SERVICE:
        return f"service:{operation.name}"
    model = operation.inference.request_model if operation.inference is not None else ""
    return target_of(operation.agent, model) if operation.agent or model else f"{operation.kind}:{operation.name}"
