from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

import otel_agentperf
from otel_agentperf import config, semconv
from otel_agentperf.live import metrics
from tests.telemetry import observed


def sums(points: Sequence[object]) -> dict[str, float]:
    """The points of a sum, by their attributes in plain words."""
    return {
        " ".join(str(value) for _, value in sorted((point.attributes or {}).items())): float(point.value)
        for point in points
        if isinstance(point, NumberDataPoint)
    }


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_requests_runs_and_cost_are_measured_sampled_or_not(sampler: Sampler) -> None:
    with observed(sampler=sampler) as telemetry:
        for _ in range(3):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1_000_000, output_tokens=0)
        otel_agentperf.record_model_usage("no-such-model", input_tokens=1, output_tokens=1)
        collected = telemetry.collected()
    assert sums(collected[semconv.METRIC_COST]) == {"standard gcp.gemini gemini-2.5-flash": pytest.approx(0.90)}
    assert sums(collected[semconv.METRIC_UNPRICED]) == {"gcp.gemini no-such-model": 1}
    durations = collected[semconv.METRIC_OPERATION_DURATION]
    tokens = collected[semconv.METRIC_TOKEN_USAGE]
    assert sum(p.count for p in durations if isinstance(p, HistogramDataPoint)) == 4
    assert sum(p.sum for p in tokens if isinstance(p, HistogramDataPoint)) == 3_000_002
    exemplars = [exemplar for point in durations for exemplar in point.exemplars]
    assert bool(exemplars) == (sampler is ALWAYS_ON)


def test_metrics_can_be_switched_off() -> None:
    with observed(settings=config.Settings(metrics=False)) as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
        assert telemetry.points(semconv.METRIC_OPERATION_DURATION) == []
        assert telemetry.points(semconv.METRIC_COST) == []


def test_beyond_the_bound_further_series_are_one_called_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_SERIES", 2)
    with observed() as telemetry:
        for number in range(5):
            otel_agentperf.record_model_usage(f"unknown-{number}", input_tokens=1, output_tokens=1)
        assert sums(telemetry.points(semconv.METRIC_UNPRICED)) == {
            "gcp.gemini unknown-0": 1,
            "gcp.gemini unknown-1": 1,
            "other other": 3,
        }
