"""Confidence intervals over seeds, of arms that share their luck.

A seed gives each arm one figure (its mean cost, its mean time, its share of successes). Costs and times
are compared as ratios: the interval is Student's t over the logarithms of the seeds' ratios, turned back.
Shares are compared as differences, by t over the seeds. Seeds are independent; the runs within one
are not, once an arm learns. Two-sided, 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean, stdev
from typing import NamedTuple

LEVEL = 0.95


class Estimate(NamedTuple):
    """A figure with its interval; the bounds are NaN where one seed cannot tell."""

    value: float
    low: float
    high: float


def mean_of(figures: Sequence[float]) -> Estimate:
    """The mean over seeds."""
    centre = fmean(figures)
    if len(figures) < 2:
        return Estimate(centre, math.nan, math.nan)
    half = student_t(len(figures) - 1) * stdev(figures) / math.sqrt(len(figures))
    return Estimate(centre, centre - half, centre + half)


def change(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """By which share `after` differs from `before`, seed by seed: -0.2 is a fifth less."""
    logs = mean_of([math.log(b / a) for a, b in zip(before, after, strict=True)])
    return Estimate(*(math.expm1(bound) for bound in logs))


def difference(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """`after` minus `before`, seed by seed."""
    return mean_of([b - a for a, b in zip(before, after, strict=True)])


@cache
def student_t(freedom: int, level: float = LEVEL) -> float:
    """The two-sided quantile of Student's t: within so much of 0 lies a share `level`."""
    low, high = 0.0, 1e4
    while high - low > 1e-9 * max(1.0, high):
        middle = (low + high) / 2
        if _within(middle, freedom) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _within(bound: float, freedom: int) -> float:
    """P(|T| < bound): with t = sqrt(n) tan(angle), the density is cos(angle)^(n - 1), integrated by Simpson's rule."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    end, steps = math.atan(bound / math.sqrt(freedom)), 2_000
    width = end / steps
    weights = ((1 if place in {0, steps} else 4 if place % 2 else 2) for place in range(steps + 1))
    return 2 * scale * width / 3 * sum(w * math.cos(i * width) ** (freedom - 1) for i, w in enumerate(weights))
