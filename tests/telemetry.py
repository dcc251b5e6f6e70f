"""The real OpenTelemetry SDK with everything of ours on, for tests that look at what comes out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from otel_agentperf import config, guard, semconv
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.live import in_process
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.processor import AgentPerfSpanProcessor
from otel_agentperf.model import Operation

TIMES = frozenset(
    {
        semconv.METRIC_OPERATION_DURATION,
        semconv.METRIC_RUN_DURATION,
        semconv.METRIC_NODE_DURATION,
        semconv.METRIC_INTERNAL_TIME,
        semconv.METRIC_RUN_EFFICIENCY,
    }
)
"""Metrics whose sums are measured times, or go by them: no two runs of a program have them alike."""
Tree = dict[str, list["Tree"]] | str


@dataclass
class Telemetry:
    """What a program under observation has sent, and the pipeline that observed it."""

    provider: TracerProvider
    pipeline: Pipeline
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    meter_provider: MeterProvider
    started: list[ReadableSpan] = field(default_factory=list[ReadableSpan])

    @property
    def spans(self) -> list[ReadableSpan]:
        """Finished spans, in order of start."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: (span.start_time or 0, span_id(span)))

    def named(self, name: str) -> list[ReadableSpan]:
        """Finished spans of this name, in order of start."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only finished span of this name."""
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} spans named {name!r} among {[s.name for s in self.spans]}"
        return found[0]

    def tree(self) -> list[str]:
        """The span trees, one line a span, indented by depth, siblings in order of start.

        Fails when a span is an orphan.
        """
        spans = self.spans
        ids = {span_id(span) for span in spans}
        children: dict[int | None, list[ReadableSpan]] = {}
        for span in spans:
            parent = span.parent.span_id if span.parent is not None else None
            assert parent is None or parent in ids, f"{span.name} is an orphan"
            children.setdefault(parent, []).append(span)
        lines: list[str] = []

        def walk(parent: int | None, depth: int) -> None:
            for span in children.get(parent, []):
                lines.append("  " * depth + span.name)
                walk(span_id(span), depth + 1)

        walk(None, 0)
        return lines

    def suggestions(self, rule: str | None = None) -> list[Event]:
        """Suggestion events on finished spans, by rule if one is named."""
        return [
            event
            for span in self.spans
            for event in span.events
            if event.name == semconv.EVENT_SUGGESTION
            and (rule is None or (event.attributes or {}).get(semconv.SUGGESTION_RULE) == rule)
        ]

    def points(self, metric: str) -> list[NumberDataPoint | HistogramDataPoint]:
        """The data points of a metric, collected now (which empties the exemplars of all)."""
        return self.collected().get(metric, [])

    def collected(self) -> dict[str, list[NumberDataPoint | HistogramDataPoint]]:
        """The data points of all metrics by name, collected now."""
        found: dict[str, list[NumberDataPoint | HistogramDataPoint]] = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        if isinstance(point, (NumberDataPoint, HistogramDataPoint)):
                            found.setdefault(metric.name, []).append(point)
        return found

    def assert_sound(self) -> None:
        """No orphan, nothing left open, no context leaked, no error of ours."""
        self.tree()
        ended = {span_id(span) for span in self.spans}
        unended = [span.name for span in self.started if span_id(span) not in ended]
        assert not unended, f"never ended: {unended}"
        assert not self.pipeline.engine.live_runs, "a run was left open"
        assert not context_api.get_current(), "a context was left attached"
        assert not guard.error_counts(), guard.error_counts()


def counted(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """The operations that the pipeline counts from now on, in the order in which they end."""
    seen: list[Operation] = []
    account = telemetry.pipeline.account

    def spy(frame: Any, operation: Operation, attributes: Any) -> Any:
        seen.append(operation)
        return account(frame, operation, attributes)

    monkeypatch.setattr(telemetry.pipeline, "account", spy)
    return seen


def span_id(span: ReadableSpan) -> int:
    """The id of a finished span."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


class _Starts(SpanProcessor):
    """Keeps every span that starts, so that one that never ends is noticed."""

    def __init__(self, started: list[ReadableSpan]) -> None:
        self._started = started

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        self._started.append(span)


@contextmanager
def observed(
    *, settings: config.Settings | None = None, sampler: Sampler = ALWAYS_ON, instrument: bool = True
) -> Generator[Telemetry]:
    """Everything on: provider, processor, metrics, both instrumentations; all off afterwards."""
    guard.reset()
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    meter_provider = MeterProvider([reader], resource=Resource.get_empty(), shutdown_on_exit=False)
    provider = TracerProvider(sampler=sampler, resource=Resource.get_empty(), shutdown_on_exit=False)
    chosen = settings if settings is not None else config.Settings(fingerprint_key="test")
    active = Pipeline(chosen, meter_provider=meter_provider)
    in_process.use(active)
    started: list[ReadableSpan] = []
    provider.add_span_processor(_Starts(started))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(AgentPerfSpanProcessor(tracer_provider=provider))
    instrumentors = (LangGraphInstrumentor(), GoogleGenAIInstrumentor()) if instrument else ()
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    try:
        yield Telemetry(provider, active, exporter, reader, meter_provider, started)
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()
        provider.shutdown()
        meter_provider.shutdown()
        in_process.use(None)
