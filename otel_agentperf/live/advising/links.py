"""Which steps of a graph used which others' answers, as far as runs in which advice was asked for show it.

Read from the shape of the run when pending steps are asked about, and only what is new in it since; nothing is
done as operations end.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from otel_agentperf.advice.parallel import Links
from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import int_of

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run

MAX_GRAPHS = 256
MAX_STEPS = 1_000
MAX_ROWS = 2_000
"""Operations of a run that are looked at, the latest ones."""
_STEPS = frozenset({OperationKind.NODE, OperationKind.TOOL, OperationKind.AGENT})


class _Graph:
    __slots__ = ("runs", "uses")

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.uses: dict[str, set[str]] = {}


class StepLinks:
    """What was seen of steps, by graph."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self._lock = threading.RLock()
        self._graphs: dict[str, _Graph] = {}
        self._read: tuple[int, int] = (0, 0)
        """The run that was read last, and how far."""

    def of(self, graph: str, run: Run | None) -> Links:
        """What was seen of the steps of a graph, the run that goes on among it."""
        with self._lock:
            found = self._graphs.get(graph)
            if found is None:
                if len(self._graphs) >= MAX_GRAPHS:
                    self._graphs.clear()
                found = self._graphs[graph] = _Graph()
            if run is not None:
                self._take(found, run)
            return Links(dict(found.runs), {step: frozenset(used) for step, used in found.uses.items()})

    def _take(self, graph: _Graph, run: Run) -> None:
        columns = run.columns
        length = len(columns)
        read = self._read[1] if self._read[0] == run.id else 0
        self._read = (run.id, length)
        if length <= read:
            return
        rows = columns.ended()[-MAX_ROWS:]
        fresh = rows[max(0, len(rows) - (length - read)) :]
        owners = {row.span_id: row.agent or row.name for row in rows}
        for row in fresh:
            if row.kind in _STEPS and len(graph.runs) < MAX_STEPS:
                graph.runs[row.name] += 1
            if row.kind is OperationKind.INFERENCE:
                for used in columns.used_by(row.span_id):
                    other = owners.get(int_of(used))
                    if other is not None and other != row.agent:
                        graph.uses.setdefault(row.agent, set()).add(other)
