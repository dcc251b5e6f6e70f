"""COST004 long_context_surcharge

What it finds: requests whose prompt is just above the number of tokens from which their model
charges the whole request at a higher price.

Why it costs: one token above the cliff makes every token of the request dearer, not only those
above it.

Example: 4 requests of `reader` to gemini-2.5-pro with 205,000 to 230,000 tokens: above 200,000
input costs $2.50 a million instead of $1.25, and output $15 instead of $10.

Instead: cut the prompt below the cliff: drop old turns or long tool results, summarise, or
split the request in two.

Limits: a prompt far above the cliff cannot easily be cut below it and is left alone; how far
is an option. What is cut from the prompt is taken to be its least useful part.
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
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import Claims, Table, dollars, target_of, weighed_usd
from otel_agentperf.rules.repricing import priced_as
from otel_agentperf.rules.traits import LONG

REFERENCE_IMPACT = 0.8


class _Surcharged(msgspec.Struct, gc=False):
    calls: int = 0
    cliff_tokens: int = 0
    over_tokens: int = 0
    largest_over: int = 0
    saved_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Surcharged) -> None:
        self.calls += other.calls
        self.cliff_tokens = max(self.cliff_tokens, other.cliff_tokens)
        self.over_tokens += other.over_tokens
        self.largest_over = max(self.largest_over, other.largest_over)
        self.saved_usd += other.saved_usd
        self.claims.merge(other.claims)


class LongContextSurcharge(Rule[Table[_Surcharged]]):
    """Prompts just above a price cliff of their model.

    Saving, repriced: `sum(cost - cost of the same request with its prompt cut to the cliff)`.
    Impact: 0.8 where that is at least half of what the session cost, in proportion below.
    """

    code = "COST004"
    name = "long_context_surcharge"
    group = Group.COST
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    needs = LONG
    complexity = Complexity.MEDIUM
    options = {
        "reach": Option(0.25, "share", "How far above the cliff a prompt may be, as a share of it.", 0.0, 10.0),
        "min_calls": Option(1, "calls", "Fewest such requests of an agent.", 1),
    }
    reach: float
    min_calls: int

    def start(self) -> Table[_Surcharged]:
        return Table(_Surcharged)

    def observe(self, state: Table[_Surcharged], operation: Operation, view: View) -> Iterable[Suggestion]:
        usage, prices = operation.usage, view.prices
        if usage is None or prices is None or usage.input_tokens <= prices.least_cliff:
            return ()
        call, cost, when_ns = operation.inference, operation.cost, operation.start_ns
        if call is None or cost is None or cost.total_usd is None:
            return ()
        model = priced_as(call, usage, cost, prices, when_ns)
        billed = usage.input_tokens - usage.search_context_tokens
        cliff = prices.cliff(call.provider, model, billed, cost.tier, when_ns=when_ns)
        if cliff is None or billed > cliff * (1 + self.reach):
            return ()
        below = msgspec.structs.replace(
            usage,
            input_tokens=cliff + usage.search_context_tokens,
            cache_read_tokens=min(usage.cache_read_tokens, cliff),
        )
        other_usd = prices.price(
            call.provider, model, below, cost.tier, when_ns=when_ns, location=call.location
        ).total_usd
        found = state.of(target_of(operation.agent, call.request_model))
        if found is None or other_usd is None or other_usd >= cost.total_usd:
            return ()
        over = billed - cliff
        found.calls += 1
        found.cliff_tokens = max(found.cliff_tokens, cliff)
        found.over_tokens += over
        found.largest_over = max(found.largest_over, over)
        found.saved_usd += cost.total_usd - other_usd
        found.claims.add(operation.span_id, cost.total_usd - other_usd)
        return ()

    def merge(self, state: Table[_Surcharged], other: Table[_Surcharged]) -> Table[_Surcharged]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Surcharged], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, found, view)
            for target, found in state.entries.items()
            if found.calls >= self.min_calls
        ]

    def _suggestion(self, target: str, found: _Surcharged, view: View) -> Suggestion:
        average = found.over_tokens / found.calls
        requests = "1 request" if found.calls == 1 else f"{found.calls} requests"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{requests} of {target.partition(':')[2]} passed the price cliff at {found.cliff_tokens:,} input tokens "
                f"by {average:,.0f} tokens on average, at most {found.largest_over:,}: the whole request costs more "
                f"from there on. Cut the prompt below it to save {dollars(found.saved_usd)}."
            ),
            impact_score=weighed_usd(REFERENCE_IMPACT, found.saved_usd, view.totals.cost_usd),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=(target,),
            span_ids=found.claims.spans(),
            evidence={
                "calls": found.calls,
                "cliff_tokens": found.cliff_tokens,
                "average_over_tokens": round(average, 1),
                "largest_over_tokens": found.largest_over,
            },
            savings=Savings(SavingBasis.REPRICED, cost_usd=found.saved_usd),
            claims=found.claims.largest(),
        )
