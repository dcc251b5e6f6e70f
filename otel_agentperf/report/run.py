"""The report on one run: what ran, what it amounts to, what to change. Data only; `render` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from otel_agentperf.analysis.columns import Columns, cost_of
from otel_agentperf.analysis.figures import Figures, Saving
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.present import figures_of
from otel_agentperf.analysis.resources import use_of
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import BILLED_BY_TOKEN, Operation, Suggestion, Totals
from otel_agentperf.report.notes import left_out as left_out_note
from otel_agentperf.report.notes import reported as reported_note
from otel_agentperf.report.spans import SpanLine, spans_of
from otel_agentperf.report.text import counted
from otel_agentperf.report.tree import Step, tree_of
from otel_agentperf.rules.base import Row
from otel_agentperf.rules.traits import traits_of


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
) -> RunReport:
    """Make the report on a run.

    Args:
        root: the run's root.
        operations: its operations, priced and placed, with or without the root.
        summary: what the engine says of it, now or when the run was live.
        root_seen: whether the root is the true one.
        notes: what else a reader must know.

    Returns:
        The report. Its totals are the summary's, which may know of more than the operations
        at hand; where it does, a note says so.
    """
    if summary.used is None:
        summary = msgspec.structs.replace(summary, used=use_of(root, operations))
    totals = summary.totals
    seen = sum(1 for op in operations if op.kind in BILLED_BY_TOKEN and op.usage is not None and op.counted)
    calls = totals.inference_calls + totals.embedding_calls
    told = list(notes)
    if totals.unpriced_calls:
        told.append(_unpriced_note(totals, operations))
    if totals.reported:
        told.append(reported_note(totals.reported))
    if seen < calls and any(op.span_id == root.span_id for op in operations):
        failed = sum(1 for op in operations if op.kind in BILLED_BY_TOKEN and op.usage is None and op.counted)
        if seen + failed < calls:
            told.append(f"{calls - seen - failed} of {calls} model calls have no span here: not sampled, or lost.")
    saved = summary.savings
    figures = figures_of(
        breakdown_of(summary, rows=summary.rows or rows_of(root, operations)),
        efficiency_score=summary.efficiency_score,
        savings=Saving(cost_usd=saved.cost_usd, time_s=saved.time_s) if saved.cost_usd or saved.time_s else None,
    )
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
        notes=(*told, *([left_out_note(figures.left_out)] if figures.left_out and summary.rows else [])),
    )


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


def _unpriced_note(totals: Totals, operations: Sequence[Operation]) -> str:
    billed = totals.billed_calls
    reasons = {
        op.cost.reason: None
        for op in operations
        if op.counted and op.cost is not None and op.cost.total_usd is None and op.cost.reason is not None
    }
    why = f" ({'; '.join(list(reasons)[:2])})" if reasons else ""
    number = totals.unpriced_calls
    if number >= billed:
        return f"The price of its {counted(billed, 'billed call')} is unknown{why}."
    return f"The price of {number} of {billed} billed calls is unknown{why}: the true cost is higher."
