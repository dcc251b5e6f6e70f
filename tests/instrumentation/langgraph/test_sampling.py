"""Whether a span is sampled or not: the same totals, the same metrics, the same suggestions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.analysis.engine import Engine, RunSummary
from tests.instrumentation.langgraph.graphs import SHAPES, START, State, new
from tests.instrumentation.langgraph.test_cache import cached
from tests.instrumentation.langgraph.test_failures import AT_ONCE, BrokenError, RetryPolicy, failing
from tests.instrumentation.langgraph.test_tools import plain
from tests.telemetry import TIMES, Telemetry, observed

UNSAMPLED = {
    "always off": ALWAYS_OFF,
    "ratio 0": TraceIdRatioBased(0.0),
    "by parent, ratio 0": ParentBased(TraceIdRatioBased(0.0)),
}


def working() -> Any:
    """A graph that spends, calls a tool again and again, and fails once."""

    def work(state: State) -> State:
        for _ in range(5):
            plain.invoke({"city": "Rome"})
            otel_agentperf.record_model_usage("gemini-2.5-pro", input_tokens=50_000, output_tokens=1_000)
        return {"seen": state.get("seen", [])}

    builder = new()
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    return builder.compile(name="spender")


def run_all() -> None:
    for shape in SHAPES.values():
        shape.build().invoke({"seen": ["-"]})
        asyncio.run(shape.build(aio=True).ainvoke({"seen": ["-"]}))
    for _ in range(2):
        working().invoke({"seen": []}, {"configurable": {"thread_id": "t"}})
    graph = cached()
    graph.invoke({"seen": []})
    graph.invoke({"seen": []})
    failing([BrokenError()], retry_policy=RetryPolicy(retry_on=BrokenError, **AT_ONCE)).invoke({"seen": []})
    with pytest.raises(BrokenError):
        failing([BrokenError()]).invoke({"seen": []})
    for _ in working().stream({"seen": []}, stream_mode="updates"):
        break


def facts(summary: RunSummary) -> tuple[object, ...]:
    found = sorted((one.rule, one.type, one.level.value) for one in summary.suggestions if "latency" not in one.type)
    return (summary.name, summary.session_id, summary.totals, summary.rating, summary.success, found)


def observe(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> tuple[Telemetry, list[Any], dict[str, Any]]:
    """Everything a sampler may not change: each run's totals, each metric's sums."""
    summaries: list[Any] = []
    finish = Engine.finish

    def finish_and_tell(self: Engine, *args: Any) -> Any:
        summary, news = finish(self, *args)
        summaries.append(facts(summary))
        return summary, news

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "finish", finish_and_tell)
        with observed(sampler=sampler) as telemetry:
            run_all()
            sums: dict[str, Any] = {}
            for name, points in telemetry.collected().items():
                for point in points:
                    key = f"{name} {sorted((point.attributes or {}).items())}"
                    timed = name in TIMES
                    sums[key] = (
                        (point.count, timed or point.sum)
                        if isinstance(point, HistogramDataPoint)
                        else timed or point.value
                    )
    return telemetry, summaries, sums


@pytest.mark.parametrize("sampler", UNSAMPLED.values(), ids=UNSAMPLED)
def test_what_is_not_sampled_counts_as_much_as_what_is(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled, all_summaries, all_sums = observe(ALWAYS_ON, monkeypatch)
    unsampled, summaries, sums = observe(sampler, monkeypatch)
    assert sampled.spans
    assert not unsampled.spans
    unsampled.assert_sound()
    assert len(summaries) == 2 * len(SHAPES) + 7
    assert summaries == all_summaries
    assert sums == all_sums
    assert any("agentperf.cost" in key for key in sums)


def test_a_run_under_an_unsampled_span_of_the_caller_counts_too() -> None:
    with observed(sampler=ParentBased(ALWAYS_OFF)) as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        with tracer.start_as_current_span("request"):
            working().invoke({"seen": []})
        collected = telemetry.collected()
    assert not telemetry.spans
    telemetry.assert_sound()
    assert [getattr(point, "value", None) for point in collected[semconv.METRIC_RUNS]] == [1]
