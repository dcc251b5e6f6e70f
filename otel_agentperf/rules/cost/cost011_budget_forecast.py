"""COST011 budget_forecast

What it finds: a run that will cost more than its budget, while it goes on: of the finished runs of
its graph that cost more than this one has so far, nine in ten ended above a bound, and that
bound lies above the budget.

Why it costs: a budget that is told when it is gone can no longer be kept. This leaves the rest
of the run to stop it, to take a cheaper model, or to warn who waits.

Example: `research` has cost $0.062 after 14 requests, and is expected to cost $0.104 or more, by 212 of
its finished runs that had cost as much, against $0.10.

Instead: end what goes in circles, take a cheaper model for the rest, or give this graph the
budget that it needs.

Limits: silent without a baseline of the graph, or with fewer than 30 finished runs. One in ten of its
alarms may be wrong; it then says at the end that the run kept its budget. It looks when a request
ends, so a single dear one is told after it; where a run has few requests, that one may be its last, and of
the alarms that come before the budget is spent a half to four fifths are right. Usage without a price is not in it. A graph whose runs always
cost more than the budget is told of as soon as each run begins: its budget is wrong. The budget is
that of a session (COST001), for a run that spends it alone; 0 switches this off.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from otel_agentperf.baselines.forecast import Forecast
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.rules.base import Group, Option, View, billed_kinds
from otel_agentperf.rules.bounded import dollars
from otel_agentperf.rules.forecasting import OPTIONS, ForecastRule, Watch
from otel_agentperf.rules.traits import BILLED


class BudgetForecast(ForecastRule):
    """The lower bound of a run's forecast cost lies above its budget.

    Levels, impact and confidence are those of `ForecastRule`. It claims no saving: what to
    save is for the rules on the contributors to say.
    """

    code = "COST011"
    name = "budget_forecast"
    group = Group.COST
    watches = billed_kinds()
    needs = BILLED
    measure = Measure.COST_USD
    unit = "usd"
    options = {"budget_usd": Option(0.10, "USD", "What a run may cost; 0 is no budget."), **OPTIONS}
    budget_usd: float

    @property
    def limit(self) -> float:
        return self.budget_usd

    def observe(self, state: Watch, operation: Operation, view: View) -> Iterable[Suggestion]:
        spent_usd = float(view.totals.cost_usd)
        if spent_usd <= state.next:
            return ()
        return self.look(state, spent_usd, view, operation.span_id, is_over=False)

    def conclude(self, state: Watch, root: Operation, view: View) -> Iterable[Suggestion]:
        return self.look(state, float(view.totals.cost_usd), view, root.span_id, is_over=True)

    def said(self, told: Forecast, view: View, *, is_over: bool) -> str:
        limit = "its budget" if "budget_usd" in self.chosen else "the default limit"
        spent, budget = _usd(told.spent), f"{limit} of ${self.budget_usd:g}"
        if is_over:
            kept = "kept" if told.spent <= self.budget_usd else "did not keep"
            return f"{view.name} was forecast to cost more than {budget}: it cost {spent}, and {kept} it."
        if not told.samples:
            return (
                f"{view.name} has cost {spent}, above {budget} and more than any finished run before. "
                "Stop it, or take a cheaper model for the rest."
            )
        return (
            f"{view.name} has cost {spent} and is expected to cost {_usd(told.lower)} or more, above {budget}: "
            f"so did {self.confidence:.0%} of the finished runs that had cost as much. "
            "Stop it, or take a cheaper model for the rest."
        )


def _usd(usd: float) -> str:
    return dollars(Decimal(repr(usd)))
