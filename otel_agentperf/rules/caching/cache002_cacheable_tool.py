"""CACHE002 cacheable_tool

What it finds: a tool that gave the same result for the same arguments in several runs, and never
another one for them.

Why it costs: each of these calls took its time, and what it fetched was known already.

Example: `load_price_list` was called 40 times in 40 runs with the same arguments, 1.2 s each, and
gave the same result every time.

Instead: if the tool only reads, keep its results for as long as they hold good: a cache around the
function, by its arguments, or LangGraph's own cache on the node.

Limits: whether a tool only reads cannot be seen from here: one that also does something must be
called each time. Tools whose names say that they change something (`cancel_order`, `browser_click`)
are left out. A tool that once gave another result for the same arguments is left alone
altogether. Failed calls do not count, nor do those whose result was not recorded, and those
without arguments count only where the result is long. Up to 2,048 pairs of tool and arguments are
watched in a process, a fair sample of them where there are more.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

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
    ToolCall,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, span_hex
from otel_agentperf.rules.caching.calls import MAX_RUNS, Calls, Pair, Repeated, unpacked
from otel_agentperf.rules.verbs import CHANGING, READING, verb_of

NS_PER_S = 1e9
REFERENCE_S = 1.0
REFERENCE_USD = 0.001


class CacheableTool(Rule[Calls]):
    """The same tool, arguments and result in at least three runs.

    Saving, measured: time and cost of all these calls but the first one of each set of arguments.
    Impact: 0.7 (the reference point for a repeated action) where such a call takes a second or
    costs a tenth of a cent on average, in proportion below; never an alarm, since whether the
    tool only reads is for people to say.
    """

    code = "CACHE002"
    name = "cacheable_tool"
    group = Group.CACHING
    scope = Scope.PROCESS
    watches = frozenset({OperationKind.TOOL})
    complexity = Complexity.LOW
    options = {
        "min_runs": Option(3, "runs", "Fewest runs in which the same arguments gave the same result.", 2, MAX_RUNS),
        "min_average_s": Option(0.1, "s", "Least average time of a call that costs nothing."),
        "min_result_size": Option(1_000, "characters", "Least result of a call without arguments."),
    }
    min_runs: int
    min_average_s: float
    min_result_size: int

    def start(self) -> Calls:
        return Calls()

    def observe(self, state: Calls, operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.tool
        if call is None or call.result_hash is None or call.arguments_hash is None or not self._counts(operation, call):
            return ()
        state.add(operation, call)
        return ()

    def _counts(self, operation: Operation, call: ToolCall) -> bool:
        if operation.error_type is not None or operation.outcome is not None or call.error_hash is not None:
            return False
        return not call.no_arguments or (call.result_size or 0) >= self.min_result_size

    def merge(self, state: Calls, other: Calls) -> Calls:
        state.merge(other)
        return state

    def conclude(self, state: Calls, root: Operation, view: View) -> Iterable[Suggestion]:
        if not state.changed:
            return ()
        changed = sorted(state.changed)
        state.changed.clear()
        return [suggestion for name in changed for suggestion in self._of(name, state.tools.get(name, {}))]

    def judge(self, state: Calls, view: View) -> Iterable[Suggestion]:
        state.trim()
        return [suggestion for name in sorted(state.tools) for suggestion in self._of(name, state.tools[name])]

    def _of(self, name: str, pairs: dict[int, Pair]) -> Iterable[Suggestion]:
        repeated = [pair for pair in pairs.values() if isinstance(pair, Repeated)]
        same = [pair for pair in repeated if len(pair.runs) >= self.min_runs]
        if not same or any(pair.varies for pair in repeated) or verb_of(name) in CHANGING:
            return ()
        repeats = sum(pair.calls - 1 for pair in same)
        first = [unpacked(pair.first) for pair in same]
        time_s = (sum(pair.total_ns for pair in same) - sum(call.duration_ns for call in first)) / NS_PER_S
        cost_usd = sum((pair.cost_usd for pair in same), Decimal(0)) - sum(
            (Decimal(repr(call.cost_usd)) for call in first), Decimal(0)
        )
        average_s, average_usd = time_s / repeats, float(cost_usd) / repeats
        if average_s < self.min_average_s and average_usd <= 0:
            return ()
        calls = sum(pair.calls for pair in same)
        runs = max(len(pair.runs) for pair in same)
        named = sorted((call for pair in same for call in pair.named()), reverse=True)[:MAX_CLAIMS]
        which = "the same arguments" if len(same) == 1 else f"each of {len(same)} sets of arguments"
        return (
            Suggestion(
                rule=self.code,
                type=self.name,
                level=Level.NOTICE,
                description=(
                    f"{name} gave the same result for {which}, {calls} times in up to {runs} runs and "
                    f"{average_s:.2g} s each. If it only reads, keep its results by their arguments."
                ),
                impact_score=round(0.7 * min(1.0, max(average_s / REFERENCE_S, average_usd / REFERENCE_USD)), 3),
                complexity=self.complexity,
                confidence=0.7 if verb_of(name) in READING else 0.5,
                applies_to=(f"tool:{name}",),
                span_ids=tuple(span_hex(call.span_id) for call in named[:16]),
                evidence={
                    "calls": calls,
                    "repeats": repeats,
                    "runs": runs,
                    "arguments": len(same),
                    "average_s": round(average_s, 3),
                },
                savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=cost_usd or None),
                claims=tuple(
                    Claim(span_hex(call.span_id), Decimal(repr(call.cost_usd)), call.start_ns, call.end_ns)
                    for call in named
                ),
            ),
        )
