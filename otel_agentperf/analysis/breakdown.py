"""Who spent what: the money, time, tokens and errors of runs by agent, model, tool and service.

Whole numbers and dictionaries only, so that the breakdowns of single runs add up to that of a
session, a service or a file in whatever order they come. Money is kept in whole picodollars:
sums of floats would depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.resources import RunUse
from otel_agentperf.analysis.savings import Saved
from otel_agentperf.model import (
    Level,
    Suggestion,
    Totals,
)

NS_PER_S = 1_000_000_000
PICO_PER_USD = 10**12
MAX_NAMES = 500
"""Agents, models, tools or services told apart in one breakdown."""
OTHER = "(other)"
"""Who is charged beyond that many."""
MAX_OPPORTUNITIES = 200
"""Suggestions that one breakdown holds; the weightiest are kept."""


class Line(msgspec.Struct, gc=False):
    """What one agent, model, tool or service did. Mutable: runs are added to it."""

    calls: int = 0
    errors: int = 0
    busy_ns: int = 0
    """How long at least one of its calls was under way, run by run."""
    path_ns: int = 0
    """How much of that decided how long its run took."""
    cost_pico: int = 0
    grounding_pico: int = 0
    """The part of it that grounding with Google Search or Google Maps took."""
    billed_calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    wasted_pico: int = 0
    """Money that was wasted, as measured."""
    wasted_ns: int = 0

    def merge(self, other: Line) -> None:
        """Add another line to this one. Written out: replay does it for every line of every run."""
        self.calls += other.calls
        self.errors += other.errors
        self.busy_ns += other.busy_ns
        self.path_ns += other.path_ns
        self.cost_pico += other.cost_pico
        self.grounding_pico += other.grounding_pico
        self.billed_calls += other.billed_calls
        self.unpriced_calls += other.unpriced_calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_read_tokens += other.cache_read_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.wasted_pico += other.wasted_pico
        self.wasted_ns += other.wasted_ns


class Opportunity(msgspec.Struct):
    """One suggestion, and what the same one amounts to over all runs in which it was made."""

    suggestion: Suggestion
    """The weightiest of them."""
    runs: int = 1
    cost_pico: int | None = None
    """`None` where no saving of money is stated."""
    time_ns: int | None = None
    run_cost_pico: int | None = None
    """The part of it that is of one run, where it is about more; `None` for many runs."""
    run_time_ns: int | None = None

    @classmethod
    def of(cls, suggestion: Suggestion, in_run: Saved | None = None) -> Opportunity:
        """The opportunity that a suggestion is.

        Args:
            suggestion: the suggestion.
            in_run: what of its saving is of the reported run, where it is about more than that.
        """
        savings = suggestion.savings
        if savings is None:
            return cls(suggestion)
        made = cls(
            suggestion,
            cost_pico=pico(savings.cost_usd) if savings.cost_usd is not None else None,
            time_ns=round(savings.time_s * NS_PER_S) if savings.time_s is not None else None,
        )
        if in_run is not None:
            made.run_cost_pico = None if made.cost_pico is None else pico(in_run.cost_usd)
            made.run_time_ns = None if made.time_ns is None else round(in_run.time_s * NS_PER_S)
        return made

    def merge(self, other: Opportunity) -> None:
        """Add the same suggestion, made in other runs."""
        self.runs += other.runs
        self.cost_pico = _both(self.cost_pico, other.cost_pico)
        self.time_ns = _both(self.time_ns, other.time_ns)
        self.run_cost_pico = self.run_time_ns = None
        if _weight(other.suggestion) > _weight(self.suggestion):
            self.suggestion = other.suggestion


def _both(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


def _weight(suggestion: Suggestion) -> tuple[object, ...]:
    return (
        suggestion.level is Level.ALARM,
        suggestion.impact_score,
        suggestion.confidence,
        suggestion.description,
        suggestion.span_ids,
    )


@dataclass(slots=True)
class Breakdown:
    """What one or many runs amount to. Mutable: other breakdowns are added to it."""

    runs: int = 0
    successes: int = 0
    scored: int = 0
    """Runs with an evaluation result."""
    score_micro: int = 0
    """Their sum, in millionths: a sum of floats would depend on the order."""
    duration_ns: int = 0
    """The times of all runs added up."""
    overlap_ns: int = 0
    """The part of it in which an earlier run of the same trace and session ran as well."""
    other_overlap_ns: int = 0
    """The part of it in which only runs of the same trace ran as well that are of other sessions."""
    path_ns: int = 0
    """Time on the critical paths."""
    first_ns: int | None = None
    last_ns: int | None = None
    totals: Totals = field(default_factory=Totals)
    agents: dict[str, Line] = field(default_factory=dict[str, Line])
    models: dict[str, Line] = field(default_factory=dict[str, Line])
    tools: dict[str, Line] = field(default_factory=dict[str, Line])
    services: dict[str, Line] = field(default_factory=dict[str, Line])
    wasted_pico: int = 0
    wasted_ns: int = 0
    saved_pico: int = 0
    """What following all suggestions would have saved, each dollar counted once."""
    saved_ns: int = 0
    left_out: int = 0
    """Operations that are in the totals and in no line: beyond the limit, or without a span here."""
    opportunities: dict[tuple[str, str], Opportunity] = field(
        default_factory=dict[tuple[str, str], Opportunity],
    )
    used: RunUse | None = None
    """What the runs used of CPU and memory; `None` where nothing was sampled."""

    @property
    def shown_ns(self) -> int:
        """How long the runs took: what ran at once in one trace counts once."""
        return self.duration_ns - self.overlap_ns - self.other_overlap_ns

    def merge(self, other: Breakdown) -> None:
        """Add other runs to these; `other` must not be used again."""
        self.runs += other.runs
        self.successes += other.successes
        self.scored += other.scored
        self.score_micro += other.score_micro
        self.duration_ns += other.duration_ns
        self.overlap_ns += other.overlap_ns
        self.other_overlap_ns += other.other_overlap_ns
        self.path_ns += other.path_ns
        self.wasted_pico += other.wasted_pico
        self.wasted_ns += other.wasted_ns
        self.saved_pico += other.saved_pico
        self.saved_ns += other.saved_ns
        self.left_out += other.left_out
        self.first_ns = _of_both(min, self.first_ns, other.first_ns)
        self.last_ns = _of_both(max, self.last_ns, other.last_ns)
        self.totals.merge(other.totals)
        _merge_lines(self.agents, other.agents)
        _merge_lines(self.models, other.models)
        _merge_lines(self.tools, other.tools)
        _merge_lines(self.services, other.services)
        self.add_opportunities(other.opportunities.values())
        if self.used is None:
            self.used = other.used
        elif other.used is not None:
            self.used.merge(other.used)

    def add_opportunities(self, opportunities: Iterable[Opportunity]) -> None:
        """Add suggestions; the weightiest are kept."""
        own = self.opportunities
        for opportunity in opportunities:
            before = own.get(opportunity.suggestion.key)
            if before is None:
                own[opportunity.suggestion.key] = opportunity
            else:
                before.merge(opportunity)
        if len(own) > MAX_OPPORTUNITIES:
            kept = sorted(own.items(), key=lambda item: (*_worth(item[1]), item[0]))[:MAX_OPPORTUNITIES]
            own.clear()
            own.update(kept)


def _worth(opportunity: Opportunity) -> tuple[bool, float, int]:
    suggestion = opportunity.suggestion
    return suggestion.level is not Level.ALARM, -suggestion.impact_score, -(opportunity.cost_pico or 0)


def _of_both(chosen: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return chosen(one, other)


def _merge_lines(own: dict[str, Line], others: Mapping[str, Line]) -> None:
    for name, line in others.items():
        before = own.get(name)
        if before is not None:
            before.merge(line)
        elif len(own) < MAX_NAMES:
            own[name] = line
        else:
            line_of(own, name).merge(line)


def line_of(lines: dict[str, Line], name: str) -> Line:
    """The line of a name, made where there is none yet; the common one beyond the bound."""
    line = lines.get(name)
    if line is None:
        if len(lines) >= MAX_NAMES:
            name = OTHER
        line = lines.setdefault(name, Line())
    return line


def pico(usd: Decimal) -> int:
    """US dollars in whole picodollars."""
    return round(usd * PICO_PER_USD)


def usd_of(picodollars: int) -> Decimal:
    """Whole picodollars in US dollars."""
    return Decimal(picodollars).scaleb(-12).normalize()
