"""Reads one span of OTLP as JSON.

Values of the wrong type count as absent; a span without ids cannot be placed and is told as bad.
Numbers may stand as text, which proto3's mapping asks for where they have 64 bits.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar, cast

import msgspec

from otel_agentperf import reading
from otel_agentperf.replay import records
from otel_agentperf.replay.otlp_json_values import Attribute, table
from otel_agentperf.replay.records import (
    LATEST_NS,
    BadSpanError,
    Process,
    Reader,
    Record,
    id_bytes,
)

T = TypeVar("T")

_SPAN_ID_BYTES = 8
_ERRORS = (2, "2", "STATUS_CODE_ERROR")
_Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LATEST_NS)]
"""Unix nanoseconds. A number that is none is brought near by `_leniently`."""


class _Status(msgspec.Struct, gc=False):
    code: int | str | None = None
    message: str = ""


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    attributes: list[Attribute] | None = None


class Span(msgspec.Struct, rename="camel", gc=False):
    """What is decoded of a span."""

    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    flags: int = 0
    name: str = ""
    start_time_unix_nano: _Time = 0
    end_time_unix_nano: _Time = 0
    attributes: list[Attribute] | None = None
    status: _Status | None = None
    events: list[_Event] | None = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[Attribute] | None = None


# Not strict: a number may stand as text.
_spans = msgspec.json.Decoder(Span, strict=False)
_resources = msgspec.json.Decoder(_Resource, strict=False)


def process(resource: bytes) -> Process:
    """Who a resource is; what cannot be read is unknown."""
    try:
        return records.process_of(table(_resources.decode(resource).attributes)) if resource else Process()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return Process()


def decoded(span: msgspec.Raw) -> Span:
    """Decode one span; values of a wrong type are left out.

    Raises:
        BadSpanError: it is no JSON object, or nests too deeply.
    """
    try:
        try:
            return _spans.decode(span)
        except msgspec.ValidationError:
            return _leniently(span)
    except RecursionError:
        raise BadSpanError("a span that nests too deeply") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise BadSpanError("a span that is no valid JSON") from None


def read(reader: Reader, said: Span, trace_id: str, scope: str) -> Record:
    """Read one span.

    Args:
        reader: makes the record.
        said: what it says.
        trace_id: 32 hex digits.
        scope: the name of its instrumentation scope.

    Raises:
        BadSpanError: it has no id that it could be placed by.
    """
    attributes = table(said.attributes)
    events = [(event.name, table(event.attributes)) for event in said.events] if said.events else ()
    status, flags = said.status, said.flags
    operation = reading.read(
        said.name,
        attributes,
        scope=scope,
        span_id=_span_id(said.span_id),
        parent_id=_parent_id(said.parent_span_id) if said.parent_span_id else None,
        trace_id=trace_id,
        start_ns=records.time_of(said.start_time_unix_nano),
        end_ns=records.time_of(said.end_time_unix_nano),
        is_error=status is not None and status.code in _ERRORS,
        events=events,
        status_message=status.message if status is not None else "",
        fingerprinter=reader.fingerprinter,
    )
    near = records.near(flags) if flags else None
    return records.record(operation, attributes, events, parent_is_near=near)


def _span_id(text: str) -> str:
    try:
        return id_bytes(text, _SPAN_ID_BYTES).hex()
    except ValueError:
        raise BadSpanError("a span without a valid id") from None


def _parent_id(text: str) -> str | None:
    try:
        return _span_id(text)
    except BadSpanError:
        return None


def _leniently(span: msgspec.Raw) -> Span:
    """A span some of whose values have a wrong type: those are left out."""
    given: object = msgspec.json.decode(span)
    if not isinstance(given, dict):
        raise BadSpanError("a span that is no JSON object")
    fields = cast("dict[str, object]", given)
    found = Span()
    found.trace_id = _converted(fields.get("traceId"), str) or ""
    found.span_id = _converted(fields.get("spanId"), str) or ""
    found.parent_span_id = _converted(fields.get("parentSpanId"), str)
    found.name = _converted(fields.get("name"), str) or ""
    found.start_time_unix_nano = records.time_of(fields.get("startTimeUnixNano"))
    found.end_time_unix_nano = records.time_of(fields.get("endTimeUnixNano"))
    found.flags = _converted(fields.get("flags"), int) or 0
    found.attributes = _lenient_attributes(fields.get("attributes"))
    found.status = _converted(fields.get("status"), _Status)
    events = fields.get("events")
    listed = cast("list[object]", events) if isinstance(events, list) else []
    found.events = [
        _Event(str(event.get("name", "")), _lenient_attributes(event.get("attributes")))
        for event in (cast("dict[str, object]", item) for item in listed if isinstance(item, dict))
    ]
    return found


def _lenient_attributes(given: object) -> list[Attribute]:
    listed = cast("list[object]", given) if isinstance(given, list) else []
    found = (_converted(item, Attribute) for item in listed)
    return [attribute for attribute in found if attribute is not None]


def _converted(given: object, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError:
        return None
