"""Spans that wait for the root of their run, within a bound.

Spans come in the order in which they end, so a root mostly comes after its children, and
often in a later batch. What ends after its root is late: it is told apart from spans whose
root never came by the traces whose root was seen.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from otel_agentperf.reading.sdk import SpanRecord

MAX_SEEN_TRACES = 1_000


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a trace."""

    records: tuple[SpanRecord, ...]
    is_late: bool
    """Its root was seen: these ended after it."""


class WaitingSpans:
    """Holds spans by trace.

    Args:
        limit: the most spans to hold; beyond it the oldest traces are dropped whole.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        """Spans dropped to stay within the limit."""
        self._limit = limit
        self._held = 0
        self._traces: OrderedDict[str, dict[str, SpanRecord]] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return self._held

    def add(self, records: Iterable[SpanRecord]) -> list[list[SpanRecord]]:
        """Take in a batch.

        Returns:
            The spans beneath each root that came with it, the root among them.
        """
        roots: list[SpanRecord] = []
        for record in records:
            operation = record.operation
            trace = self._traces.setdefault(operation.trace_id, {})
            self._held += operation.span_id not in trace
            trace[operation.span_id] = record
            if record.is_local_root or record.recorded is not None:
                roots.append(record)
        # A local root takes the runs beneath it along.
        roots.sort(key=lambda record: not record.is_local_root)
        complete = list(self._complete(roots))
        while self._held > self._limit:
            _, oldest = self._traces.popitem(last=False)
            self._held -= len(oldest)
            self.dropped += len(oldest)
        return complete

    def _complete(self, roots: list[SpanRecord]) -> Iterable[list[SpanRecord]]:
        by_trace: dict[str, list[SpanRecord]] = defaultdict(list)
        for root in roots:
            by_trace[root.operation.trace_id].append(root)
        for trace_id, its_roots in by_trace.items():
            trace = self._traces[trace_id]
            children: dict[str, list[str]] = defaultdict(list)
            for span_id, record in trace.items():
                if record.operation.parent_id is not None:
                    children[record.operation.parent_id].append(span_id)
            for root in its_roots:
                if root.operation.span_id in trace:
                    yield self._take(trace, root.operation.span_id, children)
            if not trace:
                del self._traces[trace_id]
            self._seen[trace_id] = None
            self._seen.move_to_end(trace_id)
            if len(self._seen) > MAX_SEEN_TRACES:
                self._seen.popitem(last=False)

    def _take(self, trace: dict[str, SpanRecord], root_id: str, children: dict[str, list[str]]) -> list[SpanRecord]:
        taken: list[SpanRecord] = []
        pending = [root_id]
        while pending:
            record = trace.pop(pending.pop(), None)
            if record is not None:
                taken.append(record)
                pending.extend(children.get(record.operation.span_id, ()))
        self._held -= len(taken)
        return taken

    def rest(self) -> list[Rest]:
        """Give up waiting: all that is held, by trace."""
        rest = [Rest(tuple(trace.values()), trace_id in self._seen) for trace_id, trace in self._traces.items()]
        self._traces.clear()
        self._held = 0
        return rest
