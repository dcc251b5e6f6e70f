"""What cannot begin leaves nothing begun, and the program does not notice."""

from __future__ import annotations

import gc
import threading

import pytest

from otel_agentperf import guard
from otel_agentperf.instrumentation.system import SystemInstrumentor, gc_pauses
from otel_agentperf.live import loops
from tests.instrumentation.system.readers import Told, observed


def assert_nothing_runs() -> None:
    assert loops._watch is None  # pyright: ignore[reportPrivateUsage]
    assert not [each for each in gc.callbacks if getattr(each, "__module__", "") == gc_pauses.__name__]
    assert not [each for each in threading.enumerate() if each.name.startswith("agentperf-sampler")]


def test_a_reader_that_cannot_be_made_does_not_reach_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    guard.reset()

    def unreadable() -> Told:
        raise PermissionError("/proc")

    with observed(Told(), sample_interval=0.1) as system:
        SystemInstrumentor().uninstrument()
        SystemInstrumentor().instrument(meter_provider=system.meter_provider, make_reader=unreadable)
        assert guard.error_counts() == {"system.start": 1}
        assert_nothing_runs()
        assert not system.collect().get("process.thread.count")
        SystemInstrumentor().uninstrument()
        SystemInstrumentor().instrument(meter_provider=system.meter_provider, make_reader=Told)
        assert system.collect()["process.thread.count"] == [({}, 5_005)], "it may be switched on later"


def test_a_thread_that_cannot_start_does_not_reach_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    guard.reset()
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "agentperf-sampler":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with observed(Told(), sample_interval=0.1) as system:
        assert guard.error_counts() == {"system.start": 1}
        assert_nothing_runs()
        of_system = {name for name in system.collect() if not name.startswith("agentperf.")}
        assert of_system == set(), "the instruments that were made are silent"
