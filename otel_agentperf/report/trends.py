"""Whether the runs of a session take more or less time and money, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from otel_agentperf.analysis.ledger import RunHead
from otel_agentperf.baselines.trend import trend
from otel_agentperf.report.text import counted, money, seconds

NS_PER_S = 1_000_000_000


class TrendLine(msgspec.Struct, frozen=True, kw_only=True):
    """A trend over runs of the same name that chance does not explain (Mann-Kendall, p below 0.01)."""

    name: str
    """Of the runs."""
    measure: Literal["cost_usd", "duration_s"]
    direction: Literal["improving", "declining"]
    """Less time or money is improving."""
    runs: int
    """That it rests on; failed ones are left out, and of the cost those with calls without a price."""
    per_run: float
    """Change from one run to the next, in US dollars or seconds (Theil-Sen)."""
    change_percent: float
    """Change from the first to the last, as a percentage of the median."""
    p_value: float
    """How likely so clear a trend is by chance."""


def trends_of(heads: Iterable[RunHead]) -> tuple[TrendLine, ...]:
    """The trends of a session.

    Args:
        heads: its last runs, in the order in which they ended.
    """
    by_name: dict[str, list[RunHead]] = {}
    for head in heads:
        if head.success:
            by_name.setdefault(head.name, []).append(head)
    return tuple(line for name, runs in sorted(by_name.items()) for line in _lines(name, runs))


def _lines(name: str, runs: Sequence[RunHead]) -> Iterator[TrendLine]:
    priced = [float(run.totals.cost_usd) for run in runs if not run.totals.unpriced_calls]
    lasted = [max(0, run.end_ns - run.start_ns) / NS_PER_S for run in runs]
    measured: tuple[tuple[Literal["cost_usd", "duration_s"], list[float]], ...] = (
        ("cost_usd", priced),
        ("duration_s", lasted),
    )
    for measure, series in measured:
        found = trend(series)
        if found is not None:
            yield TrendLine(
                name=name,
                measure=measure,
                direction="improving" if found.is_improving else "declining",
                runs=found.values,
                per_run=float(f"{found.slope:.4g}"),
                change_percent=round(found.change_percent, 1),
                p_value=float(f"{found.p_value:.2g}"),
            )


def in_words(lines: Iterable[TrendLine]) -> list[str]:
    """Trends as sentences."""
    return [
        f"Runs of {line.name} are {line.direction}: {line.change_percent:+.0f} % "
        f"{'cost' if line.measure == 'cost_usd' else 'time'} over {counted(line.runs, 'run')}, "
        f"{_each(line)} a run."
        for line in lines
    ]


def _each(line: TrendLine) -> str:
    amount = abs(line.per_run)
    sign = "+" if line.per_run > 0 else "-"
    return f"{sign}{money(Decimal(repr(amount))) if line.measure == 'cost_usd' else seconds(amount)}"
