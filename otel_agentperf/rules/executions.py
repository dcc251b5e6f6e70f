"""What ran in a finished run, as a baseline tells it apart: graphs, nodes, tools, and models as nodes use them.

It tells the same of them as what is learned does. A duration is that of an execution that succeeded; a cost
is all that was billed beneath it, 0 where nothing was, unknown where something has no price or
operations are missing. What was interrupted, cancelled or taken from a cache has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import NamedTuple

from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.rules.base import Row, int_of

_NODE, _TOOL = OperationKind.NODE, OperationKind.TOOL
_GRAPHS = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_MODELS = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS})
_TOLD = _GRAPHS | _MODELS | {_NODE, _TOOL}
_DEEPEST = 100
"""Operations above another that are looked at; a circle of parents ends there too."""


class Execution(NamedTuple):
    """One execution of one subject."""

    subject: Subject
    duration_ns: int | None
    """`None` where it does not count."""
    cost_usd: float | None
    """`None` where it does not count or is not known."""
    span_id: int
    within: tuple[Subject, ...]
    """The nodes, tools and graphs around it."""


class _Place:
    """One operation, and what was found around and beneath it."""

    __slots__ = ("above", "cost_usd", "row", "subject")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.subject: Subject | None = None
        self.above: list[_Place] = []
        """Nearest first."""
        self.cost_usd = row.cost_usd if row.has_cost else 0.0


def executions(rows: Sequence[Row], root: Operation, *, is_whole: bool = True) -> list[Execution]:
    """Tell what ran in a run.

    Args:
        rows: its operations, in any order.
        root: the run's root.
        is_whole: False where operations are missing, so that no sum of costs can be told.
    """
    places = {row.span_id: _Place(row) for row in rows if row.kind in _TOLD or row.has_cost}
    parents = {row.span_id: row.parent_id for row in rows}
    root_id = int_of(root.span_id)
    for place in places.values():
        place.above = _above(place.row, places, parents, root_id)
        if place.row.has_cost:
            for above in place.above:
                above.cost_usd += place.row.cost_usd
    for place in places.values():
        place.subject = _subject(place, root)
    return [
        _execution(place, place.subject, is_whole=is_whole) for place in places.values() if place.subject is not None
    ]


def _above(row: Row, places: dict[int, _Place], parents: dict[int, int], root_id: int) -> list[_Place]:
    found: list[_Place] = []
    if row.span_id == root_id:
        return found
    above_id = row.parent_id
    for _ in range(_DEEPEST):
        above = places.get(above_id)
        if above is not None:
            found.append(above)
        if above_id == root_id:
            break
        if above_id not in parents:  # a parent that is absent: it stands beneath the root
            above_id = root_id
            continue
        above_id = parents[above_id]
    return found


def _subject(place: _Place, root: Operation) -> Subject | None:
    row = place.row
    if row.kind in _GRAPHS:
        return Subject(SubjectKind.GRAPH, row.name)
    if row.kind is _NODE:
        return Subject(SubjectKind.NODE, row.name, _graph(place, root))
    if row.kind is _TOOL:
        return Subject(SubjectKind.TOOL, row.name)
    if row.kind not in _MODELS:
        return None
    is_request = row.kind is OperationKind.INFERENCE  # embeddings are learned by model alone
    node = next((above for above in place.above if above.row.kind is _NODE), None) if is_request else None
    if node is None:
        return Subject(SubjectKind.MODEL, row.name)
    return Subject(SubjectKind.NODE_MODEL, row.name, _graph(node, root), node.row.name)


def _graph(node: _Place, root: Operation) -> str:
    return next((above.row.name for above in node.above if above.row.kind in _GRAPHS), root.name)


def _execution(place: _Place, subject: Subject, *, is_whole: bool) -> Execution:
    row = place.row
    ended = row.outcome is None
    is_own = row.kind in _MODELS
    cost_usd = place.cost_usd if ended and (is_whole or is_own) else nan
    if is_own and not row.has_cost:
        cost_usd = nan
    return Execution(
        subject,
        row.duration_ns if ended and not row.is_error else None,
        None if isnan(cost_usd) else cost_usd,
        row.span_id,
        tuple(above.subject for above in place.above if above.subject is not None and above.row.kind not in _MODELS),
    )
