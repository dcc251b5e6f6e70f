"""How the values of one measure are distributed: counts in bins whose width grows with the value.

The bins are DDSketch's (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019), as the library `ddsketch` cuts them. Only the counts are kept
here, as whole numbers and only where there are any: adding them up is exact, so sketches that are merged in
any order are equal to the last bit. Sketches of the KLL and t-digest kinds are smaller, but draw lots or
depend on the order of merging.

Values are whole numbers of a small unit: nanoseconds, picodollars, tokens. A quantile is within 1 % of a value
that was seen. What is above 1e18 is told as 1e18, so there are at most `MOST_BINS` bins; one measure of one
node takes about 20 to 80 in a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from math import ceil, log2

from ddsketch.mapping import LogarithmicMapping

RELATIVE_ERROR = 0.01
MOST = 10**18
_mapping = LogarithmicMapping(RELATIVE_ERROR)
_PER_DOUBLING = 1 / log2(_mapping.gamma)
ZERO_KEY = -1
"""The bin of 0."""
MOST_KEY = ceil(log2(MOST) * _PER_DOUBLING)
MOST_BINS = MOST_KEY - ZERO_KEY + 1


def key_of(value: int) -> int:
    """The bin of a whole number."""
    if value < 1:
        return ZERO_KEY
    # As the library's `key`, in a third of the time.
    return ceil(log2(value) * _PER_DOUBLING) if value < MOST else MOST_KEY


def value_of(key: int) -> float:
    """The value that stands for a bin, within the relative error of all that is in it."""
    return float(_mapping.value(key)) if key > ZERO_KEY else 0.0


class Sketch:
    """Counts by bin, and the exact sum.

    Args:
        bins: counts by the bin's key.
        total: the sum of the values.
    """

    __slots__ = ("bins", "total")

    def __init__(self, bins: dict[int, int] | None = None, total: int = 0) -> None:
        self.bins = bins if bins is not None else {}
        self.total = total

    def add(self, values: Iterable[int]) -> None:
        """Take in whole numbers; those below 0 count as 0."""
        bins = self.bins
        get = bins.get
        total = 0
        for value in values:
            if 0 < value < MOST:
                key = ceil(log2(value) * _PER_DOUBLING)
                total += value
            elif value <= 0:
                key = ZERO_KEY
            else:
                key = MOST_KEY
                total += MOST
            bins[key] = get(key, 0) + 1
        self.total += total

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
