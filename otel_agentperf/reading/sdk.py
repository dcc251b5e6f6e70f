"""Spans of the OpenTelemetry SDK, as an exporter or a test holds them, read as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import msgspec
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import StatusCode

from otel_agentperf import semconv
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.reading import values, verdicts
from otel_agentperf.reading.span import read
from otel_agentperf.reading.verdicts import RecordedRun

_TOO_MANY_REQUESTS = 429
_NO_ATTRIBUTES: Mapping[str, object] = {}


class SpanRecord(msgspec.Struct, frozen=True):
    """All that is kept of a span."""

    operation: Operation
    is_local_root: bool
    """Nothing of this process stands above it."""
    suggestions: tuple[tuple[int, Suggestion], ...] = ()
    """With the time at which each was made, Unix nanoseconds."""
    recorded: RecordedRun | None = None
    """What our processor wrote, on the root of a run."""
    is_judged: bool = False
    """It bears the mark of our processor."""


def events_of(events: Iterable[Event]) -> list[tuple[str, Mapping[str, object]]]:
    """Events of the SDK by name, as `read` takes them."""
    return [(event.name, cast("Mapping[str, object]", event.attributes or _NO_ATTRIBUTES)) for event in events]


def read_span(span: ReadableSpan, fingerprinter: Fingerprinter | None = None) -> SpanRecord | None:
    """Read a finished span; `None` where it has no identity to place it by.

    Args:
        span: the span.
        fingerprinter: makes the fingerprints of its content; one for this process when absent.
    """
    context, parent = span.context, span.parent
    if context is None or not context.is_valid:
        return None
    attributes = dict(cast("Mapping[str, object]", span.attributes or _NO_ATTRIBUTES))  # faster to look things up in
    scope = span.instrumentation_scope
    start_ns = span.start_time or 0
    operation = read(
        span.name,
        attributes,
        scope=scope.name if scope is not None else "",
        span_id=format(context.span_id, "016x"),
        parent_id=format(parent.span_id, "016x") if parent is not None else None,
        trace_id=format(context.trace_id, "032x"),
        start_ns=start_ns,
        end_ns=span.end_time if span.end_time is not None else start_ns,
        is_error=span.status.status_code is StatusCode.ERROR,
        events=events_of(span.events) if span.events else (),
        status_message=span.status.description or "",
        fingerprinter=fingerprinter,
    )
    suggestions: list[tuple[int, Suggestion]] = []
    attempts = limited = waited_ns = 0
    for event in span.events:
        if event.name == semconv.EVENT_SUGGESTION:
            item = verdicts.suggestion(cast("Mapping[str, object]", event.attributes or _NO_ATTRIBUTES))
            if item is not None:
                suggestions.append((event.timestamp, item))
        elif event.name == semconv.EVENT_ATTEMPT:
            said = cast("Mapping[str, object]", event.attributes or _NO_ATTRIBUTES)
            attempts = max(attempts, values.whole(said, semconv.ATTEMPT_NUMBER) or 0)
            limited += values.whole(said, semconv.HTTP_STATUS_CODE) == _TOO_MANY_REQUESTS
            waited_ns += values.seconds_as_ns(said, semconv.ATTEMPT_WAIT_S) or 0
    inference = operation.inference
    if attempts and inference is not None:
        inference = msgspec.structs.replace(inference, attempts=attempts, rate_limited=limited, retry_wait_ns=waited_ns)
        operation = msgspec.structs.replace(operation, inference=inference)
    recorded = verdicts.recorded_run(attributes)
    return SpanRecord(
        operation,
        is_local_root=parent is None or parent.is_remote,
        suggestions=tuple(suggestions),
        recorded=recorded,
        is_judged=recorded is not None or bool(suggestions) or semconv.COST_STATUS in attributes,
    )
