"""Moments at which tests ask for prices."""

from __future__ import annotations

from datetime import UTC, datetime


def moment_ns(year: int, month: int, day: int, hour: int = 12) -> int:
    """A UTC time in Unix nanoseconds."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000_000


NOW_NS = moment_ns(2026, 11, 23)
