"""REP001 repeated_action

What it finds: a tool or action that is called again and again without a new result. A call is
wasted when, first match wins: it fails as it failed before, with no success of that tool in between
(*fail*); it has the same arguments and the same result as last time (*exact*), and no call in
between gave something new for the arguments of an earlier one; or it asks the same in other
words and gets the same result (*near*). Where results are not recorded, the third call with the
same arguments counts as exact, and a call without arguments never does. Wasted calls of several
tools among the last 16 calls of the run are one loop over these tools, and one suggestion.

Why it costs: each repeat takes its own time, and usually a model request to decide on it. An
agent that repeats itself is often in a loop that only its step limit ends.

Example: `click` ran 4 times with the same arguments and the same result: 3 wasted calls.

Instead: return a result that shows the model what did not work, stop the loop after the second
identical result, or reuse the first result.

Limits: a changed result is progress (paging, polling) and is never a repeat, nor is the step that led
to it (a scroll, a click on "next"), nor a second try after a failure. Each agent is compared with
itself. It works on fingerprints only: calls ask the same where at least one of them is a sentence
and they differ in small words, in the order of words or in a plural. Calls that differ in any other
word, in a path, URL, identifier or number are different calls, whatever they return. Spans of version
0.1 do not record what is a sentence, so only exact repeats and failures are found in them. A model
request counts as wasted only where it is certain that it asked for nothing but wasted calls.
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
from otel_agentperf.rules.bounded import MAX_SPANS, Claims, union_ns
from otel_agentperf.rules.repetition.wasted import WINDOW, Calls, Results, Waste
from otel_agentperf.rules.shape import NS_PER_S, asked_together, usd_of

MAX_TOOLS = 256
"""Pairs of an agent and a tool; what others do is not judged."""


class _Wasted(NamedTuple):
    call: int
    """How many tool calls the run had made by then."""
    agent: str
    name: str
    kind: Waste


class _Tally(msgspec.Struct, gc=False):
    """The wasted calls of a tool, or of several."""

    kinds: Counter[Waste] = msgspec.field(default_factory=Counter[Waste])
    cost_usd: Decimal = ZERO_USD
    requests: int = 0
    claims: Claims = msgspec.field(default_factory=Claims)
    spans: array[int] = msgspec.field(default_factory=lambda: array("Q"))
    starts_ns: array[int] = msgspec.field(default_factory=lambda: array("q"))
    ends_ns: array[int] = msgspec.field(default_factory=lambda: array("q"))

    def add(self, kind: Waste, operation: Operation) -> None:
        """Count one wasted call."""
        cost = operation.cost.total_usd if operation.cost is not None else None
        self.kinds[kind] += 1
        self._add(operation.span_id, cost or ZERO_USD, operation.start_ns, operation.end_ns)
        self.spans.append(int_of(operation.span_id))

    def add_beneath(self, row: Row) -> None:
        """Count the money of what ran in a wasted call."""
        cost_usd = usd_of(row)
        self.cost_usd += cost_usd
        self.claims.add(span_hex(row.span_id), cost_usd)

    def add_request(self, row: Row) -> None:
        """Count a model request that asked for wasted calls only."""
        self.requests += 1
        self._add(span_hex(row.span_id), usd_of(row), row.start_ns, row.end_ns)

    def _add(self, span_id: str, cost_usd: Decimal, start_ns: int, end_ns: int) -> None:
        self.starts_ns.append(start_ns)
        self.ends_ns.append(end_ns)
        self.cost_usd += cost_usd
        self.claims.add(span_id, cost_usd, start_ns, end_ns)

    def merge(self, other: _Tally) -> None:
        """Add another tally, which is left as it is."""
        self.kinds += other.kinds
        self.starts_ns += other.starts_ns
        self.ends_ns += other.ends_ns
        self.cost_usd += other.cost_usd
        self.requests += other.requests
        self.claims.merge(other.claims)
        self.spans += other.spans


class _Loop(msgspec.Struct, gc=False):
    """One behaviour: a tool that is called again without a new result, or several that are called in turns."""

    tools: dict[str, None]
    most: int = 0
    """The most of its wasted calls within the last 16 tool calls."""
    level: Level | None = None
    reported: int = 0
    """How many wasted calls it had when it was last reported."""


class _State(msgspec.Struct, gc=False):
    changes: int = 0
    """Calls that gave something new for the arguments of an earlier one."""
    seen: int = 0
    """Calls so far."""
    results: dict[str, Results] = {}
    calls: dict[tuple[str, str], Calls] = {}
    """By agent and tool."""
    wasted: dict[str, _Tally] = {}
    recent: list[_Wasted] = []
    loops: dict[str, _Loop] = {}
    """By tool; a tool belongs to one loop."""


class RepeatedAction(Rule[_State]):
    """Wasted calls of one tool, or of several in turns, among the last 16 tool calls of a run.

    Reported once for each such loop, and again when its level rises or the number doubles.

    Alarm at 3 wasted calls, of one tool by one agent or of several tools together, or 2 that failed
    alike; notice, with lower impact, at 2. Impact: 0.7 at the alarm (the reference point of the
    system's users), 0.05 more for each further one up to 1.0, 0.4 for a notice. Saving, measured: the
    time and the cost of all wasted calls of the run, with what ran in them, and of the model
    requests that asked for nothing else.
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
        state.seen += 1
        name = operation.name
        pair = (operation.agent, name)
        calls = state.calls.get(pair)
        if calls is None:
            if len(state.calls) >= MAX_TOOLS:
                return ()
            calls = state.calls[pair] = Calls()
            state.results.setdefault(name, Results())
        if state.results[name].has_changed(call, operation):
            state.changes += 1
        kind = calls.take(call, operation, state.changes)
        if kind is None:
            return ()
        state.wasted.setdefault(name, _Tally()).add(kind, operation)
        state.recent.append(_Wasted(state.seen, *pair, kind))
        while state.recent[0].call <= state.seen - WINDOW:
            del state.recent[0]
        return self._judge(state, name, view)

    def _judge(self, state: _State, name: str, view: View) -> Iterable[Suggestion]:
        loop = self._loop_of(state, name)
        before = loop.level
        loop.most = max(loop.most, sum(1 for each in state.recent if each.name in loop.tools))
        loop.level = self._level(state.recent, loop)
        wasted = sum(state.wasted[tool].kinds.total() for tool in loop.tools)
        if loop.level is not None and (loop.level is not before or wasted >= 2 * loop.reported):
            loop.reported = wasted
            return (self._suggestion(state, loop, view),)
        return ()

    def _loop_of(self, state: _State, name: str) -> _Loop:
        """The loop that a tool belongs to: with the other tools that waste calls at the same time, where there are enough."""
        if len(state.recent) < self.alarm_repeats:
            return state.loops.setdefault(name, _Loop({name: None}))
        tools = dict.fromkeys(each.name for each in state.recent)
        known = [state.loops[tool] for tool in tools if tool in state.loops]
        loop = next((each for each in known if each.level is not None), known[0] if known else _Loop({}))
        for tool in tools:
            own = state.loops.get(tool)
            if own is None or own.level is None:  # one that was reported stays what it was reported as
                loop.tools[tool] = None
                state.loops[tool] = loop
        return state.loops[name]

    def _level(self, recent: list[_Wasted], loop: _Loop) -> Level | None:
        """What the last calls amount to; an alarm stands."""
        in_loop = [each for each in recent if each.name in loop.tools]
        by_tool = Counter((each.agent, each.name) for each in in_loop)
        failures = Counter((each.agent, each.name) for each in in_loop if each.kind is Waste.FAIL)
        most = max(by_tool.values(), default=0)
        is_over_several = len({each.name for each in in_loop}) > 1 and len(in_loop) >= self.alarm_repeats
        if most >= self.alarm_repeats or is_over_several or max(failures.values(), default=0) >= self.alarm_failures:
            return Level.ALARM
        return loop.level or (Level.NOTICE if most >= self.notice_repeats else None)

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        loops = list({id(loop): loop for loop in state.loops.values() if loop.level is not None}.values())
        shape = view.columns
        if loops and shape is not None and not shape.dropped:
            self._add_what_it_took({tool: state.wasted[tool] for loop in loops for tool in loop.tools}, root, shape)
        return [self._suggestion(state, loop, view) for loop in loops]

    def _add_what_it_took(self, wasted: dict[str, _Tally], root: Operation, shape: Shape) -> None:
        """Add to the wasted calls what ran in them, and the model requests that asked for nothing else."""
        rows = shape.rows()
        tree = shape.tree(root)
        of = {span: tally for tally in wasted.values() for span in tally.spans}
        for tally in wasted.values():
            for row in tree.beneath(tally.spans):
                if row.has_cost and row.span_id not in of:
                    tally.add_beneath(row)
        for request, tools in asked_together(rows) if shape.most_asked else ():
            if all(tool.span_id in of for tool in tools):
                of[tools[0].span_id].add_request(request)

    def _suggestion(self, state: _State, loop: _Loop, view: View) -> Suggestion:
        tally = _Tally()
        for name in loop.tools:
            tally.merge(state.wasted[name])
        kinds, wasted = tally.kinds, tally.kinds.total()
        level = loop.level or Level.NOTICE
        impact = min(1.0, 0.7 + 0.05 * max(0, loop.most - self.alarm_repeats)) if level is Level.ALARM else 0.4
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=level,
            description=_description(list(loop.tools), kinds, view.totals.tool_calls),
            impact_score=round(impact, 3),
            complexity=self.complexity,
            confidence=0.7 if kinds[Waste.NEAR] == wasted else 0.9,
            applies_to=tuple(f"tool:{name}" for name in loop.tools),
            span_ids=tuple(map(span_hex, tally.spans[-MAX_SPANS:])),
            evidence={
                "wasted_calls": wasted,
                "most_in_window": loop.most,
                **{f"wasted_{kind.value}": kinds[kind] for kind in Waste},
                "wasted_requests": tally.requests,
            },
            savings=Savings(
                SavingBasis.MEASURED,
                time_s=round(union_ns(zip(tally.starts_ns, tally.ends_ns, strict=True)) / NS_PER_S, 6),
                cost_usd=tally.cost_usd or None,
            ),
            claims=tally.claims.largest(),
        )


_MOST_NAMED = 4
_HOW = {
    Waste.FAIL: "failed with the same error as before",
    Waste.EXACT: "had the same arguments and the same result as before",
    Waste.NEAR: "asked the same in other words and got the same result",
}


def _description(names: list[str], kinds: Counter[Waste], calls: int) -> str:
    more = f" and {len(names) - _MOST_NAMED} more tools" if len(names) > _MOST_NAMED else ""
    who = ", ".join(names[:_MOST_NAMED]) + more if more or len(names) == 1 else " and ".join(names)
    wasted = kinds.total()
    times = "once" if wasted == 1 else f"{wasted} times"
    how = "; ".join(f"{kinds[kind]} {_HOW[kind]}" for kind in Waste if kinds[kind])
    return (
        f"{who} {'was' if len(names) == 1 else 'were'} called again {times} without a new result (the run made {calls} "
        f"tool calls): {how}. Show the model what did not work, stop after the second identical result, or reuse the "
        "first result."
    )
