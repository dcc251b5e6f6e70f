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

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any, cast

from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.tally import Seen, Values, named
from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import Row, int_of

NS_PER_DAY = 86_400 * 1_000_000_000
PICO = 1e12
_DEEPEST = 1_000
"""Operations above another; where there are more, the run is in a circle or is not to be followed."""
_NODE, _TOOL, _INFERENCE, _EMBEDDINGS = (
    OperationKind.NODE,
    OperationKind.TOOL,
    OperationKind.INFERENCE,
    OperationKind.EMBEDDINGS,
)
_GRAPHS = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_SUMMED = _GRAPHS | {_NODE, _TOOL}
_KINDS = {_TOOL: SubjectKind.TOOL, _NODE: SubjectKind.NODE, **dict.fromkeys(_GRAPHS, SubjectKind.GRAPH)}
_OF_MODEL, _OF_NODE_MODEL, _OF_TOOL = SubjectKind.MODEL, SubjectKind.NODE_MODEL, SubjectKind.TOOL
_OF_NODE = SubjectKind.NODE
_new = cast("Callable[[type[Values], tuple[Any, ...]], Values]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""Makes values in half the time that their own constructor takes."""
_STOPPED = Values(None)
_Sums = list[float]
"""Dollars, not a number where a part has no price; input and output tokens."""


def day_of(end_ns: int) -> int:
    """The day of a moment, as days since 1970-01-01, UTC. A run belongs to the day on which it ended."""
    return end_ns // NS_PER_DAY


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
    root_number = int_of(root_id)
    sums = _sums(rows, by_id, root_number) if is_whole and not columns.dropped else None
    first_chunks_ns = columns.first_chunks_ns()
    found: list[Seen] = []
    for row in rows:
        kind = row.kind
        is_root = row.span_id == root_number
        if kind is _INFERENCE or kind is _EMBEDDINGS:
            values = _of_request(row, first_chunks_ns, succeeded=summary.success if is_root else not row.is_error)
            found.append((named(_OF_MODEL, row.name), values))
            node = _above(row, by_id, _NODE) if kind is _INFERENCE and not is_root else None
            if node is not None:
                graph = _graph_of(node, by_id, root_number, summary, root_seen=root_seen)
                if graph is not None:
                    found.append((named(_OF_NODE_MODEL, row.name, graph, node.name), values))
        elif kind not in _SUMMED or (is_root and not root_seen):
            continue
        else:
            graph = _graph_of(row, by_id, root_number, summary, root_seen=root_seen) if kind is _NODE else ""
            if graph is not None:
                values = _of_root(row, summary, is_whole=is_whole) if is_root else _of_unit(row, sums)
                found.append((named(_KINDS[kind], row.name, graph), values))
    return found


def _sums(rows: Sequence[Row], by_id: dict[int, Row], root: int) -> dict[int, _Sums] | None:
    """What lies beneath each graph, node and tool but the root; `None` where that cannot be told."""
    sums: dict[int, _Sums] = {row.span_id: [0.0, 0, 0] for row in rows if row.kind in _SUMMED}
    for row in rows:
        cost_usd, inputs, outputs = row.cost_usd, row.input_tokens, row.output_tokens
        is_billed = row.has_cost
        if not (is_billed or inputs or outputs):
            continue
        above: Row | None = row
        for _ in range(_DEEPEST):
            if above is None or above.span_id == root:
                break
            own = sums.get(above.span_id)
            if own is not None:
                if is_billed:
                    own[0] += cost_usd
                own[1] += inputs
                own[2] += outputs
            above = by_id.get(above.parent_id)
        if above is None or above.span_id != root:
            return None  # something between it and the root is not here: whose it is cannot be told
    return sums


def _above(row: Row, by_id: dict[int, Row], kind: OperationKind) -> Row | None:
    """The nearest operation of a kind above one."""
    found = by_id.get(row.parent_id)
    for _ in range(_DEEPEST):
        if found is None or found.kind is kind:
            return found
        found = by_id.get(found.parent_id)
    return None


def _graph_of(node: Row, by_id: dict[int, Row], root: int, summary: RunSummary, *, root_seen: bool) -> str | None:
    """The name of the graph that a node belongs to; `None` where it is not known."""
    found = by_id.get(node.parent_id)
    for _ in range(_DEEPEST):
        if found is None:
            break
        if found.kind in _GRAPHS:
            return found.name if root_seen or found.span_id != root else None
        found = by_id.get(found.parent_id)
    return summary.name if root_seen else None


def _pico(cost_usd: float) -> int | None:
    return None if isnan(cost_usd) else round(cost_usd * PICO)


def _of_root(row: Row, summary: RunSummary, *, is_whole: bool) -> Values:
    """A run as a whole, by its totals: they hold also what was beyond the limit of its shape."""
    if row.outcome is not None:
        return _STOPPED
    duration_ns = row.duration_ns if summary.success else None
    if not is_whole:
        return _new(Values, (summary.success, duration_ns, None, None, None, None))
    totals = summary.totals
    pico = None if totals.unpriced_calls else round(float(totals.cost_usd) * PICO)
    if row.kind is _TOOL:
        return _new(Values, (summary.success, duration_ns, pico, None, None, None))
    return _new(Values, (summary.success, duration_ns, pico, totals.input_tokens, totals.output_tokens, None))


def _of_unit(row: Row, sums: dict[int, _Sums] | None) -> Values:
    if row.outcome is not None:
        return _STOPPED
    succeeded = not row.is_error
    duration_ns = row.end_ns - row.start_ns if succeeded else None
    own = sums.get(row.span_id) if sums is not None else None
    if own is None:
        return _new(Values, (succeeded, duration_ns, None, None, None, None))
    cost_usd, inputs, outputs = own
    if row.kind is _TOOL:
        return _new(Values, (succeeded, duration_ns, _pico(cost_usd), None, None, None))
    return _new(Values, (succeeded, duration_ns, _pico(cost_usd), inputs, outputs, None))


def _of_request(row: Row, first_chunks_ns: dict[int, int], *, succeeded: bool) -> Values:
    first_ns = first_chunks_ns.get(row.span_id) if first_chunks_ns else None
    if row.outcome is not None:
        return _STOPPED if first_ns is None else Values(None, first_chunk_ns=first_ns)
    duration_ns = row.end_ns - row.start_ns if succeeded else None
    inputs, outputs = row.input_tokens, row.output_tokens
    if not (inputs or outputs):  # not told
        return _new(Values, (succeeded, duration_ns, _pico(row.cost_usd), None, None, first_ns))
    return _new(Values, (succeeded, duration_ns, _pico(row.cost_usd), inputs, outputs, first_ns))
