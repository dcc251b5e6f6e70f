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


PackedSpan = tuple[int, memoryview]
"""Which head, and the bytes."""


class Pack(msgspec.Struct, array_like=True, gc=False):
    """Spans of one bucket from one piece."""

    resources: list[bytes]
    heads: list[tuple[Form, int, str, int]]
    """Form, which resource, scope, offset."""
    source: str
    traces: dict[bytes, list[PackedSpan]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pack)


class Packer:
    """Collects the spans of one piece by trace.

    Args:
        source: the file or address that they come from.
    """

    def __init__(self, source: str) -> None:
        self.spans = 0
        self.traces: dict[bytes, list[PackedSpan]] = {}
        self._source = source
        self._resources: dict[bytes, int] = {}
        self._heads: list[tuple[Form, int, str, int]] = []

    def head(self, form: Form, resource: bytes, scope: str, offset: int) -> int:
        """Say what the spans that follow share; the number to add them under."""
        place = self._resources.setdefault(resource, len(self._resources))
        self._heads.append((form, place, scope, offset))
        return len(self._heads) - 1

    def add(self, trace_id: bytes, head: int, span: memoryview) -> None:
        """Add one span."""
        spans = self.traces.get(trace_id)
        if spans is None:
            self.traces[trace_id] = [(head, span)]
        else:
            spans.append((head, span))
        self.spans += 1

    def packed(self, buckets: int) -> dict[int, bytes]:
        """All that was added, by bucket.

        Args:
            buckets: how many there are.
        """
        parted: dict[int, dict[bytes, list[PackedSpan]]] = {}
        for trace_id, spans in self.traces.items():
            parted.setdefault(bucket_of(trace_id, buckets), {})[trace_id] = spans
        return {bucket: _encoder.encode(self._pack(traces)) for bucket, traces in parted.items()}

    def _pack(self, traces: dict[bytes, list[PackedSpan]]) -> Pack:
        """A pack with the heads and resources that its spans need, numbered anew."""
        heads: dict[int, int] = {}
        resources: dict[int, int] = {}
        for spans in traces.values():
            for head, _ in spans:
                if head not in heads:
                    heads[head] = len(heads)
                    resources.setdefault(self._heads[head][1], len(resources))
        by_place = list(self._resources)
        return Pack(
            resources=[by_place[place] for place in resources],
            heads=[
                (form, resources[place], scope, offset)
                for form, place, scope, offset in (self._heads[head] for head in heads)
            ],
            source=self._source,
            traces={trace_id: [(heads[head], span) for head, span in spans] for trace_id, spans in traces.items()},
        )


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
        part: _encoder.encode(Pack(whole.resources, whole.heads, whole.source, own)) for part, own in traces.items()
    }
