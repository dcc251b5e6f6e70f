"""Who spent what: the money, time, tokens and errors of runs by agent, model, tool and service.

Whole numbers and dictionaries only, so that the breakdowns of single runs add up to that of a
session, a service or a file in whatever order they come. Money is kept in whole picodollars:
sums of floats would depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.columns import int_of
from otel_agentperf.analysis.savings import NOTHING_SAVED, Saved, saved, union_ns
from otel_agentperf.analysis.scores import path_of
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import (
    Level,
    OperationKind,
    SavingBasis,
    Suggestion,
    Totals,
)
from otel_agentperf.rules.base import Row

NS_PER_S = 1_000_000_000
PICO_PER_USD = 10**12
MAX_NAMES = 500
"""Agents, models, tools or services told apart in one breakdown."""
OTHER = "(other)"
"""Who is charged beyond that many."""
MAX_OPPORTUNITIES = 200
"""Suggestions that one breakdown holds; the weightiest are kept."""

_SUMS = Totals.__struct_fields__


class Line(msgspec.Struct, gc=False):
    """What one agent, model, tool or service did. Mutable: runs are added to it."""

    calls: int = 0
    errors: int = 0
    busy_ns: int = 0
    """How long at least one of its calls was under way, run by run."""
    path_ns: int = 0
    """How much of that decided how long its run took."""
    cost_pico: int = 0
    billed_calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    wasted_pico: int = 0
    """Money that was spent to no avail, as measured."""
    wasted_ns: int = 0

    def merge(self, other: Line) -> None:
        """Add another line to this one."""
        for name in _LINE_FIELDS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_LINE_FIELDS = Line.__struct_fields__


class Opportunity(msgspec.Struct):
    """One suggestion, and what the same one amounts to over all runs in which it was made."""

    suggestion: Suggestion
    """The weightiest of them."""
    runs: int = 1
    cost_pico: int | None = None
    """`None` where no saving of money is stated."""
    time_ns: int | None = None

    @classmethod
    def of(cls, suggestion: Suggestion) -> Opportunity:
        """The opportunity that a suggestion of one run is."""
        savings = suggestion.savings
        if savings is None:
            return cls(suggestion)
        return cls(
            suggestion,
            cost_pico=pico(savings.cost_usd) if savings.cost_usd is not None else None,
            time_ns=round(savings.time_s * NS_PER_S) if savings.time_s is not None else None,
        )

    def merge(self, other: Opportunity) -> None:
        """Add the same suggestion, made in other runs."""
        self.runs += other.runs
        self.cost_pico = _both(self.cost_pico, other.cost_pico)
        self.time_ns = _both(self.time_ns, other.time_ns)
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

    def merge(self, other: Breakdown) -> None:
        """Add other runs to these; `other` must not be used again."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_ns = _of_both(min, self.first_ns, other.first_ns)
        self.last_ns = _of_both(max, self.last_ns, other.last_ns)
        for name in _SUMS:
            setattr(self.totals, name, getattr(self.totals, name) + getattr(other.totals, name))
        for name in _TABLES:
            _merge_lines(getattr(self, name), getattr(other, name))
        self.add_opportunities(other.opportunities.values())

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


_COUNTS = (
    "runs",
    "successes",
    "scored",
    "score_micro",
    "duration_ns",
    "path_ns",
    "wasted_pico",
    "wasted_ns",
    "saved_pico",
    "saved_ns",
    "left_out",
)
_TABLES = ("agents", "models", "tools", "services")


def _worth(opportunity: Opportunity) -> tuple[float, int]:
    return -opportunity.suggestion.impact_score, -(opportunity.cost_pico or 0)


def _of_both(chosen: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return chosen(one, other)


def _merge_lines(own: dict[str, Line], others: Mapping[str, Line]) -> None:
    for name, line in others.items():
        _line(own, name).merge(line)


def _line(lines: dict[str, Line], name: str) -> Line:
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


def breakdown_of(summary: RunSummary, *, rows: Sequence[Row] | None = None, shared: Collection[str] = ()) -> Breakdown:
    """Break down one run.

    Args:
        summary: what the engine says of it.
        rows: its operations in order of start; those of the summary when absent.
        shared: codes of rules over a session or the process, whose suggestions are left out
            because they are judged over all runs together.
    """
    rows = summary.rows if rows is None else rows
    duration_ns = max(0, summary.end_ns - summary.start_ns)
    breakdown = Breakdown(
        runs=1,
        successes=int(summary.success),
        scored=int(summary.score is not None),
        score_micro=round((summary.score or 0.0) * 1e6),
        duration_ns=duration_ns,
        first_ns=summary.start_ns,
        last_ns=summary.end_ns,
        totals=msgspec.structs.replace(summary.totals),
    )
    _count(breakdown, rows)
    for row, on_path_ns in path_of(rows):
        breakdown.path_ns += on_path_ns
        _line(breakdown.agents, row.name).path_ns += on_path_ns
    own = [item for item in summary.suggestions if item.rule not in shared]
    measured = measured_among(own)
    spans = frozenset(row.span_id for row in rows) if any(item.claims for item in own) else None
    wasted, could = (_saved(summary, spans, chosen) for chosen in (measured, own))
    breakdown.wasted_pico, breakdown.wasted_ns = pico(wasted.cost_usd), round(wasted.time_s * NS_PER_S)
    breakdown.saved_pico, breakdown.saved_ns = pico(could.cost_usd), round(could.time_s * NS_PER_S)
    _charge_waste(breakdown.agents, rows, measured)
    breakdown.add_opportunities(map(Opportunity.of, own))
    return breakdown


def measured_among(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """Those whose savings were measured: what they claim was wasted."""
    return [item for item in suggestions if item.savings is not None and item.savings.basis is SavingBasis.MEASURED]


def _saved(summary: RunSummary, spans: frozenset[int] | None, suggestions: Sequence[Suggestion]) -> Saved:
    if not suggestions:
        return NOTHING_SAVED
    return saved(
        suggestions,
        cost_usd=summary.totals.cost_usd,
        start_ns=summary.start_ns,
        end_ns=summary.end_ns,
        spans=spans,
    )


def _count(breakdown: Breakdown, rows: Sequence[Row]) -> None:
    """Add every operation to the lines that it belongs to. Written out: it runs for each operation of a session."""
    agents, models, tools, services = breakdown.agents, breakdown.models, breakdown.tools, breakdown.services
    tables = {
        OperationKind.INFERENCE: models,
        OperationKind.EMBEDDINGS: models,
        OperationKind.TOOL: tools,
        OperationKind.RETRIEVAL: tools,
        OperationKind.SERVICE: services,
    }
    until: dict[int, int] = {}
    for row in rows:
        _, _, kind, start_ns, end_ns, cost_usd, tokens_in, tokens_out, cached, thoughts, *_, name, agent, _ = row
        table = tables.get(kind)
        if table is not None:
            line = table.get(name) or _line(table, name)
            _add_call(line, start_ns, end_ns, until)
            line.errors += row.is_error
            is_billed = row.has_cost
            if is_billed or tokens_in or tokens_out:
                of_agent = agents.get(agent) or _line(agents, agent)
                picodollars = round(cost_usd * PICO_PER_USD) if cost_usd == cost_usd else None  # noqa: PLR0124 - not a number
                for each in (line, of_agent):
                    each.input_tokens += tokens_in
                    each.output_tokens += tokens_out
                    each.cache_read_tokens += cached
                    each.reasoning_tokens += thoughts
                    if is_billed:
                        each.billed_calls += 1
                        if picodollars is None:
                            each.unpriced_calls += 1
                        else:
                            each.cost_pico += picodollars
        if row.is_agent:
            line = agents.get(name) or _line(agents, name)
            _add_call(line, start_ns, end_ns, until)
            line.errors += row.is_error
    breakdown.left_out = max(0, breakdown.totals.operations - len(rows))


def _add_call(line: Line, start_ns: int, end_ns: int, until: dict[int, int]) -> None:
    line.calls += 1
    before = until.get(id(line), 0)
    if end_ns > before:
        line.busy_ns += end_ns - max(start_ns, before)
        until[id(line)] = end_ns


def _charge_waste(agents: dict[str, Line], rows: Sequence[Row], measured: Sequence[Suggestion]) -> None:
    """Charge what was wasted to the agents on whose spans it lies."""
    claims = {(int_of(claim.span_id), claim) for item in measured for claim in item.claims}
    if not claims:
        return
    claimed = {span_id for span_id, _ in claims}
    agent_of = {row.span_id: row.name if row.is_agent else row.agent for row in rows if row.span_id in claimed}
    usd: dict[int, Decimal] = {}
    stretches: dict[str, list[tuple[int, int]]] = {}
    for span_id, claim in claims:
        agent = agent_of.get(span_id)
        if agent is None:
            continue
        usd[span_id] = max(claim.cost_usd, usd.get(span_id, claim.cost_usd))
        stretches.setdefault(agent, []).append((claim.start_ns, claim.end_ns))
    for span_id, cost_usd in usd.items():
        _line(agents, agent_of[span_id]).wasted_pico += pico(cost_usd)
    for agent, stretch in stretches.items():
        _line(agents, agent).wasted_ns += union_ns(stretch)
