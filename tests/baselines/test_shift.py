from __future__ import annotations

from math import inf
from random import Random
from statistics import median

import pytest

from otel_agentperf.baselines.shift import boundary
from tests.baselines.histories import SHAPES, Limits, values_until_alarm

HISTORIES = 2_000


@pytest.mark.parametrize("known", [30, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_alarms_about_what_has_not_changed_are_no_more_than_stated(shape: str, known: int) -> None:
    random, limits = Random(4), Limits(known, 150, 0.05)  # noqa: S311 - made-up histories
    alarms = sum(values_until_alarm(random, shape, limits) is not None for _ in range(HISTORIES))
    assert alarms <= 0.05 * HISTORIES


@pytest.mark.parametrize(("factor", "soon"), [(1.2, 200), (1.5, 40), (2.0, 20)])
def test_a_shift_is_found_the_sooner_the_larger_it_is(factor: float, soon: int) -> None:
    random, limits = Random(4), Limits(1_000, 600, 0.001)  # noqa: S311 - made-up histories
    delays = [values_until_alarm(random, "lognormal", limits, factor) for _ in range(60)]
    assert median(inf if delay is None else delay for delay in delays) <= soon


def test_what_became_faster_is_no_alarm() -> None:
    random, limits = Random(4), Limits(1_000, 300, 0.001)  # noqa: S311 - made-up histories
    assert all(values_until_alarm(random, "lognormal", limits, 0.5) is None for _ in range(20))


def test_the_boundary_is_lower_for_more_knowledge_and_for_more_false_alarms() -> None:
    assert boundary(50, 30) > boundary(50, 300) > boundary(50, 1e9)
    assert boundary(50, 300, 0.0001) > boundary(50, 300, 0.001) > boundary(50, 300, 0.1)
    assert boundary(50, 0.0) == inf
