"""OTLP as JSON: the Collector's file exporter, SDKs, Tempo's answers.

A document (a line, or a whole file) is decoded at one go, its spans and all; `otlp_json_span`
reads each of them. Where something in it has a wrong type, or where it is so long that all of it at
once would take much memory, it is taken apart first and decoded span by span.
Ids come as hex, or as base64 from writers that follow proto3's own mapping (Tempo). That mapping also allows the
names of the protobuf fields as keys (`trace_id`); those are changed first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Generic, TypeAlias, TypeGuard, TypeVar

import msgspec

from otel_agentperf.replay import otlp_json_span
from otel_agentperf.replay.otlp_json_span import Span
from otel_agentperf.replay.otlp_json_values import table
from otel_agentperf.replay.packing import Packer, TraceRecords, packed_of
from otel_agentperf.replay.records import BadSpanError, Reader, trace_id_of, without_trace_id

S = TypeVar("S", Span, msgspec.Raw)

_AT_ONCE_BYTES = 1 << 20
"""A longer document is taken apart: decoded it is some four times as large."""


class _Scope(msgspec.Struct, gc=False):
    name: str = ""


class _ScopeSpans(msgspec.Struct, Generic[S], rename="camel", gc=False):
    scope: _Scope | None = None
    instrumentation_library: _Scope | None = None
    """The scope's name before OTLP 0.15, in Tempo's and Grafana's older exports also within `scopeSpans`."""
    spans: list[S] | None = None


class _ResourceSpans(msgspec.Struct, Generic[S], rename="camel", gc=False):
    resource: msgspec.Raw = msgspec.Raw()
    scope_spans: list[_ScopeSpans[S]] | None = None
    instrumentation_library_spans: list[_ScopeSpans[S]] | None = None


class _Trace(msgspec.Struct, Generic[S], rename="camel", gc=False):
    resource_spans: list[_ResourceSpans[S]] | None = None


class Document(msgspec.Struct, Generic[S], rename="camel", gc=False):
    """Any JSON document that may hold spans."""

    resource_spans: list[_ResourceSpans[S]] | None = None
    batches: list[_ResourceSpans[S]] | None = None
    """Tempo's name for them."""
    trace: _Trace[S] | None = None
    """Tempo's second version."""
    data: msgspec.Raw = msgspec.Raw()
    """Jaeger's traces."""


Whole: TypeAlias = Document[Span]
Apart: TypeAlias = Document[msgspec.Raw]

# Not strict, as for a single span: a number may stand as text.
_whole: msgspec.json.Decoder[Whole | list[Whole]] = msgspec.json.Decoder(Whole | list[Whole], strict=False)
_apart: msgspec.json.Decoder[Apart | list[Apart]] = msgspec.json.Decoder(Apart | list[Apart])
_batch = msgspec.json.Decoder(_ResourceSpans[msgspec.Raw])
_scope_spans = msgspec.json.Decoder(_ScopeSpans[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

_PROTOBUF_NAMES = (
    "resource_spans scope_spans instrumentation_library_spans instrumentation_library trace_id span_id parent_span_id "
    "start_time_unix_nano end_time_unix_nano string_value int_value double_value bool_value array_value kvlist_value"
)
_RENAMED = {
    name.encode(): re.sub("_(.)", lambda found: found[1].upper(), name).encode() for name in _PROTOBUF_NAMES.split()
}
# Only where a key is: within a text, the quotes around a name would be escaped.
_PROTOBUF_KEY = re.compile(rb'"(' + b"|".join(_RENAMED) + rb')"(?=\s*:)')


def documents(data: bytes | memoryview) -> list[Whole] | list[Apart]:
    """Decode what is one document, or a list of them.

    Raises:
        msgspec.MsgspecError: it is no JSON, or none of a known shape.
        UnicodeError: a text in it is none.
        RecursionError: it nests too deeply.
    """
    if len(data) <= _AT_ONCE_BYTES:
        try:
            found = _whole.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass  # one span may be at fault
        else:
            return found if isinstance(found, list) else [found]
    apart = _apart.decode(data)
    return apart if isinstance(apart, list) else [apart]


def with_json_names(data: bytes | memoryview) -> bytes | memoryview:
    """A document with the keys that JSON has, where it has the names of the protobuf fields; else itself."""
    if _PROTOBUF_KEY.search(data) is None:
        return data
    return _PROTOBUF_KEY.sub(lambda found: b'"' + _RENAMED[found[1]] + b'"', bytes(data))


def may_have_other_names(document: Whole | Apart) -> bool:
    """Whether nothing is where it would be with the names that JSON has: at the first span, or above it."""
    batches = batches_of(document)
    if not batches:
        return batches is None and not memoryview(document.data).nbytes
    scopes = batches[0].scope_spans or batches[0].instrumentation_library_spans
    spans = scopes[0].spans if scopes else None
    if not spans:
        return scopes is None
    try:
        span = spans[0] if isinstance(spans[0], Span) else otlp_json_span.decoded(spans[0])
    except BadSpanError:
        return False
    return not span.trace_id or bool(span.attributes and not table(span.attributes[:1]))


def batches_of(document: Whole | Apart) -> list[_ResourceSpans[Span]] | list[_ResourceSpans[msgspec.Raw]] | None:
    """The spans of each resource; `None` where a document has no place for them."""
    batches = document.resource_spans if document.resource_spans is not None else document.batches
    if batches is None and document.trace is not None:
        batches = document.trace.resource_spans
    return batches


def without_envelope(data: msgspec.Raw, fields: Mapping[str, msgspec.Raw]) -> Apart | None:
    """The document around what is a part of one: the spans of a resource, those of a scope, or one span.

    Args:
        data: a JSON object.
        fields: its fields.

    Returns:
        The document; `None` where it is no such part.

    Raises:
        msgspec.MsgspecError: it is one, and something in it has a wrong type.
    """
    named = with_json_names(memoryview(data))
    if isinstance(named, bytes):
        data = msgspec.Raw(named)
        fields = _fields.decode(data)
    if "scopeSpans" in fields or "instrumentationLibrarySpans" in fields:
        return Document(resource_spans=[_batch.decode(data)])
    resource = fields.get("resource", msgspec.Raw())
    if "spans" in fields and _are_spans(fields["spans"]):
        return Document(resource_spans=[_ResourceSpans(resource, [_scope_spans.decode(data)])])
    if _is_span(fields):
        return Document(resource_spans=[_ResourceSpans(resource, [_ScopeSpans(_scope_beside(fields), spans=[data])])])
    return None


def _is_span(fields: Mapping[str, msgspec.Raw]) -> bool:
    if not {"traceId", "spanId", "startTimeUnixNano"} <= fields.keys():
        return False
    attributes = fields.get("attributes")
    return attributes is None or bytes(memoryview(attributes)[:1]) in (b"[", b"n")  # a list or null, and no table


def _scope_beside(fields: Mapping[str, msgspec.Raw]) -> _Scope | None:
    for key in ("scope", "instrumentationScope", "instrumentationLibrary"):
        try:
            return msgspec.json.decode(fields[key], type=_Scope)
        except (KeyError, msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return None


def _are_spans(spans: msgspec.Raw) -> bool:
    try:
        found = msgspec.json.decode(spans, type=list[msgspec.Raw])
        return bool(found) and _is_span(_fields.decode(found[0]))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def take(document: Whole | Apart, packer: Packer, reader: Reader) -> list[str]:
    """Read the spans of one document.

    Args:
        document: one of `documents`.
        packer: takes the spans.
        reader: reads them.

    Returns:
        What could not be read, and why.
    """
    bad, told = 0, list[str]()
    for batch in batches_of(document) or ():
        traces = packer.of(bytes(batch.resource), otlp_json_span.process)
        for part in chain(batch.scope_spans or (), batch.instrumentation_library_spans or ()):
            if part.spans:
                scope = part.scope or part.instrumentation_library
                bad += _take(part.spans, traces, scope.name if scope is not None else "", reader, told)
    return [without_trace_id(bad), *told] if bad else told


def _take(
    given: list[Span] | list[msgspec.Raw], traces: TraceRecords, scope: str, reader: Reader, told: list[str]
) -> int:
    bad = 0
    for span in given if _are_whole(given) else _decoded(given, told):
        trace_id = span.trace_id
        own = traces.get(trace_id)
        if own is None:
            try:
                trace_id = trace_id_of(trace_id)
            except ValueError:
                bad += 1
                continue
            own = packed_of(traces, trace_id)
        try:
            own.add(otlp_json_span.read(reader, span, trace_id, scope))
        except BadSpanError as error:
            told.append(str(error))
    return bad


def _are_whole(spans: list[Span] | list[msgspec.Raw]) -> TypeGuard[list[Span]]:
    return isinstance(spans[0], Span)


def _decoded(spans: Iterable[Span | msgspec.Raw], told: list[str]) -> Iterator[Span]:
    for span in spans:
        try:
            yield span if isinstance(span, Span) else otlp_json_span.decoded(span)
        except BadSpanError as error:
            told.append(str(error))
