from __future__ import annotations

import gc
from typing import Any

import pytest

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.system import gc_pauses
from otel_agentperf.instrumentation.system.gc_pauses import GcPauses
from tests.instrumentation.system.readers import observed


def garbage(size: int) -> list[Any]:
    """Objects that a full collection has to look at, for some milliseconds."""
    return [[place] for place in range(size)]


def test_a_long_collection_is_measured_with_its_generation() -> None:
    pauses, recorded = GcPauses(), list[tuple[float, dict[str, int]]]()
    kept = garbage(300_000)
    pauses.start()
    gc.collect()
    pauses.stop()
    pauses.drain(lambda pause_s, attributes: recorded.append((pause_s, attributes)))
    del kept
    assert any(pause_s >= 0.001 and attributes == {"cpython.gc.generation": 2} for pause_s, attributes in recorded)
    recorded.clear()
    pauses.drain(lambda pause_s, attributes: recorded.append((pause_s, attributes)))
    assert recorded == [], "handed over once"


def test_a_short_collection_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_pauses, "_SHORTEST_S", 1e9)
    pauses, recorded = GcPauses(), list[float]()
    pauses.start()
    gc.collect()
    pauses.stop()
    pauses.drain(lambda pause_s, _: recorded.append(pause_s))
    assert recorded == []


def test_the_callback_goes_with_the_instrumentation() -> None:
    before = list(gc.callbacks)
    with observed(sample_interval=0.1):
        assert len(gc.callbacks) == len(before) + 1
    assert gc.callbacks == before


def test_pauses_come_out_as_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_agentperf.live import samples
    from tests.instrumentation.system.test_sampler import wait_until

    monkeypatch.setattr(gc_pauses, "_SHORTEST_S", 0.0)
    with observed(sample_interval=0.1) as system:
        gc.collect()
        wait_until(len(samples.samples) + 2)
        points = system.collect()[semconv.METRIC_GC_PAUSE]
    assert ({"cpython.gc.generation": 2}, 1) in points or any(count >= 1 for _, count in points)


def test_an_error_of_ours_stays_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    monkeypatch.setattr(gc_pauses, "_SHORTEST_S", 0.0)
    pauses = GcPauses()
    pauses.start()
    gc.collect()
    pauses.stop()

    def failing(_pause_s: float, _attributes: dict[str, int]) -> None:
        raise ValueError

    pauses.drain(failing)
    assert guard.error_counts() == {"system.gc": 1}
