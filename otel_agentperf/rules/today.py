"""What was seen today of everything that a baseline tells apart, in whole numbers, so that it merges in any order.

Today is the last UTC day on which a subject was seen: what is older gives way to it, wherever it came from.
"""

from __future__ import annotations

from math import ceil, log

import msgspec

from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Table

NS_PER_DAY = 86_400_000_000_000
RANK_STEPS = 2**24
"""Steps between the lowest rank and the highest."""
_GROWTH = 1.01
_LOG_GROWTH = log(_GROWTH)
_MAX_WITHIN = 32


class Count(msgspec.Struct, gc=False):
    """How often a subject ran within another one."""

    number: int = 0

    def merge(self, other: Count) -> None:
        """Add the other's."""
        self.number += other.number


class Seen(msgspec.Struct, gc=False):
    """One subject on one day."""

    subject: Subject = Subject(SubjectKind.GRAPH, "")
    day: int = -1
    values: int = 0
    excess: int = 0
    """The sum of `rank - 1/2` in steps."""
    total: int = 0
    """The sum of the values, in whole units of the measure."""
    largest: tuple[int, int] = (-1, 0)
    """The largest value with its span."""
    bins: dict[int, int] = {}
    """Values by the logarithm of what they are."""
    parts: Table[Count] = msgspec.field(default_factory=lambda: Table[Count](Count, _MAX_WITHIN))
    """What ran within it."""

    def begin(self, subject: Subject, day: int) -> bool:
        """Whether a day counts: it is this one's, or later, and what was before is forgotten then."""
        if day > self.day:
            self.subject, self.day = subject, day
            self.values = self.excess = self.total = 0
            self.largest, self.bins, self.parts = (-1, 0), {}, Table[Count](Count, _MAX_WITHIN)
        return day == self.day

    def add(self, value: int, rank: float, span_id: int) -> None:
        """Take in one value of the day."""
        self.values += 1
        self.excess += round((rank - 0.5) * RANK_STEPS)
        self.total += value
        self.largest = max(self.largest, (value, span_id))
        place = ceil(log(value) / _LOG_GROWTH) if value > 0 else -1
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: Seen) -> None:
        """Take in the other one, which is left as it is."""
        if not self.begin(other.subject, other.day):
            return
        self.values += other.values
        self.excess += other.excess
        self.total += other.total
        self.largest = max(self.largest, other.largest)
        for place, number in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + number
        self.parts.merge(other.parts)

    @property
    def median(self) -> float:
        """The middle value in whole units, within half a percent."""
        left = (self.values + 1) // 2
        for place, number in sorted(self.bins.items()):
            left -= number
            if left <= 0:
                return 2 * _GROWTH**place / (1 + _GROWTH) if place >= 0 else 0.0
        return 0.0


class Today(msgspec.Struct, gc=False):
    """All subjects of a process."""

    subjects: Table[Seen] = msgspec.field(default_factory=lambda: Table[Seen](Seen, MAX_PROCESS_TARGETS))

    def of(self, subject: Subject, day: int) -> Seen | None:
        """What was seen of a subject on a day; `None` where there is no room, or a later day has come."""
        seen = self.subjects.of(key_of(subject))
        return seen if seen is not None and seen.begin(subject, day) else None


def key_of(subject: Subject) -> str:
    """One text for a subject."""
    return "\n".join(subject)
