"""Sums by attributes, kept as plain numbers and observed when a reader collects."""

from __future__ import annotations

from decimal import Decimal

from opentelemetry.metrics import Observation

from otel_agentperf.live.metrics.bounds import Bounded, Values


class Sums:
    """The sums of one metric. Added to by one thread at a time, under the lock of the backlog.

    Args:
        bounded: its series.
    """

    __slots__ = ("_bounded", "_values")

    def __init__(self, bounded: Bounded) -> None:
        self._bounded = bounded
        self._values: dict[Values, Decimal | int] = {}

    def add(self, values: Values, amount: Decimal | int) -> None:
        """Add to the series of these attribute values."""
        place = values if values in self._values else self._bounded.place(values)
        self._values[place] = self._values.get(place, 0) + amount

    def renew(self) -> None:
        """Begin anew, in a child process: what was added is its parent's."""
        self._values = {}

    def observations(self) -> list[Observation]:
        """The sums so far."""
        attributes = self._bounded.attributes
        return [
            Observation(float(value) if isinstance(value, Decimal) else value, attributes(place))
            for place, value in dict(self._values).items()
        ]
