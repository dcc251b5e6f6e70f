from __future__ import annotations

import pickle
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.report import report_on
from otel_agentperf.report.collection import By, Collector
from otel_agentperf.report.document import document
from otel_agentperf.report.run import RunReport
from tests.report.runs import Story, collected


def add(collector: Collector, place: int, made: list[int] | None = None) -> None:
    story = Story(f"graph_{place}", end=place % 7 + 1, trace_id=f"{place + 1:032x}")
    agent = story.node("writer", 0, 1)
    story.model("gemini-2.5-pro", agent, 0, 1, f"0.0{place * 31 % 97 + 10}")
    run, summary = story.run(), story.summary()
    make = partial(report_on, run.root, run.operations, summary)

    def report() -> RunReport:
        if made is not None:
            made.append(place)
        return make()

    collector.add(breakdown_of(summary), summary, run.root, report)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=14, unique=True), st.randoms(use_true_random=False), st.integers(0, 14))
def test_collectors_of_parts_come_to_the_same_in_any_order(places: list[int], random: Random, cut: int) -> None:
    whole = Collector(3)
    for place in places:
        add(whole, place)
    random.shuffle(places)
    parts = (Collector(3), Collector(3))
    for number, place in enumerate(places):
        add(parts[number < cut], place)
    joined = pickle.loads(pickle.dumps(parts[0]))  # noqa: S301 - our own
    joined.merge(parts[1])
    assert document(joined.report("x")) == document(whole.report("x"))


def test_a_report_is_made_only_of_a_run_that_stands_out_so_far() -> None:
    made: list[int] = []
    collector = Collector(1)
    for place in range(40):
        add(collector, place, made)
    assert len(made) < 20
    report = collector.report("x")
    assert report.figures.runs == 40
    assert (len(report.dearest), len(report.slowest)) == (1, 1)


@pytest.mark.parametrize("top", [1, 3, 50])
def test_no_more_is_listed_than_was_asked_for(top: int) -> None:
    report = collected(12, top=top)
    assert len(report.dearest) == len(report.slowest) == min(top, 12)
    assert (len(report.sessions), report.session_count) == (min(top, 4), 4)
    assert len({run.trace_id for run in report.standing_out}) == len(report.standing_out) <= 2 * top


def test_the_dearest_session_comes_first() -> None:
    costs = [session.figures.costs.total_usd or 0 for session in collected(by=By.SESSION, top=4).sessions]
    assert costs == sorted(costs, reverse=True)
