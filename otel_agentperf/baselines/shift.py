"""Whether what is seen now is larger than it used to be, at a stated rate of false alarms.

Each new value has a rank: the share of the baseline below it, ties counting half. `excess` is the
sum of `rank - 1/2` over the new values. Against a baseline of m values and where nothing has
changed, `excess / (m + n + 1)` after n new values is an exact martingale (the place of each
further value among all before it is uniform), and `excess` has the variance `n (m + n + 1) / (12 m)`
of the test of Mann and Whitney (*On a test of whether one of two random variables is
stochastically larger than the other*, 1947), or less with ties. So the baseline's own sampling error is in it.

The boundary is Robbins' normal mixture (*Statistical methods related to the law of the iterated
logarithm*, 1970) over that variance, in the one-sided closed form of Howard, Ramdas, McAuliffe and
Sekhon (*Time-uniform, nonparametric, nonasymptotic confidence sequences*, 2021, section 3): the
martingale of a value that has not changed stays below it for ever with a probability of at least
`1 - alpha`. A rule may therefore look after every run, and the answer depends on the number of new values
and their sum alone, hence not on the order in which they came or were merged.

Limits: it holds for values that do not depend on each other. Where the mix of requests changes with
the hour, a change of the mix is a change; who uses this asks for a least change as well. The boundary
takes ranks for no wilder than normal variables of that variance; exact for a known baseline, whose ranks are
uniform, it is an approximation for a small one, which simulations hold to the level down to 20 values. Older
values count less: `weight` is then at most the number of values with full weight that would err as much.
"""

from __future__ import annotations

from math import inf, log, sqrt

ALPHA = 0.001
"""The chance that a subject that has not changed is ever said to have, in one window."""
_VARIANCE = 1 / 12
"""Of a uniform rank."""
_SHARPEST_AT = 40
"""New values for which the boundary is as low as it can be; before and after it is a little higher."""


def boundary(values: int, weight: float, alpha: float = ALPHA) -> float:
    """What the sum of `rank - 1/2` does not exceed where nothing has changed.

    Args:
        values: how many are new.
        weight: how many the baseline amounts to.
        alpha: the chance that the sum ever exceeds it all the same, above 0 and at most 1/4.

    Returns:
        The boundary; infinite where there is no baseline.
    """
    if weight <= 0:
        return inf
    scale = weight / (weight + values + 1)
    return _mixture(values * scale * _VARIANCE, alpha) / scale


def _mixture(variance: float, alpha: float) -> float:
    """The one-sided boundary at a variance of the martingale, sharpest where `_SHARPEST_AT` uniform ranks have it."""
    odds = log(1 / (2 * alpha))
    spread = _SHARPEST_AT * _VARIANCE / (2 * odds + log(1 + 2 * odds))
    widened = variance + spread
    return sqrt(2 * widened * log(1 + sqrt(widened / spread) / (2 * alpha)))
