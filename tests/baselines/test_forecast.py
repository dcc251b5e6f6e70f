from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from otel_agentperf.baselines.forecast import chance_above, crossing, forecast
from otel_agentperf.baselines.known import Table
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.baselines.sketch import Sketch
from tests.normals import ListNormal

HUNDRED = ListNormal(range(1, 101))


def test_a_run_that_begins_is_expected_to_end_as_those_before_it() -> None:
    assert forecast(HUNDRED, 0.0) == (0.0, 10, 50, 91, 0.8, 100)


def test_a_run_that_goes_on_is_held_against_those_that_went_on_as_long() -> None:
    told = forecast(HUNDRED, 50.5)
    assert told is not None
    assert told == (50.5, 55, 75, 96, 0.8, 50)
    assert (told.remaining_lower, told.remaining_median, told.remaining_upper) == (4.5, 24.5, 45.5)


def test_a_bound_for_which_there_are_too_few_runs_is_left_open() -> None:
    told = forecast(HUNDRED, 95.5)
    assert told is not None
    assert (told.lower, told.median, told.upper, told.samples) == (95.5, 98, None, 5)


def test_of_a_run_longer_than_all_before_it_nothing_is_known_but_what_it_spent() -> None:
    assert forecast(HUNDRED, 200.0) == (200.0, 200.0, None, None, 0.8, 0)


def test_too_few_finished_runs_are_no_ground_for_a_forecast() -> None:
    assert forecast(ListNormal(range(29)), 1.0) is None
    assert forecast(ListNormal(range(30)), 1.0) is not None
    assert forecast(None, 1.0) is None


def test_the_chance_is_of_those_that_took_more_than_was_spent() -> None:
    assert chance_above(HUNDRED, 0.0, 90.5) == pytest.approx(0.1)
    assert chance_above(HUNDRED, 80.5, 90.5) == pytest.approx(0.5)
    assert chance_above(HUNDRED, 91.0, 90.5) == 1.0
    assert chance_above(HUNDRED, 200.0, 300.0) == 0.0


@pytest.mark.parametrize("limit", [0.5, 5.5, 10.5, 40.5, 90.5, 99.5, 150.0])
def test_below_the_crossing_no_forecast_is_above_the_limit_and_soon_after_it_all_are(limit: float) -> None:
    start = crossing(HUNDRED, limit)
    for tenth in range(2_000):
        spent = tenth / 10
        told = forecast(HUNDRED, spent)
        assert told is not None
        if spent < start:
            assert told.lower <= limit
        if spent > (min(limit, start + 3) if limit <= HUNDRED.samples else limit):
            assert told.lower > limit


@pytest.mark.parametrize("draw", ["lognormvariate", "paretovariate", "choice"])
def test_intervals_cover_what_they_claim_however_far_a_run_has_come(draw: str) -> None:
    random = Random(6)  # noqa: S311 - made-up runs
    made = {
        "lognormvariate": lambda: random.lognormvariate(0, 0.7),
        "paretovariate": lambda: random.paretovariate(1.5),
        "choice": lambda: random.choice((1.0, 2.0, 2.0, 3.0)),
    }[draw]
    covered, below, told_of = 0, 0, 0
    for _ in range(1_500):
        normal = ListNormal(made() for _ in range(40))
        total, spent = made(), made() * 0.6
        told = forecast(normal, spent) if spent < total else None
        if told is None:
            continue
        told_of += 1
        below += total < told.lower
        covered += told.lower <= total and (told.upper is None or total <= told.upper)
    assert told_of > 500
    assert below / told_of < 0.12
    assert covered / told_of > 0.78


def table_of(costs_usd: Iterable[float]) -> Table:
    """A baseline as it is kept: its values are in bins."""
    sketch = Sketch()
    sketch.add(round(cost * 1e12) for cost in costs_usd)
    return Table(Measure.COST_USD, [(1.0, sketch)])


@pytest.mark.parametrize("share_spent", [0.0, 0.5, 0.999])
def test_where_every_run_costs_the_same_the_interval_covers_that_cost(share_spent: float) -> None:
    for cost_usd in (6.25e-05, *(1.001**step / 1_000 for step in range(100))):
        told = forecast(table_of([cost_usd] * 100), share_spent * cost_usd)
        assert told is not None
        assert told.upper is not None
        assert told.lower <= cost_usd <= told.upper
        assert told.upper / told.lower < 1.03


def test_where_runs_cost_one_of_two_amounts_the_interval_covers_both() -> None:
    told = forecast(table_of([6.25e-05] * 60 + [0.0125] * 40), 0.0)
    assert told is not None
    assert told.upper is not None
    assert told.lower <= 6.25e-05
    assert told.upper >= 0.0125
    later = forecast(table_of([6.25e-05] * 60 + [0.0125] * 40), 0.001)
    assert later is not None
    assert later.upper is not None
    assert later.lower <= 0.0125 <= later.upper


@pytest.mark.parametrize("limit_usd", [0.0099, 0.01, 0.0101, 0.02, 0.0304, 0.05])
@pytest.mark.parametrize("ways", [1, 2, 40])
def test_below_the_crossing_no_forecast_from_bins_is_above_the_limit(limit_usd: float, ways: int) -> None:
    random = Random(6)  # noqa: S311 - made-up runs
    normal = table_of(random.choice([0.01 * 1.05**way for way in range(ways)]) for _ in range(200))
    start = crossing(normal, limit_usd)
    for place in range(1_000):
        spent = start * place / 1_000
        told = forecast(normal, spent)
        assert told is not None
        assert told.lower <= limit_usd or spent >= start
