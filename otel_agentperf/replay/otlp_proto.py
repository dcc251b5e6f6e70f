"""OTLP as protobuf: one ExportTraceServiceRequest, or many with their lengths before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otel_agentperf import reading
from otel_agentperf.replay import records
from otel_agentperf.replay.extras import needed
from otel_agentperf.replay.packing import Form, Packer
from otel_agentperf.replay.records import BadSpanError, Process, Reader, Record

_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8
_ERROR = 2
_MAX_DEPTH = 64


class BadMessageError(ValueError):
    """Bytes that are no message of this kind."""


def _messages(module: str) -> Any:
    return needed(f"opentelemetry.proto.{module}", "OTLP protobuf", library="opentelemetry-proto")


def cut(message: bytes, packer: Packer, offset: int) -> int:
    """Cut the spans of one request out.

    Args:
        message: an encoded ExportTraceServiceRequest or TracesData, which look alike.
        packer: takes the spans.
        offset: where the message begins in its source.

    Returns:
        How many spans had no trace id and were left out.

    Raises:
        BadMessageError: it is none.
        MissingExtraError: the library that decodes it is absent.
    """
    batches = _parse(_messages("trace.v1.trace_pb2").TracesData, message).resource_spans
    bad, line = 0, packer.line(offset)
    for batch in batches:
        resource: bytes = batch.resource.SerializeToString()
        for part in batch.scope_spans:
            head = packer.head(Form.OTLP_PROTO, resource, part.scope.name)
            for span in part.spans:
                if len(span.trace_id) == _TRACE_ID_BYTES and any(span.trace_id):
                    packer.add(span.trace_id, (head, line, memoryview(span.SerializeToString())))
                else:
                    bad += 1
    return bad


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


def read(reader: Reader, span: memoryview, trace_id: str, who: Process, scope: str) -> Record:
    """Read one span.

    Args:
        reader: makes the record.
        span: its bytes, as `cut` found them.
        trace_id: 32 hex digits.
        who: who reported it.
        scope: the name of its instrumentation scope.

    Raises:
        BadSpanError: it has no id that it could be placed by.
    """
    try:
        said = _parse(_messages("trace.v1.trace_pb2").Span, bytes(span))
    except BadMessageError as error:
        raise BadSpanError(str(error)) from None
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
    return records.record(operation, attributes, who, events, parent_is_near=records.near(said.flags))


def _table(attributes: Iterable[Any]) -> Mapping[str, object]:
    return {attribute.key: _value(attribute.value, _MAX_DEPTH) for attribute in attributes}


def _value(value: Any, depth: int) -> object:
    kind = value.WhichOneof("value")
    if kind is None or kind == "bytes_value" or depth <= 0:
        return None
    if kind == "array_value":
        return tuple(_value(item, depth - 1) for item in value.array_value.values)
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth - 1) for pair in value.kvlist_value.values}
    found: object = getattr(value, kind)
    return found
