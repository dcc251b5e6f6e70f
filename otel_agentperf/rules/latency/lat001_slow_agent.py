"""LAT001 slow_agent

What it finds: an agent whose finished invocations in this session take longer on average than
99 in 100 of its past ones did; where too little of its past is known, longer than 5 s. An agent
is an `invoke_agent` operation or a top-level node of a graph. It names what the time went to: a
model, a tool, another agent that it waited for, or its own code.

Why it costs: people wait for the slowest step, and everything behind it waits too.

Example: `observer` ran twice, 5.6 s and 5.4 s: 5.5 s on average against 5 s, of which 5.4 s were
requests to gemini-2.5-flash. With a baseline in which 99 of 100 invocations took up to 8 s it is
left alone, and one of 2 s is slow where they took 1.2 s.

Instead: it depends on where the time went. A model: shorten the prompt or the answer, or use a
faster model. A tool: give it a time limit, cache its results, or do less in one call. Another
agent: start with that one, and start agents that do not need each other's results at the same time.

Limits: one invocation proves nothing, so it needs at least two. The evidence counts the past
invocations that the threshold rests on, 0 where it is the fixed one. An average below a second is never
slow: nobody waits for it. An agent that has always been slow is normal here. Interrupted, cancelled and
cached invocations are left out, and so is one that failed: its time is not the agent's own. Time in
which a person was waited for is not counted. An agent that the run never waited for alone is left
alone, and so is one that mostly waits for an agent which is reported itself. Of a run, the 16
agents that took the longest in all are looked at; a run with more operations than are kept is not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.model import Complexity, Level, Operation, SavingBasis, Savings, Suggestion
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, Shape, View, span_hex
from otel_agentperf.rules.bounded import Claims, Table
from otel_agentperf.rules.latency.slow_parts import MOSTLY, Parts, advice_for, in_words
from otel_agentperf.rules.shape import NS_PER_S, Tree
from otel_agentperf.rules.time_spent import Piece, Spent, joined, own_stretches, pieces, within, without

MAX_AGENTS = 500
MAX_SLOW_AGENTS = 16
"""Slow agents of one run whose time is divided."""
REFERENCE_IMPACT = 0.8
WAITING_IMPACT = 0.5
ALARM_RATIO = 2.0
_NOBODY = Subject(SubjectKind.GRAPH, "")


class _Agent(msgspec.Struct, gc=False):
    subject: Subject = _NOBODY
    invocations: int = 0
    busy_ns: int = 0
    """Time of its invocations, less what was waited for a person."""
    saved_ns: int = 0
    slowest_ns: int = 0
    slowest_span: str = ""
    parts: Parts = msgspec.field(default_factory=Parts)
    claims: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Agent) -> None:
        self.subject = _first(self.subject, other.subject)
        self.invocations += other.invocations
        self.busy_ns += other.busy_ns
        self.saved_ns += other.saved_ns
        self.slowest_ns, self.slowest_span = max(
            (self.slowest_ns, self.slowest_span), (other.slowest_ns, other.slowest_span)
        )
        self.parts.merge(other.parts)
        self.claims.merge(other.claims)


class SlowAgent(Rule[Table[_Agent]]):
    """Average time of an agent's finished invocations in the session above a threshold.

    With enough past invocations the threshold is their 0.99 quantile: an average of two or
    more that chance lifts above it is rarer than one invocation in a hundred, while a lower
    quantile would be passed in many sessions a day. Saving, estimated: had no invocation taken
    longer than the threshold, the time beyond it that is on the critical path of its run while no
    other agent, tool or model worked; parallel invocations count once. Impact: 0.8 at the threshold
    (the reference point of the system's users), rising with the ratio to 1.0 at twice the
    threshold, which is an alarm; a notice of at most 0.5 where it mostly waits for other agents.
    """

    code = "LAT001"
    name = "slow_agent"
    group = Group.LATENCY
    scope = Scope.SESSION
    watches = frozenset()
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

    def start(self) -> Table[_Agent]:
        return Table(_Agent, MAX_AGENTS)

    def observe(self, state: Table[_Agent], operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: Table[_Agent], root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is not None and not shape.dropped:
            self._take(state, shape, root, view)
        return self.judge(state, view)

    def merge(self, state: Table[_Agent], other: Table[_Agent]) -> Table[_Agent]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Agent], view: View) -> Iterable[Suggestion]:
        found: dict[str, tuple[_Agent, float, int]] = {}
        for name, agent in state.entries.items():
            if agent.invocations < self.min_invocations or not agent.saved_ns:
                continue
            threshold_s, past = self._threshold(agent.subject, view)
            if agent.busy_ns > threshold_s * NS_PER_S * agent.invocations:
                found[name] = agent, threshold_s, past
        return [
            self._suggestion(name, agent, threshold_s, past)
            for name, (agent, threshold_s, past) in found.items()
            if agent.parts.mostly_waits_for() not in found
        ]

    # -- what a run adds ---------------------------------------------------------------------

    def _take(self, state: Table[_Agent], shape: Shape, root: Operation, view: View) -> None:
        floor_ns = min(self.threshold_s, self.least_s) * NS_PER_S
        slow: dict[str, int] = {}
        for row in shape.agents():
            if row.outcome is not None or row.is_error:
                continue
            agent = state.of(row.name)
            if agent is None:
                continue
            agent.invocations += 1
            agent.busy_ns += row.duration_ns
            if row.duration_ns > floor_ns:
                slow[row.name] = slow.get(row.name, 0) + row.duration_ns
        if slow:
            tree = shape.tree(root).walk()
            own = own_stretches(tree, shape.rows())
            subjects = self._subjects(shape, root, view)
            for name in sorted(slow, key=lambda each: (-slow[each], each))[:MAX_SLOW_AGENTS]:
                agent = state.of(name)
                if agent is not None:
                    self._divide(agent, name, (tree, shape.agents(), own), subjects, view)

    def _subjects(self, shape: Shape, root: Operation, view: View) -> dict[int, Subject]:
        """Whose past each operation is measured by; nothing where no past is known."""
        if view.normals is None:
            return {}
        return {each.span_id: each.subject for each in shape.executions(root)}

    def _divide(
        self,
        agent: _Agent,
        name: str,
        run: tuple[Tree, Sequence[Row], list[tuple[int, int, Row]]],
        subjects: dict[int, Subject],
        view: View,
    ) -> None:
        """Find where the time of an agent went in a run, and what of it could have been saved."""
        tree, agents, own = run
        every = [row for row in agents if row.name == name]
        finished = [row for row in every if row.outcome is None and not row.is_error]
        subject = min((subjects[row.span_id] for row in finished if row.span_id in subjects), default=_NOBODY)
        agent.subject = _first(agent.subject, subject)
        threshold_s, _ = self._threshold(subject, view)
        members = {row.span_id for row in (*every, *tree.beneath(row.span_id for row in every))}
        strays = [row for row in tree.strays() if row.agent == name and row.span_id not in members]
        others = [(start, end) for start, end, row in own if row.span_id not in members and row.agent != name]
        starts = [row.start_ns for row in strays]
        beyond: list[tuple[int, int, int]] = []
        for row in finished:
            since, until = bisect_left(starts, row.start_ns), bisect_left(starts, row.end_ns)
            found = pieces(tree, row, strays[since:until])
            busy = [piece for piece in found if piece.spent is not Spent.PERSON]
            busy_ns = sum(piece.end_ns - piece.start_ns for piece in busy)
            agent.busy_ns -= row.duration_ns - busy_ns
            agent.slowest_ns, agent.slowest_span = max(
                (agent.slowest_ns, agent.slowest_span), (busy_ns, span_hex(row.span_id))
            )
            for piece in busy:
                agent.parts.add(piece)
            on_path = tree.on_path_ns(row, row.start_ns, row.end_ns)
            too_long = within(_beyond(busy, round(threshold_s * NS_PER_S)), *on_path)
            beyond += [(start, end, row.span_id) for start, end in too_long]
        alone = without([(start, end) for start, end, _ in beyond], others)
        agent.saved_ns += sum(end - start for start, end in alone)
        beyond.sort()
        place = 0
        for start, end in alone:
            while beyond[place][1] <= start:
                place += 1
            agent.claims.add(span_hex(beyond[place][2]), start_ns=start, end_ns=end)

    def _threshold(self, subject: Subject, view: View) -> tuple[float, int]:
        """The threshold, and how many past invocations it rests on."""
        normal = view.normals.normal(subject, Measure.DURATION_S) if view.normals is not None else None
        if normal is None or normal.samples < self.min_baseline:
            return self.threshold_s, 0
        return max(self.least_s, normal.quantile(self.quantile)), normal.samples

    # -- the suggestion ----------------------------------------------------------------------

    def _suggestion(self, name: str, agent: _Agent, threshold_s: float, past: int) -> Suggestion:
        average_s = agent.busy_ns / NS_PER_S / agent.invocations
        ratio = average_s / threshold_s if threshold_s else ALARM_RATIO
        shares = agent.parts.shares()
        waits = agent.parts.waiting_ns() > MOSTLY * agent.busy_ns
        impact = min(1.0, REFERENCE_IMPACT + (1 - REFERENCE_IMPACT) * (ratio - 1))
        limit = f"{threshold_s:.3g} s, which {self.quantile:.0%} of {past} earlier ones did not exceed"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if ratio >= ALARM_RATIO and not waits else Level.NOTICE,
            description=(
                f"{name} takes {average_s:.1f} s on average over {agent.invocations} invocations, "
                f"above {limit if past else f'{threshold_s:g} s'}. "
                f"{in_words(shares, agent.invocations)}{advice_for(shares)}"
            ),
            impact_score=round(min(impact, WAITING_IMPACT) if waits else impact, 3),
            complexity=self.complexity,
            confidence=round(agent.invocations / (agent.invocations + 1), 3),
            applies_to=(f"agent:{name}",),
            span_ids=(agent.slowest_span,),
            evidence={
                "invocations": agent.invocations,
                "average_s": round(average_s, 3),
                "slowest_s": round(agent.slowest_ns / NS_PER_S, 3),
                "threshold_s": round(threshold_s, 3),
                "past_invocations": past,
                **agent.parts.evidence(),
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(agent.saved_ns / NS_PER_S, 6)),
            claims=agent.claims.largest(),
        )


def _first(one: Subject, other: Subject) -> Subject:
    """The one that comes first by name; anybody before nobody."""
    return min((each for each in (one, other) if each != _NOBODY), default=_NOBODY)


def _beyond(busy: Sequence[Piece], threshold_ns: int) -> list[tuple[int, int]]:
    """What is left of an invocation's time after as much as is fine."""
    left_ns = threshold_ns
    found: list[tuple[int, int]] = []
    for start_ns, end_ns in joined((piece.start_ns, piece.end_ns) for piece in busy):
        fine_ns = min(left_ns, end_ns - start_ns)
        left_ns -= fine_ns
        if start_ns + fine_ns < end_ns:
            found.append((start_ns + fine_ns, end_ns))
    return found
