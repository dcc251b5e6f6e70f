"""REP001 repeated_action

What it finds: a tool or action called again to no avail. A call is wasted when, first match
wins: it fails as it failed before, with no success of that tool in between (*fail*); it has
the same arguments and the same result as last time (*exact*); or it is nearly the same
request in other words (*near*). Where results are not recorded, the third call with the same
arguments counts as exact, and a call without arguments never does.

Why it costs: each repeat takes its own time, and usually a model request to decide on it. An
agent that repeats itself is often in a loop that only its step limit ends.

Example: `click` ran 4 times with the same arguments and the same result: 3 wasted calls.

Instead: give the tool's answer back in a form that shows the model what did not work, stop
the loop after the second identical result, or reuse the first answer.

Limits: a changed result is progress (paging, polling) and is never a repeat. It works on
fingerprints only: "nearly the same" is a SimHash distance of at most 14 bits, which stands
for a Jaccard similarity of about 0.6 of the longest argument's words, with the other
arguments and every word that holds a digit equal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from otel_agentperf.model import (
    ZERO_USD,
    Claim,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    ToolCall,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View

WINDOW = 16
NEAR_BITS = 14
MAX_ARGUMENTS_REMEMBERED = 256
NS_PER_S = 1e9


class Waste(StrEnum):
    """Why a call was wasted."""

    FAIL = "fail"
    EXACT = "exact"
    NEAR = "near"


@dataclass(slots=True)
class _Wasted:
    call: int
    kind: Waste
    start_ns: int
    end_ns: int
    cost_usd: Decimal
    span_id: str

    @property
    def duration_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)


@dataclass(slots=True)
class _Tool:
    last_error: str | None = None
    results: dict[str, tuple[str | None, int]] = field(default_factory=dict[str, "tuple[str | None, int]"])
    """By arguments: the last result and how often they were seen."""
    recent: deque[tuple[str, int, str | None]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """Arguments, SimHash and context of the last calls."""
    wasted: deque[_Wasted] = field(default_factory=lambda: deque(maxlen=WINDOW))


@dataclass(slots=True)
class _State:
    calls: int = 0
    tools: dict[str, _Tool] = field(default_factory=dict[str, _Tool])


class RepeatedAction(Rule[_State]):
    """Wasted calls of one tool among the last 16 tool calls of a run.

    Alarm at 3 wasted calls, or 2 that failed alike; notice, with lower impact, at 2. Impact:
    0.7 at the alarm (the reference point of the system's users), 0.05 more for each further
    one up to 1.0, 0.4 for a notice. Saving, measured: the time and the cost of the wasted
    calls themselves.
    """

    code = "REP001"
    name = "repeated_action"
    group = Group.REPETITION
    scope = Scope.RUN
    watches = frozenset({OperationKind.TOOL})
    complexity = Complexity.MEDIUM
    options = {
        "alarm_repeats": Option(3, "calls", "Wasted calls that raise an alarm.", 1, WINDOW),
        "alarm_failures": Option(2, "calls", "Calls failing alike that raise an alarm.", 1, WINDOW),
        "notice_repeats": Option(2, "calls", "Wasted calls that are worth a notice.", 1, WINDOW),
    }
    alarm_repeats: int
    alarm_failures: int
    notice_repeats: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.tool
        if call is None or operation.outcome is not None:
            return ()
        state.calls += 1
        tool = state.tools.setdefault(operation.name, _Tool())
        kind = _waste(tool, call)
        _remember(tool, call)
        if kind is None:
            return ()
        cost = operation.cost.total_usd if operation.cost is not None else None
        tool.wasted.append(
            _Wasted(
                state.calls,
                kind,
                operation.start_ns,
                operation.end_ns,
                cost if cost is not None else ZERO_USD,
                operation.span_id,
            )
        )
        while tool.wasted[0].call <= state.calls - WINDOW:
            tool.wasted.popleft()
        return self._judge(operation.name, tuple(tool.wasted), min(WINDOW, state.calls))

    def _judge(self, name: str, wasted: tuple[_Wasted, ...], calls: int) -> Iterable[Suggestion]:
        failures = sum(1 for item in wasted if item.kind is Waste.FAIL)
        alarm = len(wasted) >= self.alarm_repeats or failures >= self.alarm_failures
        if not alarm and len(wasted) < self.notice_repeats:
            return ()
        counts = {kind: sum(1 for item in wasted if item.kind is kind) for kind in Waste}
        how = {
            Waste.FAIL: f"{counts[Waste.FAIL]} failed as before",
            Waste.EXACT: f"{counts[Waste.EXACT]} had the same arguments and result",
            Waste.NEAR: f"{counts[Waste.NEAR]} asked nearly the same",
        }
        said = ", ".join(how[kind] for kind in Waste if counts[kind])
        time_s = sum(item.duration_ns for item in wasted) / NS_PER_S
        cost_usd = sum((item.cost_usd for item in wasted), ZERO_USD)
        impact = min(1.0, 0.7 + 0.05 * max(0, len(wasted) - self.alarm_repeats)) if alarm else 0.4
        return (
            Suggestion(
                rule=self.code,
                type=self.name,
                level=Level.ALARM if alarm else Level.NOTICE,
                description=(
                    f"{name} was called {len(wasted)} times to no avail among the last {calls} tool calls: {said}. "
                    "Show the model what did not work, stop after the second identical result, or reuse the answer."
                ),
                impact_score=round(impact, 3),
                complexity=self.complexity,
                confidence=0.7 if counts[Waste.NEAR] == len(wasted) else 0.9,
                applies_to=(f"tool:{name}",),
                span_ids=tuple(item.span_id for item in wasted),
                evidence={
                    "wasted_calls": len(wasted),
                    "window_calls": calls,
                    **{f"wasted_{kind.value}": counts[kind] for kind in Waste},
                },
                savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=cost_usd or None),
                claims=tuple(Claim(item.span_id, item.cost_usd, item.start_ns, item.end_ns) for item in wasted),
            ),
        )


def _waste(tool: _Tool, call: ToolCall) -> Waste | None:
    if call.error_hash is not None:
        if call.error_hash == tool.last_error:
            return Waste.FAIL
    elif _same_again(tool, call):
        return Waste.EXACT
    return Waste.NEAR if _nearly_again(tool, call) else None


def _same_again(tool: _Tool, call: ToolCall) -> bool:
    if call.arguments_hash is None:
        return False
    result, seen = tool.results.get(call.arguments_hash, (None, 0))
    if call.result_hash is None:
        return seen >= 2 and not call.no_arguments  # noqa: PLR2004 - from the third occurrence on
    return seen > 0 and result == call.result_hash


def _nearly_again(tool: _Tool, call: ToolCall) -> bool:
    if call.arguments_simhash is None or call.arguments_hash is None:
        return False
    simhash = int(call.arguments_simhash, 16)
    return any(
        (simhash ^ other).bit_count() <= NEAR_BITS and context == call.context_hash and arguments != call.arguments_hash
        for arguments, other, context in tool.recent
    )


def _remember(tool: _Tool, call: ToolCall) -> None:
    tool.last_error = call.error_hash
    if call.arguments_hash is None:
        return
    if call.error_hash is None:
        _, seen = tool.results.pop(call.arguments_hash, (None, 0))
        tool.results[call.arguments_hash] = (call.result_hash, seen + 1)
        if len(tool.results) > MAX_ARGUMENTS_REMEMBERED:
            del tool.results[next(iter(tool.results))]
    if call.arguments_simhash is not None:
        tool.recent.append((call.arguments_hash, int(call.arguments_simhash, 16), call.context_hash))
