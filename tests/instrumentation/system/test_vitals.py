from __future__ import annotations

import time
from typing import Any

import pytest
from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from otel_agentperf.analysis.health import Vitals
from otel_agentperf.config import Settings
from otel_agentperf.instrumentation.system import SystemInstrumentor
from otel_agentperf.instrumentation.system.vitals import vitals_of
from otel_agentperf.live import samples as live_samples
from otel_agentperf.live.outcomes import KEPT_NS, MAX_RUNS, RecentOutcomes
from otel_agentperf.live.samples import Sample, Samples
from tests.instrumentation.system.programs import State
from tests.instrumentation.system.readers import Told
from tests.telemetry import observed

S = 1_000_000_000
NOW = 1_780_000_000 * S


def test_they_are_those_of_the_last_minute_and_of_the_runs_of_half_an_hour() -> None:
    samples, outcomes = Samples(1_000), RecentOutcomes()
    samples.open_files_limit = 1_024
    samples.add(Sample(NOW - 61 * S, 0.0, 0.0, 0.0, 1, 999, 1, 9.0))
    samples.add(Sample(NOW - 59 * S, 80.0, 0.0, 40.0, 1, 10, 1, 0.1))
    samples.add(Sample(NOW, 90.0, 0.0, 60.0, 1, 20, 1, 0.2))
    outcomes.add(NOW - KEPT_NS - 1, failed=True)
    outcomes.add(NOW - KEPT_NS, failed=False)
    outcomes.add(NOW, failed=True)
    assert vitals_of(samples, outcomes, NOW) == Vitals(85.0, 50.0, 0.2, 20, 1_024, 2, 1)


def test_where_nothing_was_sampled_nothing_is_known() -> None:
    assert vitals_of(Samples(10), RecentOutcomes(), NOW) == Vitals()


def test_runs_are_kept_within_bounds() -> None:
    outcomes = RecentOutcomes()
    for _ in range(2 * MAX_RUNS):
        outcomes.add(NOW, failed=False)
    assert outcomes.since(0) == (MAX_RUNS, 0)


def test_health_is_exported_with_stable_series_and_runs_that_fail_lower_it() -> None:
    def failing(_state: State) -> State:
        raise ValueError

    graph: Any = StateGraph(State)
    graph.add_node("failing", failing)
    graph.add_edge(START, "failing")
    with observed(settings=Settings(fingerprint_key="test", sample_interval=0.0)) as telemetry:
        instrumentor = SystemInstrumentor()
        instrumentor.instrument(meter_provider=telemetry.meter_provider, make_reader=Told)
        try:
            assert "agentperf.health.score" not in telemetry.collected(), "nothing is sampled yet"
            live_samples.samples.add(Sample(time.time_ns(), 95.0, 5.0, 20.0, 1, 10, 5, 0.0))
            assert health(telemetry) == (80, {"cpu": 20, "memory": 0, "event_loop": 0, "failures": 0})
            live_samples.samples.open_files_limit = 10
            with pytest.raises(ValueError):  # noqa: PT011 - the node's own
                graph.compile().invoke({"text": ""})
            assert health(telemetry) == (
                40,
                {"cpu": 20, "memory": 0, "event_loop": 0, "descriptors": 20, "failures": 20},
            )
        finally:
            instrumentor.uninstrument()


def health(telemetry: Any) -> tuple[int, dict[str, int]]:
    points = telemetry.collected()
    ((score),) = points["agentperf.health.score"]
    assert not score.attributes, "attributes would make a new series at each change"
    return score.value, {
        point.attributes["agentperf.health.reason"]: point.value for point in points["agentperf.health.deductions"]
    }
