from __future__ import annotations

import json
import os
import threading

import pytest

from otel_agentperf import semconv
from tests.live.measured import backlog_of, graph, server, sums
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
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            answer = b"{}"
            try:
                program.invoke({"text": "the child's"})
                answer = json.dumps(_told(telemetry)).encode()
            finally:
                os.write(writing, answer)
                os._exit(0)
        os.close(writing)
        release.set()
        holder.join()
        with os.fdopen(reading) as pipe:
            of_child = json.loads(pipe.read())
        os.waitpid(child, 0)
        list(stream)
        of_parent = _told(telemetry)
    # The sum goes on from what the parent had counted, as those of the SDK do; what waited is the parent's.
    assert of_child == {
        semconv.METRIC_RUNS: {"success researcher": 2},
        semconv.METRIC_ACTIVE_RUNS: {"": 0},
        semconv.METRIC_ACTIVE_SESSIONS: {"": 1},
    }
    assert of_parent == {
        semconv.METRIC_RUNS: {"success researcher": 3},
        semconv.METRIC_ACTIVE_RUNS: {"": 0},
        semconv.METRIC_ACTIVE_SESSIONS: {"": 3},
    }
