from __future__ import annotations

from random import Random

import pytest

from otel_agentperf.baselines.normals import Day
from otel_agentperf.baselines.trend import trend, trend_of_days


def test_a_series_that_rises_is_told_with_its_slope() -> None:
    told = trend([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7])
    assert told is not None
    assert told.slope == pytest.approx(0.1)
    assert told.change_percent == pytest.approx(100 * 0.7 / 1.35)
    assert not told.is_improving


def test_one_outlier_neither_makes_nor_hides_a_trend() -> None:
    assert trend([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 90.0]) is None
    told = trend([2.0, 1.9, 1.8, 90.0, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2])
    assert told is not None
    assert told.is_improving


def test_seven_values_are_too_few() -> None:
    assert trend([float(each) for each in range(1, 8)]) is None
    assert trend([float(each) for each in range(1, 9)]) is not None


def test_a_change_that_is_certain_and_slight_is_of_no_account() -> None:
    assert trend([100 + 0.5 * each for each in range(15)]) is None
    assert trend([100 + 1.0 * each for each in range(15)]) is not None


def test_days_without_any_are_gaps_and_not_steps() -> None:
    days = [Day(day, 5, float(day), float(day)) for day in (100, 101, 104, 105, 106, 107, 110, 120)]
    told = trend_of_days(days)
    assert told is not None
    assert told.slope == pytest.approx(1.0)


def test_what_goes_up_and_down_is_called_a_trend_no_more_often_than_stated() -> None:
    random = Random(3)  # noqa: S311 - made-up series
    found = sum(
        trend([random.lognormvariate(0, 0.5) for _ in range(random.choice((8, 15, 30)))]) is not None
        for _ in range(2_000)
    )
    assert found <= 0.01 * 2_000
