"""The second half of the grouping: the packed spans of a bucket -> the records of each trace.

A trace comes together whatever pieces its spans were in. Each span is read once, here. The order
of the packs does not matter: spans are put in order of start, and of two with one id the later
one to end stays.

Limit: of a trace with too many spans the first ones to start are kept, since a parent starts
before its children; how many were left out is told.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

import msgspec

from otel_agentperf.replay import jaeger, otlp_json_span, otlp_proto
from otel_agentperf.replay.packing import Form, Pack, PackedSpan, unpacked
from otel_agentperf.replay.records import BadSpanError, Process, Reader, Record
from otel_agentperf.replay.troubles import Trouble, Troubles

_PROCESSES: dict[Form, Callable[[bytes], Process]] = {
    Form.OTLP_JSON: otlp_json_span.process,
    Form.OTLP_PROTO: otlp_proto.process,
    Form.JAEGER: jaeger.process,
}
_READ: dict[Form, Callable[[Reader, memoryview, str, Process, str], Record]] = {
    Form.OTLP_JSON: otlp_json_span.read,
    Form.OTLP_PROTO: otlp_proto.read,
    Form.JAEGER: jaeger.read,
}


class Trace(msgspec.Struct, frozen=True, gc=False):
    """The spans of one trace."""

    trace_id: str
    records: list[Record]
    """In order of start."""
    left_out: int = 0
    """Spans beyond the limit."""


def reduce_bucket(packs: Iterable[bytes], reader: Reader, troubles: Troubles, limit: int) -> Iterator[Trace]:
    """Put the spans of each trace together and read them.

    Args:
        packs: all packs of one bucket, in any order.
        reader: reads the spans.
        troubles: takes what could not be read.
        limit: the most spans of a trace to keep.

    Yields:
        The traces of the bucket.
    """
    traces: dict[bytes, _Gathered] = {}
    for pack in unpacked(packs):
        opened = _OpenPack(pack, reader, troubles)
        for trace_id, spans in pack.traces.items():
            gathered = traces.get(trace_id)
            if gathered is None:
                gathered = traces[trace_id] = _Gathered(trace_id.hex(), limit)
            gathered.add(opened, spans)
    while traces:
        _, gathered = traces.popitem()
        yield gathered.trace()


@lru_cache(maxsize=1_000)
def _one_of_a_kind(process: Process) -> Process:
    """The same object for the same process, which is quick to compare."""
    return process


class _OpenPack:
    """Reads the spans of one pack."""

    def __init__(self, pack: Pack, reader: Reader, troubles: Troubles) -> None:
        self._heads = pack.heads
        self._source = pack.source
        self._resources = pack.resources
        self._offsets = pack.offsets
        self._processes: dict[int, Process] = {}
        self._reader = reader
        self._troubles = troubles

    def read(self, trace_id: str, spans: Iterable[PackedSpan], into: list[Record]) -> None:
        """Read spans; what cannot be read is told."""
        heads, processes, reader = self._heads, self._processes, self._reader
        for head, line, span in spans:
            form, resource, scope = heads[head]
            process = processes.get(head)
            if process is None:
                process = processes[head] = _one_of_a_kind(_PROCESSES[form](self._resources[resource]))
            try:
                into.append(_READ[form](reader, span, trace_id, process, scope))
            except BadSpanError as error:
                unit = "message" if form is Form.OTLP_PROTO else "line"
                self._troubles.add(Trouble(self._source, str(error), self._offsets[line], unit))


class _Gathered:
    """What was found of one trace; it reads early where there is too much to keep."""

    def __init__(self, trace_id: str, limit: int) -> None:
        self._trace_id = trace_id
        self._limit = limit
        self._waiting: list[tuple[_OpenPack, list[PackedSpan]]] = []
        self._count = 0
        self._first: list[Record] = []
        self._left_out = 0

    def add(self, pack: _OpenPack, spans: list[PackedSpan]) -> None:
        """Take in the spans that one pack has of it."""
        self._waiting.append((pack, spans))
        self._count += len(spans)
        if self._count > self._limit:
            self._shorten()

    def _shorten(self) -> None:
        records = self._read(self._first)
        self._first = heapq.nsmallest(self._limit, records, key=_place)
        self._left_out += len(records) - len(self._first)

    def _read(self, into: list[Record]) -> list[Record]:
        waiting, self._waiting, self._count = self._waiting, [], 0
        for pack, spans in waiting:
            pack.read(self._trace_id, spans, into)
        return into

    def trace(self) -> Trace:
        """All of it."""
        records = self._read(self._first)
        if self._left_out:
            self._shorten()
            records = self._first
        else:
            records.sort(key=_place)
        if len({record.operation.span_id for record in records}) < len(records):
            records = _once(records)
        return Trace(self._trace_id, records, self._left_out)


def _once(records: Iterable[Record]) -> list[Record]:
    """Of the records with one id, the last one to end."""
    by_id: dict[tuple[Process, str], Record] = {}
    for record in records:
        key = (record.process, record.operation.span_id)
        before = by_id.get(key)
        if before is None or _weight(record) > _weight(before):
            by_id[key] = record
    return list(by_id.values())


_place = attrgetter("operation.start_ns", "operation.span_id", "operation.end_ns")


def _weight(record: Record) -> tuple[int, str]:
    return record.operation.end_ns, repr(record)
