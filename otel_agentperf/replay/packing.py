"""The records of a piece by trace, packed into buckets, as engines carry them.

A span is read where it is found, so that its text is gone through once; what is carried is a
quarter of it. Each record is packed as soon as it is read: what a piece holds stays small and
near (measured: a third less time than with the records kept until the end of their piece).
A bucket's packs can be joined in any order: all spans of a trace lie in one bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias
from zlib import crc32

import msgspec

from otel_agentperf.replay.records import BadSpanError, Process, Record

_ARRAY = b"\xdd"
"""How MessagePack begins an array whose length follows in four bytes."""
_LENGTH = slice(len(_ARRAY), len(_ARRAY) + 4)
"""Where these stand."""


class Packed:
    """The records of one trace and process, one after the other."""

    __slots__ = ("data", "spans")

    def __init__(self) -> None:
        self.data = bytearray(_LENGTH.stop)
        self.data[: _LENGTH.start] = _ARRAY
        self.spans = 0

    def add(self, record: Record) -> None:
        """Add a record.

        Raises:
            BadSpanError: it holds what cannot be carried, such as too large a number; nothing of it is kept.
        """
        data = self.data
        before = len(data)
        try:
            _encode_into(record, data, -1)
        except (OverflowError, UnicodeError, msgspec.MsgspecError) as error:
            del data[before:]
            raise BadSpanError(f"span {record.operation.span_id}: {error}") from error
        self.spans += 1

    def array(self) -> bytes:
        """All of them as one array."""
        self.data[_LENGTH] = self.spans.to_bytes(4, "big")
        return bytes(self.data)


TraceRecords: TypeAlias = dict[str, Packed]
"""What one process reported, by the id of the trace: 32 hex digits."""


def packed_of(traces: TraceRecords, trace_id: str) -> Packed:
    """Where to put the records of a trace."""
    packed = traces.get(trace_id)
    if packed is None:
        packed = traces[trace_id] = Packed()
    return packed


class Part(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What one process reported of one trace in one piece."""

    trace_id: str
    process: int
    """Its place among the pack's processes."""
    spans: int
    records: bytes
    """Still packed: `records_in` unpacks them."""


class Pack(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The spans of one bucket from one piece."""

    processes: list[Process]
    parts: list[Part]


_encoder = msgspec.msgpack.Encoder()
_encode_into = _encoder.encode_into
_packs = msgspec.msgpack.Decoder(Pack)
records_in: Callable[[bytes], list[Record]] = msgspec.msgpack.Decoder(list[Record]).decode
"""Unpack the records of a part."""


class Packer:
    """Collects the spans of one piece by process and trace."""

    def __init__(self) -> None:
        self._processes: dict[Process, TraceRecords] = {}
        self._resources: dict[tuple[object, bytes], TraceRecords] = {}

    @property
    def spans(self) -> int:
        """How many there are."""
        return sum(packed.spans for traces in self._processes.values() for packed in traces.values())

    def of(self, resource: bytes, read: Callable[[bytes], Process]) -> TraceRecords:
        """Where to put the spans of a process.

        Args:
            resource: who it is, as it stands in the source.
            read: reads that.
        """
        traces = self._resources.get((read, resource))
        if traces is None:
            traces = self._resources[read, resource] = self._processes.setdefault(read(resource), {})
        return traces

    def packed(self, buckets: int) -> dict[int, bytes]:
        """All that was added, by bucket.

        Args:
            buckets: how many there are.
        """
        processes = list(self._processes)
        parts: dict[int, list[Part]] = {}
        for place, traces in enumerate(self._processes.values()):
            for trace_id, packed in traces.items():
                if packed.spans:
                    part = Part(trace_id, place, packed.spans, packed.array())
                    parts.setdefault(_mixed(trace_id) % buckets, []).append(part)
        return {bucket: _encoder.encode(Pack(processes, own)) for bucket, own in parts.items()}


def _mixed(trace_id: str) -> int:
    """A number from a trace's id; ids of some makers are no random numbers, so they are mixed."""
    return crc32(trace_id.encode())


def unpacked(packs: Iterable[bytes]) -> Iterator[Pack]:
    """The packs of a bucket."""
    return map(_packs.decode, packs)


def parted(pack: bytes, buckets: int, parts: int) -> dict[int, bytes]:
    """Part a pack of a bucket that grew too large again, by trace.

    Args:
        pack: a pack of one bucket.
        buckets: how many there are.
        parts: into how many to part it.
    """
    whole = _packs.decode(pack)
    found: dict[int, list[Part]] = {}
    for part in whole.parts:
        found.setdefault(_mixed(part.trace_id) // buckets % parts, []).append(part)
    return {place: _encoder.encode(Pack(whole.processes, own)) for place, own in found.items()}
