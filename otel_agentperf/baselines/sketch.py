"""How the values of one measure are distributed: counts in bins whose width grows with the value.

The bins are DDSketch's (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019), numbered by the library `ddsketch`. Only the counts are kept
here, as whole numbers and only where there are any: adding them up is exact, so sketches that are merged in
any order are equal to the last bit. Sketches of the KLL and t-digest kinds are smaller, but draw lots or
depend on the order of merging.

A quantile is within 1 % of a value that was seen. What is below 1e-9 (seconds, dollars, tokens) is told as
0, and what is above 1e9 as 1e9, so there are at most `MOST_BINS` bins; a measure of one node in one day
takes about 20 to 60.
"""

from __future__ import annotations

from itertools import chain
from math import inf

from ddsketch.mapping import LogarithmicMapping

RELATIVE_ERROR = 0.01
LEAST, MOST = 1e-9, 1e9
_mapping = LogarithmicMapping(RELATIVE_ERROR)
_key = _mapping.key
LEAST_KEY, MOST_KEY = _key(LEAST), _key(MOST)
ZERO_KEY = LEAST_KEY - 1
"""Stands for the bin of 0."""
MOST_BINS = MOST_KEY - LEAST_KEY + 2


def key_of(value: float) -> int:
    """The bin of a value."""
    if value < LEAST:
        return ZERO_KEY
    return _key(value) if value < MOST else MOST_KEY


def value_of(key: int) -> float:
    """The value that stands for a bin, within the relative error of all that is in it."""
    return float(_mapping.value(key)) if key > ZERO_KEY else 0.0


class Sketch:
    """Counts by bin, and the exact sum.

    The sum is a whole number of a small unit, since floating-point numbers add up differently in
    another order.

    Args:
        bins: counts by the bin's key.
        total: the sum, in the unit that the measure is added up in.
    """

    __slots__ = ("bins", "total")

    def __init__(self, bins: dict[int, int] | None = None, total: int = 0) -> None:
        self.bins = bins if bins is not None else {}
        self.total = total

    def add(self, value: float, units: float) -> None:
        """Take in one value; one that is no finite number, or below 0, is left out.

        Args:
            value: it.
            units: how many units of the sum make 1.
        """
        if not 0 <= value < inf:
            return
        key = key_of(value)
        bins = self.bins
        bins[key] = bins.get(key, 0) + 1
        self.total += round(min(value, MOST) * units)

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.bins.values())

    def merge(self, other: Sketch) -> None:
        """Take in all of another."""
        bins = self.bins
        for key, count in other.bins.items():
            bins[key] = bins.get(key, 0) + count
        self.total += other.total

    def copy(self) -> Sketch:
        """Another one with the same values."""
        return Sketch(dict(self.bins), self.total)

    def packed(self) -> list[int]:
        """The bins in order, each as the distance to the one before and its count; small numbers pack well."""
        keys = sorted(self.bins)
        steps = map(int.__sub__, keys, chain((0,), keys))
        return list(chain.from_iterable(zip(steps, map(self.bins.__getitem__, keys), strict=True)))

    @classmethod
    def unpacked(cls, packed: list[int], total: int) -> Sketch:
        """Read what `packed` gave.

        Raises:
            ValueError: it is no such list.
        """
        bins: dict[int, int] = {}
        key = 0
        for step, count in zip(packed[::2], packed[1::2], strict=True):
            key += step
            if not ZERO_KEY <= key <= MOST_KEY or count < 1 or key in bins:
                raise ValueError("a bin that there is not")
            bins[key] = count
        return cls(bins, total)
