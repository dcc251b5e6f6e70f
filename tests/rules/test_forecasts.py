from __future__ import annotations

import pytest

from otel_agentperf.baselines.forecast import forecast
from otel_agentperf.rules.base import Scope, View
from otel_agentperf.rules.cost.cost011_budget_forecast import BudgetForecast
from otel_agentperf.rules.latency.lat011_deadline_forecast import DeadlineForecast
from tests.normals import ListNormal


@pytest.mark.parametrize(
    "rule", [BudgetForecast({"budget_usd": 0.1}), DeadlineForecast({"deadline_s": 0.1})], ids=["COST011", "LAT011"]
)
def test_where_no_finished_run_took_as_much_none_is_named_as_evidence(rule: BudgetForecast | DeadlineForecast) -> None:
    view = View(Scope.RUN, "shop")
    beyond, among = (forecast(ListNormal([0.03] * 60 + [0.2] * 60), spent) for spent in (0.5, 0.05))
    assert beyond is not None
    assert among is not None
    assert "than any finished run before" in " ".join(rule.said(beyond, view, is_over=False).split())
    assert "finished runs that had" in rule.said(among, view, is_over=False)
