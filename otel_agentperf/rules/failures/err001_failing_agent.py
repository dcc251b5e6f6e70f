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
from decimal import Decimal

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Level,
    Operation,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Claims, Table, dollars
from otel_agentperf.rules.shape import Tree, usd_of
from otel_agentperf.rules.traits import FAILED

NS_PER_S = 1e9
ALARM_RATE = 0.5


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


class FailingAgent(Rule[Table[_Agent]]):
    """Share of an agent's finished invocations in this process that ended with an error.

    Saving, measured: the time of the failed invocations and the cost of all billed work beneath
    them. An alarm from half of them on. Impact: `0.5 + 0.5 * error rate`. Confidence:
    `n / (n + 2)` for n invocations.
    """

    code = "ERR001"
    name = "failing_agent"
    group = Group.FAILURES
    scope = Scope.PROCESS
    watches = frozenset()
    complexity = Complexity.HIGH
    options = {
        "error_rate": Option(0.2, "share", "Share of failed invocations above which an agent is failing.", 0.0, 1.0),
        "min_invocations": Option(5, "invocations", "Fewest finished invocations that are judged.", 1),
    }
    error_rate: float
    min_invocations: int

    def start(self) -> Table[_Agent]:
        return Table(_Agent, MAX_PROCESS_TARGETS)

    def observe(self, state: Table[_Agent], operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: Table[_Agent], root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is not None:
            failed = _failed(state, shape.tree(root)) if shape.traits & FAILED else frozenset[int]()
            for row in shape.agents():
                if row.outcome is None and (not row.is_error or row.span_id in failed):
                    agent = state.of(row.name)
                    if agent is not None:
                        agent.invocations += 1
        return self.judge(state, view)

    def merge(self, state: Table[_Agent], other: Table[_Agent]) -> Table[_Agent]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Agent], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(name, agent)
            for name, agent in state.entries.items()
            if agent.invocations >= self.min_invocations and agent.failures > self.error_rate * agent.invocations
        ]

    def _suggestion(self, name: str, agent: _Agent) -> Suggestion:
        rate = agent.failures / agent.invocations
        lost_s = agent.lost_ns / NS_PER_S
        cost = f" and cost {dollars(agent.lost_usd)}" if agent.lost_usd else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if rate >= ALARM_RATE else Level.NOTICE,
            description=(
                f"{name} failed in {agent.failures} of {agent.invocations} invocations ({rate:.0%}), "
                f"which took {lost_s:.1f} s{cost}. Fix the cause on the named spans, "
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


def _failed(state: Table[_Agent], tree: Tree) -> frozenset[int]:
    """Count the invocations that failed by themselves, and what they lost.

    Returns:
        Their spans.
    """
    failed: set[int] = set()
    failed_beneath: set[int] = set()
    for row in tree.from_below():
        hands_up = row.span_id in failed_beneath
        if row.is_agent:
            if not row.is_error or row.outcome is not None:
                continue  # it has coped, or nothing can be said
            if not hands_up:
                failed.add(row.span_id)
                _lost(state, row, tree)
            hands_up = True
        if hands_up:
            failed_beneath.add(row.parent_id)
    return frozenset(failed)


def _lost(state: Table[_Agent], row: Row, tree: Tree) -> None:
    agent = state.of(row.name)
    if agent is None:
        return
    agent.failures += 1
    agent.lost_ns += row.duration_ns
    for billed in (row, *tree.beneath((row.span_id,))):
        cost_usd = usd_of(billed)
        if cost_usd:
            agent.lost_usd += cost_usd
            agent.money.add(span_hex(billed.span_id), cost_usd)
    agent.time.add(span_hex(row.span_id), start_ns=row.start_ns, end_ns=row.end_ns)
