"""What a running graph will have taken in the end, in seconds or US dollars, from what it has spent so far.

The totals of its finished runs say it: of those that took more than this one has spent, the
share that ended below each bound. With k of them, a further total of the same distribution
lies between two of their order statistics with a probability that is a matter of counting, so
the interval covers what it claims for any distribution and any spending, without a model:
split conformal prediction (Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*,
2005, section 2.2), whose `k + 1` holds for weights by age too (Barber, Candes, Ramdas,
Tibshirani, *Conformal prediction beyond exchangeability*, 2023, theorem 2).

It is exact at the moment when spending passes a given amount, as that of a forecast's `crossing`. Where
spending comes in large steps one may look only after a step, which may have been the run's last: of alarms that
come before a limit is passed, fewer are right then than of all alarms (measured: `python tests/benchmarks
baselines_rules`).

Limits: it holds while runs are as they were. Where a regression is under way, forecasts are too
low until the baseline has learned it. It knows nothing of the steps that the run has taken. It errs towards the
wider interval: a bound for which there are too few totals is left open, and each bound is moved outwards
by the relative error e of the baseline's quantiles. A quantile q stands for a total x with |q - x| <= e x, so the
lower bound is q / (1 + e) and the upper one q / (1 - e). Without that, where every run costs the same, the interval
would be one value beside that cost. Totals within e of what was spent count half as outlived.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from otel_agentperf.baselines.normals import Normal

COVERAGE = 0.8
"""Of the interval, where nothing else is asked for: each bound is wrong for one run in ten."""
MIN_SAMPLES = 30
"""Fewest finished runs; with 30, both bounds exist until two thirds of them have been outlived."""
_LAST_DIGIT = 1e-9


class Forecast(NamedTuple):
    """Totals of a run when it ends, in the unit of the measure."""

    spent: float
    """What it has taken so far; its total cannot be less."""
    lower: float
    """The total is at least this in `(1 + coverage) / 2` of such runs, nine in ten by default."""
    median: float | None
    """`None` where no finished run took as much as this one has."""
    upper: float | None
    """The total is at most this, as often; `None` where too few finished runs took more than was spent."""
    coverage: float
    """Between both bounds lie at least so many of such runs."""
    samples: int
    """Finished runs that took more than was spent, which is what this rests on."""

    @property
    def remaining_lower(self) -> float:
        """What is at least still to come."""
        return self.lower - self.spent

    @property
    def remaining_median(self) -> float | None:
        """What is still to come in half of such runs."""
        return None if self.median is None else self.median - self.spent

    @property
    def remaining_upper(self) -> float | None:
        """What is at most still to come."""
        return None if self.upper is None else self.upper - self.spent


def forecast(
    normal: Normal | None, spent: float, *, coverage: float = COVERAGE, min_samples: int = MIN_SAMPLES
) -> Forecast | None:
    """Say what a run will have taken in the end.

    Args:
        normal: the totals of finished runs of the same graph.
        spent: what this run has taken so far, in their unit.
        coverage: of the interval, above 0 and below 1.
        min_samples: fewest finished runs.

    Returns:
        The forecast; `None` where there are too few finished runs.
    """
    if normal is None or normal.samples < min_samples:
        return None
    below = _below(normal, spent)
    left = normal.weight * (1 - below)
    if left < 1:
        return Forecast(spent, spent, None, None, coverage, 0)

    def total(rank: float, factor: float = 1.0) -> float:
        return max(spent, factor * normal.quantile(min(1.0, below + (1 - below) * rank / left)))

    error = normal.relative_error
    tail = (1 - coverage) / 2
    first, last = floor(tail * (left + 1) + _LAST_DIGIT), ceil((1 - tail) * (left + 1) - _LAST_DIGIT)
    return Forecast(
        spent,
        total(first, 1 / (1 + error)) if first >= 1 else spent,
        total(left / 2),
        total(last, 1 / (1 - error)) if last <= left else None,
        coverage,
        round(normal.samples * (1 - below)),
    )


def chance_above(normal: Normal, spent: float, limit: float) -> float:
    """The share of finished runs that ended above a limit, among those that took more than was spent.

    Args:
        normal: the totals of finished runs of the same graph.
        spent: what this run has taken so far; beyond the limit the chance is 1.
        limit: the limit, in the same unit.
    """
    if spent > limit:
        return 1.0
    left = 1 - _below(normal, spent)
    return min(1.0, (1 - normal.share_below(limit)) / left) if left > 0 else 0.0


def crossing(normal: Normal, limit: float, *, coverage: float = COVERAGE) -> float:
    """About the spending from which the lower bound of the forecast lies above a limit.

    Two questions to the baseline, once for a run; after it a comparison tells whether a
    forecast is worth making.

    Args:
        normal: the totals of finished runs of the same graph.
        limit: the limit, in their unit.
        coverage: of the interval.

    Returns:
        A spending at or just below that one; 0 where a run that begins is expected to cross the limit already.
    """
    tail = (1 - coverage) / 2
    # Between spending and limit lie fewer totals than `tail` of all above the spending.
    share = (normal.share_below(limit) - tail * (1 + 1 / normal.weight)) / (1 - tail)
    # What was spent is told from totals within the error no better than they from each other.
    return min(limit, normal.quantile(share) / (1 + normal.relative_error)) if share > 0 else 0.0


def _below(normal: Normal, spent: float) -> float:
    """The share of finished runs that this one has outlived; a run that has spent nothing has outlived none."""
    return normal.share_below(spent) if spent > 0 else 0.0
