"""PAR001 serial_independent_calls

What it finds: calls that ran one after another although none needed another's result: tool calls
that one answer of a model asked for, and model requests of one operation, with the same head (its
instruction and tools), of which none repeats a piece of another's answer.

Why it costs: the run waits for their sum where it could wait for the longest.

Example: one answer asked for 3 tool calls, which took 2.0 s, 3.0 s and 2.5 s one after another:
4.5 s saved if they run at once.

Instead: run tools in a `ToolNode` or with `asyncio.gather`, requests with `abatch` or as branches
of the graph with `Send`; mind the rate limit.

Limits: tool calls count only where exactly those asked for follow the answer before the next model
request; tools whose names say that they change something (`click`, `book_flight`) are left out, since
these may have to come in their order. Model requests count from
three on, where each gave text, no two are alike, the pauses between them are short, and it is known
of each that no earlier answer stands in it; an answer of which only a decision was taken is not
seen. Elsewhere it says nothing. A run on a clock that was made up is left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, Shape, View, int_of, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, weighed
from otel_agentperf.rules.shape import NS_PER_S, Tree, asked_together, spared
from otel_agentperf.rules.traits import TEXT, TRACED
from otel_agentperf.rules.verbs import CHANGING, verb_of

REFERENCE_IMPACT = 0.8
MAX_ANSWERS_LOOKED_FOR = 8
"""Earlier answers of a run that are looked for in a request: of one further back nothing is known."""
_FEWEST_TOOLS = 2
_TOLD = TEXT | TRACED
_MAX_PAUSE_NS = NS_PER_S


class SerialIndependentCalls(Rule[None]):
    """Neighbouring calls that ran one after another and do not depend on each other; told by agent.

    Saving, estimated: `sum of their times - the longest - what really overlapped`, as far as that is
    on the run's critical path. Impact: 0.8 (the reference point of a slow agent) where it is at
    least half of the run, in proportion below. A notice.
    """

    code = "PAR001"
    name = "serial_independent_calls"
    group = Group.PARALLELISM
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "saving_s": Option(1.0, "s", "Time to be saved above which it is worth a word."),
        "requests": Option(3, "requests", "Fewest model requests in a row that are looked at.", 2),
    }
    saving_s: float
    requests: int

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if root.duration_ns <= self.saving_s * NS_PER_S or shape is None or shape.dropped:
            return ()  # no more can be saved than was spent
        rows = shape.rows()
        tree = shape.tree(root)
        asked = asked_together(rows, _FEWEST_TOOLS) if shape.most_asked >= _FEWEST_TOOLS else ()
        tools = [calls for _, calls in asked if all(call.outcome is None and not _changes(call) for call in calls)]
        prompts = list(self._prompts(shape, rows, tree))
        if not (tools or prompts) or tree.has_made_up_clock():
            return ()
        tree.walk()
        by_target: dict[str, list[list[Row]]] = {}
        for calls in (*tools, *prompts):
            by_target.setdefault(f"agent:{calls[0].agent}" if calls[0].agent else f"run:{view.name}", []).append(calls)
        found = (self._suggestion(target, groups, tree, root) for target, groups in by_target.items())
        return [suggestion for suggestion in found if suggestion is not None]

    def _prompts(self, shape: Shape, rows: Sequence[Row], tree: Tree) -> Iterator[list[Row]]:
        """Model requests of one operation in a row, of which it is known that none needs another."""
        if sum(map(_is_told, rows)) < self.requests:
            return
        ends = sorted(row.end_ns for row in rows if row.kind is OperationKind.INFERENCE)
        for siblings in tree.children.values():
            for group in _in_a_row(siblings, shape):
                between = bisect_right(ends, group[-1].start_ns) - bisect_left(ends, group[0].end_ns)
                if len(group) >= self.requests and between <= MAX_ANSWERS_LOOKED_FOR:
                    yield group

    def _suggestion(self, target: str, groups: list[list[Row]], tree: Tree, root: Operation) -> Suggestion | None:
        saved = [(group, spared(group, tree)) for group in groups]
        stretches = [one for _, found in saved for one in found]
        saved_ns = sum(end_ns - start_ns for _, start_ns, end_ns in stretches)
        if saved_ns <= self.saving_s * NS_PER_S:
            return None
        calls = [row for group, found in saved if found for row in group]
        tools = sum(1 for row in calls if row.kind is OperationKind.TOOL)
        counts = {"tool calls": tools, "model requests": len(calls) - tools}
        what = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
        stretches.sort(key=lambda one: (one[1] - one[2], one[1]))
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{target.partition(':')[2]} made {what} one after another that do not need each other's results: at "
                f"once they would take {saved_ns / NS_PER_S:.1f} s less of {root.duration_ns / NS_PER_S:.1f} s. Run "
                "them in parallel, within the rate limit."
            ),
            impact_score=weighed(REFERENCE_IMPACT, saved_ns, root.duration_ns),
            complexity=self.complexity,
            confidence=0.8 if tools else 0.6,
            applies_to=(target,),
            span_ids=tuple(span_hex(row.span_id) for row in calls[:MAX_SPANS]),
            evidence={
                "tool_calls": tools,
                "model_requests": len(calls) - tools,
                "groups": sum(1 for _, found in saved if found),
                "saved_s": round(saved_ns / NS_PER_S, 3),
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(saved_ns / NS_PER_S, 6)),
            claims=tuple(
                Claim(span_hex(row.span_id), start_ns=start_ns, end_ns=end_ns)
                for row, start_ns, end_ns in stretches[:MAX_CLAIMS]
            ),
        )


def _changes(call: Row) -> bool:
    return verb_of(call.name) in CHANGING


def _is_told(row: Row) -> bool:
    """Whether a row is a model request that gave text, and it is known what of earlier answers stands in it."""
    return (
        row.traits & _TOLD == _TOLD
        and row.kind is OperationKind.INFERENCE
        and row.function_calls < _FEWEST_TOOLS
        and not row.is_error
        and row.outcome is None
        and row.given != 0
        and row.head != 0
    )


def _in_a_row(siblings: Sequence[Row], shape: Shape) -> Iterator[list[Row]]:
    group: list[Row] = []
    spans: set[int] = set()
    requests: set[int] = set()
    for row in siblings:
        is_told = _is_told(row)
        if group and (
            not is_told
            or len(group) > MAX_ANSWERS_LOOKED_FOR
            or row.head != group[-1].head
            or row.given in requests
            or not 0 <= row.start_ns - group[-1].end_ns <= _MAX_PAUSE_NS
            or not spans.isdisjoint(map(int_of, shape.used_by(row.span_id)))
        ):
            yield group
            group, spans, requests = [], set(), set()
        if is_told:
            group.append(row)
            spans.add(row.span_id)
            requests.add(row.given)
    if group:
        yield group
