"""What a finished run teaches: each of its graphs, nodes, tools and models, as a baseline takes it in.

One pure function for a run that just ended here and for one from a file, so that what is learned live is
what `learn` makes of the same spans. It errs towards teaching nothing:

- A duration is that of an execution that succeeded; one that failed, was interrupted, cancelled or
  taken from a cache took another time.
- What a graph, node or tool cost is all that was billed beneath it, 0 where nothing was, unknown where
  something has no price. A failure costs what it cost; what was interrupted or cancelled is not the whole
  and has none.
- Where operations of the run are missing, only what a single operation tells is learned, and what the
  run's totals tell.

A node belongs to the nearest graph or agent above it, a model request to the nearest node above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.baselines.tally import Seen, named
from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import Row, int_of

NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
_DEEPEST = 1_000
"""Operations above another; where there are more, the run is in a circle or is not to be followed."""
_NODE, _TOOL, _INFERENCE = OperationKind.NODE, OperationKind.TOOL, OperationKind.INFERENCE
_GRAPHS = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_SUMMED = _GRAPHS | {_NODE, _TOOL}
_MODELS = frozenset({_INFERENCE, OperationKind.EMBEDDINGS})
_KINDS = {_TOOL: SubjectKind.TOOL, **dict.fromkeys(_GRAPHS, SubjectKind.GRAPH), _NODE: SubjectKind.NODE}


def day_of(end_ns: int) -> int:
    """The day of a moment, as days since 1970-01-01, UTC. A run belongs to the day on which it ended."""
    return end_ns // NS_PER_DAY


class _Sums:
    """What lies beneath one operation, and is its own."""

    __slots__ = ("cost_usd", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.cost_usd = 0.0
        """Not a number where a part of it has no price."""
        self.input_tokens = self.output_tokens = 0


class _Shape(NamedTuple):
    rows: Sequence[Row]
    by_id: dict[int, Row]
    root: Row | None
    sums: dict[int, _Sums]
    """By span id, of graphs, nodes and tools; empty where operations are missing."""
    first_chunks_ns: dict[int, int]

    def above(self, row: Row, kinds: frozenset[OperationKind]) -> Row | None:
        """The nearest operation of these kinds above one."""
        found = self.by_id.get(row.parent_id)
        for _ in range(_DEEPEST):
            if found is None or found.kind in kinds:
                return found
            found = self.by_id.get(found.parent_id)
        return None


_NODES = frozenset({_NODE})


def observations(summary: RunSummary, root_id: str, *, root_seen: bool = True, is_whole: bool = True) -> list[Seen]:
    """What there is to learn of a finished run.

    Args:
        summary: the run.
        root_id: the span of its root.
        root_seen: False where the root only stands for one that was lost: neither its own time nor whose
            nodes these are is known.
        is_whole: False where it is known that operations of it are missing.

    Returns:
        Each execution, in the order in which they ended.
    """
    columns = summary.columns
    if columns is None:
        return []
    rows = columns.ended()
    by_id = {row.span_id: row for row in rows}
    root = by_id.get(int_of(root_id))
    sums = _sums(rows, by_id, root) if is_whole and not columns.dropped else {}
    shape = _Shape(rows, by_id, root, sums, columns.first_chunks_ns())
    found: list[Seen] = []
    for row in rows:
        if row.kind in _MODELS:
            found.extend(_of_request(row, shape, summary, root_seen=root_seen))
        elif row is root:
            if root_seen and row.kind in _KINDS:
                found.append(_of_root(row, summary, is_whole=is_whole))
        elif row.kind in _SUMMED:
            subject = _subject(row, shape, summary, root_seen=root_seen)
            if subject is not None:
                found.append(_of_unit(subject, row, sums.get(row.span_id)))
    return found


def _sums(rows: Sequence[Row], by_id: dict[int, Row], root: Row | None) -> dict[int, _Sums]:
    """What lies beneath each graph, node and tool; nothing where that cannot be told."""
    sums = {row.span_id: _Sums() for row in rows if row.kind in _SUMMED}
    for row in rows:
        tokens = row.input_tokens or row.output_tokens
        if not (row.has_cost or tokens):
            continue
        above: Row | None = row
        depth = 0
        while above is not None and above is not root:
            own = sums.get(above.span_id)
            if own is not None:
                if row.has_cost:
                    own.cost_usd += row.cost_usd
                own.input_tokens += row.input_tokens
                own.output_tokens += row.output_tokens
            above = by_id.get(above.parent_id)
            depth += 1
            if depth > _DEEPEST:
                return {}
        if above is None and root is not None:
            return {}  # something between it and the root is not here: whose it is cannot be told
    return sums


def _subject(row: Row, shape: _Shape, summary: RunSummary, *, root_seen: bool) -> Subject | None:
    if row.kind is not _NODE:
        return named(_KINDS[row.kind], row.name)
    graph = _graph_of(row, shape, summary, root_seen=root_seen)
    return named(SubjectKind.NODE, row.name, graph) if graph is not None else None


def _graph_of(node: Row, shape: _Shape, summary: RunSummary, *, root_seen: bool) -> str | None:
    graph = shape.above(node, _GRAPHS)
    if (graph is None or graph is shape.root) and not root_seen:
        return None
    return graph.name if graph is not None else summary.name


def _seconds(row: Row, *, succeeded: bool | None) -> float | None:
    return row.duration_ns / NS_PER_S if succeeded else None


def _of_root(row: Row, summary: RunSummary, *, is_whole: bool) -> Seen:
    """A run as a whole, by its totals: they hold also what was beyond the limit of its shape."""
    totals = summary.totals
    succeeded = summary.success if row.outcome is None else None
    kind = _KINDS[row.kind]
    subject = named(kind, row.name, summary.name if kind is SubjectKind.NODE else "")
    seconds = _seconds(row, succeeded=succeeded)
    if succeeded is None or not is_whole:
        return Seen(subject, succeeded, seconds)
    cost_usd = None if totals.unpriced_calls else float(totals.cost_usd)
    if kind is SubjectKind.TOOL:
        return Seen(subject, succeeded, seconds, cost_usd)
    return Seen(subject, succeeded, seconds, cost_usd, totals.input_tokens, totals.output_tokens)


def _of_unit(subject: Subject, row: Row, sums: _Sums | None) -> Seen:
    if row.outcome is not None:
        return Seen(subject, None)
    succeeded = not row.is_error
    seconds = _seconds(row, succeeded=succeeded)
    if sums is None:
        return Seen(subject, succeeded, seconds)
    cost_usd = None if isnan(sums.cost_usd) else sums.cost_usd
    if subject.kind is SubjectKind.TOOL:
        return Seen(subject, succeeded, seconds, cost_usd)
    return Seen(subject, succeeded, seconds, cost_usd, sums.input_tokens, sums.output_tokens)


def _of_request(row: Row, shape: _Shape, summary: RunSummary, *, root_seen: bool) -> list[Seen]:
    succeeded = None
    if row.outcome is None:
        succeeded = summary.success and not row.is_error if row is shape.root else not row.is_error
    cost_usd = None if isnan(row.cost_usd) else row.cost_usd
    is_counted = row.input_tokens or row.output_tokens
    inputs, outputs = (row.input_tokens, row.output_tokens) if is_counted else (None, None)
    first_ns = shape.first_chunks_ns.get(row.span_id)
    seen = Seen(
        named(SubjectKind.MODEL, row.name),
        succeeded,
        _seconds(row, succeeded=succeeded),
        cost_usd if row.outcome is None else None,
        inputs if row.outcome is None else None,
        outputs if row.outcome is None else None,
        first_ns / NS_PER_S if first_ns is not None else None,
    )
    found = [seen]
    node = shape.above(row, _NODES) if row.kind is _INFERENCE else None
    if node is not None:
        graph = _graph_of(node, shape, summary, root_seen=root_seen)
        if graph is not None:
            found.append(seen._replace(subject=named(SubjectKind.NODE_MODEL, row.name, graph, node.name)))
    return found
