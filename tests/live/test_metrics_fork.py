from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import otel_agentperf
from otel_agentperf import guard, semconv
from otel_agentperf.config import Settings
from otel_agentperf.live.metrics.bounds import MAX_VALUES
from tests.live.measured import State, backlog_of, graph, histograms, idle, server, sums
from tests.telemetry import Telemetry, observed

TIMEOUT_S = 10.0
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
TOLD = (semconv.METRIC_RUNS, semconv.METRIC_ACTIVE_RUNS, semconv.METRIC_ACTIVE_SESSIONS)


def _told(telemetry: Telemetry) -> dict[str, dict[str, float]]:
    collected = telemetry.collected()
    return {metric: sums(collected.get(metric, ())) for metric in TOLD}


def _in_child(work: Callable[[], Any], forked: Callable[[], object] = lambda: None) -> Any:
    """What a forked child says of its work; `forked` is called in the parent meanwhile."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"null"
        try:
            answer = json.dumps(work()).encode()
        finally:
            os.write(writing, answer)
            os._exit(0)
    os.close(writing)
    forked()
    with os.fdopen(reading) as pipe:
        said = json.loads(pipe.read())
    os.waitpid(child, 0)
    return said


def test_a_child_counts_its_own_work_and_the_parent_records_what_waited() -> None:
    """Forked while a thread counts, with a run that waits to be counted and one that is open."""
    with server() as gemini, observed() as telemetry:
        program = graph(gemini, "plan", "write")
        program.invoke({"text": "counted"})
        telemetry.collected()
        program.invoke({"text": "waits"})
        stream = program.stream({"text": "open"})
        next(stream)
        backlog = backlog_of(telemetry)
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with backlog._lock:  # pyright: ignore[reportPrivateUsage]
                held.set()
                release.wait(TIMEOUT_S)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(TIMEOUT_S)

        def work() -> dict[str, dict[str, float]]:
            program.invoke({"text": "the child's"})
            return _told(telemetry)

        of_child = _in_child(work, release.set)
        holder.join()
        list(stream)
        of_parent = _told(telemetry)
    # It counts from zero: what the parent had counted, and what waited, is the parent's.
    assert of_child == {
        semconv.METRIC_RUNS: {"success researcher": 1},
        semconv.METRIC_ACTIVE_RUNS: {"": 0},
        semconv.METRIC_ACTIVE_SESSIONS: {"": 1},
    }
    assert of_parent == {
        semconv.METRIC_RUNS: {"success researcher": 3},
        semconv.METRIC_ACTIVE_RUNS: {"": 0},
        semconv.METRIC_ACTIVE_SESSIONS: {"": 3},
    }


COUNTED = (
    semconv.METRIC_COST,
    semconv.METRIC_UNPRICED,
    semconv.METRIC_SUGGESTIONS,
    semconv.METRIC_OVER_BUDGET,
    semconv.METRIC_INTERNAL_ERRORS,
    semconv.METRIC_CAPPED,
    semconv.METRIC_EVICTIONS,
)


def _all_counted(telemetry: Telemetry) -> dict[str, float]:
    """The sums over all series of what is counted, and the measurements in histograms, where there are any."""
    found: dict[str, float] = {}
    for metric, points in telemetry.collected().items():
        if metric in COUNTED:
            found[metric] = round(sum(sums(points).values()), 6)
        elif of_histogram := histograms(points):
            found[metric] = sum(point.count for point in of_histogram.values())
    return {metric: value for metric, value in found.items() if value}


def _ask_nobodys_model(state: State) -> State:
    otel_agentperf.record_model_usage("nobody's model", provider="nobody", input_tokens=10, output_tokens=10)
    return state


def test_a_child_counts_from_zero_what_its_parent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with server() as gemini, observed(settings=Settings(fingerprint_key="test", max_live_runs=1)) as telemetry:
        theirs = telemetry.meter_provider.get_meter("theirs").create_histogram("theirs")
        theirs.record(1.0)
        program, small = graph(gemini, *"abcd"), graph(gemini, "small")
        unpriced = idle("unpriced", _ask_nobodys_model)
        streams = [program.stream({"text": "one too many"}) for _ in range(2)]
        for stream in streams:
            next(stream)
        for stream in streams:
            list(stream)
        for number in range(MAX_VALUES + 1):
            idle(f"graph {number}").invoke({"text": ""})
        unpriced.invoke({"text": ""})
        guard.report("test.site", ValueError())
        before = _all_counted(telemetry)
        assert set(COUNTED) <= set(before), "the parent has counted something of each"

        def work() -> Any:
            at_first = _all_counted(telemetry)
            outcomes, spent_ns = telemetry.pipeline.outcomes.since(0).runs, guard.spent_ns()
            small.invoke({"text": "the child's"})
            unpriced.invoke({"text": ""})
            return at_first, outcomes, spent_ns, _all_counted(telemetry)

        spent_ns = guard.spent_ns()
        at_first, outcomes, of_child_ns, in_the_end = _in_child(work)
        after = _all_counted(telemetry)
    assert at_first == {"theirs": 1}, "the SDK goes on with what it holds; of ours it holds nothing"
    assert outcomes == 0
    assert of_child_ns < spent_ns / 2
    assert in_the_end[semconv.METRIC_COST] == pytest.approx(0.03)
    assert in_the_end[semconv.METRIC_UNPRICED] == 1
    assert in_the_end[semconv.METRIC_SUGGESTIONS] >= 1, "what was said of the parent's process is news of the child's"
    assert in_the_end[semconv.METRIC_RUN_DURATION] == 2
    assert after == before
