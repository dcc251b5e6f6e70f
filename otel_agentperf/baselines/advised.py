"""What came of advice, as a baseline keeps it: sums by day, name and count.

A name is the kind of advice and what it rested on (`model/learned`), a count what is added up of it (`right`, `wrong`,
`time_ratios`): whatever advice calls them, nothing here depends on it. Sums are in whole millionths, so that those
of many processes are the same in whatever order they are added. A day counts whole until it is older than
`tally.KEPT_DAYS`, and then not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

UNITS = 1_000_000
Advised = Counter[tuple[int, str, str]]
"""Millionths by day, name and count."""
Told = Mapping[str, Mapping[str, float]]
"""The same in plain numbers, of all days, by name and count."""


def noted(day: int, told: Told) -> Advised:
    """What came of advice on a day.

    Args:
        day: days since 1970-01-01.
        told: by name and count.
    """
    return Counter(
        {(day, name, count): round(amount * UNITS) for name, counts in told.items() for count, amount in counts.items()}
    )


def total(advised: Advised) -> dict[str, dict[str, float]]:
    """All days together, by name and count."""
    found: dict[str, Counter[str]] = {}
    for (_, name, count), amount in sorted(advised.items()):
        found.setdefault(name, Counter())[count] += amount
    return {name: {count: amount / UNITS for count, amount in counts.items()} for name, counts in found.items()}


def drop_before(advised: Advised, day: int) -> None:
    """Drop the days before one."""
    for key in [key for key in advised if key[0] < day]:
        del advised[key]
