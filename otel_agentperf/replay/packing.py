"""Spans of a piece by trace, packed into buckets, as engines carry them.

A packed span is its own bytes as they stood in the source, cut out and not yet read, with a
reference to what it shares with its neighbours: the form, the resource, the scope and the place.
A bucket's packs can be joined in any order: all spans of a trace lie in one bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from zlib import crc32

import msgspec


class Form(IntEnum):
    """How the bytes of a span are written."""

    OTLP_JSON = 0
    OTLP_PROTO = 1
    JAEGER = 2


PackedSpan = tuple[int, int, memoryview]
"""Which head, which line or message, and the bytes."""


class Pack(msgspec.Struct, array_like=True, gc=False):
    """Spans of one bucket from one piece."""

    source: str
    resources: list[bytes]
    """Resources, or Jaeger's processes, as they stood in the source."""
    heads: list[tuple[Form, int, str]]
    """Form, which resource, and the name of the scope."""
    offsets: list[int]
    """Where each line or message begins, in bytes of the decompressed source."""
    traces: dict[bytes, list[PackedSpan]]
    """By trace id."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pack)


class Packer:
    """Collects the spans of one piece by trace.

    Args:
        source: the file or address that they come from.
    """

    def __init__(self, source: str) -> None:
        self.traces: dict[bytes, list[PackedSpan]] = {}
        self._source = source
        self._resources: dict[bytes, int] = {}
        self._heads: dict[tuple[Form, int, str], int] = {}
        self._offsets: list[int] = []

    @property
    def spans(self) -> int:
        """How many there are."""
        return sum(map(len, self.traces.values()))

    def line(self, offset: int) -> int:
        """Begin a line or message; the number to add its spans under."""
        self._offsets.append(offset)
        return len(self._offsets) - 1

    def head(self, form: Form, resource: bytes, scope: str) -> int:
        """Say what the spans that follow share; the number to add them under."""
        head = (form, self._resources.setdefault(resource, len(self._resources)), scope)
        return self._heads.setdefault(head, len(self._heads))

    def add(self, trace_id: bytes, span: PackedSpan) -> None:
        """Add one span."""
        spans = self.traces.get(trace_id)
        if spans is None:
            self.traces[trace_id] = [span]
        else:
            spans.append(span)

    def packed(self, buckets: int) -> dict[int, bytes]:
        """All that was added, by bucket.

        Args:
            buckets: how many there are.
        """
        parts: dict[int, dict[bytes, list[PackedSpan]]] = {}
        for trace_id, spans in self.traces.items():
            parts.setdefault(bucket_of(trace_id, buckets), {})[trace_id] = spans
        resources, heads = list(self._resources), list(self._heads)
        return {
            bucket: _encoder.encode(Pack(self._source, resources, heads, self._offsets, traces))
            for bucket, traces in parts.items()
        }


def bucket_of(trace_id: bytes, buckets: int) -> int:
    """The bucket of a trace; ids of some makers are no random numbers, so they are mixed first."""
    return crc32(trace_id) % buckets


def unpacked(packs: Iterable[bytes]) -> Iterator[Pack]:
    """The packs of a bucket."""
    return map(_decoder.decode, packs)


def parted(pack: bytes, buckets: int, parts: int) -> dict[int, bytes]:
    """Part a pack of a bucket that grew too large again, by trace.

    Args:
        pack: a pack of one bucket.
        buckets: how many there are.
        parts: into how many to part it.
    """
    whole = _decoder.decode(pack)
    traces: dict[int, dict[bytes, list[PackedSpan]]] = {}
    for trace_id, spans in whole.traces.items():
        traces.setdefault(crc32(trace_id) // buckets % parts, {})[trace_id] = spans
    return {
        part: _encoder.encode(Pack(whole.source, whole.resources, whole.heads, whole.offsets, own))
        for part, own in traces.items()
    }
