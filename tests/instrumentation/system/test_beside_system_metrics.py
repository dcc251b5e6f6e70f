"""Beside the real opentelemetry-instrumentation-system-metrics, whatever it was told to report."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from tests.instrumentation.system.readers import Points, Told, observed
from tests.instrumentation.system.test_gauges import NAMES

IS_INSTALLED = importlib.util.find_spec("opentelemetry.instrumentation.system_metrics") is not None
pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="the oldest environment has no peer; the newest ones do")
OURS = {"cpu.mode", "system.memory.state", "disk.io.direction", "network.io.direction", "process.context_switch.type"}


@pytest.fixture
def peer_class() -> Iterator[Any]:
    from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

    peer: Any = SystemMetricsInstrumentor
    peer._instance = None
    yield peer
    peer().uninstrument()
    peer._instance = None


def reported_by_us(points: Points) -> set[str]:
    """The metrics in which a point of ours stands: those that we alone have, and those told by our attributes."""
    return {name for name, values in points.items() for attributes, _ in values if OURS & set(attributes)}


def test_by_default_the_peer_reports_all_of_it_and_we_nothing(peer_class: Any) -> None:
    with observed(Told()) as system:
        peer_class().instrument(meter_provider=system.meter_provider)
        points = system.collect()
    assert "process.open_file_descriptor.count" in points, "the peer did report"
    assert "process.unix.file_descriptor.count" not in points
    assert not reported_by_us(points)
    assert len(points["process.memory.usage"]) == 1
    assert points["process.thread.count"] != [({}, 5_005)], "ours"


def test_what_the_peer_leaves_out_we_report(peer_class: Any) -> None:
    config = {"process.thread.count": None, "system.cpu.time": ["user", "idle"]}
    with observed(Told()) as system:
        peer_class(config=config).instrument(meter_provider=system.meter_provider)
        points = system.collect()
    assert set(points) >= NAMES - {"system.cpu.utilization"}, "which no CPU time has passed for"
    assert {name for name, values in points.items() if values == [({}, 707)]} == {"process.unix.file_descriptor.count"}
    assert points["process.thread.count"] != [({}, 5_005)], "ours"
    assert "cpu.mode" not in {key for attributes, _ in points["system.cpu.time"] for key in attributes}
    assert "cpu.mode" in points["process.cpu.time"][0][0]


def test_it_does_not_matter_who_comes_first(peer_class: Any) -> None:
    metrics = InMemoryMetricReader()
    provider = MeterProvider([metrics], resource=Resource.get_empty(), shutdown_on_exit=False)
    peer_class(config={"process.thread.count": None}).instrument(meter_provider=provider)
    from otel_agentperf.instrumentation.system import peers

    assert peers.reported(provider.get_meter("ours")) == {"process.thread.count"}
    provider.shutdown()


def test_a_peer_that_is_imported_and_not_switched_on_takes_nothing_away(peer_class: Any) -> None:
    peer_class()
    with observed(Told()) as system:
        assert system.collect()["process.thread.count"] == [({}, 5_005)]


def test_a_peer_at_another_provider_takes_nothing_away(peer_class: Any) -> None:
    other = MeterProvider([InMemoryMetricReader()], resource=Resource.get_empty(), shutdown_on_exit=False)
    peer_class().instrument(meter_provider=other)
    with observed(Told()) as system:
        assert system.collect()["process.thread.count"] == [({}, 5_005)]
    other.shutdown()


def test_a_peer_that_is_uninstrumented_reports_on_and_so_we_still_leave_it_to_it(peer_class: Any) -> None:
    with observed(Told()) as system:
        peer_class(config={"process.thread.count": None}).instrument(meter_provider=system.meter_provider)
        peer_class().uninstrument()
        ((_, threads),) = system.collect()["process.thread.count"]
    assert threads != 5_005
