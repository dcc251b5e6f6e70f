"""Made-up histories: a baseline of one distribution, and new values of it or of one that has shifted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from random import Random

from otel_agentperf.baselines.shift import boundary

SHAPES: dict[str, Callable[[Random], float]] = {
    "lognormal": lambda random: random.lognormvariate(0, 0.5),
    "heavy tail": lambda random: random.paretovariate(1.2),
    "discrete": lambda random: random.choice((1.0, 1.0, 1.0, 2.0, 5.0)),
}


class Limits:
    """The boundaries of a test, reckoned once for all histories.

    Args:
        known: values in the baseline.
        most: new values, after each of which it is looked.
        alpha: the chance of a false alarm.
        least: new values before which nothing is said.
    """

    def __init__(self, known: int, most: int, alpha: float, least: int = 10) -> None:
        self.known, self.least = known, least
        self.limits = [boundary(number, known, alpha) for number in range(1, most + 1)]


def values_until_alarm(random: Random, shape: str, limits: Limits, factor: float = 1.0) -> int | None:
    """Draw a history, look after each new value, and count them until the first alarm; `None` where there is none.

    Args:
        random: where values come from.
        shape: of both distributions.
        limits: of the test.
        factor: what new values are multiplied by.
    """
    draw, known = SHAPES[shape], limits.known
    past = sorted(draw(random) for _ in range(known))
    excess = 0.0
    for number, limit in enumerate(limits.limits, 1):
        value = draw(random) * factor
        excess += (bisect_left(past, value) + bisect_right(past, value)) / 2 / known - 0.5
        if excess > limit and number >= limits.least:
            return number
    return None
