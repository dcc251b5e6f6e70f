"""What is remembered of a session: the sums of its finished runs, and the heads of the last ones."""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from otel_agentperf.analysis.breakdown import NS_PER_S, Breakdown, Opportunity, pico
from otel_agentperf.analysis.clock import Clock
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
    efficiency_score: int | None
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
    _clocks: OrderedDict[str, Clock] = field(default_factory=OrderedDict[str, Clock])
    """When runs of the last traces ran."""

    def add(self, summary: RunSummary, trace_id: str, shared: Collection[str]) -> None:
        """Add a finished run.

        Args:
            summary: what the engine says of it.
            trace_id: its trace.
            shared: codes of the rules over a session or the process; they are judged when asked.
        """
        own = breakdown_of(summary, shared=shared)
        if summary.is_run:
            own.overlap_ns = self._covered_ns(summary, trace_id)
            self.heads.append(RunHead.of(summary, trace_id))
        self.breakdown.merge(own)

    def _covered_ns(self, summary: RunSummary, trace_id: str) -> int:
        """How long another run of the same trace ran while this one did, as far as it ended before."""
        clock = self._clocks.get(trace_id)
        if clock is None:
            clock = self._clocks[trace_id] = Clock()
            if len(self._clocks) > MAX_HEADS:
                self._clocks.popitem(last=False)
        return clock.add(summary.start_ns, summary.end_ns)


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
    if session_id:
        whole.other_overlap_ns = 0  # of other sessions it knows nothing
    said = list(suggestions)
    start_ns, end_ns = whole.first_ns or 0, whole.last_ns or 0
    cost_usd = whole.totals.cost_usd
    longest_s = whole.shown_ns / NS_PER_S
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
