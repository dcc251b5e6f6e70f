"""OTLP as protobuf: one ExportTraceServiceRequest, or many with their lengths before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otel_agentperf import reading
from otel_agentperf.replay import foreign, records
from otel_agentperf.replay.extras import needed
from otel_agentperf.replay.foreign import Form
from otel_agentperf.replay.packing import Packer, packed_of
from otel_agentperf.replay.records import (
    TRACE_ID_BYTES,
    BadSpanError,
    Process,
    Reader,
    Record,
    without_trace_id,
)

_SPAN_ID_BYTES = 8
_ERROR = 2
_MAX_DEPTH = 64
_SPANS = ("resource_spans", "scope_spans", "spans")
_METRICS = ("resource_metrics", "scope_metrics", "metrics")
_LOGS = ("resource_logs", "scope_logs", "log_records")


class BadMessageError(ValueError):
    """Bytes that are no message of this kind."""


def _messages(module: str) -> Any:
    return needed(f"opentelemetry.proto.{module}", "OTLP protobuf", library="opentelemetry-proto")


def take(message: bytes, packer: Packer, reader: Reader) -> list[str]:
    """Read the spans of one request.

    Args:
        message: an encoded ExportTraceServiceRequest or TracesData, which look alike.
        packer: takes the spans.
        reader: reads them.

    Returns:
        What could not be read, and why.

    Raises:
        BadMessageError: it is none.
        MissingExtraError: the library that decodes it is absent.
    """
    batches = _parse(_messages("trace.v1.trace_pb2").TracesData, message).resource_spans
    bad, told = 0, list[str]()
    for batch in batches:
        traces = packer.of(batch.resource.SerializeToString(), process)
        for part in batch.scope_spans:
            for span in part.spans:
                if len(span.trace_id) != TRACE_ID_BYTES or not any(span.trace_id):
                    bad += 1
                    continue
                trace_id: str = span.trace_id.hex()
                try:
                    packed_of(traces, trace_id).add(read(reader, span, trace_id, part.scope.name))
                except BadSpanError as error:
                    told.append(str(error))
    return [without_trace_id(bad), *told] if bad else told


def other_signal(message: bytes) -> Form | None:
    """What a request holds that has no span with a trace's id: logs or metrics, whose requests are built alike.

    Args:
        message: the encoded request.

    Returns:
        The form; `None` where it is neither.
    """
    spans = _items(message, "trace.v1.trace_pb2", "TracesData", *_SPANS)
    if any(len(span.trace_id) == TRACE_ID_BYTES for span in spans):
        return None
    # What is the body of a log is the gauge of a metric, but a log has no text where a metric has its name.
    if any(metric.name for metric in _items(message, "metrics.v1.metrics_pb2", "MetricsData", *_METRICS)):
        return foreign.METRICS
    logs = _items(message, "logs.v1.logs_pb2", "LogsData", *_LOGS)
    return foreign.LOGS if any(log.body.WhichOneof("value") for log in logs) else None


def _items(message: bytes, module: str, kind: str, resources: str, scopes: str, items: str) -> list[Any]:
    """The spans, logs or metrics of a request; none where it is no such request."""
    try:
        found = getattr(_parse(getattr(_messages(module), kind), message), resources)
    except BadMessageError:
        return []
    return [item for resource in found for scope in getattr(resource, scopes) for item in getattr(scope, items)]


def _parse(kind: Any, data: bytes) -> Any:
    decode_error = needed("google.protobuf.message", "OTLP protobuf").DecodeError
    try:
        return kind.FromString(data)
    except (decode_error, RecursionError):
        raise BadMessageError("no OTLP protobuf message") from None


def process(resource: bytes) -> Process:
    """Who a resource is."""
    decoded = _parse(_messages("resource.v1.resource_pb2").Resource, resource)
    return records.process_of(_table(decoded.attributes))


def read(reader: Reader, said: Any, trace_id: str, scope: str) -> Record:
    """Read one span.

    Args:
        reader: makes the record.
        said: the decoded message.
        trace_id: 32 hex digits.
        scope: the name of its instrumentation scope.

    Raises:
        BadSpanError: it has no id that it could be placed by.
    """
    if len(said.span_id) != _SPAN_ID_BYTES or not any(said.span_id):
        raise BadSpanError("a span without a valid id")
    parent: bytes = said.parent_span_id
    attributes = _table(said.attributes)
    events = [(event.name, _table(event.attributes)) for event in said.events]
    operation = reading.read(
        said.name,
        attributes,
        scope=scope,
        span_id=said.span_id.hex(),
        parent_id=parent.hex() if len(parent) == _SPAN_ID_BYTES and any(parent) else None,
        trace_id=trace_id,
        start_ns=records.time_of(said.start_time_unix_nano),
        end_ns=records.time_of(said.end_time_unix_nano),
        is_error=said.status.code == _ERROR,
        events=events,
        status_message=said.status.message,
        fingerprinter=reader.fingerprinter,
    )
    return records.record(operation, attributes, events, parent_is_near=records.near(said.flags))


def _table(attributes: Iterable[Any], depth: int = _MAX_DEPTH) -> Mapping[str, object]:
    found = ((attribute.key, _value(attribute.value, depth)) for attribute in attributes)
    return {key: value for key, value in found if value is not None}


def _value(value: Any, depth: int) -> object:
    kind = value.WhichOneof("value")
    if kind is None or kind == "bytes_value" or depth <= 0:
        return None
    if kind == "array_value":
        return tuple(_value(item, depth - 1) for item in value.array_value.values)
    if kind == "kvlist_value":
        return _table(value.kvlist_value.values, depth - 1)
    found: object = getattr(value, kind)
    return found
