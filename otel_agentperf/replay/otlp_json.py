"""OTLP as JSON: the Collector's file exporter, SDKs, Tempo's answers.

`cut` takes one document (a line, or a whole file) apart into spans without reading them; `read`
reads one of those. Ids come as hex, or as base64 from writers that follow proto3's own mapping
(Tempo). Values of the wrong type count as absent; a span without ids cannot be placed and is
told as bad.
"""

from __future__ import annotations

import base64
from binascii import Error as NotHexError
from binascii import unhexlify
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from otel_agentperf.replay import records
from otel_agentperf.replay.packing import Form, Packer
from otel_agentperf.replay.records import BadSpanError, Process, Reader, Record

T = TypeVar("T")

_TRACE_ID_BYTES = 16
_START = b'{"traceId":"'
_ID_FROM = len(_START)
_ID_TO = _ID_FROM + 2 * _TRACE_ID_BYTES
_QUOTE = ord('"')
_MAX_DEPTH = 64
"""How deeply lists in a value may nest."""


class _Scope(msgspec.Struct, gc=False):
    name: str = ""


class _ScopeSpans(msgspec.Struct, rename="camel", gc=False):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel", gc=False):
    resource: msgspec.Raw = msgspec.Raw()
    scope_spans: list[_ScopeSpans] | None = None
    instrumentation_library_spans: list[_ScopeSpans] | None = None


class _Trace(msgspec.Struct, rename="camel", gc=False):
    resource_spans: list[_ResourceSpans] | None = None


class Document(msgspec.Struct, rename="camel", gc=False):
    """Any JSON document that may hold spans."""

    resource_spans: list[_ResourceSpans] | None = None
    batches: list[_ResourceSpans] | None = None
    """Tempo's name for them."""
    trace: _Trace | None = None
    """Tempo's second version."""
    data: msgspec.Raw | None = None
    """Jaeger's traces."""
    resource_metrics: msgspec.Raw | None = None
    resource_logs: msgspec.Raw | None = None


class _IdOnly(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""


class _Value(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None
    array_value: Any = None
    kvlist_value: Any = None


class _Attribute(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | str | None = None
    message: str = ""


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    attributes: list[_Attribute] | None = None


class _Span(msgspec.Struct, rename="camel", gc=False):
    span_id: str = ""
    parent_span_id: str | None = None
    flags: int = 0
    name: str = ""
    start_time_unix_nano: int | str | float = 0
    end_time_unix_nano: int | str | float = 0
    attributes: list[_Attribute] | None = None
    status: _Status | None = None
    events: list[_Event] | None = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[_Attribute] | None = None


_ids = msgspec.json.Decoder(_IdOnly)
_spans = msgspec.json.Decoder(_Span)
_resources = msgspec.json.Decoder(_Resource)


def cut(document: Document, packer: Packer, offset: int) -> int:
    """Cut the spans of one document out.

    Args:
        document: a decoded document; its spans refer to the bytes it was decoded from.
        packer: takes the spans.
        offset: where the document begins in its source.

    Returns:
        How many spans had no trace id and were left out.
    """
    batches = document.resource_spans or document.batches
    if batches is None and document.trace is not None:
        batches = document.trace.resource_spans
    bad = 0
    for batch in batches or ():
        resource = bytes(batch.resource)
        for part in batch.scope_spans or batch.instrumentation_library_spans or ():
            if part.spans:
                scope = part.scope.name if part.scope is not None else ""
                bad += _cut(part.spans, packer, packer.head(Form.OTLP_JSON, resource, scope, offset))
    return bad


def _cut(spans: Iterable[msgspec.Raw], packer: Packer, head: int) -> int:
    bad = 0
    add = packer.add
    for raw in spans:
        span = memoryview(raw)
        try:
            # What the Collector and most SDKs write begins just so; anything else is looked for.
            if span[:_ID_FROM] == _START and span[_ID_TO] == _QUOTE:  # pyright: ignore[reportUnnecessaryComparison] - it compares bytes
                trace_id = unhexlify(span[_ID_FROM:_ID_TO])
            else:
                trace_id = id_bytes(_ids.decode(span).trace_id, _TRACE_ID_BYTES)
        except (ValueError, IndexError, RecursionError):
            bad += 1
            continue
        add(trace_id, head, span)
    return bad


def id_bytes(text: str, size: int) -> bytes:
    """The bytes of an id in hex or base64.

    Raises:
        ValueError: it is neither, or has another length.
    """
    if len(text) <= 2 * size:
        try:
            found = unhexlify(text.zfill(2 * size)) if text else b""
        except NotHexError:
            found = base64.b64decode(text, validate=True)
        if len(found) == size and any(found):
            return found
    raise ValueError("no id")


def process(resource: bytes) -> Process:
    """Who a resource is; what cannot be read is unknown."""
    try:
        return records.process_of(_table(_resources.decode(resource).attributes)) if resource else Process()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return Process()


def read(reader: Reader, span: memoryview, trace_id: str, who: Process, scope: str) -> Record:
    """Read one span.

    Args:
        reader: makes the record.
        span: its bytes, as `cut` found them.
        trace_id: 32 hex digits.
        who: who reported it.
        scope: the name of its instrumentation scope.

    Raises:
        BadSpanError: it has no id that it could be placed by, or nests too deeply.
    """
    try:
        try:
            said = _spans.decode(span)
        except msgspec.ValidationError:
            said = _leniently(span)
        attributes = _table(said.attributes)
        events = [(event.name, _table(event.attributes)) for event in said.events] if said.events else ()
    except RecursionError:
        raise BadSpanError("a span that nests too deeply") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise BadSpanError("a span that is no valid JSON") from None
    status = said.status
    return reader.record(
        said.name,
        attributes,
        who,
        scope=scope,
        span_id=_span_id(said.span_id),
        parent_id=_parent_id(said.parent_span_id),
        trace_id=trace_id,
        start_ns=records.time_of(said.start_time_unix_nano),
        end_ns=records.time_of(said.end_time_unix_nano),
        is_error=status is not None and status.code in (2, "STATUS_CODE_ERROR"),
        events=events,
        status_message=status.message if status is not None else "",
        parent_is_near=records.near(said.flags),
    )


def _span_id(text: str) -> str:
    try:
        return records.span_id_of(text)
    except BadSpanError:
        try:
            return id_bytes(text, 8).hex()
        except ValueError:
            raise BadSpanError("a span without a valid id") from None


def _parent_id(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return _span_id(text)
    except BadSpanError:
        return None


def _table(attributes: list[_Attribute] | None) -> dict[str, object]:
    table: dict[str, object] = {}
    for attribute in attributes or ():
        value = attribute.value
        if value is None:
            continue
        found: object
        if (found := value.string_value) is not None:
            table[attribute.key] = found
        elif (found := value.int_value) is not None:
            whole = _whole(found)
            if whole is not None:
                table[attribute.key] = whole
        elif (found := value.double_value) is not None or (found := value.bool_value) is not None:
            table[attribute.key] = found
        elif value.array_value is not None or value.kvlist_value is not None:
            table[attribute.key] = _nested(value.array_value, value.kvlist_value, _MAX_DEPTH)
    return table


def _whole(value: int | str) -> int | None:
    if isinstance(value, int):
        return value
    try:
        return int(value) if len(value) < 20 else None  # noqa: PLR2004 - the digits of 2**63
    except ValueError:
        return None


def _nested(array: object, pairs: object, depth: int) -> object:
    """A list as a tuple, key and value pairs as a dictionary."""
    if depth <= 0:
        return None
    if isinstance(array, dict):
        items = cast("dict[str, object]", array).get("values")
        listed = cast("list[object]", items) if isinstance(items, list) else []
        return tuple(_any(item, depth - 1) for item in listed)
    if isinstance(pairs, dict):
        items = cast("dict[str, object]", pairs).get("values")
        listed = cast("list[object]", items) if isinstance(items, list) else []
        found: dict[str, object] = {}
        for item in listed:
            if isinstance(item, dict):
                pair = cast("dict[str, object]", item)
                found[str(pair.get("key", ""))] = _any(pair.get("value"), depth - 1)
        return found
    return None


def _any(value: object, depth: int) -> object:
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, object]", value)
    for name in ("stringValue", "boolValue", "doubleValue"):
        if given.get(name) is not None:
            return given[name]
    whole = given.get("intValue")
    if isinstance(whole, (int, str)):
        return _whole(whole)
    return _nested(given.get("arrayValue"), given.get("kvlistValue"), depth)


def _leniently(span: memoryview) -> _Span:
    """A span some of whose values have a wrong type: those are left out."""
    given: object = msgspec.json.decode(span)
    if not isinstance(given, dict):
        raise BadSpanError("a span that is no JSON object")
    fields = cast("dict[str, object]", given)
    found = _Span()
    for name, kind in (("spanId", str), ("parentSpanId", str), ("name", str)):
        value = fields.get(name)
        if isinstance(value, kind):
            setattr(found, _FIELDS[name], value)
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        value = fields.get(name)
        if isinstance(value, (int, str, float)):
            setattr(found, _FIELDS[name], value)
    flags = fields.get("flags")
    found.flags = flags if isinstance(flags, int) else 0
    found.attributes = _lenient_attributes(fields.get("attributes"))
    found.status = _converted(fields.get("status"), _Status)
    events = fields.get("events")
    listed = cast("list[object]", events) if isinstance(events, list) else []
    found.events = [
        _Event(str(event.get("name", "")), _lenient_attributes(event.get("attributes")))
        for event in (cast("Mapping[str, object]", item) for item in listed if isinstance(item, dict))
    ]
    return found


_FIELDS = dict(zip(_Span.__struct_encode_fields__, _Span.__struct_fields__, strict=True))


def _lenient_attributes(given: object) -> list[_Attribute]:
    listed = cast("list[object]", given) if isinstance(given, list) else []
    found = (_converted(item, _Attribute) for item in listed)
    return [attribute for attribute in found if attribute is not None]


def _converted(given: object, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError:
        return None
