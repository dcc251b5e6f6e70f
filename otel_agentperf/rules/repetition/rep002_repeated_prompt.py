"""REP002 repeated_prompt

What it finds: a model request, or a request for embeddings, that is the same in every character
and setting as an earlier one of the same run, which had been answered.

Why it costs: the answer was there already. The tokens are charged in full again, and somebody
waits for them again.

Example: `planner` sent 3 requests that the run had had answered before: 4.2 s and $0.0180.

Instead: keep the first answer in the state and read it from there, or cache it by its prompt. Where
the answer was not good enough, say in the prompt what was wrong with it.

Limits: what may be sampling on purpose says nothing: requests that overlap in time, those of copies
of a node within one step, and a request to a model that an operation makes again at once. So does a request whose earlier answer failed,
was blocked, empty, cut or abandoned. The last 512 different requests of a run are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from otel_agentperf.model import (
    BILLED_BY_TOKEN,
    ZERO_USD,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import Claims, target_of, weighed_ns, weighed_usd
from otel_agentperf.rules.shape import NS_PER_S, usd_of
from otel_agentperf.rules.traits import CUT, FAILED, VOID

MAX_REQUESTS = 512
REFERENCE_IMPACT = 0.7
_NO_ANSWER = FAILED | VOID | CUT


class _Repeated(msgspec.Struct, gc=False):
    requests: int = 0
    time_ns: int = 0
    cost_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)


class RepeatedPrompt(Rule[None]):
    """The same request again in a run, after it had been answered; told at the run's end, by agent.

    Alarm from 3 repeats on, else a notice. Saving, measured: the cost and the time of the repeats.
    Impact: 0.7 (the reference point of a repeated action) where they make up at least half of the
    run's money or time, in proportion below, and below half a cent and a second.
    """

    code = "REP002"
    name = "repeated_prompt"
    group = Group.REPETITION
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.LOW
    options = {
        "notice_repeats": Option(1, "requests", "Repeated requests of an agent that are worth a notice.", 1),
        "alarm_repeats": Option(3, "requests", "Repeated requests of an agent that raise an alarm.", 1),
    }
    notice_repeats: int
    alarm_repeats: int

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is None or shape.given_again().isdisjoint(BILLED_BY_TOKEN):
            return ()
        by_target: dict[str, _Repeated] = {}
        for row in _repeats(shape.ended()):
            found = by_target.setdefault(target_of(row.agent, row.name), _Repeated())
            cost_usd = usd_of(row)
            found.requests += 1
            found.time_ns += row.duration_ns
            found.cost_usd += cost_usd
            found.claims.add(span_hex(row.span_id), cost_usd, row.start_ns, row.end_ns)
        return [
            self._suggestion(target, found, root, view)
            for target, found in by_target.items()
            if found.requests >= self.notice_repeats
        ]

    def _suggestion(self, target: str, found: _Repeated, root: Operation, view: View) -> Suggestion:
        time_s = found.time_ns / NS_PER_S
        money = f" and ${found.cost_usd:.4f}" if found.cost_usd else ""
        what = "a request that this run had" if found.requests == 1 else f"{found.requests} requests that this run had"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if found.requests >= self.alarm_repeats else Level.NOTICE,
            description=(
                f"{target.partition(':')[2]} sent {what} had answered before, character for character: "
                f"{time_s:.1f} s{money}. Keep the first answer in the state or in a cache; where it was not good "
                "enough, say in the prompt what was wrong with it."
            ),
            impact_score=max(
                weighed_usd(REFERENCE_IMPACT, found.cost_usd, view.totals.cost_usd),
                weighed_ns(REFERENCE_IMPACT, found.time_ns, root.duration_ns),
            ),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=(target,),
            span_ids=found.claims.spans(),
            evidence={
                "repeated_requests": found.requests,
                "time_s": round(time_s, 3),
                "cost_usd": float(found.cost_usd),
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=found.cost_usd or None),
            claims=found.claims.largest(),
        )


def _repeats(ended: Iterable[Row]) -> list[Row]:  # noqa: C901 - one walk with what it remembers
    """The requests that were made again, in the order in which they ended."""
    repeats: list[Row] = []
    answered_ns: dict[int, int] = {}
    sampled: set[int] = set()
    last = last_node = (0, 0)
    last_step = -1
    for row in ended:
        if row.kind is OperationKind.NODE:
            if last[1] == row.span_id:
                node = (last[0], row.parent_id)
                is_copy = node == last_node and row.step == last_step
                last_node, last_step = (node, row.step) if row.step >= 0 else ((0, 0), -1)
                if is_copy and repeats and (repeats[-1].given, repeats[-1].parent_id) == last:
                    repeats.pop()  # a copy of this node asked the same in the same step
            continue
        if row.kind not in BILLED_BY_TOKEN or not row.given:
            continue
        before, last = last, (row.given, row.parent_id)
        if row.traits & _NO_ANSWER or row.outcome is not None:
            continue
        earlier_ns = answered_ns.get(row.given)
        if earlier_ns is None or row.end_ns > earlier_ns:
            answered_ns[row.given] = row.end_ns
        if earlier_ns is None:
            if len(answered_ns) > MAX_REQUESTS:
                del answered_ns[next(iter(answered_ns))]
        elif row.start_ns < earlier_ns:
            sampled.add(row.given)
        elif before != last or row.kind is not OperationKind.INFERENCE:
            repeats.append(row)
    return [row for row in repeats if row.given not in sampled]
