"""LAT005 straggler

What it finds: nodes or tools that were started together and run in parallel, one of which takes
much longer than the next, so that what follows has to wait for it alone.

Why it costs: a step of a graph ends when its slowest branch does. The others' work lies about
finished meanwhile.

Example: `deep_search` took 9.0 s beside 3 branches; the next longest took 3.0 s.

Instead: start the slow branch earlier, split it, give it a time limit, or let what needs only the
others go on without it.

Limits: branches are those that began beneath the same operation within 100 ms of the first and
before any of them had ended. It is silent where another sibling begins before the slow one ends,
since then nothing waits, and counts only time on the run's critical path. A branch that failed or
was interrupted, cancelled or served from a cache is no measure for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, weighed
from otel_agentperf.rules.shape import NS_PER_S, target_of_row

REFERENCE_IMPACT = 0.8
_TOGETHER_NS = 100_000_000
"""Within one step, LangGraph starts its nodes some milliseconds apart."""
_BRANCHES = frozenset({OperationKind.NODE, OperationKind.TOOL, OperationKind.AGENT})


class _Led(NamedTuple):
    """One step that waited for one branch. Times are Unix nanoseconds."""

    row: Row
    next_end_ns: int
    took_ns: int
    next_took_ns: int
    branches: int


class Straggler(Rule[None]):
    """A parallel branch that holds up its siblings.

    Saving, estimated: its lead over the next, `end of the slow branch - end of the next longest`,
    as far as that is on the run's critical path, summed over the run. Impact: 0.8 (the reference
    point of a slow agent) where the leads are at least half of the run, in proportion below. A
    notice.
    """

    code = "LAT005"
    name = "straggler"
    group = Group.LATENCY
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "lead_s": Option(2.0, "s", "Lead over the next branch above which one holds the others up."),
        "factor": Option(1.5, "times", "Times the next branch's time above which it takes much longer.", 1),
    }
    lead_s: float
    factor: float

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if root.duration_ns <= self.lead_s * NS_PER_S or shape is None or shape.dropped:
            return ()
        tree = shape.tree(root)
        found = [led for siblings in tree.children.values() for led in self._among(siblings)]
        if not found:
            return ()
        tree.walk()
        by_target: dict[str, list[tuple[_Led, int, int]]] = {}
        for led in found:
            start_ns, end_ns = tree.on_path_ns(led.row, led.next_end_ns, led.row.end_ns)
            if end_ns - start_ns > self.lead_s * NS_PER_S:
                by_target.setdefault(target_of_row(led.row), []).append((led, start_ns, end_ns))
        return [self._suggestion(target, leads, root) for target, leads in by_target.items()]

    def _among(self, siblings: Sequence[Row]) -> Iterator[_Led]:
        for group, following in _groups(siblings):
            finished = sorted(filter(_has_finished, group), key=lambda row: row.end_ns)
            if len(finished) < 2 or finished[-1] is not max(group, key=lambda row: row.end_ns):  # noqa: PLR2004 - a pair
                continue
            begun_ns, slow, second = group[0].start_ns, finished[-1], finished[-2]
            if following is not None and following.start_ns < slow.end_ns:
                continue
            took_ns, next_took_ns = slow.end_ns - begun_ns, second.end_ns - begun_ns
            if took_ns - next_took_ns > self.lead_s * NS_PER_S and took_ns > self.factor * next_took_ns:
                yield _Led(slow, second.end_ns, took_ns, next_took_ns, len(group))

    def _suggestion(self, target: str, leads: list[tuple[_Led, int, int]], root: Operation) -> Suggestion:
        leads.sort(key=lambda one: (one[1] - one[2], one[1]))
        worst = leads[0][0]
        lead_ns = sum(end_ns - start_ns for _, start_ns, end_ns in leads)
        others = worst.branches - 1
        again = f" The same happened in {len(leads)} steps of the run." if len(leads) > 1 else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{worst.row.name} took {worst.took_ns / NS_PER_S:.1f} s beside {others} parallel "
                f"{'branch' if others == 1 else 'branches'}, the next longest {worst.next_took_ns / NS_PER_S:.1f} s; "
                f"everything waited for it.{again} Start it earlier, split it, give it a time limit, or let what "
                "needs only the others go on."
            ),
            impact_score=weighed(REFERENCE_IMPACT, lead_ns, root.duration_ns),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=(target,),
            span_ids=tuple(span_hex(led.row.span_id) for led, _, _ in leads[:MAX_SPANS]),
            evidence={
                "lead_s": round(lead_ns / NS_PER_S, 3),
                "took_s": round(worst.took_ns / NS_PER_S, 3),
                "next_took_s": round(worst.next_took_ns / NS_PER_S, 3),
                "branches": worst.branches,
                "steps": len(leads),
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(lead_ns / NS_PER_S, 6)),
            claims=tuple(
                Claim(span_hex(led.row.span_id), start_ns=start_ns, end_ns=end_ns)
                for led, start_ns, end_ns in leads[:MAX_CLAIMS]
            ),
        )


def _groups(siblings: Sequence[Row]) -> Iterator[tuple[list[Row], Row | None]]:
    """Branches that were started together, each with the sibling that began after them."""
    group: list[Row] = []
    first_end_ns = 0
    for row in siblings:
        if group and row.kind in _BRANCHES and row.start_ns < min(first_end_ns, group[0].start_ns + _TOGETHER_NS):
            group.append(row)
            first_end_ns = min(first_end_ns, _ended(row))
            continue
        if group:
            yield group, row
        group, first_end_ns = ([row], _ended(row)) if row.kind in _BRANCHES else ([], 0)
    if group:
        yield group, None


def _has_finished(row: Row) -> bool:
    return not row.is_error and row.outcome is None


def _ended(row: Row) -> int:
    """When a branch ended by itself; one that did not may be over before the others begin."""
    return row.end_ns if _has_finished(row) else row.start_ns + _TOGETHER_NS
