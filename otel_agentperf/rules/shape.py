"""The shape of a finished run: what lies beneath what, and which of it decided how long it took.

Made from rows as they come: a row whose parent is absent stands beneath the root, one that is
in a circle of parents stands nowhere, and what a clock puts outside its parent is cut off there.
Nothing recurses, and all of it takes O(n log n).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import isnan
from typing import NamedTuple

from otel_agentperf.model import ZERO_USD, Operation, OperationKind
from otel_agentperf.rules.base import Row, int_of

NS_PER_S = 1_000_000_000

_UNITS = frozenset({OperationKind.NODE, OperationKind.AGENT})
_FEWEST_TOLD_BY = 3


class Stretch(NamedTuple):
    """A stretch of a run's critical path. Times are Unix nanoseconds."""

    row: Row
    """The innermost operation that ran then."""
    start_ns: int
    end_ns: int


class Tree:
    """The operations of a run beneath its root.

    Args:
        rows: all operations of the run in order of start.
        root: the run's root.
    """

    __slots__ = ("_root", "_strays", "children", "path", "windows")

    def __init__(self, rows: Sequence[Row], root: Operation) -> None:
        root_id = int_of(root.span_id)
        ids = {row.span_id for row in rows}
        self._root: Row | None = None
        self._strays: list[Row] = []
        self.children: dict[int, list[Row]] = {}
        """By the parent's id, in order of start."""
        self.path: list[Stretch] = []
        """The critical path, see `walk`."""
        self.windows: dict[int, tuple[int, int]] = {}
        """By span id, the stretch for which an operation or what is beneath it is on the path."""
        for row in rows:
            if row.span_id == root_id:
                self._root = row
                continue
            is_placed = row.parent_id in ids and row.parent_id != row.span_id
            if not is_placed:
                self._strays.append(row)
            self.children.setdefault(row.parent_id if is_placed else root_id, []).append(row)

    def walk(self) -> Tree:
        """Find the critical path.

        It goes back from the end of the run: beneath each operation to the child that ended last,
        before that one began to the child that ended last then, and so on. What no child
        covers is the operation's own. Its stretches are disjoint and add up to the run's time.
        """
        if self.path:
            return self
        root = self._root
        pending = [] if root is None else [Stretch(root, root.start_ns, root.end_ns)]
        for stretch in pending:
            self.windows[stretch.row.span_id] = stretch[1:]
        while pending:
            row, start_ns, cursor_ns = pending.pop()
            for child in sorted(self.children.get(row.span_id, ()), key=_last_first):
                end_ns = min(child.end_ns, cursor_ns)
                begin_ns = max(child.start_ns, start_ns)
                if begin_ns >= end_ns or child.span_id in self.windows:
                    continue
                if end_ns < cursor_ns:
                    self.path.append(Stretch(row, end_ns, cursor_ns))
                self.windows[child.span_id] = (begin_ns, end_ns)
                pending.append(Stretch(child, begin_ns, end_ns))
                cursor_ns = begin_ns
            if cursor_ns > start_ns:
                self.path.append(Stretch(row, start_ns, cursor_ns))
        return self

    def on_path_ns(self, row: Row, start_ns: int, end_ns: int) -> tuple[int, int]:
        """The part of a stretch of an operation's time for which it is on the critical path; empty where none is."""
        begin_ns, until_ns = self.windows.get(row.span_id, (0, 0))
        begin_ns = max(begin_ns, start_ns)
        return begin_ns, max(begin_ns, min(until_ns, end_ns))

    def strays(self) -> Sequence[Row]:
        """The operations whose parent is absent, in order of start."""
        return self._strays

    def units(self) -> list[Row]:
        """The outermost nodes and agents beneath the root."""
        found: list[Row] = []
        pending = [] if self._root is None else [self._root.span_id]
        seen = set(pending)
        while pending:
            for child in self.children.get(pending.pop(), ()):
                if child.kind in _UNITS:
                    found.append(child)
                elif child.span_id not in seen:
                    seen.add(child.span_id)
                    pending.append(child.span_id)
        return found

    def beneath(self, tops: Iterable[int]) -> list[Row]:
        """All operations beneath those with these ids, each once."""
        found: list[Row] = []
        pending = list(tops)
        seen = set(pending)
        while pending:
            for child in self.children.get(pending.pop(), ()):
                if child.span_id not in seen:
                    seen.add(child.span_id)
                    found.append(child)
                    pending.append(child.span_id)
        return found

    def from_below(self) -> list[Row]:
        """All operations, the root too, each after everything beneath it."""
        if self._root is None:
            return []
        return [*reversed(self.beneath((self._root.span_id,))), self._root]

    def has_made_up_clock(self) -> bool:
        """Whether all work took equally long to the nanosecond, as no clock measures it."""
        leaves = [row for rows in self.children.values() for row in rows if row.span_id not in self.children]
        return len(leaves) >= _FEWEST_TOLD_BY and len({row.duration_ns for row in leaves}) == 1


def _last_first(row: Row) -> tuple[int, int, int]:
    return -row.end_ns, row.start_ns, row.span_id


def asked_together(rows: Sequence[Row], least: int = 1) -> list[tuple[Row, list[Row]]]:
    """The tool calls that one answer of a model asked for, where that is certain.

    It is where just as many tool calls as it asked for begin after it, before any other model
    request of the run begins.

    Args:
        rows: all operations of the run in order of start.
        least: answers that asked for fewer functions are left out.

    Returns:
        Requests with their tool calls in order of start.
    """
    found: list[tuple[Row, list[Row]]] = []
    request: Row | None = None
    tools: list[Row] = []
    for row in (*rows, None):
        if row is None or row.kind is OperationKind.INFERENCE:
            if request is not None and len(tools) == request.function_calls:
                found.append((request, tools))
            request, tools = (row if row is not None and row.function_calls >= least else None), []
        elif row.kind is OperationKind.TOOL and request is not None and row.start_ns >= request.end_ns:
            tools.append(row)
    return found


def target_of_row(row: Row) -> str:
    """Who an operation is, as `kind:name`."""
    return f"agent:{row.name}" if row.is_agent else f"{row.kind}:{row.name}"


def spared(calls: Sequence[Row], tree: Tree) -> list[tuple[Row, int, int]]:
    """The stretches that would vanish if these calls ran at once: all but the longest call.

    What really overlapped is left out, and so is what is not on the run's critical path.

    Args:
        calls: at least one, in order of start.
        tree: of their run, walked.

    Returns:
        Calls with disjoint stretches of their time.
    """
    longest = max(calls, key=lambda row: row.duration_ns)
    on_path = [(tree.on_path_ns(call, call.start_ns, call.end_ns), call) for call in calls if call is not longest]
    found: list[tuple[Row, int, int]] = []
    covered_ns = 0
    for (start_ns, end_ns), call in sorted(on_path, key=lambda one: one[0]):
        begin_ns = max(start_ns, covered_ns)
        covered_ns = max(covered_ns, end_ns)
        for begun_ns, ended_ns in (
            (begin_ns, min(end_ns, longest.start_ns)),
            (max(begin_ns, longest.end_ns), end_ns),
        ):
            if ended_ns > begun_ns:
                found.append((call, begun_ns, ended_ns))
    return found


def usd_of(row: Row) -> Decimal:
    """What an operation cost, 0 where that is unknown."""
    return ZERO_USD if isnan(row.cost_usd) else Decimal(repr(row.cost_usd))
