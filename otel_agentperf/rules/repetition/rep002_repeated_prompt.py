"""REP002 repeated_prompt

What it finds: a model request, or a request for embeddings, with the same messages, settings and
number of input tokens as an earlier one of the same run, which had been answered.

Why it costs: the answer was there already. The tokens are charged in full again, and somebody
waits for them again.

Example: `planner` sent 3 requests again that were answered before: 4.2 s and $0.0180.

Instead: keep the first answer in the state and read it from there, or cache it by its prompt. Where
the answer was not good enough, say in the prompt what was wrong with it.

Limits: what may be sampling on purpose says nothing: requests that overlap in time, those of copies
of a node within one step, and a request to a model that an operation makes again at once. So does a
request whose earlier answer failed, was blocked, empty, cut or abandoned. Requests are compared by
fingerprints. Where these were made from messages that another instrumentation recorded without the
instructions, only requests of one agent are compared. A request whose number of input tokens is
known is never the same as one whose number is another, or not known. The last 512 different
requests of a run are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

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
from otel_agentperf.rules.bounded import Claims, target_of, union_ns, weighed_ns, weighed_usd
from otel_agentperf.rules.shape import NS_PER_S, usd_of
from otel_agentperf.rules.traits import CUT, FAILED, VOID

MAX_REQUESTS = 512
REFERENCE_IMPACT = 0.7
_MOST_NAMED = 4
_NO_ANSWER = FAILED | VOID | CUT


class _Repeated(msgspec.Struct, gc=False):
    targets: dict[str, None] = {}
    start_ns: int = 0
    end_ns: int = 0
    requests: int = 0
    stretches: list[tuple[int, int]] = []
    cost_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Repeated) -> None:
        """Add the repeats of another agent."""
        self.targets |= other.targets
        self.end_ns = max(self.end_ns, other.end_ns)
        self.requests += other.requests
        self.stretches += other.stretches
        self.cost_usd += other.cost_usd
        self.claims.merge(other.claims)


class RepeatedPrompt(Rule[None]):
    """The same request again in a run, after it had been answered; reported at the run's end.

    Agents whose repeats come in turns are one loop, and one suggestion. Alarm from 3 repeats on, else a notice. Saving, measured: the cost and the time of the repeats.
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
        return [
            self._suggestion(found, root, view)
            for found in _in_turns(_repeats(shape.ended()))
            if found.requests >= self.notice_repeats
        ]

    def _suggestion(self, found: _Repeated, root: Operation, view: View) -> Suggestion:
        targets = tuple(found.targets)
        who = " and ".join(target.partition(":")[2] for target in targets[:_MOST_NAMED])
        if len(targets) > _MOST_NAMED:
            who += f" and {len(targets) - _MOST_NAMED} more"
        time_ns = union_ns(found.stretches)
        time_s = time_ns / NS_PER_S
        money = f" and ${found.cost_usd:.4f}" if found.cost_usd else ""
        what, was = ("a request", "was") if found.requests == 1 else (f"{found.requests} requests", "were")
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if found.requests >= self.alarm_repeats else Level.NOTICE,
            description=(
                f"{who} sent {what} again that {was} answered before in this run, with the same messages and settings: "
                f"{time_s:.1f} s{money}. Keep the first answer in the state or in a cache; where it was not good "
                "enough, say in the prompt what was wrong with it."
            ),
            impact_score=max(
                weighed_usd(REFERENCE_IMPACT, found.cost_usd, view.totals.cost_usd),
                weighed_ns(REFERENCE_IMPACT, time_ns, root.duration_ns),
            ),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=targets,
            span_ids=found.claims.spans(),
            evidence={
                "repeated_requests": found.requests,
                "time_s": round(time_s, 3),
                "cost_usd": float(found.cost_usd),
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=found.cost_usd or None),
            claims=found.claims.largest(),
        )


def _in_turns(repeats: Iterable[Row]) -> list[_Repeated]:
    """The repeats by agent; agents whose repeats lie among each other's are taken together."""
    by_target: dict[str, _Repeated] = {}
    for row in repeats:
        target = target_of(row.agent, row.name)
        found = by_target.get(target)
        if found is None:
            found = by_target[target] = _Repeated({target: None}, row.start_ns)
        cost_usd = usd_of(row)
        found.start_ns, found.end_ns = min(found.start_ns, row.start_ns), max(found.end_ns, row.end_ns)
        found.requests += 1
        found.stretches.append((row.start_ns, row.end_ns))
        found.cost_usd += cost_usd
        found.claims.add(span_hex(row.span_id), cost_usd, row.start_ns, row.end_ns)
    together: list[_Repeated] = []
    for found in sorted(by_target.values(), key=lambda each: each.start_ns):
        if together and found.start_ns < together[-1].end_ns:
            together[-1].merge(found)
        else:
            together.append(found)
    return together


class _Request(NamedTuple):
    """What makes two requests the same."""

    given: int
    input_tokens: int


_NOTHING = _Request(0, 0)


def _repeats(ended: Iterable[Row]) -> list[Row]:  # noqa: C901 - one walk with what it remembers
    """The requests that were made again, in the order in which they ended."""
    repeats: list[Row] = []
    answered_ns: dict[_Request, int] = {}
    sampled: set[_Request] = set()
    last = last_node = (_NOTHING, 0)
    last_step = -1
    for row in ended:
        if row.kind is OperationKind.NODE:
            if last[1] == row.span_id:
                node = (last[0], row.parent_id)
                is_copy = node == last_node and row.step == last_step
                last_node, last_step = (node, row.step) if row.step >= 0 else ((_NOTHING, 0), -1)
                if is_copy and repeats and (_request(repeats[-1]), repeats[-1].parent_id) == last:
                    repeats.pop()  # a copy of this node asked the same in the same step
            continue
        if row.kind not in BILLED_BY_TOKEN or not row.given:
            continue
        request = _request(row)
        before, last = last, (request, row.parent_id)
        if row.traits & _NO_ANSWER or row.outcome is not None:
            continue
        earlier_ns = answered_ns.get(request)
        if earlier_ns is None or row.end_ns > earlier_ns:
            answered_ns[request] = row.end_ns
        if earlier_ns is None:
            if len(answered_ns) > MAX_REQUESTS:
                del answered_ns[next(iter(answered_ns))]
        elif row.start_ns < earlier_ns:
            sampled.add(request)
        elif before != last or row.kind is not OperationKind.INFERENCE:
            repeats.append(row)
    return [row for row in repeats if _request(row) not in sampled]


def _request(row: Row) -> _Request:
    return _Request(row.given, row.input_tokens)
