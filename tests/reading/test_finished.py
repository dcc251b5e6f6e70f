from __future__ import annotations

from otel_agentperf.reading.finished import MAX_RUNS, Finished
from tests.report.runs import recording


def test_nothing_is_kept_while_nobody_asks() -> None:
    finished = Finished()
    finished.keep("trace", "root", recording().summary())
    assert finished.get("trace", "root") is None


def test_what_is_asked_for_is_kept_without_the_rows_and_may_be_asked_for_again() -> None:
    finished = Finished()
    finished.want()
    summary = recording().summary()
    finished.keep("trace", "root", summary)
    for _ in range(2):
        found = finished.get("trace", "root")
        assert found is not None
        assert (found.suggestions, found.savings, found.rows) == (summary.suggestions, summary.savings, [])
    assert finished.get("trace", "another root") is None


def test_the_oldest_run_is_forgotten_first() -> None:
    finished = Finished()
    finished.want()
    summary = recording().summary()
    for place in range(MAX_RUNS + 1):
        finished.keep("trace", str(place), summary)
    assert finished.get("trace", "0") is None
    assert finished.get("trace", "1") is not None
