"""LAT004 idle_time

What it finds: long stretches in the middle of a run in which no operation beneath it runs: no
node, no model request, no tool.

Why it costs: nobody works and somebody waits. What runs there is not traced: the code between
calls, a checkpoint that is written slowly, a lock, a sleep, or a reader that takes its time over
each piece of a stream.

Example: of 20.0 s, the run spent 9.0 s in 2 stretches in which nothing beneath it ran.

Instead: look at what the code does there, or wrap it with `otel_agentperf.action(name)` to see it;
write checkpoints in the background, and read streams without doing other work in the loop.

Limits: what is not traced looks idle. So the time before the first and after the last operation
is left out (the caller's own code runs there), and so is what follows the answer of a model or an
agent or an interruption: there a person may be reading, typing or approving. A run that ends to
wait for a person has no such stretch. A run on a clock that was made up is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, int_of, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, weighed
from otel_agentperf.rules.shape import NS_PER_S

REFERENCE_IMPACT = 0.8
_INTERRUPTED = "interrupted"
_ANSWERED = frozenset({OperationKind.INFERENCE, OperationKind.AGENT, OperationKind.WORKFLOW})
"""After these a person may be reading what was said."""


class _Idle(NamedTuple):
    start_ns: int
    end_ns: int
    following: Row


class IdleTime(Rule[None]):
    """Stretches between the operations of a run in which nothing beneath it runs.

    Saving, estimated: the stretches themselves. Impact: 0.8 (the reference point of a slow agent)
    where they are at least half of the run, in proportion below. A notice.
    """

    code = "LAT004"
    name = "idle_time"
    group = Group.LATENCY
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "idle_s": Option(2.0, "s", "A stretch that is no longer does not count."),
        "share": Option(0.1, "of the run", "Share of the run above which the stretches are worth a word.", 0, 1),
    }
    idle_s: float
    share: float

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if root.duration_ns <= self.idle_s * NS_PER_S or shape is None or shape.dropped:
            return ()
        rows = shape.rows()
        idle = [one for one in _idle(rows, root) if one.end_ns - one.start_ns > self.idle_s * NS_PER_S]
        idle_ns = sum(one.end_ns - one.start_ns for one in idle)
        if not idle or idle_ns <= self.share * root.duration_ns or shape.tree(root).has_made_up_clock():
            return ()
        return (self._suggestion(idle, idle_ns, root, view),)

    def _suggestion(self, idle: list[_Idle], idle_ns: int, root: Operation, view: View) -> Suggestion:
        idle.sort(key=lambda one: (one.start_ns - one.end_ns, one.start_ns))
        idle_s, longest_s = idle_ns / NS_PER_S, (idle[0].end_ns - idle[0].start_ns) / NS_PER_S
        stretches = "one stretch" if len(idle) == 1 else f"{len(idle)} stretches"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"For {idle_s:.1f} s of {root.duration_ns / NS_PER_S:.1f} s, in {stretches}, nothing beneath the run "
                f"ran; the longest, {longest_s:.1f} s, is before {idle[0].following.name}. Look at what the code does "
                "there (checkpoints, locks, sleeps, a slow reader of the stream), or mark it as an action to see it."
            ),
            impact_score=weighed(REFERENCE_IMPACT, idle_ns, root.duration_ns),
            complexity=self.complexity,
            confidence=0.6,
            applies_to=(f"run:{view.name}",),
            span_ids=tuple(span_hex(one.following.span_id) for one in idle[:MAX_SPANS]),
            evidence={
                "idle_s": round(idle_s, 3),
                "longest_s": round(longest_s, 3),
                "stretches": len(idle),
                "run_s": round(root.duration_ns / NS_PER_S, 3),
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(idle_s, 6)),
            claims=tuple(Claim(root.span_id, start_ns=one.start_ns, end_ns=one.end_ns) for one in idle[:MAX_CLAIMS]),
        )


def _idle(rows: Sequence[Row], root: Operation) -> Iterable[_Idle]:
    """The stretches between operations that are not a person's, in order."""
    root_id = int_of(root.span_id)
    last: Row | None = None
    until_ns = 0
    for row in rows:
        if row.span_id == root_id:
            continue
        start_ns, end_ns = max(row.start_ns, root.start_ns), min(row.end_ns, root.end_ns)
        if last is not None and until_ns < start_ns < root.end_ns and not _may_wait_for_a_person(last):
            yield _Idle(until_ns, start_ns, row)
        if last is None or end_ns > until_ns:
            last, until_ns = row, end_ns


def _may_wait_for_a_person(last: Row) -> bool:
    return last.kind in _ANSWERED or last.outcome == _INTERRUPTED
