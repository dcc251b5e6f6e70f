"""Spans as an SDK prints them: what Python's ConsoleSpanExporter writes, and JavaScript's span objects as JSON.

Python's does not write the instrumentation scope, so it is unknown. Times of Python's are in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from otel_agentperf import reading
from otel_agentperf.replay import records
from otel_agentperf.replay.packing import Packer, packed_of
from otel_agentperf.replay.records import BadSpanError, Process, Reader, Record, trace_id_of, without_trace_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S = 1_000_000_000
_JAVASCRIPT_ERROR = 2
_DETAILS = ("attributes", "_attributes", "_rawAttributes")


class _Ids(msgspec.Struct, gc=False):
    trace_id: str = ""
    span_id: str = ""


class _Context(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    span_id: str = ""


class _Status(msgspec.Struct, gc=False):
    status_code: str = ""
    description: str | None = None
    code: int | None = None
    message: str | None = None


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    attributes: dict[str, Any] | None = None


class _Scope(msgspec.Struct, gc=False):
    name: str = ""


class _Python(msgspec.Struct, gc=False):
    context: _Ids
    name: str = ""
    parent_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    status: _Status | None = None
    attributes: dict[str, Any] | None = None
    events: list[_Event] | None = None
    resource: msgspec.Raw = msgspec.Raw()


class _JavaScript(
    msgspec.Struct,
    rename={
        "start_time": "startTime",
        "end_time": "endTime",
        "own": "_spanContext",
        "shown": "spanContext",
        "parent": "parentSpanContext",
        "parent_id": "parentSpanId",
        "scope": "instrumentationScope",
        "library": "instrumentationLibrary",
    },
    gc=False,
):
    start_time: tuple[int, int]
    end_time: tuple[int, int]
    name: str = ""
    own: _Context | None = None
    shown: _Context | None = None
    parent: _Context | None = None
    parent_id: str | None = None
    status: _Status | None = None
    attributes: dict[str, Any] | None = None
    events: list[_Event] | None = None
    resource: msgspec.Raw = msgspec.Raw()
    scope: _Scope | None = None
    library: _Scope | None = None


_python = msgspec.json.Decoder(_Python)
_javascript = msgspec.json.Decoder(_JavaScript)
_resources = msgspec.json.Decoder(dict[str, Any])


def is_python(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a JSON object is what Python's console exporter prints."""
    return {"context", "parent_id", "start_time", "kind"} <= fields.keys() and "span_kind" not in fields


def is_javascript(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a JSON object is a span object of JavaScript's SDK."""
    return {"startTime", "endTime", "name"} <= fields.keys() and ("_spanContext" in fields or "spanContext" in fields)


def take(span: msgspec.Raw, packer: Packer, reader: Reader, *, javascript: bool) -> list[str]:
    """Read one span.

    Args:
        span: its text.
        packer: takes it.
        reader: reads it.
        javascript: whether it is one of JavaScript's SDK.

    Returns:
        What could not be read, and why.
    """
    try:
        found = _of_javascript(span) if javascript else _of_python(span)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ["a span of an SDK with a value of a wrong type"]
    try:
        trace_id = trace_id_of(found.trace_id)
    except ValueError:
        return [without_trace_id(1)]
    try:
        record = _record(found, trace_id, reader)
        packed_of(packer.of(bytes(found.resource), process), trace_id).add(record)
    except BadSpanError as error:
        return [str(error)]
    return []


class _Span(msgspec.Struct, gc=False):
    """What both have."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    scope: str
    is_error: bool
    status_message: str
    attributes: dict[str, Any] | None
    events: list[_Event] | None
    resource: msgspec.Raw


def _of_python(span: msgspec.Raw) -> _Span:
    found = _python.decode(span)
    status = found.status or _Status()
    return _Span(
        _hex(found.context.trace_id),
        _hex(found.context.span_id),
        _hex(found.parent_id) if found.parent_id else None,
        found.name,
        _unix_ns(found.start_time),
        _unix_ns(found.end_time),
        "",
        status.status_code.rpartition(".")[2] == "ERROR",
        status.description or "",
        found.attributes,
        found.events,
        found.resource,
    )


def _of_javascript(span: msgspec.Raw) -> _Span:
    found = _javascript.decode(span)
    context, status = found.own or found.shown or _Context(), found.status or _Status()
    scope = found.scope or found.library or _Scope()
    return _Span(
        context.trace_id,
        context.span_id,
        found.parent.span_id if found.parent is not None else found.parent_id,
        found.name,
        _hr_ns(found.start_time),
        _hr_ns(found.end_time),
        scope.name,
        status.code == _JAVASCRIPT_ERROR,
        status.message or "",
        found.attributes,
        found.events,
        found.resource,
    )


def _record(span: _Span, trace_id: str, reader: Reader) -> Record:
    attributes = _table(span.attributes)
    events = [(event.name, _table(event.attributes)) for event in span.events or ()]
    operation = reading.read(
        span.name,
        attributes,
        scope=span.scope,
        span_id=records.span_id_of(span.span_id),
        parent_id=_parent_id(span.parent_id),
        trace_id=trace_id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        is_error=span.is_error,
        events=events,
        status_message=span.status_message,
        fingerprinter=reader.fingerprinter,
    )
    return records.record(operation, attributes, events)


def process(resource: bytes) -> Process:
    """Who a resource is; what cannot be read is unknown."""
    try:
        fields = _resources.decode(resource) if resource else {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Process()
    attributes: Any = next((fields[key] for key in _DETAILS if key in fields), fields)
    try:
        # A table or, of JavaScript's, pairs; what is neither is left out.
        return records.process_of(_table(cast("dict[str, Any]", dict(attributes))))
    except (TypeError, ValueError):
        return Process()


def _table(attributes: dict[str, Any] | None) -> dict[str, object]:
    """Attributes by key, lists as tuples; what has no value is left out."""
    return {
        key: tuple(cast("list[object]", value)) if isinstance(value, list) else value
        for key, value in (attributes or {}).items()
        if value is not None
    }


def _hex(text: str) -> str:
    return text.removeprefix("0x")


def _parent_id(text: str | None) -> str | None:
    try:
        return records.span_id_of(text) if text else None
    except BadSpanError:
        return None


def _unix_ns(text: str | None) -> int:
    """Unix nanoseconds of a time in ISO 8601; 0 where it is none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return 0
    since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH
    return records.time_of(since // timedelta(microseconds=1) * 1_000)


def _hr_ns(time: tuple[int, int]) -> int:
    """Unix nanoseconds of JavaScript's pair of seconds and nanoseconds."""
    seconds, nanoseconds = time
    return records.time_of(seconds * _NS_PER_S + nanoseconds)
