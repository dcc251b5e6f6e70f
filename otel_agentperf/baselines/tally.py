"""What was seen, by subject and day: the form in which a baseline is learned, merged and kept.

Nothing is weighted here. Everything in it is a whole number, so merging is exact in any order; older
days come to count less only when a baseline is asked, see `known`.

A subject's name is the name of a graph, node, tool or model, cut to `MAX_NAME` characters; never content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from otel_agentperf.baselines.advised import Advised, drop_before
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.sketch import Sketch

MAX_NAME = 200
KEPT_DAYS = 90
"""Older days are dropped: with `known.HALF_LIFE_DAYS` one of them would count 1 % of a new one."""
UNITS: Mapping[Measure, float] = {
    Measure.DURATION_S: 1e9,
    Measure.COST_USD: 1e12,
    Measure.INPUT_TOKENS: 1.0,
    Measure.OUTPUT_TOKENS: 1.0,
    Measure.FIRST_CHUNK_S: 1e9,
}
"""How many units of a sketch make 1: nanoseconds, picodollars (a token costs from 1e-8 dollars), tokens."""
MEASURES = tuple(UNITS)
_MOST_PENDING = 512


class Values(NamedTuple):
    """What one execution measured, in whole units. What is not known, or does not count, is `None`."""

    succeeded: bool | None
    """`None` where it neither succeeded nor failed: interrupted, cancelled, taken from a cache."""
    duration_ns: int | None = None
    cost_pico: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    first_chunk_ns: int | None = None


Seen = tuple[Subject, Values]
"""One execution of one subject."""


class Cell:
    """One day of one subject.

    Executions are noted as they come, and put into the sketches many at a time, which takes half the time.
    """

    __slots__ = ("_failures", "_pending", "_sketches", "_successes")

    def __init__(self, successes: int = 0, failures: int = 0, sketches: dict[Measure, Sketch] | None = None) -> None:
        self._successes = successes
        self._failures = failures
        self._sketches = sketches if sketches is not None else {}
        self._pending: list[Values] = []

    @property
    def successes(self) -> int:
        """How many succeeded."""
        if self._pending:
            self._settle()
        return self._successes

    @property
    def failures(self) -> int:
        """How many failed."""
        if self._pending:
            self._settle()
        return self._failures

    @property
    def sketches(self) -> Mapping[Measure, Sketch]:
        """The values by measure; read only."""
        if self._pending:
            self._settle()
        return self._sketches

    def add(self, values: Values) -> None:
        """Take in one execution."""
        pending = self._pending
        pending.append(values)
        if len(pending) >= _MOST_PENDING:
            self._settle()

    def _settle(self) -> None:
        pending, self._pending = self._pending, []
        ended, *columns = zip(*pending, strict=True)
        self._successes += ended.count(True)
        self._failures += ended.count(False)
        for measure, column in zip(MEASURES, columns, strict=True):
            values = [value for value in column if value is not None]
            if values:
                sketch = self._sketches.get(measure)
                if sketch is None:
                    sketch = self._sketches[measure] = Sketch()
                sketch.add(values)

    def merge(self, other: Cell) -> None:
        """Take in all of another; it is left as it is."""
        self._successes += other.successes
        self._failures += other.failures
        for measure, sketch in other.sketches.items():
            own = self._sketches.get(measure)
            if own is None:
                self._sketches[measure] = sketch.copy()
            else:
                own.merge(sketch)

    def copy(self) -> Cell:
        """Another one with the same in it."""
        return Cell(self.successes, self.failures, {m: sketch.copy() for m, sketch in self.sketches.items()})


class Tally:
    """Subjects with their days, and what came of advice.

    Args:
        most: how many subjects are kept; what further ones did is counted as refused. No limit where absent.
    """

    __slots__ = ("_advised", "_models", "_most", "refused", "subjects")

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.refused = 0
        """Executions of subjects beyond the limit."""
        self.subjects: dict[Subject, dict[int, Cell]] = {}
        self._advised = Advised()
        self._models: dict[tuple[str, str], dict[str, None]] = {}
        """By graph and node: the program asks, and shall not wait until all subjects are gone through."""

    def __len__(self) -> int:
        return len(self.subjects)

    def __bool__(self) -> bool:
        return bool(self.subjects or self._advised)

    def add(self, day: int, seen: Iterable[Seen]) -> None:
        """Take in what was executed on a day."""
        subjects = self.subjects
        for subject, values in seen:
            days = subjects.get(subject)
            cell = days.get(day) if days is not None else None
            if cell is None:
                cell = self._cell(subject, day)
                if cell is None:
                    continue
            cell.add(values)

    @property
    def advised(self) -> Advised:
        """What came of advice."""
        return self._advised

    def add_advised(self, advised: Advised) -> None:
        """Take in what came of advice."""
        self._advised.update(advised)

    def _cell(self, subject: Subject, day: int) -> Cell | None:
        days = self.subjects.get(subject)
        if days is None:
            if self._most is not None and len(self.subjects) >= self._most:
                self.refused += 1
                return None
            days = self.subjects[subject] = {}
            if subject.kind is SubjectKind.NODE_MODEL:
                self._models.setdefault((subject.graph, subject.node), {})[subject.name] = None
        cell = days.get(day)
        if cell is None:
            cell = days[day] = Cell()
        return cell

    def merge(self, subject: Subject, days: Mapping[int, Cell]) -> None:
        """Take in days of a subject; they are left as they are."""
        for day, cell in days.items():
            own = self._cell(subject, day)
            if own is not None:
                own.merge(cell)

    def merge_all(self, other: Tally) -> None:
        """Take in all of another; it is left as it is."""
        for subject, days in other.subjects.items():
            self.merge(subject, days)
        self._advised.update(other._advised)

    def drop_before(self, day: int) -> None:
        """Drop the days before one, and the subjects that have no other."""
        for subject in list(self.subjects):
            days = self.subjects[subject]
            for old in [each for each in days if each < day]:
                del days[old]
            if not days:
                del self.subjects[subject]
                if subject.kind is SubjectKind.NODE_MODEL:
                    self._models[subject.graph, subject.node].pop(subject.name)
        drop_before(self._advised, day)

    @property
    def newest_day(self) -> int | None:
        """The last day of which anything is known."""
        days = {day for days in self.subjects.values() for day in days}
        return max(days.union(day for day, *_ in self._advised), default=None)

    # -- as a source of what is known ----------------------------------------------------------

    def cells(self, subject: Subject, since: int = 0) -> Mapping[int, Cell]:
        """The days of a subject from one on; empty where it was never seen."""
        days = self.subjects.get(subject, {})
        return {day: cell for day, cell in days.items() if day >= since} if since else days

    def models_of(self, graph: str, node: str) -> list[str]:
        """The models that a node was seen to use."""
        return list(self._models.get((graph, node), ()))

    def all(self) -> Iterator[tuple[Subject, Mapping[int, Cell]]]:
        """Everything, in the order of the subjects."""
        for subject in sorted(self.subjects):
            yield subject, self.subjects[subject]


@lru_cache(maxsize=4_096)
def named(kind: SubjectKind, name: str, graph: str = "", node: str = "") -> Subject:
    """A subject, its names cut to what is kept of them."""
    if len(name) > MAX_NAME or len(graph) > MAX_NAME or len(node) > MAX_NAME:
        return Subject(kind, name[:MAX_NAME], graph[:MAX_NAME], node[:MAX_NAME])
    return Subject(kind, name, graph, node)
