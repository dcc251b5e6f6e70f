from __future__ import annotations

from dataclasses import replace

import pytest

from otel_agentperf.analysis.health import Health, Reason, Status, Vitals, health_of

WELL = Vitals(20.0, 30.0, 0.01, 10, 1_024, 100, 0)


def test_all_is_well() -> None:
    assert health_of(WELL) == Health(100, dict.fromkeys(Reason, 0))
    assert health_of(WELL).status is Status.HEALTHY


@pytest.mark.parametrize(
    ("reason", "at", "above", "points"),
    [
        (Reason.CPU, {"cpu_percent": 80.0}, {"cpu_percent": 80.01}, 20),
        (Reason.MEMORY, {"memory_percent": 85.0}, {"memory_percent": 85.01}, 25),
        (Reason.EVENT_LOOP, {"lag_s": 0.499}, {"lag_s": 0.5}, 20),
        (
            Reason.DESCRIPTORS,
            {"open_files": 80, "open_files_limit": 100},
            {"open_files": 81, "open_files_limit": 100},
            20,
        ),
        (Reason.FAILURES, {"failed_runs": 5}, {"failed_runs": 6}, 20),
    ],
)
def test_each_reason_takes_its_points_from_its_threshold_on(
    reason: Reason, at: dict[str, float], above: dict[str, float], points: int
) -> None:
    assert health_of(replace(WELL, **at)).score == 100
    sick = health_of(replace(WELL, **above))
    assert sick.score == 100 - points
    assert sick.deductions == {**dict.fromkeys(Reason, 0), reason: points}


def test_all_of_them_are_critical_and_never_below_0() -> None:
    sick = health_of(Vitals(100.0, 100.0, 9.0, 1_024, 1_024, 10, 10))
    assert sick.score == 0
    assert sick.status is Status.CRITICAL


@pytest.mark.parametrize(
    ("vitals", "score", "status"),
    [
        (Vitals(81.0, 20.0), 80, Status.HEALTHY),
        (Vitals(20.0, 86.0), 75, Status.HEALTHY),
        (Vitals(81.0, 86.0), 55, Status.WARNING),
        (Vitals(81.0, 20.0, 1.0, runs=1, failed_runs=1), 40, Status.CRITICAL),
        (Vitals(81.0, 86.0, 1.0), 35, Status.CRITICAL),
    ],
)
def test_the_status_is_the_users(vitals: Vitals, score: int, status: Status) -> None:
    health = health_of(vitals)
    assert (health.score, health.status) == (score, status)


def test_what_is_not_known_takes_nothing_away_and_has_no_deduction() -> None:
    health = health_of(Vitals(81.0, 20.0))
    assert health.deductions == {Reason.CPU: 20, Reason.MEMORY: 0, Reason.FAILURES: 0}
    assert health_of(Vitals()).score is None
    assert health_of(Vitals()).status is None
    assert health_of(Vitals(cpu_percent=20.0)).score is None
    assert health_of(Vitals(20.0, 20.0, open_files=5_000)).score == 100, "without a limit"
