from __future__ import annotations

import random
from collections import Counter

import pytest

from otel_agentperf.advice.evidence import Evidence
from otel_agentperf.advice.trial import REFUSALS, STEP_UNITS, TAKE_BACK_AT, Grown, TakenBack, Trial, Unit, Watched, lot

RUNS = 2_000


def _tried(  # what happens to a trial whose treated runs are like this, against others of 1 s, $1 and 95 % success
    seed: int, *, success: float = 0.95, times_slower: float = 1.0, times_dearer: float = 0.3, well_until: int = 0
) -> tuple[TakenBack | None, int, Trial]:
    luck, trial = random.Random(seed), Trial(0.1, 0.9, saves=True)  # noqa: S311 - no secrets here
    for number in range(RUNS):
        share = trial.share(0)
        treated = luck.random() < share
        worse = treated and number >= well_until
        unit = Unit(
            treated,
            share,
            luck.random() < (success if worse else 0.95),
            luck.lognormvariate(0, 0.6) * (times_slower if worse else 1),
            luck.lognormvariate(0, 0.5) * (times_dearer if worse else 0.3 if treated else 1),
        )
        event = trial.take(unit, 0)
        if isinstance(event, TakenBack):
            return event, number + 1, trial
    return None, RUNS, trial


def test_a_change_that_saves_money_and_harms_nothing_grows_to_its_largest_share() -> None:
    ended = [_tried(seed) for seed in range(20)]
    assert [taken_back for taken_back, _, _ in ended if taken_back is not None] == []
    assert [trial.share(0) for _, _, trial in ended] == [0.9] * 20


@pytest.mark.parametrize(
    ("what", "watched", "within"),
    [
        ({"success": 0.0}, Watched.SUCCESS, 150),
        ({"success": 0.5}, Watched.SUCCESS, 500),
        ({"times_slower": 2.0}, Watched.LATENCY, 900),
        ({"times_dearer": 2.0}, Watched.COST, 500),
        ({"success": 0.5, "well_until": 1_000}, Watched.SUCCESS, 1_500),
        ({"times_slower": 3.0, "well_until": 1_000}, Watched.LATENCY, 1_500),
    ],
    ids=["fails always", "fails half the time", "slower", "dearer", "fails later on", "slower later on"],
)
def test_a_change_that_does_harm_is_taken_back(what: dict[str, float], watched: Watched, within: int) -> None:
    for seed in range(10):
        taken_back, after, trial = _tried(seed, **what)  # pyright: ignore[reportArgumentType]
        assert taken_back is not None
        assert taken_back.watched is watched
        assert taken_back.evidence >= TAKE_BACK_AT
        assert after <= within
        assert trial.share(0) == 0


def _units(trial: Trial, *, treated: bool, number: int, cost_usd: float | None = 1.0, ok: bool = True) -> list[object]:
    return [trial.take(Unit(treated, trial.share(0), ok, 1.0, cost_usd), 0) for _ in range(number)]


def test_a_step_up_doubles_the_share_and_needs_a_saving() -> None:
    trial = Trial(0.1, 0.3, saves=True)
    _units(trial, treated=False, number=100)
    assert _units(trial, treated=True, number=STEP_UNITS, cost_usd=1.0)[-1] is None
    assert Grown(0.2) in _units(trial, treated=True, number=10, cost_usd=0.1)
    _units(trial, treated=False, number=100)
    assert Grown(0.3) in _units(trial, treated=True, number=STEP_UNITS, cost_usd=0.1)
    _units(trial, treated=False, number=100)
    assert _units(trial, treated=True, number=STEP_UNITS, cost_usd=0.1)[-1] is None
    assert trial.share(0) == 0.3


def test_no_step_up_where_success_may_be_more_than_a_tenth_lower() -> None:
    trial = Trial(0.1, 0.9, saves=True)
    _units(trial, treated=False, number=300)
    _units(trial, treated=True, number=2, cost_usd=0.1, ok=False)
    assert _units(trial, treated=True, number=STEP_UNITS - 2, cost_usd=0.1)[-1] is None
    assert trial.share(0) == 0.1


def test_a_change_whose_price_is_unknown_does_not_grow_where_it_must_save() -> None:
    for saves, expected in ((True, None), (False, Grown(0.2))):
        trial = Trial(0.1, 0.9, saves=saves)
        _units(trial, treated=False, number=50, cost_usd=None)
        assert _units(trial, treated=True, number=STEP_UNITS, cost_usd=None)[-1] == expected


def test_refusals_without_a_success_between_them_take_it_back_at_once() -> None:
    trial = Trial(0.1, 0.9, saves=True)
    assert [trial.refused(0) for _ in range(REFUSALS - 1)] == [None] * (REFUSALS - 1)
    _units(trial, treated=True, number=1)
    assert [trial.refused(0) for _ in range(REFUSALS - 1)] == [None] * (REFUSALS - 1)
    taken_back = trial.refused(0)
    assert taken_back is not None
    assert taken_back.watched is Watched.REFUSED


def test_it_rests_for_an_hour_then_twice_as_long_and_begins_anew_at_the_first_share() -> None:
    trial, now_s = Trial(0.1, 0.9, saves=True), 0.0
    _units(trial, treated=False, number=100)
    _units(trial, treated=True, number=STEP_UNITS, cost_usd=0.1)
    assert trial.share(0) == 0.2
    rests: list[float] = []
    for _ in range(12):
        told = [trial.refused(now_s) for _ in range(REFUSALS)][-1]
        assert told is not None
        rests.append(told.rest_s)
        assert trial.share(now_s + told.rest_s - 1) == 0
        now_s += told.rest_s
        assert trial.share(now_s) == 0.1
    assert rests[:3] == [3_600, 7_200, 14_400]
    assert rests[-1] == 7 * 86_400


def test_without_harm_no_stake_grows_on_average_whatever_the_share_and_the_rate() -> None:
    """The price of the bet: over treated or not, weighted by the lot, its factor is 1 where both fare alike."""
    for share in (0.1, 0.5, 0.9):
        for bad in (True, False):
            averages: Counter[int] = Counter()
            for treated, weight in ((True, share), (False, 1 - share)):
                evidence = Evidence()
                evidence.take(treated=treated, share=share, bad=bad)
                for place, stake in enumerate(evidence._stakes):  # pyright: ignore[reportPrivateUsage]
                    averages[place] += weight * stake  # pyright: ignore[reportArgumentType]
            assert list(averages.values()) == pytest.approx([1.0] * len(averages))


def test_the_lot_is_the_same_for_a_run_and_fair_over_runs_and_another_for_each_node_and_change() -> None:
    runs = [f"{number:032x}" for number in range(RUNS)]
    drawn = [lot(run, "graph/node", "model:x") for run in runs]
    assert drawn == [lot(run, "graph/node", "model:x") for run in runs]
    for share in (0.1, 0.5, 0.9):
        treated = sum(each < share for each in drawn)
        assert abs(treated - share * RUNS) < 4 * (RUNS * share * (1 - share)) ** 0.5
    both = sum(lot(run, "graph/other", "model:x") < 0.5 and each < 0.5 for run, each in zip(runs, drawn, strict=True))
    assert abs(both - RUNS / 4) < 4 * (RUNS * 3 / 16) ** 0.5
