"""Something that only ever grows from run to run, told from what went up and came down again.

What counts is the floor: the least value in the first third of the last runs, in the second and
in the third. A cache that has warmed up, or several runs at once, lift single values and not the
floor for long; what leaks lifts it each time.
"""

from __future__ import annotations

from bisect import insort
from typing import NamedTuple

import msgspec

MAX_RUNS = 60
THIRDS = 3
_RISING_PAIRS = 0.9
"""The share of pairs of runs, of all there are, in which the later one has to have more."""


class Grown(NamedTuple):
    """How the floor rose."""

    runs: int
    before: int
    """The floor in the first third of the runs."""
    now: int
    """The floor in the last third."""
    a_run: float
    """By how much it rises with each run."""
    span_ids: tuple[str, ...]
    """Roots of the last runs, the latest first."""

    @property
    def percent(self) -> float:
        """By how much it rose, of what it was."""
        return 100 * (self.now - self.before) / self.before if self.before else float("inf")


class Series(msgspec.Struct, gc=False):
    """A value at the end of each of the last runs. Which ones are kept depends on no order."""

    values: list[tuple[int, str, int]] = []
    """When the run ended, its root's span, the value; in order."""

    def add(self, end_ns: int, span_id: str, value: int) -> None:
        """Note the value at the end of a run."""
        insort(self.values, (end_ns, span_id, value))
        if len(self.values) > MAX_RUNS:
            del self.values[0]

    def merge(self, other: Series) -> None:
        """Take in other runs."""
        for end_ns, span_id, value in other.values:
            self.add(end_ns, span_id, value)

    def grown(self, min_runs: int) -> Grown | None:
        """How the value grew; `None` where it did not, or not steadily, or over too few runs."""
        count = len(self.values)
        if count < max(min_runs, THIRDS):
            return None
        values = [value for _, _, value in self.values]
        third = count // THIRDS
        first, middle, last = min(values[:third]), min(values[third:-third]), min(values[-third:])
        if not first < middle < last or not _is_steady(values):
            return None
        spans = tuple(span_id for _, span_id, _ in reversed(self.values))
        return Grown(count, first, last, (last - first) / (count - third), spans)


def _is_steady(values: list[int]) -> bool:
    pairs = rising = 0
    for place, value in enumerate(values):
        later = values[place + 1 :]
        pairs += len(later)
        rising += sum(other > value for other in later)
    return rising >= _RISING_PAIRS * pairs
