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

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

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
MAX_BENEATH = 64
ALARM_RATE = 0.5


@dataclass(slots=True)
class _Beneath:
    """What has ended beneath a span that has not."""

    cost_usd: Decimal = ZERO_USD
    billed: list[tuple[str, Decimal]] = field(default_factory=list[tuple[str, Decimal]])
    has_failed: bool = False
    """Whether an agent beneath it has failed."""


@dataclass(slots=True)
class _Agent:
    invocations: int = 0
    failures: int = 0
    lost_usd: Decimal = ZERO_USD
    lost_ns: int = 0
    money: Claims = field(default_factory=Claims)
    time: Claims = field(default_factory=Claims)

    def merge(self, other: _Agent) -> None:
        self.invocations += other.invocations
        self.failures += other.failures
        self.lost_usd += other.lost_usd
        self.lost_ns += other.lost_ns
        self.money.merge(other.money)
        self.time.merge(other.time)


@dataclass(slots=True)
class _State:
    agents: Table[_Agent] = field(default_factory=lambda: Table(_Agent, MAX_PROCESS_TARGETS))
    beneath: dict[str, _Beneath] = field(default_factory=dict[str, _Beneath])
    """By span; the runs that a merge joins are over, so it has no part in it."""


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
        open_spans = state.beneath
        inside = open_spans.pop(operation.span_id, None) if open_spans else None
        cost = operation.cost
        if inside is None and cost is None and not operation.is_agent:
            return ()
        inside = inside if inside is not None else _Beneath()
        if cost is not None and cost.total_usd:
            inside.cost_usd += cost.total_usd
            if len(inside.billed) < MAX_BENEATH:
                inside.billed.append((operation.span_id, cost.total_usd))
        if operation.is_agent:
            _count(state, operation, inside)
        if operation.parent_id is not None and (inside.cost_usd or inside.has_failed):
            _hand_up(open_spans, operation.parent_id, inside)
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        if root.parent_id is not None:
            state.beneath.pop(root.parent_id, None)  # nothing of ours will end there
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


def _count(state: _State, operation: Operation, inside: _Beneath) -> None:
    failed = operation.error_type is not None
    if operation.outcome is not None or (failed and inside.has_failed):
        return
    agent = state.agents.of(operation.name)
    if agent is None:
        return
    agent.invocations += 1
    if not failed:
        inside.has_failed = False  # it has coped
        return
    agent.failures += 1
    agent.lost_usd += inside.cost_usd
    agent.lost_ns += operation.duration_ns
    for span_id, cost_usd in inside.billed:
        agent.money.add(span_id, cost_usd)
    agent.time.add(operation.span_id, start_ns=operation.start_ns, end_ns=operation.end_ns)
    inside.has_failed = True


def _hand_up(open_spans: dict[str, _Beneath], parent_id: str, inside: _Beneath) -> None:
    above = open_spans.get(parent_id)
    if above is None:
        if len(open_spans) >= MAX_OPEN:
            del open_spans[next(iter(open_spans))]
        open_spans[parent_id] = inside
        return
    above.cost_usd += inside.cost_usd
    above.billed.extend(inside.billed[: MAX_BENEATH - len(above.billed)])
    above.has_failed |= inside.has_failed
