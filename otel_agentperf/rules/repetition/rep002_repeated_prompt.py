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

import contextlib
from collections.abc import Iterable
from decimal import Decimal
from struct import Struct, error

import msgspec

from otel_agentperf.model import (
    BILLED_BY_TOKEN,
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
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, int_of, span_hex
from otel_agentperf.rules.bounded import Claims, target_of, weighed_ns, weighed_usd
from otel_agentperf.rules.finish import TOKEN_LIMIT
from otel_agentperf.rules.shape import NS_PER_S

MAX_REQUESTS = 512
MAX_REPEATS = 1_024
REFERENCE_IMPACT = 0.7
_REPEAT = Struct("<QQqqdQH")
_NO_ANSWERS = frozenset({"blocked", "empty"})


class _State(msgspec.Struct, gc=False):
    answered: dict[int, int] = {}
    """By request, when it was last answered."""
    sampled: set[int] = set()
    """Requests that were made again before they were answered."""
    repeats: bytearray = msgspec.field(default_factory=bytearray)
    """Each packed: request, span, start, end, cost, parent, and the place of its target."""
    targets: dict[str, int] = {}
    total: int = 0
    last: tuple[int, str | None] = (0, None)
    """The last request and the operation that it was made beneath."""
    node: tuple[int, str | None, int] | None = None
    """Of the last node that asked a model: its last request, what it ran beneath, and its step."""


class _Repeated(msgspec.Struct, gc=False):
    requests: int = 0
    time_ns: int = 0
    cost_usd: Decimal = ZERO_USD
    claims: Claims = msgspec.field(default_factory=Claims)


class RepeatedPrompt(Rule[_State]):
    """The same request again in a run, after it had been answered; told at the run's end, by agent.

    Alarm from 3 repeats on, else a notice. Saving, measured: the cost and the time of the repeats.
    Impact: 0.7 (the reference point of a repeated action) where they make up at least half of the
    run's money or time, in proportion below, and below half a cent and a second.
    """

    code = "REP002"
    name = "repeated_prompt"
    group = Group.REPETITION
    scope = Scope.RUN
    watches = BILLED_BY_TOKEN | {OperationKind.NODE}
    complexity = Complexity.LOW
    options = {
        "notice_repeats": Option(1, "requests", "Repeated requests of an agent that are worth a notice.", 1),
        "alarm_repeats": Option(3, "requests", "Repeated requests of an agent that raise an alarm.", 1),
    }
    notice_repeats: int
    alarm_repeats: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        inference = operation.inference
        if operation.kind is OperationKind.NODE:
            if state.last[1] == operation.span_id:
                _forgive_copy(state, operation)
            return ()
        if inference is None or inference.request_hash is None:
            return ()
        key = int_of(inference.request_hash)
        last = state.last
        state.last = now = (key, operation.parent_id)
        if not _is_usable(operation, inference):
            return ()
        answered_ns = state.answered.get(key)
        if answered_ns is None or operation.end_ns > answered_ns:
            state.answered[key] = operation.end_ns
        if answered_ns is None:
            if len(state.answered) > MAX_REQUESTS:
                del state.answered[next(iter(state.answered))]
        elif operation.start_ns < answered_ns:
            state.sampled.add(key)
        elif (last != now or operation.kind is not OperationKind.INFERENCE) and state.total < MAX_REPEATS:
            _keep(state, key, operation, inference)
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        if not state.repeats:
            return ()
        by_target: dict[str, _Repeated] = {}
        targets = {place: target for target, place in state.targets.items()}
        for key, span, start_ns, end_ns, usd, _, place in _REPEAT.iter_unpack(state.repeats):
            if key in state.sampled:
                continue
            found = by_target.setdefault(targets[place], _Repeated())
            cost_usd = Decimal(repr(usd))
            found.requests += 1
            found.time_ns += max(0, end_ns - start_ns)
            found.cost_usd += cost_usd
            found.claims.add(span_hex(span), cost_usd, start_ns, end_ns)
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


def _is_usable(operation: Operation, inference: Inference) -> bool:
    return (
        operation.error_type is None
        and operation.outcome is None
        and inference.response_kind not in _NO_ANSWERS
        and TOKEN_LIMIT.isdisjoint(inference.finish_reasons)
    )


def _forgive_copy(state: _State, node: Operation) -> None:
    """Forget what a node asked again where a copy of it in the same step asked it just before."""
    before, key = state.node, state.last[0]
    state.node = (key, node.parent_id, node.node.step) if node.node is not None and node.node.step is not None else None
    repeats = state.repeats
    if before is None or before != state.node or not repeats:
        return
    request, *_, parent, _ = _REPEAT.unpack_from(repeats, len(repeats) - _REPEAT.size)
    if request == key and parent == int_of(node.span_id):
        del repeats[-_REPEAT.size :]
        state.total -= 1


def _keep(state: _State, key: int, operation: Operation, inference: Inference) -> None:
    """Remember a repeat; one at a time that no clock gives is left out."""
    cost_usd = operation.cost.total_usd if operation.cost is not None else None
    target = target_of(operation.agent, inference.request_model)
    place = state.targets.setdefault(target, len(state.targets))
    parent = int_of(operation.parent_id) if operation.parent_id is not None else 0
    times = operation.start_ns, operation.end_ns
    with contextlib.suppress(error):
        state.repeats += _REPEAT.pack(key, int_of(operation.span_id), *times, float(cost_usd or 0), parent, place)
        state.total += 1
