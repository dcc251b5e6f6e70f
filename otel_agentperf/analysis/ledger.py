"""What is remembered of a session: the sums of its finished runs, and the heads of the last ones."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from otel_agentperf.analysis.breakdown import NS_PER_S, Breakdown, Opportunity, pico
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD, Figures
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.present import figures_of
from otel_agentperf.analysis.savings import measured_among, saved
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import Suggestion, Totals

MAX_HEADS = 20
"""Runs of a session that are told one by one: the last to end."""


class RunHead(msgspec.Struct, frozen=True):
    """A finished run in one line."""

    name: str
    trace_id: str
    start_ns: int
    end_ns: int
    totals: Totals
    efficiency_score: int
    rating: str | None
    success: bool
    suggestions: int

    @classmethod
    def of(cls, summary: RunSummary, trace_id: str) -> RunHead:
        """The head of a run."""
        return cls(
            summary.name,
            trace_id,
            summary.start_ns,
            summary.end_ns,
            msgspec.structs.replace(summary.totals),
            summary.efficiency_score,
            summary.rating,
            summary.success,
            len(summary.suggestions),
        )


@dataclass(slots=True)
class Ledger:
    """The finished runs of one session."""

    breakdown: Breakdown = field(default_factory=Breakdown)
    heads: deque[RunHead] = field(default_factory=lambda: deque[RunHead](maxlen=MAX_HEADS))

    def add(self, summary: RunSummary, trace_id: str, shared: Collection[str]) -> None:
        """Add a finished run.

        Args:
            summary: what the engine says of it.
            trace_id: its trace.
            shared: codes of the rules over a session or the process; they are judged when asked.
        """
        self.breakdown.merge(breakdown_of(summary, shared=shared))
        self.heads.append(RunHead.of(summary, trace_id))


class SessionSummary(msgspec.Struct, frozen=True):
    """A session as it stands."""

    id: str
    figures: Figures
    first_ns: int | None
    last_ns: int | None
    open_runs: int
    runs: tuple[RunHead, ...]
    """The last ones, in the order in which they ended."""


def session_summary(
    session_id: str,
    breakdown: Breakdown,
    heads: Iterable[RunHead],
    suggestions: Iterable[Suggestion],
    *,
    open_runs: int = 0,
    threshold: float = DEFAULT_THRESHOLD,
) -> SessionSummary:
    """Sum a session up.

    What the rules over the session claim, and what those over its runs claim, may be the same
    dollars; of the two sums the larger one counts, which errs towards too little. So it is
    with what was wasted.

    Args:
        session_id: its id.
        breakdown: its finished runs, without the suggestions of rules over the session.
        heads: runs to tell one by one.
        suggestions: what the rules over the session say of it.
        open_runs: runs that go on.
        threshold: the least impact, 0 to 1, that a suggestion is shown with in full.
    """
    whole = copy.deepcopy(breakdown)
    said = list(suggestions)
    start_ns, end_ns = whole.first_ns or 0, whole.last_ns or 0
    cost_usd, longest_s = whole.totals.cost_usd, whole.duration_ns / NS_PER_S
    claimed = saved(said, cost_usd=cost_usd, start_ns=start_ns, end_ns=end_ns)
    wasted = saved(measured_among(said), cost_usd=cost_usd, start_ns=start_ns, end_ns=end_ns)
    whole.saved_pico = max(whole.saved_pico, pico(claimed.cost_usd))
    whole.saved_ns = max(whole.saved_ns, round(min(longest_s, claimed.time_s) * NS_PER_S))
    whole.wasted_pico = max(whole.wasted_pico, pico(wasted.cost_usd))
    whole.wasted_ns = max(whole.wasted_ns, round(min(longest_s, wasted.time_s) * NS_PER_S))
    whole.add_opportunities(Opportunity.of(item) for item in said)
    return SessionSummary(
        session_id, figures_of(whole, threshold=threshold), whole.first_ns, whole.last_ns, open_runs, tuple(heads)
    )
