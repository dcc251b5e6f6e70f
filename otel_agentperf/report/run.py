"""The report on one run: what ran, what it amounts to, what to change. Data only; `render` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.columns import Columns, cost_of
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD, Figures, Saving
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.present import figures_of, saving_of
from otel_agentperf.analysis.resources import use_of
from otel_agentperf.analysis.savings import measured_among, saved
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import BILLED_BY_TOKEN, Extent, Operation, Suggestion, Totals
from otel_agentperf.report import split
from otel_agentperf.report.notes import left_out as left_out_note
from otel_agentperf.report.notes import reported as reported_note
from otel_agentperf.report.spans import SpanLine, spans_of
from otel_agentperf.report.tree import Step, tree_of
from otel_agentperf.rules.base import Row, int_of
from otel_agentperf.rules.traits import traits_of

_NO_LIMIT_USD = Decimal("Infinity")
_LATEST_NS = 2**63


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, ready to be shown."""

    name: str
    session_id: str | None
    trace_id: str
    span_id: str
    """Of its root; with the trace's id it names the run."""
    start_ns: int
    duration_ns: int
    totals: Totals
    efficiency_score: int | None
    rating: str | None
    """The letter for its cost; `None` where that is unknown or no model call was seen: see `figures.not_scored`."""
    critical_path: tuple[str, ...]
    success: bool
    outcome: str | None
    error_type: str | None
    score: float | None
    tree: Step
    suggestions: tuple[Suggestion, ...]
    figures: Figures
    spans: tuple[SpanLine, ...]
    spans_left_out: int = 0
    root_seen: bool = True
    """False for what is left of a run whose root never came; only what was seen is summed."""
    notes: tuple[str, ...] = ()
    """What a reader must know to read the rest rightly."""

    @property
    def status(self) -> str:
        """How it ended, in a word: `ok`, `failed`, `root not seen` or its outcome."""
        if not self.root_seen:
            return "root not seen"
        if self.error_type is not None:
            return "failed"
        if self.outcome is not None:
            return self.outcome
        return "ok" if self.success else "failed"


def report_on(
    root: Operation,
    operations: Sequence[Operation],
    summary: RunSummary,
    *,
    root_seen: bool = True,
    notes: Sequence[str] = (),
    threshold: float = DEFAULT_THRESHOLD,
) -> RunReport:
    """Make the report on a run.

    Args:
        root: the run's root.
        operations: its operations, priced and placed, with or without the root.
        summary: what the engine says of it, now or when the run was live.
        root_seen: whether the root is the true one.
        notes: what else a reader must know.
        threshold: the least impact, 0 to 1, that a suggestion is shown with in full.

    Returns:
        The report. Its totals are the summary's, which may know of more than the operations
        at hand; where it does, a note says so.
    """
    if summary.used is None:
        summary = msgspec.structs.replace(summary, used=use_of(root, operations))
    totals = summary.totals
    seen = sum(1 for op in operations if op.kind in BILLED_BY_TOKEN and op.usage is not None and op.counted)
    calls = totals.inference_calls + totals.embedding_calls
    told: list[str] = []
    if totals.reported:
        told.append(reported_note(totals.reported))
    if seen < calls and any(op.span_id == root.span_id for op in operations):
        failed = sum(1 for op in operations if op.kind in BILLED_BY_TOKEN and op.usage is None and op.counted)
        if seen + failed < calls:
            told.append(f"{calls - seen - failed} of {calls} model calls have no span here: not sampled, or lost.")
    stated = summary.savings
    rows = summary.rows or rows_of(root, operations)
    figures = figures_of(
        breakdown_of(summary, rows=rows, grounded_usd=None if summary.rows else _grounded_usd(operations)),
        efficiency_score=summary.efficiency_score,
        could_save=stated if stated.cost_usd or stated.time_s else None,
        session_savings=_session_savings(summary, rows),
        threshold=threshold,
    )
    if totals.unpriced_calls:
        told.insert(0, split.unpriced_note(figures, _reasons(operations)))
    told += split.estimate_note(figures)
    spans, left_out = spans_of(root, operations, figures.suggestions)
    return RunReport(
        name=summary.name,
        session_id=summary.session_id,
        trace_id=root.trace_id,
        span_id=root.span_id,
        start_ns=summary.start_ns,
        duration_ns=max(0, summary.end_ns - summary.start_ns),
        totals=totals,
        efficiency_score=summary.efficiency_score,
        rating=summary.rating,
        critical_path=summary.critical_path,
        success=summary.success,
        outcome=root.outcome,
        error_type=root.error_type,
        score=summary.score,
        tree=tree_of(root, operations),
        suggestions=summary.suggestions,
        figures=figures,
        spans=spans,
        spans_left_out=left_out,
        root_seen=root_seen,
        notes=(*notes, *told, *([left_out_note(figures.left_out)] if figures.left_out and summary.rows else [])),
    )


def _session_savings(summary: RunSummary, rows: Sequence[Row]) -> Saving | None:
    """What the suggestions about the session say could have been saved in all its runs, where that is more than in this one."""
    about = [item for item in summary.suggestions if item.extent is Extent.SESSION and item.savings is not None]
    if not about:
        return None
    whole, measured = (
        saved(chosen, cost_usd=_NO_LIMIT_USD, start_ns=0, end_ns=_LATEST_NS)
        for chosen in (about, measured_among(about))
    )
    spans = frozenset(row.span_id for row in rows)
    here = saved(about, cost_usd=_NO_LIMIT_USD, start_ns=summary.start_ns, end_ns=summary.end_ns, spans=spans)
    is_all_here = whole.cost_usd == here.cost_usd and round(whole.time_s - here.time_s, 3) == 0
    return None if is_all_here else saving_of(whole, measured)


def rows_of(root: Operation, operations: Sequence[Operation]) -> list[Row]:
    """The rows of operations at hand, for a run whose summary keeps none.

    Args:
        root: the run's root; one that is no agent work itself is left out.
        operations: its operations, with or without the root.
    """
    columns = Columns(len(operations) + 1)
    for operation in operations:
        if operation.counted or operation.span_id == root.span_id:
            columns.add(operation, traits_of(operation), cost_of(operation))
    return columns.rows()


def _grounded_usd(operations: Sequence[Operation]) -> dict[int, Decimal]:
    """What grounding cost, by the request's span."""
    return {
        int_of(op.span_id): op.cost.grounding_usd
        for op in operations
        if op.counted and op.cost is not None and op.cost.total_usd is not None and op.cost.grounding_usd
    }


def _reasons(operations: Sequence[Operation]) -> list[str]:
    """Why prices are unknown."""
    return [
        op.cost.reason
        for op in operations
        if op.counted and op.cost is not None and op.cost.total_usd is None and op.cost.reason is not None
    ]
