"""REP003 node_cycle

What it finds: nodes of a graph that run again and again in the same order, each with the very
state that it was given the round before, and that ask a model every time.

Why it costs: a round that begins where the one before began can only end otherwise by chance. Such
a loop goes on until the step limit ends it, and each round is paid for.

Example: `draft`, `review` ran 3 more rounds with their state unchanged: 12.0 s and $0.0450.

Instead: write into the state what a round has found, so that the next one is given more; leave
the loop when nothing has changed; count the rounds in the state and route to an end.

Limits: it goes by fingerprints of the state that a node is given. A node without one (a very large
state, or traces of others) ends the comparison. What a node keeps outside the state is not seen. A
round without a model request is left alone: it may be waiting for something outside. Copies of a
node within one step are one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

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
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import Claims, weighed_ns, weighed_usd
from otel_agentperf.rules.shape import NS_PER_S, Tree, usd_of

REFERENCE_IMPACT = 0.9
_UNKNOWN = 0


class _Step(NamedTuple):
    """The nodes of one step of a graph, and what tells whether it is like another step."""

    nodes: list[Row]
    likeness: tuple[tuple[str, int], ...] | None

    @property
    def start_ns(self) -> int:
        """When its first node began."""
        return self.nodes[0].start_ns

    @property
    def end_ns(self) -> int:
        """When its last node ended."""
        return max(node.end_ns for node in self.nodes)


class _Cycle(NamedTuple):
    """Idle rounds of one cycle, each of the same number of steps."""

    rounds: list[list[_Step]]


class NodeCycle(Rule[None]):
    """Nodes that run round after round with the state unchanged.

    A round is idle when each of its nodes is given what it was given the round before. Notice from
    2 idle rounds on, alarm from 3 on. Saving, measured: the time from the beginning to the end of
    each idle round, and the cost of what ran in it. Impact: 0.9 where the idle rounds make up at
    least half of the run's money or time, in proportion below, and below half a cent and a second.
    """

    code = "REP003"
    name = "node_cycle"
    group = Group.REPETITION
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "notice_rounds": Option(2, "rounds", "Idle rounds that are worth a notice.", 1),
        "alarm_rounds": Option(3, "rounds", "Idle rounds that raise an alarm.", 1),
    }
    notice_rounds: int
    alarm_rounds: int

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is None or shape.dropped or OperationKind.NODE not in shape.given_again():
            return ()  # no node was given what it was given before
        tree = shape.tree(root)
        found = [
            suggestion
            for siblings in tree.children.values()
            for steps in _executions(siblings)
            for cycle in self._cycles(steps)
            for suggestion in self._suggestions(cycle, tree, root, view)
        ]
        return sorted(found, key=lambda suggestion: suggestion.evidence["idle_rounds"])

    def _cycles(self, steps: Sequence[_Step]) -> Iterator[_Cycle]:
        last: dict[tuple[tuple[str, int], ...], int] = {}
        length, matched = 0, 0
        for place, step in enumerate((*steps, _Step([], None))):
            back = place - last[step.likeness] if step.likeness in last else 0
            if back and back == length:
                matched += 1
            else:
                if length and matched // length >= self.notice_rounds:
                    begun = place - matched
                    whole = range(begun, begun + matched // length * length, length)
                    yield _Cycle([list(steps[start : start + length]) for start in whole])
                length, matched = back, min(back, 1)
            if step.likeness is None:
                last.clear()
            else:
                last[step.likeness] = place

    def _suggestions(self, cycle: _Cycle, tree: Tree, root: Operation, view: View) -> Iterator[Suggestion]:
        rounds = cycle.rounds
        claims = Claims()
        cost_usd, requests = ZERO_USD, 0
        for steps in rounds:
            claims.add(span_hex(steps[0].nodes[0].span_id), ZERO_USD, steps[0].start_ns, steps[-1].end_ns)
            for node in [node for step in steps for node in step.nodes][1:]:  # what the round consists of
                claims.add(span_hex(node.span_id))
        for row in tree.beneath(node.span_id for steps in rounds for step in steps for node in step.nodes):
            requests += row.kind is OperationKind.INFERENCE
            usd = usd_of(row)
            if usd:
                cost_usd += usd
                claims.add(span_hex(row.span_id), usd)
        time_ns = sum(steps[-1].end_ns - steps[0].start_ns for steps in rounds)
        if requests:
            yield self._suggestion(rounds, claims, time_ns, cost_usd, requests, root, view)

    def _suggestion(
        self,
        rounds: list[list[_Step]],
        claims: Claims,
        time_ns: int,
        cost_usd: Decimal,
        requests: int,
        root: Operation,
        view: View,
    ) -> Suggestion:
        names = list(dict.fromkeys(node.name for step in rounds[0] for node in step.nodes))
        time_s = time_ns / NS_PER_S
        money = f" and ${cost_usd:.4f}" if cost_usd else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if len(rounds) >= self.alarm_rounds else Level.NOTICE,
            description=(
                f"{', '.join(names[:_MOST_NAMED])} ran {len(rounds)} more rounds with the state unchanged: "
                f"{time_s:.1f} s{money}. Write into the state what a round has found, and leave the loop when nothing "
                "has changed."
            ),
            impact_score=max(
                weighed_usd(REFERENCE_IMPACT, cost_usd, view.totals.cost_usd),
                weighed_ns(REFERENCE_IMPACT, time_ns, root.duration_ns),
            ),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=tuple(f"node:{name}" for name in names[:_MOST_NAMED]),
            span_ids=tuple(span_hex(steps[0].nodes[0].span_id) for steps in rounds[:_MOST_NAMED]),
            evidence={
                "idle_rounds": len(rounds),
                "steps": len(rounds[0]),
                "model_requests": requests,
                "time_s": round(time_s, 3),
                "cost_usd": float(cost_usd),
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=cost_usd or None),
            claims=claims.largest(),
        )


_MOST_NAMED = 8


def _executions(siblings: Sequence[Row]) -> Iterator[list[_Step]]:
    """The steps of each execution of a graph beneath one operation; one begins where the count begins anew."""
    steps: list[list[Row]] = []
    current = -1
    for row in siblings:
        if row.kind is not OperationKind.NODE or row.step < 0:
            continue
        number = row.step
        if number < current:
            yield _likened(steps)
            steps = []
        if number == current and steps:
            steps[-1].append(row)
        else:
            steps.append([row])
        current = number
    yield _likened(steps)


def _likened(steps: list[list[Row]]) -> list[_Step]:
    return [_Step(nodes, _likeness([(node.name, node.given) for node in nodes])) for nodes in steps]


def _likeness(nodes: list[tuple[str, int]]) -> tuple[tuple[str, int], ...] | None:
    return None if any(state == _UNKNOWN for _, state in nodes) else tuple(sorted(nodes))
