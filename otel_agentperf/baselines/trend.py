"""Whether a series rises or falls: a week of days, or the runs of a session, in their order.

The trend is the median slope between any two of its values (Theil, *A rank-invariant method of linear and
polynomial regression analysis*, 1950; Sen, *Estimates of the regression coefficient based on Kendall's tau*,
1968), and it is told where the test of Mann (*Nonparametric tests against trend*, 1945) and Kendall (*Rank
Correlation Methods*, 1975) finds it beyond chance, corrected for ties and for continuity. Single outliers
move neither.

Limits: below eight values the test's normal approximation is too coarse, and nothing is said. Values that
depend on those just before them seem to have trends more often than stated. It takes the square of the
number of values, so only the last `MOST` are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import erfc, sqrt
from statistics import median

import msgspec

from otel_agentperf.baselines.normals import Day

FEWEST, MOST = 8, 60
P_VALUE = 0.01
"""The chance of calling a trend what is none."""
LEAST_CHANGE = 0.1
"""Change over the whole series, as a share of its median, below which it is of no account."""


class Trend(msgspec.Struct, frozen=True):
    """A series that rises or falls. More time or money is a decline."""

    values: int
    slope: float
    """Change from one place in the series to the next, in the unit of the values."""
    change_percent: float
    """Change over the whole series, as a percentage of its median."""
    p_value: float
    """How likely so clear a trend is by chance."""

    @property
    def is_improving(self) -> bool:
        """Whether it becomes less."""
        return self.slope < 0


def trend(series: Sequence[float], places: Sequence[float] | None = None) -> Trend | None:
    """Find the trend of a series.

    Args:
        series: values, oldest first.
        places: where each of them stands, ascending; one after another where absent.

    Returns:
        The trend; `None` where there are too few values, chance explains it, or it is of no account.
    """
    values = list(series)[-MOST:]
    at = list(places)[-MOST:] if places is not None else [float(place) for place in range(len(values))]
    if len(values) < FEWEST or at[0] == at[-1]:
        return None
    p_value = _p_value(values)
    middle = median(values)
    if p_value > P_VALUE or middle <= 0:
        return None
    slope = median(
        (late - early) / (after - before)
        for (before, early), (after, late) in combinations(zip(at, values, strict=True), 2)
        if after > before
    )
    change = slope * (at[-1] - at[0]) / middle
    if abs(change) < LEAST_CHANGE:
        return None
    return Trend(len(values), slope, 100 * change, p_value)


def trend_of_days(days: Sequence[Day]) -> Trend | None:
    """The trend of the medians of a subject's days, a day without any left out.

    Args:
        days: oldest first, as `Normals.days` gives them.
    """
    return trend([day.median for day in days], [float(day.day) for day in days])


def _p_value(values: Sequence[float]) -> float:
    """Of the two-sided test of Mann and Kendall."""
    score = sum((late > early) - (late < early) for early, late in combinations(values, 2))
    number = len(values)
    ties = sum(same * (same - 1) * (2 * same + 5) for same in Counter(values).values())
    variance = (number * (number - 1) * (2 * number + 5) - ties) / 18
    if not score or variance <= 0:
        return 1.0
    return erfc((abs(score) - 1) / sqrt(2 * variance))
