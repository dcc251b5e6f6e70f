"""Breaks one run down: each of its operations is added to the lines that it belongs to."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.breakdown import NS_PER_S, PICO_PER_USD, Breakdown, Line, Opportunity, line_of, pico
from otel_agentperf.analysis.savings import NOTHING_SAVED, Saved, measured_among, saved
from otel_agentperf.analysis.scores import path_of
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import Extent, OperationKind, Suggestion
from otel_agentperf.rules.base import Row, int_of
from otel_agentperf.rules.bounded import union_ns

_REPORTING = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
"""Kinds whose spans may report usage that no request beneath them does."""


def breakdown_of(
    summary: RunSummary,
    *,
    rows: Sequence[Row] | None = None,
    grounded_usd: Mapping[int, Decimal] | None = None,
    shared: Collection[str] = (),
) -> Breakdown:
    """Break down one run.

    Args:
        summary: what the engine says of it.
        rows: its operations in order of start; those of the summary when absent.
        grounded_usd: what grounding cost, by the request's span; that of the summary when absent.
        shared: codes of rules over a session or the process, whose suggestions are left out
            because they are judged over all runs together.
    """
    rows = summary.rows if rows is None else rows
    breakdown = Breakdown(
        runs=1,
        successes=int(summary.success),
        scored=int(summary.score is not None),
        score_micro=round((summary.score or 0.0) * 1e6),
        duration_ns=max(0, summary.end_ns - summary.start_ns),
        first_ns=summary.start_ns,
        last_ns=summary.end_ns,
        totals=msgspec.structs.replace(summary.totals),
        used=copy.deepcopy(summary.used) if summary.used is not None else None,
    )
    if not summary.is_run:  # it counts, and is no run whose time, end and share of successes could be told
        breakdown.runs = breakdown.successes = breakdown.scored = breakdown.score_micro = breakdown.duration_ns = 0
    _count(breakdown, rows)
    if grounded_usd is None:
        grounded_usd = summary.columns.grounded_usd() if summary.columns is not None else {}
    if grounded_usd:
        _count_grounding(breakdown, rows, grounded_usd)
    for row, on_path_ns in path_of(rows):
        breakdown.path_ns += on_path_ns
        line_of(breakdown.agents, row.name).path_ns += on_path_ns
    own = [item for item in summary.suggestions if item.rule not in shared]
    measured = measured_among(own)
    spans = frozenset(row.span_id for row in rows) if any(item.claims for item in own) else None
    wasted, could = (_saved(summary, spans, chosen) for chosen in (measured, own))
    breakdown.wasted_pico, breakdown.wasted_ns = pico(wasted.cost_usd), round(wasted.time_s * NS_PER_S)
    breakdown.saved_pico, breakdown.saved_ns = pico(could.cost_usd), round(could.time_s * NS_PER_S)
    _charge_waste(breakdown.agents, rows, measured)
    breakdown.add_opportunities(Opportunity.of(item, _in_run(summary, spans, item)) for item in own)
    return breakdown


def _in_run(summary: RunSummary, spans: frozenset[int] | None, suggestion: Suggestion) -> Saved | None:
    """What of a suggestion about more than this run could have been saved in it; `None` where that is all, or unknown."""
    if suggestion.extent is Extent.RUN or not suggestion.claims:
        return None
    return _saved(summary, spans, [suggestion])


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
    agents, models, tools = breakdown.agents, breakdown.models, breakdown.tools
    tables = {
        OperationKind.INFERENCE: models,
        OperationKind.EMBEDDINGS: models,
        OperationKind.TOOL: tools,
        OperationKind.RETRIEVAL: tools,
        OperationKind.SERVICE: breakdown.services,
    }
    until: dict[int, int] = {}
    for row in rows:
        _, _, kind, start_ns, end_ns, _, fresh, output, _, _, is_error, is_agent, *_ = row
        table = tables.get(kind)
        if table is not None:
            line = table.get(row.name) or line_of(table, row.name)
            _add_call(line, start_ns, end_ns, is_error, until)
            if row.has_cost or fresh or output:
                _add_spend((line, agents.get(row.agent) or line_of(agents, row.agent)), row)
        elif kind in _REPORTING and (row.has_cost or fresh or output):
            _add_spend(
                (line_of(models, row.model), line_of(agents, row.name if is_agent else row.agent)),
                row,
            )
        if is_agent:
            line = agents.get(row.name) or line_of(agents, row.name)
            _add_call(line, start_ns, end_ns, is_error, until)
    breakdown.left_out = max(0, breakdown.totals.operations - len(rows))


def _add_spend(lines: Iterable[Line], row: Row) -> None:
    _, _, _, _, _, cost_usd, fresh, output, cached, thoughts, *_ = row
    picodollars = round(cost_usd * PICO_PER_USD) if cost_usd == cost_usd else None  # noqa: PLR0124 - not a number
    for each in lines:
        each.input_tokens += fresh
        each.output_tokens += output
        each.cache_read_tokens += cached
        each.reasoning_tokens += thoughts
        if row.has_cost:
            each.billed_calls += 1
            if picodollars is None:
                each.unpriced_calls += 1
            else:
                each.cost_pico += picodollars


def _count_grounding(breakdown: Breakdown, rows: Sequence[Row], grounded_usd: Mapping[int, Decimal]) -> None:
    for row in rows:
        usd = grounded_usd.get(row.span_id)
        if usd is not None:
            for lines, name in ((breakdown.models, row.model or row.name), (breakdown.agents, row.agent)):
                line_of(lines, name).grounding_pico += pico(usd)


def _add_call(line: Line, start_ns: int, end_ns: int, is_error: bool, until: dict[int, int]) -> None:  # noqa: FBT001 - taken as it comes, for speed
    line.calls += 1
    line.errors += is_error
    if end_ns > start_ns:
        before_ns = until.get(id(line), 0)
        if before_ns < end_ns:
            line.busy_ns += end_ns - (max(before_ns, start_ns))
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
        line_of(agents, agent_of[span_id]).wasted_pico += pico(cost_usd)
    for agent, stretch in stretches.items():
        line_of(agents, agent).wasted_ns += union_ns(stretch)
