from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.system.gauges import Gauges
from otel_agentperf.instrumentation.system.instruments import INSTRUMENTS
from tests.instrumentation.system.readers import GIB, Told, observed

NAMES = {
    "process.cpu.time",
    "process.cpu.utilization",
    "process.memory.usage",
    "process.memory.virtual",
    "process.unix.file_descriptor.count",
    "process.thread.count",
    "process.disk.io",
    "process.context_switches",
    "system.cpu.time",
    "system.cpu.utilization",
    "system.memory.usage",
    "system.memory.utilization",
    "system.disk.io",
    "system.network.io",
}


def test_the_instruments_are_those_of_the_contract() -> None:
    assert {instrument.name for instrument in INSTRUMENTS} == NAMES


def test_psutil_reads_this_process_and_its_host() -> None:
    with observed() as system:
        _burn_a_tick()
        points = system.collect()
    assert set(points) >= NAMES
    ((_, rss),) = points["process.memory.usage"]
    assert 10 * 2**20 < rss < psutil.virtual_memory().total
    ((_, files),) = points["process.unix.file_descriptor.count"]
    assert files >= 3
    states = {attributes["system.memory.state"]: value for attributes, value in points["system.memory.usage"]}
    assert sum(states.values()) == psutil.virtual_memory().total
    modes = {attributes["cpu.mode"] for attributes, _ in points["system.cpu.time"]}
    assert {"user", "system", "idle"} <= modes
    shares = [value for _, value in points["system.cpu.utilization"]]
    assert sum(shares) == pytest.approx(1)
    assert guard.error_counts() == {}


def _burn_a_tick() -> None:
    """Wait until the host's clock of CPU time, which ticks every 10 ms, has moved."""
    begun = sum(psutil.cpu_times())
    while sum(psutil.cpu_times()) == begun:
        os.getpid()


def test_one_reading_serves_all_instruments_of_a_collection() -> None:
    told = Told()
    with observed(told) as system:
        told.asked.clear()
        for collections in (1, 2, 3):
            system.collect()
            assert set(told.asked.values()) == {collections}


def test_utilization_is_told_by_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("otel_agentperf.instrumentation.system.readings.take.__defaults__", (lambda: now_s,))
    told = Told(cores=0.5)
    with observed(told) as system:
        now_s = 110.0
        told.parts["process_cpu"] = {"user": 5.0, "system": 1.5}
        told.parts["host_cpu"] = {"user": 65.0, "system": 45.0, "idle": 310.0}
        points = system.collect()
    assert points["process.cpu.utilization"] == [({"cpu.mode": "user"}, 0.4), ({"cpu.mode": "system"}, 0.1)]
    shares = {attributes["cpu.mode"]: value for attributes, value in points["system.cpu.utilization"]}
    assert shares == {"user": 0.25, "system": 0.25, "idle": 0.5}


def test_a_second_reader_of_metrics_does_not_shorten_the_time_that_utilization_is_told_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr("otel_agentperf.instrumentation.system.readings.take.__defaults__", (lambda: now_s,))
    told = Told(cores=1.0)
    with observed(told) as system:
        now_s = 110.0
        told.parts["process_cpu"] = {"user": 8.0, "system": 1.0}
        system.collect()
        now_s = 110.001
        assert dict(_by_mode(system.collect()["process.cpu.utilization"])) == pytest.approx(
            {"user": 0.5, "system": 0.0}, rel=0.01
        )


def _by_mode(points: Any) -> Any:
    return ((attributes["cpu.mode"], value) for attributes, value in points)


BROKEN: dict[str, tuple[Exception, set[str]]] = {
    "process_cpu": (
        psutil.AccessDenied(),
        {"process.cpu.time", "process.cpu.utilization"},
    ),
    "process_memory": (psutil.NoSuchProcess(1), {"process.memory.usage", "process.memory.virtual"}),
    "open_files": (psutil.AccessDenied(), {"process.unix.file_descriptor.count"}),
    "threads": (psutil.ZombieProcess(1), {"process.thread.count"}),
    "process_io": (AttributeError("io_counters"), {"process.disk.io"}),
    "context_switches": (NotImplementedError(), {"process.context_switches"}),
    "cores": (OSError(), {"process.cpu.utilization"}),
    "host_cpu": (FileNotFoundError(), {"system.cpu.time", "system.cpu.utilization"}),
    "memory": (PermissionError(), {"system.memory.usage", "system.memory.utilization"}),
    "host_disk": (NotImplementedError(), {"system.disk.io"}),
    "host_network": (psutil.AccessDenied(), {"system.network.io"}),
}


@pytest.mark.parametrize("part", BROKEN)
def test_a_part_that_cannot_be_read_leaves_out_its_instruments_alone_and_is_counted_once(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    error, lost = BROKEN[part]
    told = Told()
    with observed(told) as system:
        told.parts["host_cpu"] = {"user": 61.0, "system": 41.0, "idle": 302.0}
        told.parts[part] = error
        for _ in range(3):
            assert NAMES - set(system.collect()) == lost
    assert guard.error_counts() == {f"system.{part}": 1}


def test_a_part_that_can_be_read_again_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    told = Told(open_files=psutil.AccessDenied())
    with observed(told) as system:
        assert "process.unix.file_descriptor.count" not in system.collect()
        told.parts["open_files"] = 9
        assert system.collect()["process.unix.file_descriptor.count"] == [({}, 9)]


def test_memory_is_told_as_shares_of_its_limit() -> None:
    with observed(Told()) as system:
        points = system.collect()
    shares = {attributes["system.memory.state"]: value for attributes, value in points["system.memory.utilization"]}
    assert shares == {"used": 0.25, "free": 0.625, "cached": 0.125}
    assert points["process.memory.virtual"] == [({}, 2 * GIB)]


def test_switched_off_it_falls_silent_and_is_not_doubled_when_switched_on_again() -> None:
    with observed(Told()) as system:
        from otel_agentperf.instrumentation.system import SystemInstrumentor

        SystemInstrumentor().uninstrument()
        assert not NAMES & set(system.collect())
        SystemInstrumentor().instrument(meter_provider=system.meter_provider, make_reader=Told)
        points = system.collect()
    assert points["process.thread.count"] == [({}, 5_005)]
    assert len(points["system.cpu.time"]) == 3


def test_without_metrics_nothing_is_registered() -> None:
    with observed(Told(), metrics=False) as system:
        assert system.collect() == {}


def test_an_error_of_ours_leaves_out_one_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")

    def failing(_self: Gauges, _name: str) -> None:
        raise ValueError

    monkeypatch.setattr(Gauges, "_shared", failing)
    with observed(Told()) as system:
        assert not NAMES & set(system.collect())
    assert guard.error_counts()[f"system.gauge.{semconv.METRIC_PROCESS_THREADS}"] == 1
