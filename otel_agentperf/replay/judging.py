"""The records of a trace -> its runs, each judged alone, as the live engine would have.

The rules are run anew over the spans, also where our processor was there: what it wrote on the
root of a run only tells how many calls have no span here, and how the run went.

A span whose parent is not here was beneath something that was lost: see `reading.lost`. A parent that is
known to be of another process is no loss: its children are roots of their own, as they were live.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from otel_agentperf.analysis.clock import Clock
from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.analysis.fold import Digest, digest
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import Normals
from otel_agentperf.config import Settings
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading import TracedRun, runs_of
from otel_agentperf.reading.judge import priced
from otel_agentperf.reading.lost import fitted, is_work, stand_in
from otel_agentperf.replay.records import Process, Record
from otel_agentperf.replay.reducing import Trace


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with what is to be said of it."""

    run: TracedRun
    summary: RunSummary
    digest: Digest
    service: str
    root_seen: bool
    notes: tuple[str, ...] = ()
    is_whole: bool = True
    """No model call is known to be missing."""
    is_blind: bool = False
    """It has tool calls that carry no fingerprints."""
    overlap_ns: int = 0
    """How long an earlier run of its trace and session ran at the same time."""
    other_overlap_ns: int = 0
    """How long, beyond that, an earlier run of its trace and another session did."""


class TraceJudge:
    """Judges the runs of traces, one trace after another.

    Args:
        settings: rules, prices and limits.
        normals: what was learned before, for the rules that ask.
    """

    def __init__(self, settings: Settings, normals: Normals | None = None) -> None:
        self.rule_errors: Counter[str] = Counter()
        self.prices = PriceBook(settings.prices)
        self.rules = chosen_rules(settings)
        limits = Limits(settings.max_live_runs, settings.max_sessions, settings.max_run_operations)
        self._engine = Engine(self.rules, limits, self.on_error, self.prices, normals)

    def on_error(self, site: str, error: Exception) -> None:
        """Count a rule that raised."""
        self.rule_errors[f"{site}: {error.__class__.__name__}"] += 1

    def judge(self, trace: Trace) -> Iterator[Judged]:
        """Judge the runs of a trace, process by process."""
        processes = trace.processes
        everything: list[Operation] = []
        if len(processes) > 1:
            everything = [record.operation for records in processes.values() for record in records]
        note = (f"{trace.left_out:,} spans of its trace are left out: it has too many.",) if trace.left_out else ()
        judged = [
            one
            for process, records in processes.items()
            for one in self._judge_process(process, records, everything, note)
        ]
        yield from _clocked(judged)

    def _judge_process(
        self, process: Process, records: Sequence[Record], everything: Sequence[Operation], notes: tuple[str, ...]
    ) -> Iterator[Judged]:
        """Judge the runs of one process; everything is what all processes of the trace have, where there are more."""
        operations: list[Operation] = []
        said: dict[str, Record] = {}
        for record in records:
            operations.append(record.operation)
            if record.recorded is not None or record.success is not None or record.score is not None:
                said[record.operation.span_id] = record
        if all(operation.kind is OperationKind.OTHER for operation in operations):
            return
        stand_ins = _stand_ins(records, {operation.span_id for operation in everything})
        lost = {operation.span_id for operation in stand_ins}
        own = {operation.span_id for operation in operations}
        others = [operation for operation in everything if operation.span_id not in own]
        for run in runs_of([*stand_ins, *operations], others):
            yield self._judge_run(run, process.service, said, notes, root_seen=run.root.span_id not in lost)

    def _judge_run(
        self, run: TracedRun, service: str, said: dict[str, Record], notes: tuple[str, ...], *, root_seen: bool
    ) -> Judged:
        engine = self._engine
        operations = tuple([priced(operation, self.prices) for operation in run.operations])
        root = operations[-1] if operations and operations[-1].span_id == run.root.span_id else run.root
        if not root_seen:
            root = fitted(root, operations)
        live = engine.begin(root.name, root.session_id, root.start_ns, alone=True)
        if run.holds_runs:
            engine.set_aside(live)
        for operation in operations:
            if operation.span_id != root.span_id:
                engine.observe(live, operation)
        own = said.get(root.span_id)
        recorded = own.recorded if own is not None else None
        if said:
            live.success, live.score = _how_it_went((*operations, root), said)
        if recorded is not None:
            live.success, live.score = recorded.success, recorded.score
        summary, _ = engine.finish(live, root)
        if not root_seen:  # whatever ran beside agents beneath a root that is not here is a run
            summary = msgspec.structs.replace(summary, is_run=True)
        missing = 0
        if recorded is not None:
            calls = recorded.totals.inference_calls
            missing = calls - summary.totals.inference_calls - summary.totals.embedding_calls
            if missing > 0:
                notes = (*notes, f"{missing} of {calls} model calls have no span here: not sampled, or lost.")
        is_blind = any(op.kind is OperationKind.TOOL and op.tool is None for op in operations)
        return Judged(
            TracedRun(root, operations, run.holds_runs),
            summary,
            digest(engine, live),
            service,
            root_seen,
            notes,
            missing <= 0,
            is_blind,
        )


def _how_it_went(operations: Iterable[Operation], said: Mapping[str, Record]) -> tuple[bool | None, float | None]:
    """The last word of the evaluation results on the spans of a run."""
    success: bool | None = None
    score: float | None = None
    for operation in operations:
        record = said.get(operation.span_id)
        if record is not None:
            success = record.success if record.success is not None else success
            score = record.score if record.score is not None else score
    return success, score


def _clocked(judged: Sequence[Judged]) -> Sequence[Judged]:
    """The runs of one trace, each with how long others ran at the same time."""
    if sum(one.summary.is_run for one in judged) < 2:  # noqa: PLR2004 - one alone overlaps with none
        return judged
    whole, sessions = Clock(), defaultdict[str | None, Clock](Clock)
    found: list[Judged] = []
    for one in sorted(judged, key=lambda one: (one.summary.start_ns, one.summary.end_ns, one.run.root.span_id)):
        summary = one.summary
        if summary.is_run:
            every = whole.add(summary.start_ns, summary.end_ns)
            own = sessions[summary.session_id].add(summary.start_ns, summary.end_ns)
            one = replace(one, overlap_ns=own, other_overlap_ns=every - own)  # noqa: PLW2901
        found.append(one)
    return found


def _stand_ins(records: Sequence[Record], ids: set[str]) -> list[Operation]:
    """Roots that stand for lost ones.

    Args:
        records: the spans of one process.
        ids: of the spans of the trace in other processes, and perhaps in this one.
    """
    own = {record.operation.span_id for record in records}
    lost: dict[str, list[Operation]] = defaultdict(list)
    certain: set[str] = set()
    for record in records:
        operation = record.operation
        parent_id = operation.parent_id
        if parent_id is None or parent_id in own or parent_id in ids or record.parent_is_near is False:
            continue
        lost[parent_id].append(operation)
        if record.parent_is_near or operation.kind is OperationKind.NODE:
            certain.add(parent_id)
    return [
        stand_in(parent_id, children)
        for parent_id, children in lost.items()
        # Where the file does not say that the parent was of this process, one call may be outermost itself.
        if sum(map(is_work, children)) >= (1 if parent_id in certain else 2)
    ]
