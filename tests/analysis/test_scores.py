"""What was not seen is not good: when a run has a rating and a score, and when it has neither."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.clock import Clock
from otel_agentperf.analysis.savings import NOTHING_SAVED
from otel_agentperf.analysis.scores import efficiency_score, not_scored, rating
from otel_agentperf.model import Totals

NOTHING_TO_SCORE = {
    "no operation was seen": Totals(),
    "no model call was seen": Totals(operations=9, tool_calls=4, errors=1),
    "no price is known": Totals(operations=3, inference_calls=2, unpriced_calls=2, input_tokens=500),
    "no model call was billed": Totals(operations=3, inference_calls=2, errors=2),
}


@pytest.mark.parametrize("reason", NOTHING_TO_SCORE)
def test_what_could_not_be_measured_has_neither_a_rating_nor_a_score(reason: str) -> None:
    totals = NOTHING_TO_SCORE[reason]
    assert not_scored(totals) == reason
    assert rating(totals) is None
    assert efficiency_score(totals, 10**9, NOTHING_SAVED) is None


def test_a_billed_service_alone_has_no_rating() -> None:
    totals = Totals(operations=2, service_calls=1, priced_calls=1, cost_usd=Decimal("0.01"))
    assert not_scored(totals) == "no model call was seen"


def test_usage_that_only_an_agents_span_reports_is_rated_by_its_cost() -> None:
    totals = Totals(operations=1, reported=1, priced_calls=1, cost_usd=Decimal("0.07"), output_tokens=700)
    assert (rating(totals), efficiency_score(totals, 10**9, NOTHING_SAVED)) == ("B", 100)


def test_a_run_priced_in_part_has_a_score_and_a_rating_only_where_it_cannot_become_worse() -> None:
    part = Totals(operations=2, inference_calls=2, priced_calls=1, unpriced_calls=1, cost_usd=Decimal("0.04"))
    assert (rating(part), efficiency_score(part, 10**9, NOTHING_SAVED)) == (None, 100)
    part.cost_usd = Decimal("0.60")
    assert rating(part) == "F"


def test_a_model_that_is_free_is_rated() -> None:
    assert rating(Totals(operations=1, inference_calls=1, priced_calls=1)) == "A"


stretches = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda one: (one[0], one[0] + one[1])))


@given(stretches, st.randoms(use_true_random=False))
def test_a_clock_counts_each_moment_once_in_any_order(runs: list[tuple[int, int]], random: Random) -> None:
    moments = {moment for start, end in runs for moment in range(start, end)}
    random.shuffle(runs)
    clock = Clock()
    covered = sum(clock.add(start, end) for start, end in runs)
    assert sum(end - start for start, end in runs) - covered == len(moments)
