"""LAT001 slow_agent

What it finds: an agent whose finished invocations in this session take longer on average than
99 in 100 of its past ones did; where too little of its past is known, longer than 5 s. An agent
is an `invoke_agent` operation or a top-level node of a graph.

Why it costs: people wait for the slowest step, and everything behind it waits too.

Example: `observer` ran twice, 5.6 s and 5.4 s: 5.5 s on average against 5 s. With a baseline in
which 99 of 100 invocations took up to 8 s it is left alone, and one of 2 s is slow where they took 1.2 s.

Instead: shorten its prompt or its answer, give it a faster model, run independent calls in
parallel, or stream what it says.

Limits: one invocation proves nothing, so it needs at least two. The evidence tells how many past
invocations the threshold rests on, 0 where it is the fixed one. An average below a second is never
slow: nobody waits for it. An agent that has always been slow is normal here. Interrupted, cancelled and
cached invocations are left out, and so is one that failed: its time is not the agent's own.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.model import (
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View

NS_PER_S = 1e9
MAX_AGENTS = 500
NOBODY = Subject(SubjectKind.GRAPH, "")


_UNKNOWN = -1.0


class _Agent(msgspec.Struct, gc=False):
    subject: Subject = NOBODY
    threshold_s: float = _UNKNOWN
    past: int = 0
    """Invocations in the baseline that the threshold rests on."""
    invocations: int = 0
    total_ns: int = 0
    slowest_ns: int = 0
    slowest_span: str = ""


class _State(msgspec.Struct, gc=False):
    agents: dict[str, _Agent] = {}


class SlowAgent(Rule[_State]):
    """Average time of an agent's finished invocations in the session above a threshold.

    With enough past invocations the threshold is their 0.99 quantile: an average of two or
    more that chance lifts above it is rarer than one invocation in a hundred, while a lower
    quantile would be passed in many sessions a day. Saving, estimated: the time above the threshold, `total - threshold * invocations`.
    Impact: 0.8 at the threshold (the reference point of the system's users), rising with
    the ratio to 1.0 at twice the threshold.
    """

    code = "LAT001"
    name = "slow_agent"
    group = Group.LATENCY
    scope = Scope.SESSION
    watches = frozenset({OperationKind.AGENT, OperationKind.NODE})
    complexity = Complexity.MEDIUM
    options = {
        "threshold_s": Option(5.0, "s", "Average above which an agent is slow whose past is not known."),
        "quantile": Option(0.99, "", "Share of an agent's past invocations that are not slow.", 0.5, 0.999),
        "min_baseline": Option(100, "invocations", "Fewest past invocations that a threshold is taken from.", 1),
        "least_s": Option(1.0, "s", "Average up to which no agent is slow, whatever its past."),
        "min_invocations": Option(2, "invocations", "Fewest finished invocations that are judged.", 1),
    }
    threshold_s: float
    quantile: float
    min_baseline: int
    least_s: float
    min_invocations: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        if not operation.is_agent or operation.outcome is not None or operation.error_type is not None:
            return ()
        agent = state.agents.get(operation.name)
        if agent is None:
            if len(state.agents) >= MAX_AGENTS:
                return ()
            agent = state.agents[operation.name] = _Agent(_subject_of(operation))
        duration_ns = max(0, operation.end_ns - operation.start_ns)
        agent.invocations += 1
        agent.total_ns += duration_ns
        if duration_ns >= agent.slowest_ns:
            agent.slowest_ns, agent.slowest_span = max(
                (agent.slowest_ns, agent.slowest_span), (duration_ns, operation.span_id)
            )
        return self._of(operation.name, agent, view)

    def merge(self, state: _State, other: _State) -> _State:
        for name, seen in other.agents.items():
            agent = state.agents.setdefault(name, _Agent(seen.subject))
            agent.subject, agent.threshold_s = min(agent.subject, seen.subject), _UNKNOWN
            agent.invocations += seen.invocations
            agent.total_ns += seen.total_ns
            agent.slowest_ns, agent.slowest_span = max(
                (agent.slowest_ns, agent.slowest_span), (seen.slowest_ns, seen.slowest_span)
            )
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        return [suggestion for name, agent in state.agents.items() for suggestion in self._of(name, agent, view)]

    def _of(self, name: str, agent: _Agent, view: View) -> Iterable[Suggestion]:
        if agent.invocations < self.min_invocations:
            return ()
        if agent.threshold_s == _UNKNOWN:
            agent.threshold_s, agent.past = self._threshold(agent.subject, view)
        # No average is above the threshold where no invocation is.
        if agent.slowest_ns <= agent.threshold_s * NS_PER_S:
            return ()
        total_s = agent.total_ns / NS_PER_S
        average_s = total_s / agent.invocations
        return (self._suggestion(name, agent, average_s, total_s),) if average_s > agent.threshold_s else ()

    def _threshold(self, subject: Subject, view: View) -> tuple[float, int]:
        """The threshold, and how many past invocations it rests on."""
        normal = view.normals.normal(subject, Measure.DURATION_S) if view.normals is not None else None
        if normal is None or normal.samples < self.min_baseline:
            return self.threshold_s, 0
        return max(self.least_s, normal.quantile(self.quantile)), normal.samples

    def _suggestion(self, name: str, agent: _Agent, average_s: float, total_s: float) -> Suggestion:
        threshold_s = agent.threshold_s
        ratio = average_s / threshold_s if threshold_s else 2.0
        above = f"{threshold_s:.3g} s, as long as {self.quantile:.0%} of {agent.past} earlier ones took at most"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if ratio >= 2 else Level.NOTICE,  # noqa: PLR2004 - as the docstring says
            description=(
                f"{name} takes {average_s:.1f} s on average over {agent.invocations} invocations, "
                f"above {above if agent.past else f'{threshold_s:g} s'}. Shorten its prompt or answer, use a faster model, "
                "or run its independent calls in parallel."
            ),
            impact_score=round(min(1.0, 0.8 + 0.2 * (ratio - 1)), 3),
            complexity=self.complexity,
            confidence=round(agent.invocations / (agent.invocations + 1), 3),
            applies_to=(f"agent:{name}",),
            span_ids=(agent.slowest_span,),
            evidence={
                "invocations": agent.invocations,
                "average_s": round(average_s, 3),
                "slowest_s": round(agent.slowest_ns / NS_PER_S, 3),
                "threshold_s": round(threshold_s, 3),
                "past_invocations": agent.past,
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(total_s - threshold_s * agent.invocations, 3)),
        )


def _subject_of(operation: Operation) -> Subject:
    if operation.kind is OperationKind.AGENT:
        return Subject(SubjectKind.GRAPH, operation.name)
    return Subject(SubjectKind.NODE, operation.name, operation.node.graph if operation.node is not None else "")
