"""LAT011 deadline_forecast

What it finds: a run that will end after its deadline, while it goes on: of the finished runs of its
graph that took longer than this one has so far, nine in ten ended after a bound, and that
bound lies after the deadline.

Why it costs: whoever waits will give up, and the run is paid for all the same. This leaves time
to answer with what there is, to take a faster model for the rest, or to tell who waits.

Example: `research` has run for 21 s and is expected to take 31 s or more, by 95 of its finished runs
that had taken as long, against a deadline of 30 s.

Instead: shorten what is left: fewer rounds, a faster model, steps in parallel. Or set the
deadline that this graph needs.

Limits: silent unless a deadline is set, without a baseline of the graph, or with fewer than 30
finished runs that succeeded. One in ten of its alarms may be wrong; it then says at the end that the run
kept its deadline. It looks when an operation ends, so nothing is said while a single one hangs, and it
counts from the first operation that it saw.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_agentperf.baselines.forecast import Forecast
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.model import Operation, OperationKind, Suggestion
from otel_agentperf.rules.base import Group, Option, View
from otel_agentperf.rules.forecasting import OPTIONS, ForecastRule, Watch

NS_PER_S = 1e9


class DeadlineForecast(ForecastRule):
    """The lower bound of a run's forecast duration lies above its deadline.

    Levels, impact and confidence are those of `ForecastRule`. It claims no saving: what takes
    the time is for other rules to say.
    """

    code = "LAT011"
    name = "deadline_forecast"
    group = Group.LATENCY
    watches = frozenset(OperationKind)
    measure = Measure.DURATION_S
    unit = "s"
    options = {"deadline_s": Option(0.0, "s", "How long a run may take; 0 is no deadline."), **OPTIONS}
    deadline_s: float

    @property
    def limit(self) -> float:
        return self.deadline_s

    def observe(self, state: Watch, operation: Operation, view: View) -> Iterable[Suggestion]:
        state.start_ns = min(state.start_ns, operation.start_ns)
        spent_s = (operation.end_ns - state.start_ns) / NS_PER_S
        if spent_s <= state.next:
            return ()
        return self.look(state, spent_s, view, operation.span_id, is_over=False)

    def conclude(self, state: Watch, root: Operation, view: View) -> Iterable[Suggestion]:
        return self.look(state, root.duration_ns / NS_PER_S, view, root.span_id, is_over=True)

    def said(self, told: Forecast, view: View, *, is_over: bool) -> str:
        limit = f"{self.deadline_s:g} s"
        if is_over:
            kept = "kept" if told.spent <= self.deadline_s else "did not keep"
            return (
                f"{view.name} was forecast to take longer than its deadline of {limit}: "
                f"it took {told.spent:.1f} s, and {kept} it."
            )
        if not told.samples:
            return (
                f"{view.name} has run for {told.spent:.1f} s, above its deadline of {limit} and longer than any finished "
                "run before. Answer with what there is, or take a faster model for the rest."
            )
        return (
            f"{view.name} has run for {told.spent:.1f} s and is expected to take {told.lower:.1f} s or more, above its deadline "
            f"of {limit}: so did {self.confidence:.0%} of the finished runs that had taken as long. "
            "Answer with what there is, or take a faster model for the rest."
        )
