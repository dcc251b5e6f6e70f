"""The report on a session: the runs that share a conversation id, as far as they have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from otel_agentperf.analysis.figures import Figures
from otel_agentperf.analysis.ledger import RunHead, SessionSummary
from otel_agentperf.report.heads import RunLine, moment
from otel_agentperf.report.trends import TrendLine, trends_of


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A session: the runs that share a conversation id.

    Times are in seconds, money is in US dollars as `Decimal`. What is
    unknown is `None`, never 0.

    Attributes:
        id: the conversation id.
        start_time: when its first run began, in UTC; `None` while none has ended.
        end_time: when its last run ended.
        open_runs: runs that go on; they are in no figure yet.
        figures: what its finished runs amount to: money, time, tokens and errors in all and by
            agent, model, tool and service, scores, bottlenecks and suggestions.
        runs: its last runs one by one, in the order in which they ended; at most 20 in a live
            process.
        trends: those of its last runs that become slower or faster, dearer or cheaper, where
            chance does not explain it; at least 8 runs of the same name.
    """

    id: str
    start_time: datetime | None
    end_time: datetime | None
    open_runs: int
    figures: Figures
    runs: tuple[RunLine, ...]
    trends: tuple[TrendLine, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, lists, strings and numbers: what the JSON report holds."""
        from otel_agentperf.report.document import document  # noqa: PLC0415 - it knows every kind of report

        return document(self)


def session_report(summary: SessionSummary) -> SessionReport:
    """Make the report on a session.

    Args:
        summary: the session, from a live engine or from runs that were replayed.
    """
    return SessionReport(
        id=summary.id,
        start_time=moment(summary.first_ns) if summary.first_ns is not None else None,
        end_time=moment(summary.last_ns) if summary.last_ns is not None else None,
        open_runs=summary.open_runs,
        figures=summary.figures,
        runs=tuple(_line(head, summary.id) for head in summary.runs),
        trends=trends_of(summary.runs),
    )


def _line(head: RunHead, session_id: str) -> RunLine:
    totals = head.totals
    return RunLine(
        name=head.name,
        trace_id=head.trace_id,
        session_id=session_id,
        start_time=moment(head.start_ns),
        duration_s=max(0, head.end_ns - head.start_ns) / 1_000_000_000,
        cost_usd=totals.known_cost_usd,
        unpriced_calls=totals.unpriced_calls,
        status="ok" if head.success else "failed",
        efficiency_score=head.efficiency_score,
        rating=head.rating,
        suggestions=head.suggestions,
    )
