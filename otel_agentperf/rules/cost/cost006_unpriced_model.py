"""COST006 unpriced_model

What it finds: usage of a model whose price is not known.

Why it costs: what it costs is in no total, no budget and no rating here, so all of them are too
low, and no other rule can say what a change would save.

Example: 40 calls of `my-gateway/large` used 120,000 input and 9,000 output tokens without a price.

Instead: give its rates in the settings file, under `[prices.models."my-gateway/large"]`.

Limits: provisioned throughput is paid by commitment, not by token: it has no price here by
nature and is left alone, and so are answers that report no usage.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import (
    BILLED_BY_TOKEN,
    Complexity,
    Level,
    Operation,
    ServiceTier,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Table, weighed
from otel_agentperf.rules.traits import UNPRICED

REFERENCE_IMPACT = 0.6


class _Unpriced(msgspec.Struct, gc=False):
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reason: str = ""
    rates_help: bool = False
    """False where only the tier is unknown, which no rates in the settings can change."""

    def merge(self, other: _Unpriced) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.reason = max(self.reason, other.reason)
        self.rates_help |= other.rates_help


class UnpricedModel(Rule[Table[_Unpriced]]):
    """Usage whose price is unknown, one suggestion a model.

    It claims no saving. Impact: 0.6 where the model answers at least half of all model calls,
    in proportion below.
    """

    code = "COST006"
    name = "unpriced_model"
    group = Group.COST
    scope = Scope.PROCESS
    watches = BILLED_BY_TOKEN
    needs = UNPRICED
    complexity = Complexity.LOW
    options = {"min_calls": Option(1, "calls", "Fewest calls of a model that are worth a notice.", 1)}
    min_calls: int

    def start(self) -> Table[_Unpriced]:
        return Table(_Unpriced, MAX_PROCESS_TARGETS)

    def observe(self, state: Table[_Unpriced], operation: Operation, view: View) -> Iterable[Suggestion]:
        cost = operation.cost
        if cost is None or cost.total_usd is not None or cost.tier is ServiceTier.PROVISIONED:
            return ()
        call, usage = operation.inference, operation.usage
        if call is None or usage is None or not (usage.input_tokens or usage.output_tokens):
            return ()
        model = state.of(call.request_model or call.response_model or operation.name)
        if model is None:
            return ()
        model.calls += 1
        model.input_tokens += usage.input_tokens
        model.output_tokens += usage.output_tokens
        model.reason = max(model.reason, cost.reason or "")
        model.rates_help |= cost.tier is not ServiceTier.OTHER
        return ()

    def merge(self, state: Table[_Unpriced], other: Table[_Unpriced]) -> Table[_Unpriced]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Unpriced], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(name, model, view.calls)
            for name, model in state.entries.items()
            if model.calls >= self.min_calls
        ]

    def _suggestion(self, name: str, model: _Unpriced, calls: int) -> Suggestion:
        number = "1 call" if model.calls == 1 else f"{model.calls:,} calls"
        why = f" ({model.reason})" if model.reason else ""
        do = (
            f' Give its rates in the settings file under [prices.models."{name}"]: input_mtok, output_mtok, '
            "and cache_read_mtok or web_searches_kcount where it charges for them."
            if model.rates_help
            else ""
        )
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"The price of {number} of {name} is unknown{why}: what {model.input_tokens:,} input and "
                f"{model.output_tokens:,} output tokens cost is in no total.{do}"
            ),
            impact_score=weighed(REFERENCE_IMPACT, model.calls, calls),
            complexity=self.complexity,
            confidence=1.0,
            applies_to=(f"model:{name}",),
            evidence={
                "calls": model.calls,
                "input_tokens": model.input_tokens,
                "output_tokens": model.output_tokens,
            },
        )
