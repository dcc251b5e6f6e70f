"""OTLP as JSON: the Collector's file exporter, SDKs, Tempo's answers.

A document (a line, or a whole file) is decoded at one go, its spans and all; `otlp_json_span`
reads each of them. Where something in it has a wrong type, or where it is so long that all of it at
once would take much memory, it is taken apart first and decoded span by span.
Ids come as hex, or as base64 from writers that follow proto3's own mapping (Tempo).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Generic, TypeAlias, TypeGuard, TypeVar

import msgspec

from otel_agentperf.replay import otlp_json_span
from otel_agentperf.replay.otlp_json_span import Span
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
    resource_metrics: msgspec.Raw = msgspec.Raw()
    resource_logs: msgspec.Raw = msgspec.Raw()


Whole: TypeAlias = Document[Span]
Apart: TypeAlias = Document[msgspec.Raw]

# Not strict, as for a single span: a number may stand as text.
_whole: msgspec.json.Decoder[Whole | list[Whole]] = msgspec.json.Decoder(Whole | list[Whole], strict=False)
_apart: msgspec.json.Decoder[Apart | list[Apart]] = msgspec.json.Decoder(Apart | list[Apart])


def documents(data: bytes) -> list[Whole] | list[Apart]:
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
    apart = _apart.decode(data.removesuffix(b"\n"))  # of what is cut off, the end of its line is no part
    return apart if isinstance(apart, list) else [apart]


def take(document: Whole | Apart, packer: Packer, reader: Reader) -> list[str]:
    """Read the spans of one document.

    Args:
        document: one of `documents`.
        packer: takes the spans.
        reader: reads them.

    Returns:
        What could not be read, and why.
    """
    batches = document.resource_spans or document.batches
    if batches is None and document.trace is not None:
        batches = document.trace.resource_spans
    bad, told = 0, list[str]()
    for batch in batches or ():
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
