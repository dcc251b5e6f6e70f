"""COST003 thinking_dominates

What it finds: an agent whose output is mostly thoughts, and that thinks beyond a budget on average
and in several calls.

Why it costs: thoughts are billed as output, the dearest kind of token, and the answer waits
for them.

Example: `planner` wrote 1,200 tokens of answers in 6 calls and 30,000 tokens of thoughts, in
every call more than the budget of 1,024.

Instead: set a thinking budget (`thinking_budget`), or a thinking level (`thinking_level` "low")
on Gemini 3 and later; give an agent that needs no thinking a model without.

Limits: whether the thoughts made the answers better cannot be seen here. The budget of 1,024
tokens is what Google's OpenAI-compatible interface takes for low effort
(https://ai.google.dev/gemini-api/docs/openai). Failed calls are left out, and so
are calls of fewer than 128 thoughts, the least budget that Gemini 2.5 Pro takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, Spending, View
from otel_agentperf.rules.bounded import Claims, Table, part_of, target_of, weighed_usd
from otel_agentperf.rules.repricing import thoughts_usd
from otel_agentperf.rules.traits import THOUGHT

REFERENCE_IMPACT = 0.9


class _Thinker(msgspec.Struct, gc=False):
    over_budget: int = 0
    excess_tokens: int = 0
    saved_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Thinker) -> None:
        self.over_budget += other.over_budget
        self.excess_tokens += other.excess_tokens
        self.saved_usd += other.saved_usd
        self.claims.merge(other.claims)


class ThinkingDominates(Rule[Table[_Thinker]]):
    """Thoughts above a share of an agent's output, beyond a budget on average and in several calls.

    Saving, estimated: `sum(thoughts above the budget * output cost / output tokens)` over the
    calls beyond it: the same answers, after less thought. Where a call put out more than text, such as an
    image, its tokens are dearer than thoughts: then `sum(price of the thoughts above the budget)`. Impact: 0.9 where that is at least
    half of what the session cost, in proportion below, and below half a cent; 0.3 where the
    price is not known.
    """

    code = "COST003"
    name = "thinking_dominates"
    group = Group.COST
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    needs = THOUGHT
    complexity = Complexity.LOW
    options = {
        "thought_share": Option(0.75, "share", "Share of the output above which thoughts dominate it.", 0.0, 1.0),
        "budget_tokens": Option(1_024, "tokens", "Thoughts that a call may have."),
        "min_calls": Option(3, "calls", "Fewest calls of the agent beyond the budget.", 1),
    }
    thought_share: float
    budget_tokens: int
    min_calls: int

    def start(self) -> Table[_Thinker]:
        return Table(_Thinker)

    def observe(self, state: Table[_Thinker], operation: Operation, view: View) -> Iterable[Suggestion]:
        usage, call = operation.usage, operation.inference
        if usage is None or call is None or operation.error_type is not None:
            return ()
        excess = usage.reasoning_tokens - self.budget_tokens
        if excess <= 0:
            return ()
        thinker = state.of(target_of(operation.agent, call.request_model))
        if thinker is None:
            return ()
        thinker.over_budget += 1
        thinker.excess_tokens += excess
        saved_usd = _usd(excess, operation, view)
        if saved_usd is not None:
            thinker.saved_usd += saved_usd
            thinker.claims.add(operation.span_id, saved_usd)
        return ()

    def merge(self, state: Table[_Thinker], other: Table[_Thinker]) -> Table[_Thinker]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Thinker], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, thinker, all_calls, view)
            for target, thinker in state.entries.items()
            if thinker.over_budget >= self.min_calls
            and (all_calls := view.contributors.get(target)) is not None
            and all_calls.thought_tokens > self.thought_share * all_calls.output_tokens
            and all_calls.thought_tokens > self.budget_tokens * all_calls.answers
        ]

    def _suggestion(self, target: str, thinker: _Thinker, all_calls: Spending, view: View) -> Suggestion:
        share = all_calls.thought_tokens / all_calls.output_tokens
        average = all_calls.thought_tokens / all_calls.answers
        saved_usd = thinker.saved_usd
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{share:.0%} of what {target.partition(':')[2]} puts out are thoughts: {average:,.0f} tokens a call on "
                f"average, above {self.budget_tokens:,} in {thinker.over_budget} of {all_calls.answers} calls. "
                "Set a thinking budget, or a lower thinking level."
            ),
            impact_score=weighed_usd(REFERENCE_IMPACT, saved_usd, view.totals.cost_usd) if saved_usd else 0.3,
            complexity=self.complexity,
            confidence=round(thinker.over_budget / (thinker.over_budget + 2), 3),
            applies_to=(target,),
            span_ids=thinker.claims.spans(),
            evidence={
                "calls": all_calls.answers,
                "calls_over_budget": thinker.over_budget,
                "thought_tokens": all_calls.thought_tokens,
                "output_tokens": all_calls.output_tokens,
                "excess_tokens": thinker.excess_tokens,
                "thought_share": round(share, 3),
                "budget_tokens": self.budget_tokens,
            },
            savings=Savings(SavingBasis.ESTIMATED, cost_usd=saved_usd) if saved_usd else None,
            claims=thinker.claims.largest(),
        )


def _usd(thoughts: int, operation: Operation, view: View) -> Decimal | None:
    """What so many thoughts of a call cost; `None` is not known."""
    call, usage, cost = operation.inference, operation.usage, operation.cost
    if call is None or usage is None or cost is None or cost.output_usd is None or not usage.output_tokens:
        return None
    if usage.output_modalities is None:  # all of it is text, at one price
        return part_of(cost.output_usd, thoughts, usage.output_tokens)
    if view.prices is None:
        return None
    return thoughts_usd(thoughts, call, usage, cost, view.prices, operation.start_ns)
