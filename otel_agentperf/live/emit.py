"""Suggestions as telemetry: a span event, a log event, or both, with the same fields.

Span events stand on the span where the pattern shows; their API is being phased out in
favour of log events (OTEP 4430), hence the setting `AGENTPERF_EMIT`.
"""

from __future__ import annotations

import json
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.trace import Span

from otel_agentperf import semconv
from otel_agentperf.model import Level, Suggestion

AttributeValue = str | bool | int | float | list[str]


def suggestion_attributes(suggestion: Suggestion) -> dict[str, AttributeValue]:
    """The fields of a suggestion under the names of the telemetry contract."""
    attributes: dict[str, AttributeValue] = {
        semconv.SUGGESTION_TYPE: suggestion.type,
        semconv.SUGGESTION_RULE: suggestion.rule,
        semconv.SUGGESTION_LEVEL: suggestion.level.value,
        semconv.SUGGESTION_DESCRIPTION: suggestion.description,
        semconv.SUGGESTION_IMPACT: suggestion.impact_score,
        semconv.SUGGESTION_COMPLEXITY: suggestion.complexity.value,
        semconv.SUGGESTION_CONFIDENCE: suggestion.confidence,
        semconv.SUGGESTION_APPLIES_TO: list(suggestion.applies_to),
        semconv.SUGGESTION_SPAN_IDS: list(suggestion.span_ids),
        semconv.SUGGESTION_EVIDENCE: json.dumps(suggestion.evidence),
    }
    savings = suggestion.savings
    if savings is not None:
        attributes[semconv.SUGGESTION_SAVINGS_BASIS] = savings.basis.value
        if savings.time_s is not None:
            attributes[semconv.SUGGESTION_SAVINGS_TIME] = savings.time_s
        if savings.cost_usd is not None:
            attributes[semconv.SUGGESTION_SAVINGS_COST] = float(savings.cost_usd)
    return attributes


class Emitter:
    """Writes suggestions onto spans and into logs.

    Args:
        mode: `span_event`, `log_event` or `both`.
        logger: where log events go; unused for `span_event`.
    """

    __slots__ = ("_logger", "_to_logs", "_to_spans")

    def __init__(self, mode: str, logger: Logger | None) -> None:
        self._to_spans = mode in ("span_event", "both")
        self._to_logs = mode in ("log_event", "both")
        self._logger = logger

    def emit(self, suggestion: Suggestion, span: Span | None, timestamp_ns: int) -> None:
        """Write one suggestion.

        Args:
            suggestion: what to write.
            span: the recording span it stands on, if there is one.
            timestamp_ns: when it was found, Unix nanoseconds.
        """
        attributes = suggestion_attributes(suggestion)
        if self._to_spans and span is not None:
            span.add_event(semconv.EVENT_SUGGESTION, attributes, timestamp_ns)
        if self._to_logs and self._logger is not None:
            severity = SeverityNumber.WARN if suggestion.level is Level.ALARM else SeverityNumber.INFO
            extra: dict[str, Any] = {}
            if span is not None:
                extra["context"] = trace.set_span_in_context(span)
            self._logger.emit(
                LogRecord(
                    timestamp=timestamp_ns,
                    event_name=semconv.EVENT_SUGGESTION,
                    severity_number=severity,
                    body=suggestion.description,
                    attributes=attributes,
                    **extra,
                )
            )
