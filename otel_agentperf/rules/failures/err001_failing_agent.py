"""ERR001 failing_agent

What it finds: an agent of this service too many of whose invocations end with an error.

Why it costs: what a failed invocation spent is lost, and often the whole run with it.

Example: `browser` failed in 6 of 20 invocations, and $0.41 was spent in those 6.

Instead: look at the commonest error on the named spans: mend its cause, retry what is known to
pass, or check the cheap conditions before the dear work.

Limits: interrupted, cancelled and cached invocations are no failures and are left out, and an
invocation whose retries succeed in the end has succeeded. Where an agent fails because another
one within it does, only the inner one counts. A few invocations prove nothing.
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
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Claims, Table, dollars

NS_PER_S = 1e9
MAX_OPEN = 5_000
"""Spans with something beneath them, whose own end has not come yet."""
MAX_BENEATH = 16
"""Billed spans beneath one that are told apart."""
ALARM_RATE = 0.5
_NO_SPAN = ""


_Billed = list[tuple[str, Decimal]]
"""Spans and what they cost."""


class _Agent(msgspec.Struct, gc=False):
    invocations: int = 0
    failures: int = 0
    lost_usd: Decimal = ZERO_USD
    lost_ns: int = 0
    money: Claims = msgspec.field(default_factory=Claims)
    time: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Agent) -> None:
        self.invocations += other.invocations
        self.failures += other.failures
        self.lost_usd += other.lost_usd
        self.lost_ns += other.lost_ns
        self.money.merge(other.money)
        self.time.merge(other.time)


class _State(msgspec.Struct, gc=False):
    agents: Table[_Agent] = msgspec.field(default_factory=lambda: Table(_Agent, MAX_PROCESS_TARGETS))
    beneath: dict[str, _Billed] = {}
    """What was billed beneath a span that has not ended."""
    failed_beneath: set[str] = set()
    """Spans that have not ended, beneath which an agent has failed.

    The runs that a merge joins are over, so these two have no part in it."""


class FailingAgent(Rule[_State]):
    """Share of an agent's finished invocations in this process that ended with an error.

    Saving, measured: the time of the failed invocations and the cost of all billed work beneath
    them. An alarm from half of them on. Impact: `0.5 + 0.5 * error rate`. Confidence:
    `n / (n + 2)` for n invocations.
    """

    code = "ERR001"
    name = "failing_agent"
    group = Group.FAILURES
    scope = Scope.PROCESS
    watches = frozenset(OperationKind)
    complexity = Complexity.HIGH
    options = {
        "error_rate": Option(0.2, "share", "Share of failed invocations above which an agent is failing.", 0.0, 1.0),
        "min_invocations": Option(5, "invocations", "Fewest finished invocations that are judged.", 1),
    }
    error_rate: float
    min_invocations: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        span_id, cost = operation.span_id, operation.cost
        beneath = state.beneath
        billed = beneath.pop(span_id, None) if beneath else None
        if cost is not None and cost.total_usd:
            own = [(span_id, cost.total_usd)]
            if billed is None:
                billed = own
            else:
                _add(billed, own)
        if operation.is_agent:
            _count(state, operation, billed or ())
        elif span_id in state.failed_beneath:
            _hand_up_failure(state, operation)
        parent_id = operation.parent_id
        if billed is not None and parent_id is not None:
            above = beneath.get(parent_id)
            if above is None:
                if len(beneath) >= MAX_OPEN:
                    del beneath[next(iter(beneath))]
                beneath[parent_id] = billed
            else:
                _add(above, billed)
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        if root.parent_id is not None:
            # Nothing of ours will end there.
            state.beneath.pop(root.parent_id, None)
            state.failed_beneath.discard(root.parent_id)
        return self.judge(state, view)

    def merge(self, state: _State, other: _State) -> _State:
        state.agents.merge(other.agents)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(name, agent)
            for name, agent in state.agents.entries.items()
            if agent.invocations >= self.min_invocations and agent.failures > self.error_rate * agent.invocations
        ]

    def _suggestion(self, name: str, agent: _Agent) -> Suggestion:
        rate = agent.failures / agent.invocations
        lost_s = agent.lost_ns / NS_PER_S
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if rate >= ALARM_RATE else Level.NOTICE,
            description=(
                f"{name} failed in {agent.failures} of {agent.invocations} invocations ({rate:.0%}), "
                f"which took {lost_s:.1f} s and cost {dollars(agent.lost_usd)}. Mend the cause on the named spans, "
                "or retry what is known to pass."
            ),
            impact_score=round(0.5 + 0.5 * rate, 3),
            complexity=self.complexity,
            confidence=round(agent.invocations / (agent.invocations + 2), 3),
            applies_to=(f"agent:{name}",),
            span_ids=agent.time.spans(),
            evidence={
                "invocations": agent.invocations,
                "failures": agent.failures,
                "error_rate": round(rate, 3),
                "cost_usd": round(float(agent.lost_usd), 6),
                "time_s": round(lost_s, 3),
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(lost_s, 6), cost_usd=agent.lost_usd or None),
            claims=(*agent.money.largest(), *agent.time.largest()),
        )


def _count(state: _State, operation: Operation, billed: Sequence[tuple[str, Decimal]]) -> None:
    failed = operation.error_type is not None
    if operation.outcome is not None:
        return
    if operation.span_id in state.failed_beneath:
        if failed:  # because of the one beneath
            _hand_up_failure(state, operation)
            return
        state.failed_beneath.discard(operation.span_id)  # it has coped
    agent = state.agents.of(operation.name)
    if agent is None:
        return
    agent.invocations += 1
    if not failed:
        return
    agent.failures += 1
    agent.lost_ns += operation.duration_ns
    for span_id, cost_usd in billed:
        agent.lost_usd += cost_usd
        if span_id != _NO_SPAN:
            agent.money.add(span_id, cost_usd)
    agent.time.add(operation.span_id, start_ns=operation.start_ns, end_ns=operation.end_ns)
    _hand_up_failure(state, operation)


def _hand_up_failure(state: _State, operation: Operation) -> None:
    state.failed_beneath.discard(operation.span_id)
    if operation.parent_id is not None and len(state.failed_beneath) < MAX_OPEN:
        state.failed_beneath.add(operation.parent_id)


def _add(above: _Billed, billed: _Billed) -> None:
    """Join what was billed beneath siblings; of what is too much, the sum goes on under no span."""
    rest = above.pop()[1] if above[-1][0] == _NO_SPAN else ZERO_USD
    for span_id, cost_usd in billed:
        if span_id != _NO_SPAN and len(above) < MAX_BENEATH:
            above.append((span_id, cost_usd))
        else:
            rest += cost_usd
    if rest:
        above.append((_NO_SPAN, rest))
