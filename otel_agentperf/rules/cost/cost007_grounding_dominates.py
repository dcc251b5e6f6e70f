"""COST007 grounding_dominates

What it finds: a session of which more than half of the known cost is grounding with Google Search
or Google Maps.

Why it costs: grounding is charged for each request or each query, whatever the model and however
short its answer: on Gemini 2.x one grounded request costs as much as 100,000 input tokens of a Flash
model. No shorter prompt, cheaper model or cache changes it.

Example: 10 grounded requests of `research` cost $0.35 of the session's $0.38.

Instead: leave the search tool out of requests that need no fresh facts, such as those that
plan, summarize or format; keep what one request found in the state and pass it on; where the model
is charged for each query (Gemini 3 and later), ask narrower questions.

Limits: these are list prices; the free allowance of a day or month is not known here, so the bill
may be lower. Whether an answer needed the search cannot be seen here, so no saving is stated.
Below $0.05, where a run is rated A, and below 3 grounded requests there is too little to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Level,
    Operation,
    OperationKind,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_SPANS, Claims, Table, dollars, target_of
from otel_agentperf.rules.traits import GROUNDED

REFERENCE_IMPACT = 0.7
MAX_NAMED = 3
"""Agents that the description names."""


class _Grounded(msgspec.Struct, gc=False):
    requests: int = 0
    queries: int = 0
    cost_usd: Decimal = ZERO_USD
    largest: Claims = msgspec.field(default_factory=lambda: Claims(MAX_SPANS))
    """The spans that cost the most; nothing is claimed of them."""

    def merge(self, other: _Grounded) -> None:
        self.requests += other.requests
        self.queries += other.queries
        self.cost_usd += other.cost_usd
        self.largest.merge(other.largest)


class _State(msgspec.Struct, gc=False):
    all: _Grounded = msgspec.field(default_factory=_Grounded)
    by_target: Table[_Grounded] = msgspec.field(default_factory=lambda: Table(_Grounded))


class GroundingDominates(Rule[_State]):
    """Grounding that is most of what a session cost, with the agents that ask for it.

    It claims no saving. Impact: 0.7 times the share of grounding in the known cost of the session.
    """

    code = "COST007"
    name = "grounding_dominates"
    group = Group.COST
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    needs = GROUNDED
    complexity = Complexity.MEDIUM
    options = {
        "share": Option(0.5, "share", "Share of the known cost above which grounding dominates it.", 0.0, 1.0),
        "min_usd": Option(0.05, "USD", "Least cost of the grounding."),
        "min_requests": Option(3, "requests", "Fewest grounded requests.", 1),
    }
    share: float
    min_usd: float
    min_requests: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        usage, call, cost = operation.usage, operation.inference, operation.cost
        if cost is None or cost.total_usd is None or not cost.grounding_usd:
            return ()
        queries = 0
        if usage is not None:
            queries = usage.grounding_queries + usage.maps_queries + usage.enterprise_queries
        target = state.by_target.of(target_of(operation.agent, call.request_model if call is not None else ""))
        for each in (state.all, target):
            if each is not None:
                each.requests += 1
                each.queries += queries
                each.cost_usd += cost.grounding_usd
                each.largest.add(operation.span_id, cost.grounding_usd)
        return ()

    def merge(self, state: _State, other: _State) -> _State:
        state.all.merge(other.all)
        state.by_target.merge(other.by_target)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        found, known_usd = state.all, view.totals.cost_usd
        if found.requests < self.min_requests or float(found.cost_usd) < self.min_usd:
            return ()
        share = min(1.0, float(found.cost_usd) / float(known_usd)) if known_usd else 1.0
        return (self._suggestion(state, share, view),) if share > self.share else ()

    def _suggestion(self, state: _State, share: float, view: View) -> Suggestion:
        found, unpriced = state.all, view.totals.unpriced_calls
        targets = sorted(state.by_target.entries.items(), key=lambda item: (-item[1].cost_usd, item[0]))
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"Grounding (Google Search, Maps) is {_share(share)} of the {'known ' if unpriced else ''}cost: "
                f"{dollars(found.cost_usd)} of {dollars(view.totals.cost_usd)}, for {_requests(found)} {_by_agent(targets)}. "
                "Leave the search tool out of requests that need no fresh facts, and pass on what one request found."
            ),
            impact_score=round(REFERENCE_IMPACT * share, 3),
            complexity=self.complexity,
            confidence=0.6 if unpriced else 0.9,
            applies_to=tuple(name for name, _ in targets[:MAX_NAMED]),
            span_ids=found.largest.spans(),
            evidence={
                "requests": found.requests,
                "queries": found.queries,
                "grounding_usd": float(found.cost_usd),
                "cost_usd": float(view.totals.cost_usd),
                "grounding_share": round(share, 3),
                "unpriced_calls": unpriced,
            },
        )


def _by_agent(targets: Sequence[tuple[str, _Grounded]]) -> str:
    if len(targets) == 1:
        return f"of {targets[0][0].partition(':')[2]}"
    named = ", ".join(
        f"{name.partition(':')[2]} {dollars(each.cost_usd)} ({_requests(each)})" for name, each in targets[:MAX_NAMED]
    )
    more = f" and {len(targets) - MAX_NAMED} more" if len(targets) > MAX_NAMED else ""
    return f"of {named}{more}"


def _share(share: float) -> str:
    return "more than 99%" if 0.995 <= share < 1 else f"{share:.0%}"  # noqa: PLR2004 - what would round to all of it


def _requests(found: _Grounded) -> str:
    queries = f" with {found.queries:,} queries" if found.queries > found.requests else ""
    return f"{found.requests:,} grounded request{'' if found.requests == 1 else 's'}{queries}"
