from __future__ import annotations

from time import perf_counter

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, TraceIdRatioBased

import otel_agentperf
from otel_agentperf import config, guard, semconv
from otel_agentperf.live.metrics import backlog
from otel_agentperf.live.metrics.runs import Runs
from tests.live.measured import Points, backlog_of, graph, histograms, ids, server, sums, words
from tests.telemetry import observed


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
        assert telemetry.collected() == {}


def _counted(collected: Points) -> dict[str, dict[str, object]]:
    """What a program comes to, apart from how long it took and what follows from that."""
    timed = (semconv.METRIC_RUN_DURATION, semconv.METRIC_NODE_DURATION, semconv.METRIC_RUN_EFFICIENCY)
    return {
        metric: {
            words(point): (point.count, None if metric in timed else point.sum)
            if isinstance(point, HistogramDataPoint)
            else point.value
            for point in points
        }
        for metric, points in collected.items()
        if metric not in (semconv.METRIC_INTERNAL_TIME, semconv.METRIC_OPERATION_DURATION)
    }


def test_totals_without_any_sampled_trace_are_those_with_all_of_them() -> None:
    told: list[dict[str, dict[str, object]]] = []
    for ratio in (1.0, 0.0):
        with server() as gemini, observed(sampler=TraceIdRatioBased(ratio)) as telemetry:
            for number in range(3):
                failing = "write" if number == 2 else ""
                try:
                    graph(gemini, "plan", "read", "write", failing=failing).invoke({"text": "all the same"})
                except LookupError:
                    continue
            told.append(_counted(telemetry.collected()))
            assert bool(telemetry.spans) == (ratio == 1.0)
    sampled, unsampled = told
    assert sampled == unsampled
    assert sampled[semconv.METRIC_RUNS] == {"success researcher": 2, "failure researcher": 1}
    assert sampled[semconv.METRIC_WASTED_COST]


def test_where_nobody_collects_what_waits_is_counted_all_the_same_and_little_is_held() -> None:
    with observed() as telemetry:
        waiting = backlog_of(telemetry).waiting
        longest = 0
        for _ in range(3 * backlog.MOST):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
            longest = max(longest, len(waiting))
        assert longest <= backlog.MOST
        assert sum(sums(telemetry.points(semconv.METRIC_RUNS)).values()) == 3 * backlog.MOST


def test_of_each_bucket_the_last_request_of_a_batch_is_the_exemplar() -> None:
    with observed() as telemetry:
        for tokens in (2, 3, 50, 60):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=tokens, output_tokens=0)
        spans = telemetry.spans
        (of_input,) = [
            point for name, point in histograms(telemetry.points(semconv.METRIC_TOKEN_USAGE)).items() if "input" in name
        ]
    assert (of_input.count, of_input.sum) == (4, 115)
    told = {(exemplar.value, exemplar.trace_id, exemplar.span_id) for exemplar in of_input.exemplars}
    assert told == {(value, *ids(spans[number])) for value, number in ((3, 1), (60, 3))}


def test_what_cannot_be_recorded_is_reported_and_keeps_nothing_else_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")

    def broken(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(Runs, "take", broken)
    with observed() as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1_000_000, output_tokens=0)
        collected = telemetry.collected()
    assert sums(collected[semconv.METRIC_COST]) == {"standard gcp.gemini gemini-2.5-flash": pytest.approx(0.30)}
    assert guard.error_counts() == {"metrics.record": 1}
    assert sums(collected[semconv.METRIC_INTERNAL_ERRORS]) == {"metrics.record": 1}


def test_a_sum_that_cannot_be_observed_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)

        def broken() -> set[str | int]:
            raise ArithmeticError

        monkeypatch.setattr(telemetry.pipeline.engine, "open_sessions", broken)
        collected = telemetry.collected()
    assert semconv.METRIC_ACTIVE_SESSIONS not in collected
    assert semconv.METRIC_COST in collected
    assert guard.error_counts() == {f"metrics.observe.{semconv.METRIC_ACTIVE_SESSIONS}": 1}


def test_the_time_spent_inside_us_grows_with_what_is_done_and_stays_below_what_it_took() -> None:
    with server() as gemini, observed() as telemetry:
        program = graph(gemini, "plan", "write")
        (before,) = sums(telemetry.points(semconv.METRIC_INTERNAL_TIME)).values()
        began = perf_counter()
        program.invoke({"text": "once"})
        took = perf_counter() - began
        (after,) = sums(telemetry.points(semconv.METRIC_INTERNAL_TIME)).values()
    assert before < after
    assert after - before < took + 1.0
