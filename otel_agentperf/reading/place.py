"""Where an operation stands: its agent, its run and its session, told from the spans above it.

A span alone does not say for whom it ran. `runs_of` takes all operations of one trace in one
process and decides as the live pipeline does when it opens them:

- a run's root is an outermost workflow or agent; two of them in one trace are two runs;
- work outside any of them belongs to its topmost span (the local root), and is a run where no graph
  or agent stands beneath that one; else it counts and is no run;
- the agent is the innermost `invoke_agent`, else the node right beneath the run's root;
- spans that are no agent work stand aside: what is beneath them hangs on the next one above;
- where two instrumentations report one graph, agent or tool, the inner span is not counted;
  where they report one model request, `twice` tells which counts;
- usage on the span of a graph or agent counts as far as no request beneath covers it (`reported`);
- an error that passes through several operations counts at the deepest one (`failures`);
- a request or a tool beneath no agent ran for the agent that its span names, if it names one.

It errs towards more runs: a parent that is absent makes its children local roots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

import msgspec

from otel_agentperf.model import Inference, NodeStep, Operation, OperationKind
from otel_agentperf.reading.failures import passed_on
from otel_agentperf.reading.reported import count_once
from otel_agentperf.reading.twice import completed, told_twice

_AGENTIC = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_START = attrgetter("start_ns")


@dataclass(frozen=True, slots=True)
class TracedRun:
    """One run of a trace."""

    root: Operation
    operations: tuple[Operation, ...]
    """All agent work of the run in order of end, children before their parents; the root is last or absent.

    It is absent where it is no agent work itself: a caller's span around model requests."""
    holds_runs: bool = False
    """Whether runs of graphs or agents stand beneath its root, which is none itself: it is no run then."""


class _Place(msgspec.Struct, gc=False):
    """What holds beneath one operation."""

    operation: Operation
    root: Operation
    depth: int
    within_agentic: bool
    """Whether its run is a graph's or an agent's."""
    agent: str = ""
    is_agent: bool = False


_Placed: TypeAlias = tuple[bool, int, int, int, str, Operation]
"""An operation after what it is sorted by: whether it is its run's root, then when it ended. What times
leave open is settled alike for any order of spans: the deeper one first, then by start and id."""


class _Placing:
    """Places the operations of one trace, each after its parent. Every span of a replay passes here."""

    def __init__(self, operations: dict[str, Operation], others: Iterable[Operation]) -> None:
        self._told_twice = told_twice(operations)
        operations.update(count_once(operations, others, self._told_twice))
        self._operations = operations
        self.held_by: dict[str, str] = {}
        """Roots that are graphs or agents, each with the root above it that is none."""
        self._told_by: dict[str, list[str]] = defaultdict(list)
        for not_counted, counts in self._told_twice.items():
            self._told_by[counts].append(not_counted)
        self._places: dict[str, _Place] = {}
        self.placed: dict[str, list[_Placed]] = {}

    def place(self, operation: Operation) -> None:
        """Place an operation and whatever above it has no place yet."""
        places, operations = self._places, self._operations
        span_id, parent_id = operation.span_id, operation.parent_id
        if span_id in places:
            return
        # Mostly its parent was placed before, or it has none.
        parent = places.get(parent_id) if parent_id is not None else None
        if parent is not None or parent_id is None or parent_id not in operations:
            places[span_id] = self._beneath(operation, parent)
            return
        pending = [operation]
        seen = {span_id}
        while (parent_id := pending[-1].parent_id) is not None:
            parent = places.get(parent_id)
            above = operations.get(parent_id) if parent is None else None
            if above is None:
                break
            if parent_id in seen:
                top = _top_of_ring(pending[[one.span_id for one in pending].index(parent_id) :])
                places[top.span_id] = self._beneath(top, None)
                self.place(operation)
                return
            pending.append(above)
            seen.add(parent_id)
        for below in reversed(pending):
            parent = places[below.span_id] = self._beneath(below, parent)

    def _beneath(self, operation: Operation, parent: _Place | None) -> _Place:
        kind = operation.kind
        if kind is OperationKind.OTHER:
            return (
                parent
                if parent is not None
                else _Place(operation, operation, 0, within_agentic=False, agent=operation.agent)
            )
        if parent is None:
            place = _Place(operation, operation, 0, kind in _AGENTIC, operation.agent)
        elif operation.name == parent.operation.name and _is_said_twice(operation, parent.operation):
            self._keep(operation, parent, None, counted=False)
            return parent
        else:
            is_agentic = kind in _AGENTIC
            root = parent.root
            if is_agentic and not parent.within_agentic:
                self.held_by[operation.span_id] = root.span_id
                root = operation
            agent = parent.agent or operation.agent
            place = _Place(operation, root, parent.depth + 1, is_agentic or parent.within_agentic, agent)
        if kind is OperationKind.AGENT or (kind is OperationKind.NODE and _is_top_level(parent)):
            place.agent, place.is_agent = operation.name, True
        counted = operation.counted and operation.span_id not in self._told_twice
        self._keep(operation, place, parent, counted=counted)
        return place

    def _keep(self, operation: Operation, place: _Place, parent: _Place | None, *, counted: bool) -> None:
        above = parent.operation if parent is not None else None
        node = operation.node
        if node is not None:
            node = msgspec.structs.replace(node, graph=above.name if above is not None else "")
        elif operation.kind is OperationKind.NODE:
            node = NodeStep(above.name if above is not None else "")
        parent_id = operation.parent_id
        if place.operation is not operation:
            parent_id = place.operation.span_id
        elif above is not None:
            parent_id = above.span_id
        placed = msgspec.structs.replace(
            operation,
            agent=place.agent,
            is_agent=place.is_agent and counted,
            parent_id=parent_id,
            node=node,
            counted=counted,
            inference=self._inference(operation) if self._told_by else operation.inference,
        )
        span_id, root_id = operation.span_id, place.root.span_id
        kept = (span_id == root_id, operation.end_ns, -place.depth, operation.start_ns, span_id, placed)
        own = self.placed.get(root_id)
        if own is None:
            self.placed[root_id] = [kept]
        else:
            own.append(kept)

    def pass_on_errors(self) -> None:
        """Mark the errors that count at an operation beneath."""
        marked = passed_on(item[-1] for placed in self.placed.values() for item in placed)
        for placed in self.placed.values() if marked else ():
            for index, item in enumerate(placed):
                if item[-1].span_id in marked:
                    placed[index] = (*item[:-1], msgspec.structs.replace(item[-1], error_beneath=True))

    def _inference(self, operation: Operation) -> Inference | None:
        inference = operation.inference
        for span_id in self._told_by.get(operation.span_id, ()):
            other = self._operations[span_id].inference
            if inference is not None and other is not None:
                inference = completed(inference, other)
        return inference


def _top_of_ring(ring: list[Operation]) -> Operation:
    """Where parents of each other are parted: above the parent of none but the first of them to start."""
    first = min(ring, key=lambda one: (one.start_ns, one.span_id))
    return next(one for one in ring if one.parent_id == first.span_id)


def _is_said_twice(operation: Operation, above: Operation) -> bool:
    if operation.name != above.name:
        return False
    if operation.kind in _AGENTIC:
        # Another framework's agent in a graph of its name says more than the graph, its shell.
        is_shell = above.kind is OperationKind.WORKFLOW and operation.kind is OperationKind.AGENT and above.scope != ""
        return above.kind in _AGENTIC and not is_shell
    return operation.kind is OperationKind.TOOL and above.kind is OperationKind.TOOL


def _is_top_level(parent: _Place | None) -> bool:
    """Whether a node stands right beneath the graph that is its run."""
    return parent is not None and parent.within_agentic and parent.operation is parent.root and not parent.is_agent


def runs_of(operations: Iterable[Operation], others: Iterable[Operation] = ()) -> list[TracedRun]:
    """Divide the operations of one trace in one process into runs, and place each in its run.

    Args:
        operations: all operations of the trace, read one by one, in any order.
        others: those of other processes of the trace, which are not placed here; their model requests
            may account for usage that the span of an agent of this process repeats.

    Returns:
        The runs that hold agent work, in order of start. The session of each operation is that
        of its run's root, else the first one that any of its operations names.
    """
    by_id = {operation.span_id: operation for operation in operations}
    placing = _Placing(by_id, others)
    # A parent starts before its children: each mostly finds it placed.
    for operation in sorted(by_id.values(), key=_START):
        placing.place(operation)
    placing.pass_on_errors()
    found = {
        root_id: placed
        for root_id, placed in placing.placed.items()
        if any(item[-1].counted for item in placed)  # else another run has all of it
    }
    holders = {above for root_id, above in placing.held_by.items() if root_id in found}
    runs = [_run(by_id[root_id], placed, holds_runs=root_id in holders) for root_id, placed in found.items()]
    if len(runs) > 1:
        runs.sort(key=lambda run: (run.root.start_ns, run.root.span_id))
    return runs


def _run(root: Operation, placed: list[_Placed], *, holds_runs: bool) -> TracedRun:
    placed.sort()
    session_id = root.session_id or next((item[-1].session_id for item in placed if item[-1].session_id), None)
    kept = tuple(
        [
            operation
            if operation.session_id == session_id
            else msgspec.structs.replace(operation, session_id=session_id)
            for *_, operation in placed
        ]
    )
    is_root, *_ = placed[-1]
    top = kept[-1] if is_root else msgspec.structs.replace(root, session_id=session_id)
    return TracedRun(top, kept, holds_runs)
