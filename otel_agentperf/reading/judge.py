"""The verdict on a run that is at hand as a whole, the same as live, after the fact.

Where our processor saw the run, its word is read from the spans. Elsewhere the engine runs
here, over the operations in the order in which they ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from otel_agentperf.analysis.engine import Engine, RunSummary
from otel_agentperf.analysis.runs import add_to_totals
from otel_agentperf.model import (
    BILLED_BY_TOKEN,
    Cost,
    CostStatus,
    Operation,
    OperationKind,
    Totals,
)
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading import verdicts
from otel_agentperf.reading.finished import Finished
from otel_agentperf.reading.lost import fitted, stand_in
from otel_agentperf.reading.place import TracedRun, runs_of
from otel_agentperf.reading.reported import REPORTING

if TYPE_CHECKING:
    # A replay judges here too, and has no need of the SDK, which takes long to import.
    from otel_agentperf.reading.sdk import SpanRecord

_NO_TOOL_PRINTS = "Tool calls carry no fingerprints here: what would be found by comparing them is not."


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run with what is to be said of it."""

    run: TracedRun
    summary: RunSummary
    root_seen: bool
    notes: tuple[str, ...] = ()


def priced(operation: Operation, prices: PriceBook) -> Operation:
    """The operation with its cost, where it is a billed request, or reports usage of some, and has none yet.

    A request that failed without usage was not billed; one that succeeded was, usage or not.
    """
    usage, inference = operation.usage, operation.inference
    if operation.cost is not None:
        return operation
    if operation.kind in REPORTING and usage is not None:
        provider, model = "", ""
        if inference is not None:
            provider, model = inference.provider, inference.response_model or inference.request_model
        cost = prices.price_of_several(provider, model, usage, when_ns=operation.start_ns)
        return msgspec.structs.replace(operation, cost=cost)
    if inference is None or operation.kind not in BILLED_BY_TOKEN:
        return operation
    if usage is None:
        if operation.error_type is not None:
            return operation
        return msgspec.structs.replace(operation, cost=Cost(CostStatus.UNPRICED, reason="no usage is reported"))
    cost = prices.price_call(inference, usage, when_ns=operation.start_ns)
    return msgspec.structs.replace(operation, cost=cost)


def observe(engine: Engine, run: TracedRun) -> RunSummary:
    """Let the engine see a priced run.

    Args:
        engine: whose rules judge; sessions and process-wide state live in it across runs.
        run: a run from `runs_of`.
    """
    root = run.root
    live = engine.begin(root.name, root.session_id, root.start_ns)
    if run.holds_runs:
        engine.set_aside(live)
    for operation in run.operations:
        if operation.span_id != root.span_id:
            engine.observe(live, operation)
    summary, _ = engine.finish(live, root)
    return summary


class Judge:
    """Judges the runs of one process.

    Args:
        engine: judges where the processor did not.
        prices: prices what has no cost yet.
        finished: what was said of runs that ended in this process lately.
    """

    def __init__(self, engine: Engine, prices: PriceBook, finished: Finished | None = None) -> None:
        self._engine = engine
        self._prices = prices
        self._finished = finished

    def judge(self, records: Sequence[SpanRecord], *, root_seen: bool = True) -> list[JudgedRun]:
        """Judge what lies beneath a root, or what is left of a trace without one.

        Args:
            records: spans of one trace.
            root_seen: False for a rest; it is put beneath a root that stands for the lost one.

        Returns:
            Its runs in order of start, and what belongs to none of them (`summary.is_run` is False);
            none where the spans hold no agent work.
        """
        operations = [record.operation for record in records]
        lost: Operation | None = None
        if not root_seen:
            lost, operations = _beneath_a_stand_in(operations)
        runs = runs_of(operations)
        in_runs = {op.span_id: index for index, run in enumerate(runs) for op in run.operations}
        judged: list[JudgedRun] = []
        for index, run in enumerate(runs):
            # A suggestion on a span that is no agent work stands there for the first run beneath it.
            own = [record for record in records if in_runs.get(record.operation.span_id, 0) == index]
            is_lost = lost is not None and run.root.span_id == lost.span_id
            if is_lost:
                run = TracedRun(fitted(run.root, run.operations), run.operations, run.holds_runs)  # noqa: PLW2901
            one = self._judge(run, own, root_seen=not is_lost)
            if is_lost and not one.summary.is_run:
                one = replace(one, summary=msgspec.structs.replace(one.summary, is_run=True))
            judged.append(one)
        return judged

    def _judge(self, run: TracedRun, records: Sequence[SpanRecord], *, root_seen: bool) -> JudgedRun:
        operations = tuple(priced(operation, self._prices) for operation in run.operations)
        root = next((op for op in operations if op.span_id == run.root.span_id), run.root)
        run = TracedRun(root, operations, run.holds_runs)
        recorded = next((r.recorded for r in records if r.recorded and r.operation.span_id == root.span_id), None)
        said = verdicts.final([item for record in records for item in record.suggestions])
        live = self._finished.get(root.trace_id, root.span_id) if self._finished is not None else None
        if live is not None:
            return JudgedRun(run, live, root_seen)
        if recorded is not None:
            return JudgedRun(
                run, verdicts.summary(root, recorded, _totals(operations), said), root_seen, _silence(recorded, said)
            )
        if any(record.is_judged for record in records):
            return JudgedRun(run, msgspec.structs.replace(observe(Engine(()), run), suggestions=said), root_seen)
        summary = observe(self._engine, run)
        blind = any(op.kind is OperationKind.TOOL and op.tool is None for op in operations)
        return JudgedRun(run, summary, root_seen, (_NO_TOOL_PRINTS,) if blind else ())


def _totals(operations: Iterable[Operation]) -> Totals:
    totals = Totals()
    for operation in operations:
        if operation.counted:
            add_to_totals((totals,), operation)
    return totals


def _silence(recorded: verdicts.RecordedRun, said: Sequence[object]) -> tuple[str, ...]:
    """The note on suggestions that were made and do not stand on the spans."""
    missing = recorded.suggestions - len(said)
    if missing <= 0:
        return ()
    what = "suggestion is" if missing == 1 else "suggestions are"
    return (f"{missing} {what} not on these spans: below the threshold, or sent as log events only.",)


def _beneath_a_stand_in(operations: Sequence[Operation]) -> tuple[Operation | None, list[Operation]]:
    if all(operation.kind is OperationKind.OTHER for operation in operations):
        return None, []
    ids = {operation.span_id for operation in operations}
    lost = stand_in("0" * 16, [operation for operation in operations if operation.parent_id not in ids] or operations)
    beneath = [op if op.parent_id in ids else msgspec.structs.replace(op, parent_id=lost.span_id) for op in operations]
    return lost, [lost, *beneath]
