"""Bounds on the series of a metric, whatever graphs and nodes are called.

A value is kept while it is among the first `MAX_VALUES` of its attribute in this process, and
called `other` from then on. The values are shared by all metrics, so that what is `other` in one
is `other` in each. Where the combinations are still too many, further ones give up their
attributes one after the other, the first named first: a metric names them in the order in which
they are likely to explode, so that a surplus node loses its name and keeps its model.

What is really called `other` cannot be told from the surplus.
"""

from __future__ import annotations

from collections import Counter

MAX_VALUES = 100
"""Values of one attribute that keep their name."""
MAX_SERIES = 500
"""Combinations of one metric that keep all their names."""
MAX_REDUCED = 100
"""Further ones in which an attribute is `other`."""
MAX_LENGTH = 200
"""Characters of a value."""
OTHER = "other"

Values = tuple[str, ...]


class Names:
    """The values that each attribute may take."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def of(self, attribute: str, value: str) -> str:
        """The value as it is exported; `other` where there are too many. Empty stays empty, and is no value."""
        if not value:
            return ""
        known = self._known.setdefault(attribute, {})
        kept = known.get(value)
        if kept is None:
            if len(known) >= MAX_VALUES:
                return OTHER
            # Half of a surrogate pair cannot be encoded, and an exporter would lose the whole batch over it.
            kept = known[value] = value[:MAX_LENGTH].encode("utf-8", "replace").decode()
        return kept


class Bounded:
    """The series of one metric.

    Args:
        metric: its name.
        attributes: what tells its series apart, the one to be given up first before the others.
        names: the values that these may take.
        capped: counts the measurements that lost a name, by metric.
    """

    __slots__ = ("_attributes", "_capped", "_known", "_metric", "_names", "_places")

    def __init__(self, metric: str, attributes: Values, names: Names, capped: Counter[str]) -> None:
        self._metric = metric
        self._attributes = attributes
        self._names = names
        self._capped = capped
        self._known: set[Values] = set()
        self._places: dict[Values, Values] = {}

    def place(self, values: Values) -> Values:
        """The series that a measurement counts towards.

        Args:
            values: of the attributes, in their order; an empty one is absent.
        """
        place = self._places.get(values)
        if place is not None:
            return place
        named = tuple([self._names.of(key, value) for key, value in zip(self._attributes, values, strict=True)])
        place = named if self._fits(named, MAX_SERIES) else self._reduced(named)
        self._known.add(place)
        if any(was != is_now and is_now == OTHER for was, is_now in zip(values, place, strict=True)):
            self._capped[self._metric] += 1
        elif len(self._places) < MAX_SERIES:
            self._places[values] = place
        return place

    def _fits(self, series: Values, most: int) -> bool:
        return series in self._known or len(self._known) < most

    def _reduced(self, series: Values) -> Values:
        reduced = series
        for number in range(1, len(series) + 1):
            reduced = tuple([OTHER if at < number and value else value for at, value in enumerate(series)])
            if self._fits(reduced, MAX_SERIES + MAX_REDUCED):
                break
        return reduced

    def attributes(self, place: Values) -> dict[str, str]:
        """The attributes of a series."""
        return {key: value for key, value in zip(self._attributes, place, strict=True) if value}
