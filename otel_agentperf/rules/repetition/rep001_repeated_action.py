"""REP001 repeated_action

What it finds: a tool or action called again to no avail. A call is wasted when, first match
wins: it fails as it failed before, with no success of that tool in between (*fail*); it has
the same arguments and the same result as last time (*exact*), and no call in between gave
something new for the arguments of an earlier one; or it is nearly the same
request in other words (*near*). Where results are not recorded, the third call with the same
arguments counts as exact, and a call without arguments never does. Three wasted calls of
different tools within the last 16 are a loop over these tools, which is told of the run.

Why it costs: each repeat takes its own time, and usually a model request to decide on it. An
agent that repeats itself is often in a loop that only its step limit ends.

Example: `click` ran 4 times with the same arguments and the same result: 3 wasted calls.

Instead: give the tool's answer back in a form that shows the model what did not work, stop
the loop after the second identical result, or reuse the first answer.

Limits: a changed result is progress (paging, polling) and is never a repeat, nor is the step that led
to it (a scroll, a click on "next"), nor a second try after a failure. It works on fingerprints only: "nearly the same" is a SimHash distance of at most
14 bits, which stands for a Jaccard similarity of about 0.6 of the longest argument's words, with
the other arguments and every word that holds a digit equal. A model request counts as wasted only
where it is certain that it asked for nothing but wasted calls.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

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
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, Shape, View, int_of, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, Claims
from otel_agentperf.rules.repetition.wasted import WINDOW, Calls, Waste
from otel_agentperf.rules.shape import NS_PER_S, asked_together, usd_of

MAX_TOOLS = 256


class _Wasted(NamedTuple):
    call: int
    """How many tool calls the run had made by then."""
    name: str
    kind: Waste


class _Tally(msgspec.Struct, gc=False):
    """The wasted calls of a tool, or of several."""

    kinds: Counter[Waste] = msgspec.field(default_factory=Counter[Waste])
    most: int = 0
    """The most within the last 16 tool calls."""
    level: Level | None = None
    said: int = 0
    """How many there were when they were last told of."""
    time_ns: int = 0
    cost_usd: Decimal = ZERO_USD
    requests: int = 0
    claims: Claims = msgspec.field(default_factory=Claims)
    spans: array[int] = msgspec.field(default_factory=lambda: array("Q"))

    def add(self, kind: Waste, operation: Operation) -> None:
        """Count one wasted call."""
        cost = operation.cost.total_usd if operation.cost is not None else None
        self.kinds[kind] += 1
        self._add(operation.span_id, cost or ZERO_USD, operation.start_ns, operation.end_ns)
        self.spans.append(int_of(operation.span_id))

    def add_beneath(self, row: Row) -> None:
        """Count the money of what ran in a wasted call."""
        self._add(span_hex(row.span_id), usd_of(row), 0, 0)

    def add_request(self, row: Row) -> None:
        """Count a model request that asked for wasted calls only."""
        self.requests += 1
        self._add(span_hex(row.span_id), usd_of(row), row.start_ns, row.end_ns)

    def _add(self, span_id: str, cost_usd: Decimal, start_ns: int, end_ns: int) -> None:
        self.time_ns += max(0, end_ns - start_ns)
        self.cost_usd += cost_usd
        self.claims.add(span_id, cost_usd, start_ns, end_ns)

    def with_(self, other: _Tally) -> _Tally:
        """Both together."""
        claims = Claims()
        claims.merge(self.claims)
        claims.merge(other.claims)
        return _Tally(
            self.kinds + other.kinds,
            max(self.most, other.most),
            self.level,
            0,
            self.time_ns + other.time_ns,
            self.cost_usd + other.cost_usd,
            self.requests + other.requests,
            claims,
            self.spans + other.spans,
        )


class _State(msgspec.Struct, gc=False):
    calls: int = 0
    changes: int = 0
    """Calls that gave something new for the arguments of an earlier one."""
    tools: dict[str, Calls] = {}
    wasted: dict[str, _Tally] = {}
    recent: list[_Wasted] = []
    loop: dict[str, None] = {}
    """The tools that a loop over several went through."""
    loop_most: int = 0
    loop_said: int = 0


class RepeatedAction(Rule[_State]):
    """Wasted calls of one tool, or of several, among the last 16 tool calls of a run.

    Told again when the level rises or the number doubles, and at the end of the run.

    Alarm at 3 wasted calls, or 2 that failed alike; notice, with lower impact, at 2. Impact:
    0.7 at the alarm (the reference point of the system's users), 0.05 more for each further
    one up to 1.0, 0.4 for a notice. Saving, measured: the time and the cost of all wasted calls
    of the run, with what ran in them, and of the model requests that asked for nothing else.
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
        name = operation.name
        calls = state.tools.get(name)
        if calls is None:
            if len(state.tools) >= MAX_TOOLS:
                return ()
            calls = state.tools[name] = Calls()
        if calls.changes(call):
            state.changes += 1
        kind = calls.take(call, operation, state.changes)
        if kind is None:
            return ()
        state.wasted.setdefault(name, _Tally()).add(kind, operation)
        state.recent.append(_Wasted(state.calls, name, kind))
        while state.recent[0].call <= state.calls - WINDOW:
            del state.recent[0]
        return self._judge(state, name, view)

    def _judge(self, state: _State, name: str, view: View) -> Iterable[Suggestion]:
        tally = state.wasted[name]
        kinds = [wasted.kind for wasted in state.recent if wasted.name == name]
        tally.most = max(tally.most, len(kinds))
        level = tally.level
        if len(kinds) >= self.alarm_repeats or kinds.count(Waste.FAIL) >= self.alarm_failures:
            tally.level = Level.ALARM
        elif level is None and len(kinds) >= self.notice_repeats:
            tally.level = Level.NOTICE
        in_loop = {wasted.name: None for wasted in state.recent}
        if len(state.recent) >= self.alarm_repeats and all(
            state.wasted[one].level is not Level.ALARM for one in in_loop
        ):
            state.loop |= in_loop
            state.loop_most = max(state.loop_most, len(state.recent))
            if len(state.recent) >= 2 * state.loop_said:
                state.loop_said = len(state.recent)
                yield self._of_loop(state, state.wasted, view)
        wasted = tally.kinds.total()
        if tally.level is not None and (tally.level is not level or wasted >= 2 * tally.said):
            tally.said = wasted
            yield self._of_tool(state, name, tally)

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        said = {name: tally for name, tally in state.wasted.items() if tally.level is not None or name in state.loop}
        if said and shape is not None and not shape.dropped:
            self._add_what_it_took(said, root, shape)
        final = [self._of_tool(state, name, tally) for name, tally in said.items() if tally.level is not None]
        return [*([self._of_loop(state, said, view)] if state.loop else []), *final]

    def _add_what_it_took(self, said: dict[str, _Tally], root: Operation, shape: Shape) -> None:
        """Add to the wasted calls what ran in them, and the model requests that asked for nothing else."""
        rows = shape.rows()
        tree = shape.tree(root)
        of = {span: tally for tally in said.values() for span in tally.spans}
        for tally in said.values():
            for row in tree.beneath(tally.spans):
                if row.has_cost and row.span_id not in of:
                    tally.add_beneath(row)
        for request, tools in asked_together(rows) if shape.most_asked else ():
            if all(tool.span_id in of for tool in tools):
                of[tools[0].span_id].add_request(request)

    def _of_tool(self, state: _State, name: str, tally: _Tally) -> Suggestion:
        return self._suggestion(f"{name} was", (f"tool:{name}",), tally, state.calls)

    def _of_loop(self, state: _State, wasted: dict[str, _Tally], view: View) -> Suggestion:
        names = sorted(state.loop)
        tally = _Tally()
        for name in names:
            tally = tally.with_(wasted[name])
        tally.most, tally.level = state.loop_most, Level.ALARM
        targets = (f"run:{view.name}", *(f"tool:{name}" for name in names))
        return self._suggestion(f"{' and '.join(names)} were", targets, tally, state.calls)

    def _suggestion(self, who: str, targets: tuple[str, ...], tally: _Tally, calls: int) -> Suggestion:
        kinds, wasted = tally.kinds, tally.kinds.total()
        how = {
            Waste.FAIL: f"{kinds[Waste.FAIL]} failed as before",
            Waste.EXACT: f"{kinds[Waste.EXACT]} had the same arguments and result",
            Waste.NEAR: f"{kinds[Waste.NEAR]} asked nearly the same",
        }
        said = ", ".join(how[kind] for kind in Waste if kinds[kind])
        level = tally.level or Level.NOTICE
        impact = min(1.0, 0.7 + 0.05 * max(0, tally.most - self.alarm_repeats)) if level is Level.ALARM else 0.4
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=level,
            description=(
                f"{who} called {wasted} times to no avail among the {calls} tool calls of the run: {said}. "
                "Show the model what did not work, stop after the second identical result, or reuse the answer."
            ),
            impact_score=round(impact, 3),
            complexity=self.complexity,
            confidence=0.7 if kinds[Waste.NEAR] == wasted else 0.9,
            applies_to=targets,
            span_ids=tuple(map(span_hex, tally.spans[-MAX_SPANS:])),
            evidence={
                "wasted_calls": wasted,
                "most_in_window": tally.most,
                **{f"wasted_{kind.value}": kinds[kind] for kind in Waste},
                "wasted_requests": tally.requests,
            },
            savings=Savings(
                SavingBasis.MEASURED, time_s=round(tally.time_ns / NS_PER_S, 6), cost_usd=tally.cost_usd or None
            ),
            claims=tally.claims.largest(),
        )
