"""What is known of one subject: its days, weighted by age, as tables that are asked in a microsecond.

A day counts half as much as one that is `HALF_LIFE_DAYS` younger. Two weeks: a week's rhythm, whose
working days and weekends differ, is in it twice, and a change of model or prompt is most of the
normal within a month. Weights come in here, when days are put together, and never in what is kept, so that
baselines can be merged exactly.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from otel_agentperf.baselines.normals import Day, Measure, Outcomes
from otel_agentperf.baselines.sketch import RELATIVE_ERROR, Sketch, key_of, value_of
from otel_agentperf.baselines.tally import MEASURES, UNITS, Cell

HALF_LIFE_DAYS = 14.0
_ROUNDING = 1 - 1e-12
"""Weights are no whole numbers: what adds up to the last bit is not to be asked for."""


def weight_of(age_days: int) -> float:
    """How much a day of this age counts, the present day 1."""
    return 0.5 ** (max(0, age_days) / HALF_LIFE_DAYS)


class Table:
    """The distribution of one measure; a `Normal`."""

    __slots__ = ("_keys", "_units", "_up_to", "mean", "samples", "weight")
    relative_error = RELATIVE_ERROR

    def __init__(self, measure: Measure, days: Iterable[tuple[float, Sketch]], past: Table | None = None) -> None:
        bins: dict[int, float] = defaultdict(float)
        self._units = UNITS[measure]
        self.samples = 0
        total = 0.0
        if past is not None:
            bins.update(past.bins())
            self.samples, total = past.samples, past.mean * past.weight * self._units
        for weight, sketch in days:
            for key, count in sketch.bins.items():
                bins[key] += weight * count
            self.samples += sketch.count
            total += weight * sketch.total
        self._keys = array("h", sorted(bins))
        self._up_to = array("d")
        self.weight = 0.0
        for key in self._keys:
            self.weight += bins[key]
            self._up_to.append(self.weight)
        self.mean = total / self._units / self.weight if self.weight else 0.0

    def bins(self) -> Iterator[tuple[int, float]]:
        """The keys of its bins with their weights."""
        below = 0.0
        for key, up_to in zip(self._keys, self._up_to, strict=True):
            yield key, up_to - below
            below = up_to

    def quantile(self, share: float) -> float:
        """The value that this share of them, 0 to 1, does not exceed, within 1 %."""
        if not self._keys:
            return 0.0
        place = bisect_left(self._up_to, share * self.weight * _ROUNDING)
        return value_of(self._keys[min(place, len(self._keys) - 1)]) / self._units

    def share_below(self, value: float) -> float:
        """The share of them, 0 to 1, that is smaller than a value; those within 1 % of it count half."""
        if not self._keys:
            return 0.0
        key = key_of(round(value * self._units))
        place = bisect_left(self._keys, key)
        below = self._up_to[place - 1] if place else 0.0
        here = self._up_to[place] - below if place < len(self._keys) and self._keys[place] == key else 0.0
        return (below + here / 2) / self.weight


class Knowledge:
    """What is known of one subject on a day."""

    __slots__ = ("outcomes", "tables")

    def __init__(self, tables: dict[Measure, Table], outcomes: Outcomes | None) -> None:
        self.tables = tables
        self.outcomes = outcomes


NOTHING = Knowledge({}, None)


def days_of(layers: Iterable[Mapping[int, Cell]], first: int, last: int | None) -> dict[int, Cell]:
    """The days of a subject from several places, put together.

    Args:
        layers: its days, from each place; they are left as they are.
        first: the first day that counts.
        last: the last one; all that a clock told where absent.
    """
    days: dict[int, Cell] = {}
    copied: set[int] = set()
    for layer in layers:
        for day, cell in layer.items():
            if day < first or (last is not None and day > last):
                continue
            own = days.get(day)
            if own is None:
                days[day] = cell
            else:
                if day not in copied:
                    own = days[day] = own.copy()
                    copied.add(day)
                own.merge(cell)
    return days


def knowledge_of(days: Mapping[int, Cell], today: int, past: Knowledge = NOTHING) -> Knowledge:
    """Weigh days by their age.

    Args:
        days: those that are to be weighed.
        today: what their age is counted from.
        past: what is known of other days, weighed on the same day.
    """
    if not days:
        return past
    weighted = [(weight_of(today - day), cell) for day, cell in sorted(days.items())]
    tables = {
        measure: Table(measure, found, past.tables.get(measure))
        for measure in MEASURES
        if (found := [(weight, cell.sketches[measure]) for weight, cell in weighted if measure in cell.sketches])
    }
    before = past.outcomes if past.outcomes is not None else Outcomes(0.0, 0.0, 0)
    outcomes = Outcomes(
        before.successes + sum(weight * cell.successes for weight, cell in weighted),
        before.failures + sum(weight * cell.failures for weight, cell in weighted),
        before.samples + sum(cell.successes + cell.failures for _, cell in weighted),
    )
    return Knowledge({**past.tables, **tables}, outcomes if outcomes.samples else None)


def days_told(days: Mapping[int, Cell], measure: Measure) -> Sequence[Day]:
    """The days of a measure, oldest first."""
    told: list[Day] = []
    for day, cell in sorted(days.items()):
        sketch = cell.sketches.get(measure)
        if sketch is not None and sketch.bins:
            table = Table(measure, [(1.0, sketch)])
            told.append(Day(day, table.samples, table.mean, table.quantile(0.5)))
    return tuple(told)
