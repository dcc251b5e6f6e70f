from __future__ import annotations

import pytest

from otel_agentperf.baselines.known import HALF_LIFE_DAYS
from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.tally import KEPT_DAYS, Tally
from tests.baselines.made import MODEL_AT_PLAN, PLAN, TODAY, made_up, once, tally_of

AGO = int(HALF_LIFE_DAYS)


def normals(*tallies: Tally, today: int = TODAY, with_today: bool = True) -> LearnedNormals:
    return LearnedNormals(lambda: tallies, today, with_today=with_today)


def test_a_day_counts_half_as_much_as_one_that_is_a_half_life_younger() -> None:
    tally = tally_of(*[(PLAN, TODAY - AGO, once(1.0))] * 4, *[(PLAN, TODAY, once(3.0))] * 2)
    found = normals(tally).normal(PLAN, Measure.DURATION_S)
    assert found is not None
    assert (found.samples, found.weight) == (6, pytest.approx(4.0))
    assert found.mean == pytest.approx(2.0)
    assert found.quantile(0.5) == pytest.approx(1.0, rel=0.01)
    assert found.quantile(0.51) == pytest.approx(3.0, rel=0.01)


def test_what_is_older_than_what_is_kept_is_not_told() -> None:
    tally = tally_of((PLAN, TODAY - KEPT_DAYS, once()), (PLAN, TODAY - KEPT_DAYS + 1, once()))
    found = normals(tally).normal(PLAN, Measure.DURATION_S)
    assert found is not None
    assert found.samples == 1


def test_history_leaves_this_day_out() -> None:
    tally = tally_of((PLAN, TODAY - 1, once()), (PLAN, TODAY, once()))
    found = normals(tally, with_today=False).normal(PLAN, Measure.DURATION_S)
    assert found is not None
    assert found.samples == 1


def test_what_several_places_know_is_added_up_and_they_are_left_as_they_are() -> None:
    one, other = made_up(1), made_up(2)
    before = [[(day, cell.successes) for day, cell in tally.cells(PLAN).items()] for tally in (one, other)]
    both = normals(one, other).outcomes(PLAN)
    apart = [normals(tally).outcomes(PLAN) for tally in (one, other)]
    assert both is not None
    assert both.samples == sum(found.samples for found in apart if found is not None)
    assert [[(day, cell.successes) for day, cell in tally.cells(PLAN).items()] for tally in (one, other)] == before


def test_days_are_told_one_by_one_and_unweighted() -> None:
    tally = tally_of(*[(PLAN, TODAY - 3, once(1.0))] * 3, (PLAN, TODAY - 1, once(5.0)))
    first, last = normals(tally).days(PLAN, Measure.DURATION_S)
    assert (first.day, first.samples, first.mean) == (TODAY - 3, 3, pytest.approx(1.0))
    assert (last.day, last.samples, last.median) == (TODAY - 1, 1, pytest.approx(5.0, rel=0.01))


def test_nothing_is_told_of_what_was_never_seen() -> None:
    known = normals(made_up(1))
    stranger = Subject(SubjectKind.NODE, "stranger", "research")
    assert known.normal(stranger, Measure.DURATION_S) is None
    assert known.outcomes(stranger) is None
    assert known.days(stranger, Measure.DURATION_S) == ()
    assert known.models_of("research", "stranger") == ()
    assert known.models_of("research", "plan") == (MODEL_AT_PLAN.name,)


def test_a_subject_is_loaded_anew_when_there_is_more_to_know() -> None:
    tally = tally_of((PLAN, TODAY, once()))
    known = normals(tally)
    assert known.outcomes(PLAN) == (1.0, 0.0, 1)
    tally.add(TODAY, [(PLAN, once())])
    known.forget({PLAN})
    assert known.outcomes(PLAN) == (2.0, 0.0, 2)
