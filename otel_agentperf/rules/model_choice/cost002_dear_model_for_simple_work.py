"""COST002 dear_model_for_simple_work

What it finds: an agent that has nearly all of its work on a dear model done lightly, where the
same family and generation has a cheaper model. A call is light when its prompt is small, it
thinks little, and it answers briefly or with function calls only.

Why it costs: the larger model charges several times as much for every token, and what it is
better at was not asked for.

Example: `router` made 12 calls of gemini-2.5-pro, 11 of them light: 900 tokens in and 20 out on
average. The same tokens on gemini-2.5-flash cost a quarter.

Instead: give this agent the cheaper model and compare its answers on a few of your own cases.

Limits: tokens tell how much was done, not how hard it was, so try before you switch. It knows
Gemini's families only. Calls with pictures, sound or searches are never light; failed,
cancelled and blocked calls are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Cost,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    Usage,
)
from otel_agentperf.rules.base import Group, Option, PriceBook, Rule, Scope, View
from otel_agentperf.rules.bounded import Claims, Table, dollars, target_of, weighed_usd
from otel_agentperf.rules.finish import TOKEN_LIMIT

REFERENCE_IMPACT = 0.9
DAY_NS = 86_400_000_000_000
"""Prices change by the day."""
MAX_PENDING = 16
"""Light calls of an agent that wait to be priced; the end of a run of a longer session prices all of them."""
_ANSWERED = frozenset({"text", "function_call", "mixed"})
_ALIAS = "-latest"
_SEPARATOR = "\x1f"
_Light = tuple[str, Usage, Cost, str, str, str, int]
"""A light call: its span, usage, cost, provider and location, the cheaper model, and when it was made."""


class _Calls(msgspec.Struct, gc=False):
    """An agent's calls of one model."""

    calls: int = 0
    light: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    """Of the light calls, as the line above."""
    cost_usd: Decimal = ZERO_USD
    saved_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)
    cheaper: str = ""
    pending: list[_Light] = []
    """Light calls that are not priced yet."""
    provider: str = ""
    day: int = -1
    cheaper_then: str = ""
    """The cheaper model of this provider on the day of the last call."""

    def merge(self, other: _Calls) -> None:
        self.calls += other.calls
        self.light += other.light
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_usd += other.cost_usd
        self.saved_usd += other.saved_usd
        self.claims.merge(other.claims)
        self.cheaper = max(self.cheaper, other.cheaper)
        self.pending += other.pending

    def settle(self, prices: PriceBook) -> None:
        """Price what was left for later; a call that the cheaper model would not make cheaper is not light."""
        for span_id, usage, cost, provider, location, cheaper, when_ns in self.pending:
            other = prices.price(provider, cheaper, usage, cost.tier, when_ns=when_ns, location=location).total_usd
            if other is None or cost.total_usd is None or other >= cost.total_usd:
                continue
            self.light += 1
            self.cheaper = max(self.cheaper, cheaper)
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.cost_usd += cost.total_usd
            self.saved_usd += cost.total_usd - other
            self.claims.add(span_id, cost.total_usd - other)
        self.pending = []


class DearModelForSimpleWork(Rule[Table[_Calls]]):
    """An agent whose calls of a dear model are nearly all light.

    Saving, repriced: `sum(cost - cost of the same tokens on the cheaper model)` over the light
    calls, on the same service tier. Impact: 0.9 (the reference point of the system's users)
    where that is at least half of what the session cost, in proportion below, and below half a cent. Confidence:
    `share of light calls * calls / (calls + 2)`.
    """

    code = "COST002"
    name = "dear_model_for_simple_work"
    group = Group.MODEL_CHOICE
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    complexity = Complexity.LOW
    options = {
        "min_calls": Option(3, "calls", "Fewest calls of the model by the agent that are judged.", 1),
        "light_share": Option(0.8, "share", "Least share of these calls that must be light.", 0.01, 1.0),
        "prompt_tokens": Option(4_000, "tokens", "Largest prompt of a light call."),
        "answer_tokens": Option(150, "tokens", "Longest answer of a light call, thoughts aside."),
        "thought_tokens": Option(
            256, "tokens", "Most thoughts of a light call: twice the least budget that Gemini 2.5 Pro takes."
        ),
    }
    min_calls: int
    light_share: float
    prompt_tokens: int
    answer_tokens: int
    thought_tokens: int

    def start(self) -> Table[_Calls]:
        return Table(_Calls)

    def observe(self, state: Table[_Calls], operation: Operation, view: View) -> Iterable[Suggestion]:
        call, usage, prices = operation.inference, operation.usage, view.prices
        if call is None or usage is None or prices is None or call.response_kind not in _ANSWERED:
            return ()
        if operation.outcome is not None or operation.error_type is not None:
            return ()
        when_ns = operation.start_ns
        model = call.request_model
        if model.endswith(_ALIAS) and call.response_model is not None:
            model = call.response_model
        name = _name(operation.agent, model)
        entry = state.entries.get(name)
        if entry is None or entry.provider != call.provider or entry.day != when_ns // DAY_NS:
            cheaper = prices.cheaper_model(call.provider, model, when_ns=when_ns)
            entry = state.of(name) if cheaper is not None else None
            if entry is None or cheaper is None:
                return ()
            entry.provider, entry.day, entry.cheaper_then = call.provider, when_ns // DAY_NS, cheaper
        entry.calls += 1
        cost = operation.cost
        if cost is None or cost.total_usd is None or not self._is_light(call, usage):
            return ()
        entry.pending.append(
            (operation.span_id, usage, cost, call.provider, call.location, entry.cheaper_then, when_ns)
        )
        if len(entry.pending) >= MAX_PENDING:
            entry.settle(prices)
        return ()

    def _is_light(self, call: Inference, usage: Usage) -> bool:
        return (
            usage.input_tokens <= self.prompt_tokens
            and usage.input_modalities is None
            and usage.reasoning_tokens <= self.thought_tokens
            and usage.output_tokens - usage.reasoning_tokens <= self.answer_tokens
            and not (usage.grounding_queries or usage.maps_queries or usage.enterprise_queries)
            and TOKEN_LIMIT.isdisjoint(call.finish_reasons)
        )

    def conclude(self, state: Table[_Calls], root: Operation, view: View) -> Iterable[Suggestion]:
        if not view.is_single and view.prices is not None:
            # The session goes on, and its states may be merged: only sums are handed on.
            for calls in state.entries.values():
                if calls.pending:
                    calls.settle(view.prices)
        return self.judge(state, view)

    def merge(self, state: Table[_Calls], other: Table[_Calls]) -> Table[_Calls]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Calls], view: View) -> Iterable[Suggestion]:
        said: dict[str, tuple[Decimal, Suggestion]] = {}
        for name, calls in sorted(state.entries.items(), key=_by_name):
            if not self._may_speak(calls):
                continue
            if calls.pending and view.prices is not None:
                calls.settle(view.prices)
                if not self._may_speak(calls):
                    continue
            target, _, model = name.partition(_SEPARATOR)
            saved_usd, _ = said.get(target, (ZERO_USD, None))
            # One suggestion an agent: where it has two dear models, the one that saves more.
            if calls.saved_usd > saved_usd:
                said[target] = (calls.saved_usd, self._suggestion(target, model, calls, view))
        return [suggestion for _, suggestion in said.values()]

    def _may_speak(self, calls: _Calls) -> bool:
        return calls.calls >= self.min_calls and calls.light + len(calls.pending) >= self.light_share * calls.calls

    def _suggestion(self, target: str, model: str, calls: _Calls, view: View) -> Suggestion:
        share = calls.light / calls.calls
        times = float(calls.cost_usd / (calls.cost_usd - calls.saved_usd)) if calls.saved_usd < calls.cost_usd else 0.0
        average_input, average_output = calls.input_tokens / calls.light, calls.output_tokens / calls.light
        kind, _, name = target.partition(":")
        who = f"{name} made " if kind == "agent" else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{who}{calls.calls} calls of {model}, {calls.light} of them light: "
                f"{average_input:.0f} tokens in and {average_output:.0f} out on average. On {calls.cheaper} the same "
                f"tokens cost {dollars(calls.saved_usd)} less; try it there."
            ),
            impact_score=weighed_usd(REFERENCE_IMPACT, calls.saved_usd, view.totals.cost_usd),
            complexity=self.complexity,
            confidence=round(share * calls.calls / (calls.calls + 2), 3),
            applies_to=tuple(dict.fromkeys((target, f"model:{model}"))),
            span_ids=calls.claims.spans(),
            evidence={
                "calls": calls.calls,
                "light_calls": calls.light,
                "light_share": round(share, 3),
                "average_input_tokens": round(average_input, 1),
                "average_output_tokens": round(average_output, 1),
                "cost_usd": round(float(calls.cost_usd), 6),
                "times_dearer": round(times, 2),
            },
            savings=Savings(SavingBasis.REPRICED, cost_usd=calls.saved_usd),
            claims=calls.claims.largest(),
        )


@lru_cache(maxsize=1_024)
def _name(agent: str, model: str) -> str:
    return f"{target_of(agent, model)}{_SEPARATOR}{model}"


def _by_name(item: tuple[str, _Calls]) -> str:
    return item[0]
