"""LAT010 latency_regression

What it finds: a graph, node or tool, or a model in a node, that takes longer today than its own
past explains. Each of today's executions has a rank among those of the baseline; their sum is
held against a boundary that chance crosses on one day in a thousand, however often one looks.

Why it costs: people wait longer than they used to, and a timeout that was right no longer is.

Example: `gemini-2.5-flash` in `planner` takes 2.1 s, 1.0 s before: +110 %, over 45 executions
today, against 3,200 before.

Instead: look at what changed: a release, a longer prompt, another model or region. Where the
model alone is slower, see its provider's status page, or move to another one.

Limits: silent without a baseline, in a graph that it never saw, or where it or today has too few executions. It tells medians, so a
tail that alone grew is not found. Where requests of another kind come at another hour, that is a change
too; shifts of the median below 10 % are left out for that. Executions that failed or were interrupted do
not count. Where something that ran within a graph, node or tool accounts for half of its shift,
only that is named, with what is around it. It starts anew each day, in UTC.
"""

from __future__ import annotations

from otel_agentperf.baselines.normals import Measure
from otel_agentperf.rules.base import Group
from otel_agentperf.rules.executions import Execution
from otel_agentperf.rules.regression import Regression, Shift, name_of


class LatencyRegression(Regression):
    """Durations of today rank higher among those of the baseline than chance allows.

    Chance, impact and confidence are those of `Regression`. It claims no saving: how much of
    the change can be undone is not known.
    """

    code = "LAT010"
    name = "latency_regression"
    group = Group.LATENCY
    measure = Measure.DURATION_S
    units = 1e9

    def value_of(self, execution: Execution) -> int | None:
        return execution.duration_ns

    def describe(self, shift: Shift, since: str) -> str:
        return (
            f"{name_of(shift.subject)} takes {_seconds(shift.now)} (median), {_seconds(shift.before)} before: "
            f"{since}. Look at what changed: a release, a longer prompt, another model or its provider."
        )

    def evidence(self, shift: Shift) -> dict[str, float | int]:
        return {
            "median_s": _rounded(shift.now),
            "median_before_s": _rounded(shift.before),
            "mean_s": _rounded(shift.seen.total / self.units / shift.seen.values),
            "mean_before_s": _rounded(shift.normal.mean),
        }


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.4g}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1_000 * seconds:.3g} ms"
