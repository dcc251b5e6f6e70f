"""A run in one line, for lists of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from otel_agentperf.report.run import RunReport


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run in one line."""

    name: str
    trace_id: str
    session_id: str | None
    start_time: datetime
    duration_s: float
    cost_usd: Decimal | None
    """None where nothing was billed that could be priced."""
    unpriced_calls: int
    status: str
    """`ok`, `failed`, `root not seen` or the run's outcome."""
    efficiency_score: int | None
    rating: str | None
    suggestions: int


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


def moment(unix_ns: int) -> datetime:
    """A time in Unix nanoseconds as a moment in UTC, to the microsecond; within what a calendar holds."""
    try:
        return _EPOCH + timedelta(microseconds=max(0, unix_ns) // 1000)
    except OverflowError:
        return _LAST


def line_of(report: RunReport) -> RunLine:
    """The line for a run."""
    totals = report.totals
    return RunLine(
        name=report.name,
        trace_id=report.trace_id,
        session_id=report.session_id,
        start_time=moment(report.start_ns),
        duration_s=report.figures.duration_s,
        cost_usd=totals.known_cost_usd,
        unpriced_calls=totals.unpriced_calls,
        status=report.status,
        efficiency_score=report.efficiency_score,
        rating=report.rating,
        suggestions=len(report.suggestions),
    )
