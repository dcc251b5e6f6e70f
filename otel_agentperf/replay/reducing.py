"""The second half of the grouping: the packed spans of a bucket -> the records of each trace.

A trace comes together whatever pieces its spans were in. The order of the packs does not matter:
of two spans of a process with one id the later one to end stays, and whatever looks at the
records of a trace looks at them as a set.

Limit: of a trace with too many spans the first ones to start are kept, since a parent starts
before its children; how many were left out is told.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from otel_agentperf.replay.packing import Part, records_in, unpacked
from otel_agentperf.replay.records import Process, Record


class Trace(msgspec.Struct, frozen=True, gc=False):
    """The spans of one trace."""

    trace_id: str
    processes: dict[Process, list[Record]]
    """By the process that reported them, in no order."""
    left_out: int = 0
    """Spans beyond the limit."""

    @property
    def spans(self) -> int:
        """How many there are, without those left out."""
        return sum(map(len, self.processes.values()))


def reduce_bucket(packs: Iterable[bytes], limit: int) -> Iterator[Trace]:
    """Put the spans of each trace together.

    Args:
        packs: all packs of one bucket, in any order.
        limit: the most spans of a trace to keep.

    Yields:
        The traces of the bucket.
    """
    traces: dict[str, _Gathered] = {}
    for pack in unpacked(packs):
        processes = [_one_of_a_kind(process) for process in pack.processes]
        for part in pack.parts:
            gathered = traces.get(part.trace_id)
            if gathered is None:
                gathered = traces[part.trace_id] = _Gathered(part.trace_id, limit)
            gathered.add(processes[part.process], part)
    while traces:
        _, gathered = traces.popitem()
        yield gathered.trace()


@lru_cache(maxsize=1_000)
def _one_of_a_kind(process: Process) -> Process:
    """The same object for the same process, which is quick to compare."""
    return process


class _Gathered:
    """What was found of one trace; it is shortened early where there is too much to keep."""

    __slots__ = ("_count", "_first", "_left_out", "_limit", "_trace_id", "_waiting")

    def __init__(self, trace_id: str, limit: int) -> None:
        self._trace_id = trace_id
        self._limit = limit
        self._waiting: list[tuple[Process, Part]] = []
        self._count = 0
        self._first: dict[Process, list[Record]] = {}
        self._left_out = 0

    def add(self, process: Process, part: Part) -> None:
        """Take in what one process has of it in one pack."""
        self._waiting.append((process, part))
        self._count += part.spans
        if self._count > self._limit:
            self._shorten()

    def _unpack(self) -> dict[Process, list[Record]]:
        found, waiting = self._first, self._waiting
        self._waiting, self._count = [], 0
        for process, part in waiting:
            records = records_in(part.records)
            own = found.get(process)
            if own is None:
                found[process] = records
            else:
                own += records
        return found

    def _shorten(self) -> None:
        each = [(process, record) for process, records in self._unpack().items() for record in records]
        first = heapq.nsmallest(self._limit, each, key=_place)
        self._left_out += len(each) - len(first)
        self._first = {}
        for process, record in first:
            self._first.setdefault(process, []).append(record)

    def trace(self) -> Trace:
        """All of it."""
        if self._left_out:
            self._shorten()
        processes = self._unpack()
        for process, records in processes.items():
            if len({record.operation.span_id for record in records}) < len(records):
                processes[process] = _once(records)
        return Trace(self._trace_id, processes, self._left_out)


def _place(item: tuple[Process, Record]) -> tuple[int, str, int, str, tuple[str, ...]]:
    process, record = item
    operation = record.operation
    return operation.start_ns, operation.span_id, operation.end_ns, process.service, process.identity


def _once(records: Iterable[Record]) -> list[Record]:
    """Of the records with one id, the last one to end."""
    by_id: dict[str, Record] = {}
    for record in records:
        before = by_id.get(record.operation.span_id)
        if before is None or _weight(record) > _weight(before):
            by_id[record.operation.span_id] = record
    return list(by_id.values())


def _weight(record: Record) -> tuple[int, str]:
    return record.operation.end_ns, repr(record)
