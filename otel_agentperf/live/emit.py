"""Suggestions as telemetry: a span event, a log event, or both, with the same fields.

Span events stand on the span where the pattern shows; their API is being phased out in
favour of log events (OTEP 4430), hence the setting `AGENTPERF_EMIT`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.trace import Span

from otel_agentperf import semconv
from otel_agentperf.budgets import BudgetExceeded
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
        semconv.SUGGESTION_EXTENT: suggestion.extent.value,
    }
    savings = suggestion.savings
    if savings is not None:
        attributes[semconv.SUGGESTION_SAVINGS_BASIS] = savings.basis.value
        if savings.time_s is not None:
            attributes[semconv.SUGGESTION_SAVINGS_TIME] = savings.time_s
        if savings.cost_usd is not None:
            attributes[semconv.SUGGESTION_SAVINGS_COST] = float(savings.cost_usd)
    return attributes


def exceeded_attributes(exceeded: BudgetExceeded) -> dict[str, AttributeValue]:
    """What is told of a budget that is used up: which, the limit, and all that was spent."""
    totals = exceeded.totals
    attributes: dict[str, AttributeValue] = {
        semconv.BUDGET_LIMIT: exceeded.limit.value,
        semconv.BUDGET_SCOPE: exceeded.scope.value,
        semconv.BUDGET_ALLOWED: exceeded.allowed,
        semconv.BUDGET_SPENT: exceeded.spent,
        semconv.BUDGET_COST: float(totals.usd),
        semconv.BUDGET_TOKENS: totals.tokens,
        semconv.BUDGET_TIME: totals.time_s,
        semconv.BUDGET_STEPS: totals.steps,
        semconv.BUDGET_ALARMS: totals.repetition_alarms,
        semconv.BUDGET_UNPRICED: totals.unpriced_calls,
    }
    if exceeded.name:
        attributes[semconv.BUDGET_NAME] = exceeded.name
    return attributes


class Emitter:
    """Writes suggestions, and budgets that are used up, onto spans and into logs.

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
        severity = SeverityNumber.WARN if suggestion.level is Level.ALARM else SeverityNumber.INFO
        self._log(semconv.EVENT_SUGGESTION, severity, suggestion.description, attributes, span, timestamp_ns)

    def emit_exceeded(self, exceeded: BudgetExceeded, spans: Sequence[Span], timestamp_ns: int) -> None:
        """Write that a budget is used up.

        Args:
            exceeded: what to write.
            spans: the recording spans it stands on, the innermost one first.
            timestamp_ns: when that was found, Unix nanoseconds.
        """
        attributes = exceeded_attributes(exceeded)
        if self._to_spans:
            for span in spans:
                span.add_event(semconv.EVENT_BUDGET_EXCEEDED, attributes, timestamp_ns)
        span = spans[0] if spans else None
        self._log(semconv.EVENT_BUDGET_EXCEEDED, SeverityNumber.ERROR, str(exceeded), attributes, span, timestamp_ns)

    def _log(
        self,
        event: str,
        severity: SeverityNumber,
        body: str,
        attributes: dict[str, AttributeValue],
        span: Span | None,
        timestamp_ns: int,
    ) -> None:
        if self._to_logs and self._logger is not None:
            extra: dict[str, Any] = {}
            if span is not None:
                extra["context"] = trace.set_span_in_context(span)
            self._logger.emit(
                LogRecord(
                    timestamp=timestamp_ns,
                    event_name=event,
                    severity_number=severity,
                    body=body,
                    attributes=attributes,
                    **extra,
                )
            )
