"""What was seen, by subject and day: the form in which a baseline is learned, merged and kept.

Nothing is weighted here. Everything in it is a whole number, so merging is exact in any order; older
days come to count less only when a baseline is asked, see `known`.

A subject's name is the name of a graph, node, tool or model, cut to `MAX_NAME` characters; never content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.sketch import Sketch

MAX_NAME = 200
KEPT_DAYS = 90
"""Older days are dropped: with `known.HALF_LIFE_DAYS` one of them would count 1 % of a new one."""
_TOKENS = 1.0
UNITS: Mapping[Measure, float] = {
    Measure.DURATION_S: 1e9,
    Measure.COST_USD: 1e12,
    Measure.INPUT_TOKENS: _TOKENS,
    Measure.OUTPUT_TOKENS: _TOKENS,
    Measure.FIRST_CHUNK_S: 1e9,
}
"""How many units of a sketch's sum make 1: nanoseconds, picodollars (a token costs 1e-8 dollars), tokens."""
MEASURES = tuple(UNITS)
_KEYED = tuple(UNITS.items())


class Seen(NamedTuple):
    """One execution of one subject. What is not known, or does not count, is `None`."""

    subject: Subject
    succeeded: bool | None
    """`None` where it neither succeeded nor failed: interrupted, cancelled, taken from a cache."""
    duration_s: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    first_chunk_s: float | None = None


class Cell:
    """One day of one subject."""

    __slots__ = ("failures", "sketches", "successes")

    def __init__(self, successes: int = 0, failures: int = 0, sketches: dict[Measure, Sketch] | None = None) -> None:
        self.successes = successes
        self.failures = failures
        self.sketches = sketches if sketches is not None else {}

    def add(self, seen: Seen) -> None:
        """Take in one execution."""
        if seen[1] is not None:
            if seen[1]:
                self.successes += 1
            else:
                self.failures += 1
        sketches = self.sketches
        for (measure, units), value in zip(_KEYED, seen[2:], strict=True):
            if value is not None:
                sketch = sketches.get(measure)
                if sketch is None:
                    sketch = sketches[measure] = Sketch()
                sketch.add(value, units)

    def merge(self, other: Cell) -> None:
        """Take in all of another; it is left as it is."""
        self.successes += other.successes
        self.failures += other.failures
        for measure, sketch in other.sketches.items():
            own = self.sketches.get(measure)
            if own is None:
                self.sketches[measure] = sketch.copy()
            else:
                own.merge(sketch)

    def copy(self) -> Cell:
        """Another one with the same in it."""
        return Cell(self.successes, self.failures, {m: sketch.copy() for m, sketch in self.sketches.items()})


class Tally:
    """Subjects with their days.

    Args:
        most: how many subjects are kept; what further ones did is counted as refused. No limit where absent.
    """

    __slots__ = ("_most", "refused", "subjects")

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.refused = 0
        """Executions of subjects beyond the limit."""
        self.subjects: dict[Subject, dict[int, Cell]] = {}

    def __len__(self) -> int:
        return len(self.subjects)

    def add(self, day: int, seen: Iterable[Seen]) -> set[Subject]:
        """Take in what was executed on a day, and tell of which subjects that was."""
        touched: set[Subject] = set()
        for each in seen:
            subject = each.subject
            cell = self._cell(subject, day)
            if cell is not None:
                cell.add(each)
                touched.add(subject)
        return touched

    def _cell(self, subject: Subject, day: int) -> Cell | None:
        days = self.subjects.get(subject)
        if days is None:
            if self._most is not None and len(self.subjects) >= self._most:
                self.refused += 1
                return None
            days = self.subjects[subject] = {}
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

    def drop_before(self, day: int) -> None:
        """Drop the days before one, and the subjects that have no other."""
        for subject in list(self.subjects):
            days = self.subjects[subject]
            for old in [each for each in days if each < day]:
                del days[old]
            if not days:
                del self.subjects[subject]

    @property
    def newest_day(self) -> int | None:
        """The last day of which anything is known."""
        return max((day for days in self.subjects.values() for day in days), default=None)

    # -- as a source of what is known ----------------------------------------------------------

    def cells(self, subject: Subject) -> Mapping[int, Cell]:
        """The days of a subject; empty where it was never seen."""
        return self.subjects.get(subject, {})

    def models_of(self, graph: str, node: str) -> list[str]:
        """The models that a node was seen to use."""
        return [
            subject.name
            for subject in self.subjects
            if subject.kind is SubjectKind.NODE_MODEL and subject.graph == graph and subject.node == node
        ]

    def all(self) -> Iterator[tuple[Subject, Mapping[int, Cell]]]:
        """Everything, in the order of the subjects."""
        for subject in sorted(self.subjects):
            yield subject, self.subjects[subject]


def named(kind: SubjectKind, name: str, graph: str = "", node: str = "") -> Subject:
    """A subject, its names cut to what is kept of them."""
    if len(name) > MAX_NAME or len(graph) > MAX_NAME or len(node) > MAX_NAME:
        return Subject(kind, name[:MAX_NAME], graph[:MAX_NAME], node[:MAX_NAME])
    return Subject(kind, name, graph, node)
