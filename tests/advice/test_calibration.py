from __future__ import annotations

import itertools
import json

import pytest

from otel_agentperf.advice import judging, models, timeouts
from otel_agentperf.advice.calibration import MAX_TALLIES, Calibration, Outcome
from otel_agentperf.advice.facts import Models, Pace
from otel_agentperf.advice.judging import Step, Usual
from otel_agentperf.advice.results import CacheUse, Improvement, Interval, Kind, Part, Remaining, abstain
from otel_agentperf.model import SavingBasis

FLASH = "gemini-2.5-flash"
SAVES = Improvement(SavingBasis.REPRICED, 2.0, 0.01)


def advised(confidence: float = 0.9, improvement: Improvement | None = SAVES) -> Part[str]:
    return Part(FLASH, confidence, "", {}, improvement, source="learned")


def after(right: int, wrong: int) -> Calibration:
    calibration = Calibration()
    for outcome, times in ((Outcome.RIGHT, right), (Outcome.WRONG, wrong)):
        for _ in range(times):
            calibration.note(Kind.MODEL, "learned", outcome)
    return calibration


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [(0, 0, 0.9), (10, 0, 0.95), (0, 10, 0.45), (0, 90, 0.09), (900, 100, 0.9)],
)
def test_confidence_moves_from_what_was_stated_to_how_often_it_was_right(
    right: int, wrong: int, expected: float
) -> None:
    corrected = after(right, wrong).corrected(Kind.MODEL, advised())
    assert corrected.confidence == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        *(
            (Kind.MODEL, models.by_kind(action, pace, Models()))
            for action, pace in (("click", Pace()), ("plan", Pace()), ("", Pace(9, 4.0)), ("", Pace()))
        ),
        *((Kind.TIMEOUT, timeouts.by_pace(pace)) for pace in (Pace(), Pace(9, 0.1), Pace(9, 9.0))),
    ],
)
def test_what_rests_on_no_samples_of_the_step_grows_no_surer_by_being_right(kind: Kind, part: Part[object]) -> None:
    calibration = Calibration()
    for _ in range(150):
        calibration.note(kind, part.source, Outcome.RIGHT)
    kept = calibration.corrected(kind, part)
    assert kept.confidence == part.confidence
    assert kept.evidence["advice_right"] == 150
    for _ in range(1_000):
        calibration.note(kind, part.source, Outcome.WRONG)
    assert calibration.corrected(kind, part).confidence < 0.2


def test_what_was_ignored_or_not_seen_changes_nothing() -> None:
    calibration = Calibration()
    for outcome in (Outcome.IGNORED, Outcome.UNSEEN, Outcome.ABSTAINED):
        calibration.note(Kind.MODEL, "learned", outcome)
    part = advised()
    assert calibration.corrected(Kind.MODEL, part) is part


def test_one_source_does_not_answer_for_another() -> None:
    part = Part(FLASH, 0.9, "", source="simple")
    assert after(0, 100).corrected(Kind.MODEL, part) is part


@pytest.mark.parametrize(
    ("realised", "times", "factor"),
    [(0.01, 10, 1.0), (0.005, 10, 0.75), (0.0, 10, 0.5), (-1.0, 10, 0.0), (1.0, 10, 1.0), (-1.0, 1, 9 / 11)],
)
def test_savings_shrink_by_what_was_realised_and_never_grow(realised: float, times: int, factor: float) -> None:
    calibration = Calibration()
    for _ in range(times):
        calibration.compare(Kind.MODEL, "learned", SAVES, Improvement(SavingBasis.MEASURED, None, realised))
    corrected = calibration.corrected(Kind.MODEL, advised()).improvement
    assert corrected is not None
    assert corrected.cost_usd == pytest.approx(0.01 * factor)
    assert corrected.time_s == pytest.approx(2.0)


def test_counts_merge_in_any_order_and_survive_a_store() -> None:
    parts = [after(3, 1), after(0, 5), Calibration()]
    parts[2].compare(Kind.MODEL, "learned", SAVES, Improvement(SavingBasis.MEASURED, 1.0, 0.0))
    told: list[str] = []
    for order in itertools.permutations(parts):
        merged = Calibration()
        for each in order:
            merged.merge(each)
        told.append(json.dumps(merged.to_dict()))
        assert Calibration.from_dict(json.loads(told[-1])).to_dict() == merged.to_dict()
    assert len(set(told)) == 1


def test_a_store_of_another_version_is_read_as_far_as_it_is_known() -> None:
    told = {"model/learned": {"right": 2, "later": 9}, "unheard_of/x": {"right": 5}}
    assert Calibration.from_dict(told).to_dict() == {"model/learned": {"right": 2}}


def test_the_number_of_counts_is_bounded() -> None:
    calibration = Calibration()
    for number in range(10 * MAX_TALLIES):
        calibration.note(Kind.MODEL, f"source {number}", Outcome.RIGHT)
    assert len(calibration) <= MAX_TALLIES + len(Kind)
    assert sum(tally.right for _, _, tally in calibration.counts()) == 10 * MAX_TALLIES


def step(**changed: object) -> Step:
    usual = Step({FLASH}, 1.0, 0.5, 0.001, 0, failed=False, whole=True)
    return usual._replace(**changed)  # pyright: ignore[reportArgumentType] - by the names of its fields


USUAL = Usual(5.0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Outcome.RIGHT),
        ({"models": {"models/gemini-2.5-flash"}}, Outcome.RIGHT),
        ({"models": {"gemini-2.5-pro"}}, Outcome.IGNORED),
        ({"models": {FLASH, "gemini-2.5-pro"}}, Outcome.IGNORED),
        ({"failed": True}, Outcome.WRONG),
        ({"duration_s": 5.1}, Outcome.WRONG),
        ({"models": set[str]()}, Outcome.UNSEEN),
        ({"whole": False}, Outcome.UNSEEN),
    ],
)
def test_an_advised_model_is_judged_by_the_step(changed: dict[str, object], expected: Outcome) -> None:
    assert judging.model(advised(), step(**changed), USUAL) is expected


def test_what_a_request_saved_is_told_against_those_of_the_usual_model() -> None:
    part = Part(FLASH, 0.9, "", {"usual_average_s": 2.5, "usual_average_usd": 0.011}, SAVES, source="learned")
    saved = judging.realised(part, step())
    assert saved.time_s == pytest.approx(2.0)
    assert saved.cost_usd == pytest.approx(0.01)
    assert judging.realised(part, step(request_usd=None)).cost_usd is None
    assert judging.realised(advised(), step()) == Improvement(SavingBasis.MEASURED)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Outcome.RIGHT),
        ({"duration_s": 31.0}, Outcome.WRONG),
        ({"duration_s": 31.0, "failed": True}, Outcome.UNSEEN),
    ],
)
def test_a_time_limit_is_wrong_where_it_would_have_cut_off_a_success(
    changed: dict[str, object], expected: Outcome
) -> None:
    limit = Part(30.0, 0.5, "", source="default")
    assert judging.timeout(limit, step(**changed)) is expected


def test_a_cached_beginning_is_judged_by_what_was_read_from_the_cache() -> None:
    part = Part(CacheUse.PREFIX, 0.7, "", source="prefix")
    assert judging.cache(part, step(cached_tokens=900)) is Outcome.RIGHT
    assert judging.cache(part, step()) is Outcome.IGNORED
    assert judging.cache(Part(CacheUse.REUSE, 0.7, ""), step()) is Outcome.UNSEEN


@pytest.mark.parametrize(
    ("interval", "further_s", "expected"),
    [
        (Interval(1.0, 2.0, 4.0), 4.0, Outcome.RIGHT),
        (Interval(1.0, 2.0, 4.0), 4.1, Outcome.WRONG),
        (Interval(1.0, 2.0, 4.0), 0.9, Outcome.WRONG),
        (Interval(1.0, None, None), 99.0, Outcome.RIGHT),
    ],
)
def test_a_forecast_is_right_where_the_run_ends_within_it(
    interval: Interval, further_s: float, expected: Outcome
) -> None:
    part = Part(Remaining(interval, None, 0.8), 0.8, "", source="forecast")
    assert judging.forecast(part, further_s, 0.0, whole=True) == [expected]
    assert judging.forecast(part, further_s, 0.0, whole=False) == [Outcome.UNSEEN]
    assert judging.forecast(abstain("no"), further_s, 0.0, whole=True) == [Outcome.ABSTAINED]


@pytest.mark.parametrize(
    ("further_s", "further_usd", "expected"),
    [
        (2.0, 0.02, [Outcome.RIGHT, Outcome.RIGHT]),
        (2.0, 0.05, [Outcome.RIGHT, Outcome.WRONG]),
        (9.0, 0.02, [Outcome.WRONG, Outcome.RIGHT]),
        (2.0, None, [Outcome.RIGHT, Outcome.UNSEEN]),
    ],
)
def test_time_and_cost_of_a_forecast_are_judged_each_by_itself(
    further_s: float, further_usd: float | None, expected: list[Outcome]
) -> None:
    rest = Remaining(Interval(1.0, 2.0, 4.0), Interval(0.01, 0.02, 0.04), 0.8)
    part = Part(rest, 0.8, "", source="forecast")
    assert judging.forecast(part, further_s, further_usd, whole=True) == expected
