from __future__ import annotations

import json
from decimal import Decimal

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentperf import semconv
from otel_agentperf.live.emit import Emitter
from otel_agentperf.model import Complexity, Level, SavingBasis, Savings, Suggestion

SUGGESTION = Suggestion(
    rule="REP001",
    type="repeated_action",
    level=Level.ALARM,
    description="click was called 3 times to no avail",
    impact_score=0.7,
    complexity=Complexity.MEDIUM,
    confidence=0.9,
    applies_to=("tool:click",),
    span_ids=("00000000000000aa",),
    evidence={"wasted_calls": 3},
    savings=Savings(SavingBasis.MEASURED, time_s=1.5, cost_usd=Decimal("0.25")),
)


@pytest.mark.parametrize(("mode", "on_span", "in_logs"), [("span_event", 1, 0), ("log_event", 0, 1), ("both", 1, 1)])
def test_a_suggestion_leaves_the_way_that_the_setting_says(mode: str, on_span: int, in_logs: int) -> None:
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    provider, logger_provider = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    with provider.get_tracer("app").start_as_current_span("work") as span:
        Emitter(mode, logger_provider.get_logger("test")).emit(SUGGESTION, span, 123)
    events = spans.get_finished_spans()[0].events
    records = [data.log_record for data in logs.get_finished_logs()]
    assert (len(events), len(records)) == (on_span, in_logs)
    for event in events:
        assert (event.name, event.timestamp) == (semconv.EVENT_SUGGESTION, 123)
    for record in records:
        assert (record.event_name, record.timestamp) == (semconv.EVENT_SUGGESTION, 123)
        assert record.span_id == span.get_span_context().span_id
        assert record.body == SUGGESTION.description
    for attributes in [event.attributes for event in events] + [record.attributes for record in records]:
        assert attributes is not None
        assert dict(attributes) == {
            "agentperf.suggestion.type": "repeated_action",
            "agentperf.suggestion.rule": "REP001",
            "agentperf.suggestion.level": "alarm",
            "agentperf.suggestion.description": SUGGESTION.description,
            "agentperf.suggestion.impact_score": 0.7,
            "agentperf.suggestion.complexity": "medium",
            "agentperf.suggestion.confidence": 0.9,
            "agentperf.suggestion.applies_to": ("tool:click",),
            "agentperf.suggestion.span_ids": ("00000000000000aa",),
            "agentperf.suggestion.extent": "run",
            "agentperf.suggestion.evidence": json.dumps({"wasted_calls": 3}),
            "agentperf.suggestion.savings.basis": "measured",
            "agentperf.suggestion.savings.time_s": 1.5,
            "agentperf.suggestion.savings.cost_usd": 0.25,
        }
