from __future__ import annotations

import os
import threading

import pytest

from otel_agentperf import guard
from otel_agentperf.live import in_process
from otel_agentperf.live.metrics.backlog import Backlog
from tests.telemetry import observed

TIMEOUT_S = 10.0


def finishes(work: threading.Thread) -> bool:
    work.start()
    work.join(TIMEOUT_S)
    return not work.is_alive()


def test_what_is_seen_while_metrics_are_counted_is_counted_next() -> None:
    """A generator that the garbage collector closes may end a run at any moment, in any thread."""
    counted: list[str] = []
    backlog = Backlog()

    def collected_in_the_middle() -> None:
        backlog.waiting.append((counted.append, "run"))
        backlog.work_off()
        counted.append("request")

    backlog.waiting.append((collected_in_the_middle,))
    assert finishes(threading.Thread(target=backlog.work_off, daemon=True))
    assert counted == ["request"]
    backlog.work_off()
    assert counted == ["request", "run"]


def test_the_guard_can_count_while_it_is_counting() -> None:
    def collected_in_the_middle() -> None:
        with guard._lock:  # pyright: ignore[reportPrivateUsage]
            guard.error_counts()

    assert finishes(threading.Thread(target=collected_in_the_middle, daemon=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_works_though_a_thread_held_every_lock_as_it_was_forked() -> None:
    with observed() as telemetry:
        engine, active = telemetry.pipeline.engine, telemetry.pipeline
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with (
                engine._lock,  # pyright: ignore[reportPrivateUsage]
                active._lock,  # pyright: ignore[reportPrivateUsage]
                guard._lock,  # pyright: ignore[reportPrivateUsage]
                in_process._current_lock,  # pyright: ignore[reportPrivateUsage]
            ):
                held.set()
                release.wait(TIMEOUT_S)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(TIMEOUT_S)
        child = os.fork()
        if child == 0:
            work = threading.Thread(target=lambda: engine.begin("graph", None, 0), daemon=True)
            guard.error_counts()
            in_process.ensure()
            os._exit(0 if finishes(work) else 1)
        release.set()
        holder.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
