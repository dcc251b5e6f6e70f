"""ERR004 failing_tool

What it finds: a tool of this service more than half of whose calls end with an error, where at
least a third of these failures are not put right by the next call of the same tool.

Why it costs: the agent goes on without what it asked for, or asks again: each failed call takes
its time, a further model request, and a place in the prompt.

Example: `book_flight` failed in 14 of 18 calls. After 12 of them, the next call of it in the same
run failed too, or there was none.

Instead: look at the errors on the named spans. Validate arguments with a schema that the model
sees, return errors that say what is allowed, repair what is down, or take the tool out.

Limits: a failure that is followed by a success of the same tool in the same run is put right, such
as a retry that passes or arguments that the model corrects. A search that finds nothing has
succeeded. At least 3 failures that were not put right are needed, since one or two prove nothing, and a tool
that works in half of its calls or more is left alone. Interrupted and
cancelled calls are left out. Only errors that the span reports are seen: a tool that returns
`"Error: ..."` as its result has succeeded, as far as the trace tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from otel_agentperf.model import Complexity, Level, Operation, OperationKind, Suggestion
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Claims, Table
from otel_agentperf.rules.shape import NS_PER_S, target_of_row
from otel_agentperf.rules.traits import FAILED

ALARM_RATE = 0.8
_LASTING = 1 / 3
"""The share of the failures that is not put right from which a tool is failing."""
_TOOLS = frozenset({OperationKind.TOOL, OperationKind.RETRIEVAL})


class _Tool(msgspec.Struct, gc=False):
    calls: int = 0
    failures: int = 0
    lasting: int = 0
    """Failures that the tool's next call in the run did not put right."""
    failed_ns: int = 0
    spans: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Tool) -> None:
        self.calls += other.calls
        self.failures += other.failures
        self.lasting += other.lasting
        self.failed_ns += other.failed_ns
        self.spans.merge(other.spans)


class FailingTool(Rule[Table[_Tool]]):
    """Share of a tool's calls in this process that failed, at least a third of which no further call put right.

    It states no saving: the time of a failed call may be needed again once it works. An alarm from
    four in five on. Impact: `0.4 + 0.5 * error rate`. Confidence: `n / (n + 2)` for n calls.
    """

    code = "ERR004"
    name = "failing_tool"
    group = Group.FAILURES
    scope = Scope.PROCESS
    watches = _TOOLS
    complexity = Complexity.MEDIUM
    options = {
        "error_rate": Option(0.5, "share", "Share of failed calls above which a tool is failing.", 0, 1),
        "min_failures": Option(3, "calls", "Fewest failures not put right by the next call that are judged.", 1),
    }
    error_rate: float
    min_failures: int

    def start(self) -> Table[_Tool]:
        return Table(_Tool, MAX_PROCESS_TARGETS)

    def observe(self, state: Table[_Tool], operation: Operation, view: View) -> Iterable[Suggestion]:
        if operation.outcome is None:
            tool = state.of(f"{operation.kind}:{operation.name}")
            if tool is not None:
                tool.calls += 1
        return ()

    def conclude(self, state: Table[_Tool], root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is not None and shape.traits & FAILED:
            by_target: dict[str, list[Row]] = {}
            for row in shape.rows():
                if row.kind in _TOOLS and row.outcome is None:
                    by_target.setdefault(target_of_row(row), []).append(row)
            for target, calls in by_target.items():
                tool = state.of(target)
                if tool is not None:
                    _add_failures(tool, calls)
        return self.judge(state, view)

    def merge(self, state: Table[_Tool], other: Table[_Tool]) -> Table[_Tool]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Tool], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, tool)
            for target, tool in state.entries.items()
            if tool.lasting >= self.min_failures
            and tool.failures > self.error_rate * tool.calls
            and tool.lasting >= _LASTING * tool.failures
        ]

    def _suggestion(self, target: str, tool: _Tool) -> Suggestion:
        rate = tool.failures / tool.calls
        failed_s = tool.failed_ns / NS_PER_S
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if rate >= ALARM_RATE else Level.NOTICE,
            description=(
                f"{target.partition(':')[2]} failed in {tool.failures:,} of {tool.calls:,} calls ({rate:.0%}). After "
                f"{tool.lasting:,} of these failures its next call in the run failed too, or there was none. Look at the "
                "errors on the named spans: correct what the tool needs, or return errors that say what is allowed."
            ),
            impact_score=round(0.4 + 0.5 * rate, 3),
            complexity=self.complexity,
            confidence=round(tool.calls / (tool.calls + 2), 3),
            applies_to=(target,),
            span_ids=tool.spans.spans(),
            evidence={
                "calls": tool.calls,
                "failures": tool.failures,
                "lasting_failures": tool.lasting,
                "error_rate": round(rate, 3),
                "failed_s": round(failed_s, 3),
            },
        )


def _add_failures(tool: _Tool, calls: Sequence[Row]) -> None:
    """Count the failures among the calls of a run, which are in order of start."""
    following: Row | None = None
    for call in reversed(calls):
        if call.is_error:
            tool.failures += 1
            tool.lasting += following is None or following.is_error
            tool.failed_ns += call.duration_ns
            tool.spans.add(f"{call.span_id:016x}", start_ns=call.start_ns, end_ns=call.end_ns)
        following = call
