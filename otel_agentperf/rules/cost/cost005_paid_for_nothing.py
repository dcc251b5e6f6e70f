"""COST005 paid_for_nothing

What it finds: billed calls whose answers were thrown away: blocked, without any content, ended
by an error after tokens were used, or cut at the token limit before anything was said or asked for
again afterwards.

Why it costs: every token of them is paid, and the answer is missing all the same.

Example: `extractor` was cut at its token limit twice and asked the same again with a higher
one: $0.012 for two answers that no one read.

Instead: raise the token limit before asking, or lower the thinking budget that eats it; find out
what the safety filter objects to; mend what breaks the call.

Limits: an answer that was cut and not asked for again counts as used. Asked again means the same
messages, later in the same run; a continuation that shows the cut answer to the model is none.
Streams that the program left early are its own choice and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import Claims, dollars, target_of, weighed_usd
from otel_agentperf.rules.finish import TOKEN_LIMIT
from otel_agentperf.rules.traits import CUT, FAILED, VOID

NS_PER_S = 1e9
REFERENCE_IMPACT = 0.9
MAX_AGENTS = 64
MAX_CUT_REMEMBERED = 64
WHOLE_CHAIN_LINKS = 31
"""Longer chains may be cut off, so that a longer conversation could look like the same one."""


class Waste(StrEnum):
    """Why an answer is missing."""

    BLOCKED = "blocked"
    EMPTY = "empty"
    FAILED = "failed"
    CUT = "cut"


class _Wasted(msgspec.Struct, gc=False):
    calls: Counter[Waste] = msgspec.field(default_factory=Counter[Waste])
    cost_usd: Decimal = ZERO_USD
    time_ns: int = 0
    claims: Claims = msgspec.field(default_factory=Claims)


class _State(msgspec.Struct, gc=False):
    wasted: dict[str, _Wasted] = {}
    cut: dict[str, Operation] = {}
    """Answers cut at the limit and not asked for again so far, by what was asked."""


class PaidForNothing(Rule[_State]):
    """Billed calls of a run whose answers were blocked, empty, failed, or cut and asked for again.

    Saving, measured: their cost and their time. An alarm from 3 such calls of an agent on.
    Impact: 0.9 where they are at least half of what the run cost, in proportion below, and below half a cent.
    """

    code = "COST005"
    name = "paid_for_nothing"
    group = Group.COST
    scope = Scope.RUN
    watches = frozenset({OperationKind.INFERENCE})
    needs = FAILED | VOID | CUT
    stays_awake = True  # an answer that was cut may be asked for again
    complexity = Complexity.LOW
    options = {
        "min_calls": Option(1, "calls", "Fewest such calls of an agent that are worth a notice.", 1),
        "alarm_calls": Option(3, "calls", "Such calls of an agent that raise an alarm.", 1),
    }
    min_calls: int
    alarm_calls: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        call, cost = operation.inference, operation.cost
        if call is None:
            return ()
        is_cut = not TOKEN_LIMIT.isdisjoint(call.finish_reasons)
        asked = _asked(call) if is_cut or state.cut else ()
        if state.cut:
            self._asked_again(state, asked, operation)
        if cost is None or not cost.total_usd:
            return ()
        if operation.error_type is not None:
            _add(state, operation, Waste.FAILED)
        elif operation.outcome is not None:
            return ()
        elif call.response_kind == Waste.BLOCKED:
            _add(state, operation, Waste.BLOCKED)
        elif call.response_kind == Waste.EMPTY:
            _add(state, operation, Waste.CUT if is_cut else Waste.EMPTY)
        elif is_cut and asked and len(state.cut) < MAX_CUT_REMEMBERED:
            state.cut.update(dict.fromkeys(asked, operation))
        return ()

    def _asked_again(self, state: _State, asked: tuple[str, ...], operation: Operation) -> None:
        for key in asked:
            earlier = state.cut.get(key)
            if earlier is not None and earlier.end_ns <= operation.start_ns and earlier.inference is not None:
                for known in _asked(earlier.inference):
                    state.cut.pop(known, None)
                _add(state, earlier, Waste.CUT)
                return

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, wasted, view)
            for target, wasted in state.wasted.items()
            if wasted.calls.total() >= self.min_calls
        ]

    def _suggestion(self, target: str, wasted: _Wasted, view: View) -> Suggestion:
        calls = wasted.calls.total()
        words = {
            Waste.BLOCKED: "blocked",
            Waste.EMPTY: "empty",
            Waste.FAILED: "ended by an error",
            Waste.CUT: "cut at the token limit, with nothing said or asked for again",
        }
        how = ", ".join(f"{wasted.calls[kind]} {said}" for kind, said in words.items() if wasted.calls[kind])
        whose = "The answer to 1 call" if calls == 1 else f"The answers to {calls} calls"
        were = "was" if calls == 1 else "were"
        cut = wasted.calls[Waste.CUT]
        do = "Raise the token limit or lower the thinking budget." if cut else "See on the spans why nothing came back."
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if calls >= self.alarm_calls else Level.NOTICE,
            description=(
                f"{whose} of {target.partition(':')[2]} {were} paid, {dollars(wasted.cost_usd)}, and thrown away: "
                f"{how}. {do}"
            ),
            impact_score=weighed_usd(REFERENCE_IMPACT, wasted.cost_usd, view.totals.cost_usd),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=(target,),
            span_ids=wasted.claims.spans(),
            evidence={
                "calls": calls,
                **{f"calls_{kind.value}": wasted.calls[kind] for kind in Waste},
                "cost_usd": round(float(wasted.cost_usd), 6),
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(wasted.time_ns / NS_PER_S, 6), cost_usd=wasted.cost_usd),
            claims=wasted.claims.largest(),
        )


def _asked(call: Inference) -> tuple[str, ...]:
    """What was asked: the whole request, and its messages alone where all of them are known."""
    keys = () if call.request_hash is None else (call.request_hash,)
    chain = call.prefix_hashes
    return (*keys, f"{chain[-1]}/{len(chain)}") if 0 < len(chain) <= WHOLE_CHAIN_LINKS else keys


def _add(state: _State, operation: Operation, kind: Waste) -> None:
    cost = operation.cost
    if cost is None or cost.total_usd is None or operation.inference is None:
        return
    target = target_of(operation.agent, operation.inference.request_model)
    wasted = state.wasted.get(target)
    if wasted is None:
        if len(state.wasted) >= MAX_AGENTS:
            return
        wasted = state.wasted[target] = _Wasted()
    wasted.calls[kind] += 1
    wasted.cost_usd += cost.total_usd
    wasted.time_ns += operation.duration_ns
    wasted.claims.add(operation.span_id, cost.total_usd, operation.start_ns, operation.end_ns)
