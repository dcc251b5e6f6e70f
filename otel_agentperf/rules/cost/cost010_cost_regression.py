"""COST010 cost_regression

What it finds: a graph, node or tool, or a model in a node, whose executions cost more today than
their own past explains. Each of today's executions has a rank among those of the baseline; their sum
is held against a boundary that chance crosses on one day in a thousand, however often one looks.

Why it costs: it is the bill itself, for the same work. Budgets tell of it only when they are gone.

Example: `writer` of `research` costs $0.0310, $0.0200 before: +55 %, over 60 executions today,
against 4,100 before.

Instead: look at what changed: a longer prompt, more rounds, more thinking, a cache that no
longer hits, another model, another price.

Limits: silent without a baseline, in a graph that it never saw, or where it or today has too few executions. It tells medians, so a
few very dear executions are not found. Where requests of another kind come at another hour, that is a
change too; shifts of the median below 10 % are left out for that. An execution with a part
whose price is unknown does not count. Where something that ran within a graph, node or tool accounts for
half of its shift, only that is named, with what is around it. It starts anew each day, in UTC.
"""

from __future__ import annotations

from decimal import Decimal

from otel_agentperf.baselines.normals import Measure
from otel_agentperf.rules.base import Group
from otel_agentperf.rules.bounded import dollars
from otel_agentperf.rules.executions import Execution
from otel_agentperf.rules.regression import Regression, Shift, name_of

PICO_PER_USD = 1e12


class CostRegression(Regression):
    """Costs of today rank higher among those of the baseline than chance allows.

    Chance, impact and confidence are those of `Regression`. It claims no saving: how much of
    the change can be undone is not known.
    """

    code = "COST010"
    name = "cost_regression"
    group = Group.COST
    measure = Measure.COST_USD
    units = PICO_PER_USD

    def value_of(self, execution: Execution) -> int | None:
        return None if execution.cost_usd is None else round(execution.cost_usd * PICO_PER_USD)

    def describe(self, shift: Shift, since: str) -> str:
        return (
            f"{name_of(shift.subject)} costs {_usd(shift.now)} (median), {_usd(shift.before)} before: {since}. "
            "Look at what changed: a longer prompt, more rounds or thinking, a cache that no longer hits, another model."
        )

    def evidence(self, shift: Shift) -> dict[str, float | int]:
        return {
            "median_usd": _rounded(shift.now),
            "median_before_usd": _rounded(shift.before),
            "mean_usd": _rounded(shift.seen.total / self.units / shift.seen.values),
            "mean_before_usd": _rounded(shift.normal.mean),
        }


def _rounded(usd: float) -> float:
    return float(f"{usd:.4g}")


def _usd(usd: float) -> str:
    return dollars(Decimal(repr(usd)))
