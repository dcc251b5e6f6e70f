"""REP004 batchable_calls

What it finds: one tool or action that is called more than three times back to back with different
arguments, where none of the calls can have needed another's result.

Why it costs: each call pays its fixed cost again: a connection, a query, a page, a function call
and an answer in the prompt. One call with a list would pay it once.

Example: `get_order` was called 5 times in a row with different arguments, asked for by one answer.

Instead: give the tool a parameter that takes a list, and say in its description that it does.

Limits: that no call needed another's result is certain only where one answer of a model asked for
all of them, or where all had begun beneath one operation before the first ended; elsewhere it says
nothing. Whether what stands behind the tool can answer many questions at once is not known, so it
is a notice and stays one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
from otel_agentperf.rules.bounded import MAX_SPANS
from otel_agentperf.rules.shape import NS_PER_S, Tree, asked_together, spared

IMPACT = 0.3


class BatchableCalls(Rule[None]):
    """One tool called more than 3 times back to back with different arguments, none needing another's result.

    Saving, estimated: for each call but the longest, its fixed cost, `min(overhead_s, its time on
    the run's critical path while no other of the calls ran)`. Impact: 0.3, always a notice.
    """

    code = "REP004"
    name = "batchable_calls"
    group = Group.REPETITION
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "calls": Option(3, "calls", "Calls with different arguments above which one batched call would do.", 1),
        "overhead_s": Option(0.1, "s", "Fixed time of a call, of which a batched call has one."),
    }
    calls: int
    overhead_s: float

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if view.totals.tool_calls <= self.calls or shape is None or shape.dropped:
            return ()
        tree = shape.tree(root)
        by_tool: dict[str, list[list[Row]]] = {}
        seen: set[int] = set()
        for group in _groups(shape.rows(), self.calls + 1 if shape.most_asked > self.calls else None, tree):
            different = {row.given for row in group if row.given}
            if len(different) > self.calls and seen.isdisjoint(row.span_id for row in group):
                seen.update(row.span_id for row in group)
                by_tool.setdefault(group[0].name, []).append(group)
        if not by_tool:
            return ()
        tree.walk()
        return [self._suggestion(name, groups, tree) for name, groups in by_tool.items()]

    def _suggestion(self, name: str, groups: list[list[Row]], tree: Tree) -> Suggestion:
        overhead_ns = round(self.overhead_s * NS_PER_S)
        claims = [
            Claim(span_hex(row.span_id), start_ns=start_ns, end_ns=min(end_ns, start_ns + overhead_ns))
            for group in groups
            for row, start_ns, end_ns in spared(group, tree)
        ]
        saved_s = sum(claim.end_ns - claim.start_ns for claim in claims) / NS_PER_S
        calls = sum(len(group) for group in groups)
        most = max(len(group) for group in groups)
        often = f"{most} times" if len(groups) == 1 else f"up to {most} times, on {len(groups)} occasions,"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{name} was called {often} back to back with different arguments, and none of the calls needed "
                "another's result. Let it take a list, so that one call does."
            ),
            impact_score=IMPACT,
            complexity=self.complexity,
            confidence=0.7,
            applies_to=(f"tool:{name}",),
            span_ids=tuple(span_hex(row.span_id) for group in groups for row in group)[:MAX_SPANS],
            evidence={"calls": calls, "groups": len(groups), "most_in_a_row": most},
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(saved_s, 6)) if saved_s else None,
            claims=tuple(claims[:MAX_CLAIMS]),
        )


def _groups(rows: Sequence[Row], least: int | None, tree: Tree) -> Iterator[list[Row]]:
    """Calls of one tool back to back that cannot have needed each other's results."""
    for _, tools in asked_together(rows, least) if least is not None else ():
        if len({row.name for row in tools}) == 1:
            yield tools
    for siblings in tree.children.values():
        yield from _begun_together(siblings)


def _begun_together(siblings: Sequence[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    first_end_ns = 0
    for row in siblings:
        if row.kind is not OperationKind.TOOL:
            continue
        if group and row.name == group[0].name and row.start_ns < first_end_ns:
            group.append(row)
            first_end_ns = min(first_end_ns, row.end_ns)
            continue
        if group:
            yield group
        group, first_end_ns = [row], row.end_ns
    if group:
        yield group
