"""OTLP as JSON: the Collector's file exporter, SDKs, Tempo's answers.

A document (a line, or a whole file) is taken apart into spans without reading them;
`otlp_json_span` reads one of those. Ids come as hex, or as base64 from writers that follow
proto3's own mapping (Tempo).
"""

from __future__ import annotations

import base64
import struct
from binascii import Error as NotHexError
from binascii import unhexlify
from collections.abc import Iterable

import msgspec

from otel_agentperf.replay.packing import Form, Packer

_TRACE_ID_BYTES = 16
_TRACE_ID = b'{"traceId":"'
_START = struct.Struct(f"{len(_TRACE_ID)}s{2 * _TRACE_ID_BYTES}sc")


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
    data: msgspec.Raw = msgspec.Raw()
    """Jaeger's traces."""
    resource_metrics: msgspec.Raw = msgspec.Raw()
    resource_logs: msgspec.Raw = msgspec.Raw()


class _IdOnly(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""


_ids = msgspec.json.Decoder(_IdOnly)


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
    bad, line = 0, packer.line(offset)
    for batch in batches or ():
        resource = bytes(batch.resource)
        for part in batch.scope_spans or batch.instrumentation_library_spans or ():
            if part.spans:
                scope = part.scope.name if part.scope is not None else ""
                bad += _cut(part.spans, packer, packer.head(Form.OTLP_JSON, resource, scope), line)
    return bad


def _cut(spans: Iterable[msgspec.Raw], packer: Packer, head: int, line: int) -> int:
    bad = 0
    traces = packer.traces
    for raw in spans:
        span = memoryview(raw)
        try:
            # What the Collector and most SDKs write begins just so; anything else is looked for.
            start, hex_id, quote = _START.unpack_from(span)
            if start == _TRACE_ID and quote == b'"':
                trace_id = unhexlify(hex_id)
            else:
                trace_id = id_bytes(_ids.decode(span).trace_id, _TRACE_ID_BYTES)
        except (struct.error, ValueError, RecursionError):
            bad += 1
            continue
        # As `Packer.add`, which would be called for every span.
        own = traces.get(trace_id)
        if own is None:
            if not any(trace_id):
                bad += 1
                continue
            traces[trace_id] = [(head, line, span)]
        else:
            own.append((head, line, span))
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
