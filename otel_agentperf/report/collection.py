"""The report on many runs: totals first, the best opportunities over all, then the runs that stand out.

A `Collector` takes runs one at a time and keeps the sums of all and the details of few, so its
size does not grow with the number of runs. Collectors add up in any order, and can be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD, Figures
from otel_agentperf.analysis.ledger import SessionSummary, session_summary
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.report.heads import moment
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.session import SessionReport, session_report

TOP = 10


class By(StrEnum):
    """What a report on many runs is laid out by."""

    RUN = "run"
    SESSION = "session"
    AGENT = "agent"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class ReportSet:
    """Many runs, ready to be shown."""

    title: str
    """Where they come from, such as a file's name."""
    by: By
    top: int
    """How many runs, sessions, agents or models are listed."""
    start_time: datetime | None
    end_time: datetime | None
    figures: Figures
    dearest: tuple[RunReport, ...] = ()
    """Runs that cost the most, at most `top`."""
    slowest: tuple[RunReport, ...] = ()
    """Runs that took the longest, at most `top`."""
    sessions: tuple[SessionReport, ...] = ()
    """Sessions that cost the most, at most `top`."""
    session_count: int = 0
    notes: tuple[str, ...] = ()

    @property
    def standing_out(self) -> tuple[RunReport, ...]:
        """The dearest runs, then those among the slowest that are not among them."""
        runs = {(run.trace_id, run.span_id): run for run in (*self.dearest, *self.slowest)}
        return tuple(runs.values())


_Key = tuple[int, str, str]
_Kept = tuple[_Key, RunReport]


@dataclass(slots=True)
class Collector:
    """Gathers runs for a report on all of them.

    Args:
        top: how many of the dearest and of the slowest runs to keep in detail.
    """

    top: int = TOP
    breakdown: Breakdown = field(default_factory=Breakdown)
    dearest: list[_Kept] = field(default_factory=list[_Kept])
    slowest: list[_Kept] = field(default_factory=list[_Kept])

    def add(self, breakdown: Breakdown, summary: RunSummary, root: Operation, report: Callable[[], RunReport]) -> None:
        """Take in one run.

        Args:
            breakdown: its breakdown, without the suggestions of rules over sessions and services;
                it must not be used again.
            summary: what the engine says of it.
            root: its root.
            report: makes the report on it; called only where the run stands out so far.
        """
        made: RunReport | None = None
        cost_pico = round(summary.totals.cost_usd * 10**12)
        for kept, weight in ((self.dearest, cost_pico), (self.slowest, summary.end_ns - summary.start_ns)):
            key = (-weight, root.trace_id, root.span_id)
            if len(kept) < self.top or (kept and key < kept[-1][0]):
                made = made or report()
                _keep(kept, (key, made), self.top)
        self.breakdown.merge(breakdown)

    def merge(self, other: Collector) -> None:
        """Take in what another one gathered; `other` must not be used again."""
        self.breakdown.merge(other.breakdown)
        for kept, others in ((self.dearest, other.dearest), (self.slowest, other.slowest)):
            for item in others:
                _keep(kept, item, self.top)

    def report(
        self,
        title: str,
        *,
        by: By = By.RUN,
        suggestions: Iterable[Suggestion] = (),
        sessions: Iterable[SessionSummary] = (),
        notes: Iterable[str] = (),
        threshold: float = DEFAULT_THRESHOLD,
    ) -> ReportSet:
        """Make the report on all that was gathered.

        Args:
            title: where the runs come from.
            by: what it is laid out by.
            suggestions: what the rules over sessions and services say.
            sessions: the sessions, each summed up.
            notes: what a reader must know, such as lines that could not be read.
            threshold: the least impact, 0 to 1, that a suggestion is shown with in full.
        """
        whole = session_summary("", self.breakdown, (), suggestions, threshold=threshold)
        found = sorted(sessions, key=_dearest_first)
        return ReportSet(
            title=title,
            by=by,
            top=self.top,
            start_time=moment(whole.first_ns) if whole.first_ns is not None else None,
            end_time=moment(whole.last_ns) if whole.last_ns is not None else None,
            figures=whole.figures,
            dearest=tuple(report for _, report in self.dearest if report.figures.costs.total_usd is not None),
            slowest=tuple(report for _, report in self.slowest),
            sessions=tuple(map(session_report, found[: self.top])),
            session_count=len(found),
            notes=tuple(notes),
        )


def _keep(kept: list[_Kept], item: _Kept, limit: int) -> None:
    kept.append(item)
    kept.sort(key=_key)
    del kept[limit:]


def _key(item: _Kept) -> _Key:
    return item[0]


def _dearest_first(session: SessionSummary) -> tuple[float, float, str]:
    figures = session.figures
    return -float(figures.costs.total_usd or 0), -figures.duration_s, session.id
