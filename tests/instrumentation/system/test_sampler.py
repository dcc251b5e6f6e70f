from __future__ import annotations

import threading
import time
from math import isnan

import psutil
import pytest

from otel_agentperf import guard
from otel_agentperf.instrumentation.system.readings import Memory, Parts
from otel_agentperf.instrumentation.system.sampler import Sampler, Taker
from otel_agentperf.live import samples as live_samples
from otel_agentperf.live.samples import Samples
from tests.instrumentation.system.readers import Told, observed

S = 1_000_000_000


def taker_of(told: Told, samples: Samples) -> Taker:
    return Taker(Parts(told), samples, lambda: 0.25)


def wait_until(count: int) -> None:
    """Wait for so many samples of this process; the timeout of a test that hangs is the only clock."""
    seen = threading.Event()
    deadline = time.monotonic() + 30
    while len(live_samples.samples) < count and time.monotonic() < deadline:
        seen.wait(0.02)
    assert len(live_samples.samples) >= count


def threads_named(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == name]


def test_a_sample_tells_what_was_used_since_the_one_before() -> None:
    told, samples = Told(cpu_used=(100.0, 2.0)), Samples(10)
    taker = taker_of(told, samples)
    taker.take(50.0, 1 * S)
    assert len(samples) == 0, "the first one only sets the beginning"
    told.parts.update(cpu_used=(101.5, 2.0), process_cpu={"user": 3.4, "system": 1.1})
    taker.take(51.0, 2 * S)
    (sample,) = samples.since(0)
    assert sample.cpu_percent == pytest.approx(75.0)
    assert sample.own_cpu_percent == pytest.approx(25.0)
    assert sample[3:] == (25.0, 2**30, 707, 5_005, 0.25)
    assert samples.open_files_limit == 1_024


def test_shares_stay_within_bounds_where_clocks_disagree() -> None:
    told, samples = Told(), Samples(10)
    taker = taker_of(told, samples)
    taker.take(50.0, 1 * S)
    told.parts["cpu_used"] = (400.0, 2.0)
    told.parts["process_cpu"] = {"user": 0.0, "system": 0.0}
    taker.take(51.0, 2 * S)
    assert samples.since(0)[0][1:3] == (100.0, 0.0)


def test_a_clock_that_is_set_back_does_not_disorder_the_samples() -> None:
    told, samples = Told(), Samples(10)
    taker = taker_of(told, samples)
    for now_s, now_ns in ((1.0, 9 * S), (2.0, 10 * S), (3.0, 5 * S), (4.0, 6 * S)):
        taker.take(now_s, now_ns)
    times = [sample.time_ns for sample in samples.since(0)]
    assert times == sorted(times)
    assert len(set(times)) == 3


@pytest.mark.parametrize("part", ["process_cpu", "cpu_used", "memory", "process_memory", "threads", "open_files"])
def test_what_cannot_be_read_is_unknown_in_the_sample_alone(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    told, samples = Told(**{part: psutil.AccessDenied()}), Samples(10)
    taker = taker_of(told, samples)
    for second in range(3):
        taker.take(float(second), second * S)
    unknown = {
        name
        for name, value in samples.since(0)[-1]._asdict().items()
        if value == -1 or (isinstance(value, float) and isnan(value))
    }
    fields = {
        "process_cpu": "own_cpu_percent",
        "cpu_used": "cpu_percent",
        "memory": "memory_percent",
        "process_memory": "memory_bytes",
    }
    told_unknown = {fields.get(part, part)}
    if part == "cpu_used":
        told_unknown.add("own_cpu_percent")  # the cores are unknown with it
    assert unknown == told_unknown
    assert guard.error_counts() == {f"system.{part}": 1}


def test_very_many_descriptors_are_counted_seldom() -> None:
    told, samples = Told(open_files=50_000), Samples(100)
    taker = taker_of(told, samples)
    for second in range(60):
        taker.take(float(second), second * S)
    assert told.asked["open_files"] == 2
    assert samples.since(0)[-1].open_files == 50_000


def test_the_thread_takes_samples_and_ends_when_told() -> None:
    with observed(sample_interval=0.1):
        (thread,) = threads_named("agentperf-sampler")
        assert thread.daemon
        wait_until(3)
        sample = live_samples.samples.since(0)[-1]
    assert 0 < sample.memory_percent < 100
    assert sample.memory_bytes > 10 * 2**20
    assert sample.threads >= 2
    assert not thread.is_alive()
    assert len(live_samples.samples) == 0, "what is known ends with it"


def test_an_interval_of_0_switches_it_off() -> None:
    with observed(sample_interval=0.0) as system:
        assert not threads_named("agentperf-sampler")
        points = system.collect()
    assert "process.cpu.time" in points
    assert "agentperf.health.score" not in points


def test_an_error_of_ours_does_not_end_the_thread() -> None:
    calls = threading.Semaphore(0)

    class Failing:
        def take(self, _now_s: float, _now_ns: int) -> None:
            calls.release()
            raise ValueError

    sampler = Sampler(Failing(), 0.01, lambda: None)  # pyright: ignore[reportArgumentType]
    sampler.start()
    for _ in range(3):
        assert calls.acquire(timeout=30)
    sampler.stop()
    assert guard.error_counts()["system.sampler"] >= 2


def test_a_host_without_memory_is_no_error() -> None:
    told, samples = Told(memory=Memory(0, 0, {})), Samples(10)
    taker = taker_of(told, samples)
    taker.take(1.0, S)
    taker.take(2.0, 2 * S)
    assert isnan(samples.since(0)[0].memory_percent)
