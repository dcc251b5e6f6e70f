from __future__ import annotations

import math
from random import Random

import pytest

from tests.benchmarks.loop.draws import Draws
from tests.benchmarks.loop.estimates import change, difference, mean_of, student_t


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045), (200, 1.972)]
)
def test_student_s_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=0.001)


def test_a_fifth_less_in_every_seed_is_a_fifth_less_without_any_doubt() -> None:
    told = change([1.0, 2.0, 5.0], [0.8, 1.6, 4.0])
    assert told == pytest.approx((-0.2, -0.2, -0.2))


def test_one_seed_has_no_interval() -> None:
    told = mean_of([3.0])
    assert told.value == 3
    assert math.isnan(told.low)
    assert math.isnan(told.high)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = Random(1)  # noqa: S311 - a simulation
    held = 0
    for _ in range(2_000):
        before = [random.gauss(10, 3) for _ in range(8)]
        after = [one + random.gauss(-1, 0.5) for one in before]
        told = difference(before, after)
        held += told.low <= -1 <= told.high
    assert 0.935 < held / 2_000 < 0.965


def test_luck_depends_on_what_it_is_for_and_not_on_what_was_drawn_before() -> None:
    first, again, other = Draws(1, 2), Draws(1, 2), Draws(1, 3)
    again.uniform("something else")
    assert first.uniform("good", "observer", 0) == again.uniform("good", "observer", 0)
    assert first.uniform("good", "observer", 0) != other.uniform("good", "observer", 0)


def test_luck_is_spread_evenly() -> None:
    drawn = [Draws(0, run).uniform("x") for run in range(4_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.02)
    normal = [Draws(0, run).normal("x") for run in range(4_000)]
    assert sum(one * one for one in normal) / len(normal) == pytest.approx(1, abs=0.08)
