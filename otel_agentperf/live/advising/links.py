"""Which steps of a graph used which others' answers, as far as runs in which advice was asked for show it.

A run counts for a step where the step made model requests, and each of them shows which earlier answers it used
(`live.answers` says when that is known). A step that makes none, or works on short answers, is never counted.

Read from the shape of the run when pending steps are asked about, and only what is new in it since; nothing is
done as operations end.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from otel_agentperf.advice.parallel import Links
from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import Row, int_of
from otel_agentperf.rules.traits import TRACED

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run

MAX_GRAPHS = 256
MAX_RUNS = 256
MAX_STEPS = 1_000
MAX_ROWS = 2_000
"""Operations of a run that are looked at, the latest ones."""


class _Graph:
    __slots__ = ("runs", "uses")

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.uses: dict[str, set[str]] = {}


class _Reading:
    """How far a run has been read."""

    __slots__ = ("counted", "owners", "rows", "unclear")

    def __init__(self) -> None:
        self.rows = 0
        self.counted: set[str] = set()
        """The steps that this run counts for."""
        self.unclear: set[str] = set()
        """Those of which a request does not show what it used."""
        self.owners: dict[int, str] = {}
        """The step that each request was made by."""


class StepLinks:
    """What was seen of steps, by graph."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self._lock = threading.RLock()
        self._graphs: dict[str, _Graph] = {}
        self._readings: OrderedDict[int, _Reading] = OrderedDict()
        """By the run's number, the one that was read last at the end."""

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
        reading = self._readings.get(run.id)
        if reading is None:
            reading = self._readings[run.id] = _Reading()
            if len(self._readings) > MAX_RUNS:
                self._readings.popitem(last=False)
        else:
            self._readings.move_to_end(run.id)
        columns, owners = run.columns, reading.owners
        length = len(columns)
        if length <= reading.rows:
            return
        rows = columns.added_since(max(reading.rows, length - MAX_ROWS))
        reading.rows = length
        for row in rows:
            if row.kind is OperationKind.INFERENCE:
                _count(graph, reading, row)
                owners[row.span_id] = row.agent
                for used in columns.uses_of(row.span_id):
                    other = owners.get(int_of(used))
                    if other and other != row.agent:
                        graph.uses.setdefault(row.agent, set()).add(other)
        while len(owners) > MAX_ROWS:
            del owners[next(iter(owners))]


def _count(graph: _Graph, reading: _Reading, row: Row) -> None:
    step = row.agent
    if not row.traits & TRACED:
        if step in reading.counted:
            reading.counted.discard(step)
            graph.runs[step] -= 1
        if len(reading.unclear) < MAX_STEPS:
            reading.unclear.add(step)
    elif step not in reading.unclear and step not in reading.counted and len(graph.runs) < MAX_STEPS:
        reading.counted.add(step)
        graph.runs[step] += 1
