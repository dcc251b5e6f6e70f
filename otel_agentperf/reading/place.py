"""Where an operation stands: its agent, its run and its session, told from the spans above it.

A span alone does not say for whom it ran. `runs_of` takes all operations of one trace in one
process and decides as the live pipeline does when it opens them:

- a run's root is an outermost workflow or agent; two of them in one trace are two runs;
- work outside any of them belongs to its topmost span (the local root);
- the agent is the innermost `invoke_agent`, else the node right beneath the run's root;
- spans that are no agent work stand aside: what is beneath them hangs on the next one above;
- where two instrumentations report one graph, agent or tool, the inner span is not counted;
  where they report one model request, `twice` tells which counts;
- a request or a tool beneath no agent ran for the agent that its span names, if it names one.

It errs towards more runs: a parent that is absent makes its children local roots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from otel_agentperf.model import Inference, NodeStep, Operation, OperationKind
from otel_agentperf.reading.twice import completed, told_twice

_AGENTIC = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})


@dataclass(frozen=True, slots=True)
class TracedRun:
    """One run of a trace."""

    root: Operation
    operations: tuple[Operation, ...]
    """All agent work of the run in order of end, children before their parents; the root is last or absent.

    It is absent where it is no agent work itself: a caller's span around model requests."""


@dataclass(slots=True)
class _Place:
    """What holds beneath one operation."""

    operation: Operation
    root: Operation
    depth: int
    agent: str = ""
    is_agent: bool = False

    @property
    def within_agentic(self) -> bool:
        return self.root.kind in _AGENTIC


class _Placing:
    """Places the operations of one trace, each after its parent."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = operations
        self._told_twice = told_twice(operations)
        self._told_by = {counts: not_counted for not_counted, counts in self._told_twice.items()}
        self._places: dict[str, _Place] = {}
        self.placed: dict[str, list[tuple[int, Operation]]] = defaultdict(list)

    def place(self, operation: Operation) -> None:
        """Place an operation and whatever above it has no place yet."""
        places, operations = self._places, self._operations
        if operation.span_id in places:
            return
        pending = [operation]
        seen = {operation.span_id}
        parent: _Place | None = None
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
        if parent is None:
            place = _Place(operation, operation, 0, operation.agent)
        elif kind is OperationKind.OTHER:
            return parent
        elif _is_said_twice(operation, parent.operation):
            self._keep(operation, parent, counted=False)
            return parent
        else:
            is_root = kind in _AGENTIC and not parent.within_agentic
            place = _Place(
                operation, operation if is_root else parent.root, parent.depth + 1, parent.agent or operation.agent
            )
        if _is_agent(operation, parent):
            place.agent, place.is_agent = operation.name, True
        if kind is not OperationKind.OTHER:
            counted = operation.counted and operation.span_id not in self._told_twice
            self._keep(operation, place, counted=counted, parent=parent)
        return place

    def _keep(self, operation: Operation, place: _Place, *, counted: bool, parent: _Place | None = None) -> None:
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
            inference=self._inference(operation),
        )
        self.placed[place.root.span_id].append((place.depth, placed))

    def _inference(self, operation: Operation) -> Inference | None:
        inference = operation.inference
        if inference is None or operation.span_id not in self._told_by:
            return inference
        other = self._operations[self._told_by[operation.span_id]].inference
        return inference if other is None else completed(inference, other)


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


def _is_agent(operation: Operation, parent: _Place | None) -> bool:
    if operation.kind is OperationKind.AGENT:
        return True
    if operation.kind is not OperationKind.NODE or parent is None:
        return False
    return parent.within_agentic and parent.operation is parent.root and not parent.is_agent


def runs_of(operations: Iterable[Operation]) -> list[TracedRun]:
    """Part the operations of one trace in one process into runs, and place each in its run.

    Args:
        operations: all operations of the trace, read one by one, in any order.

    Returns:
        The runs that hold agent work, in order of start. The session of each operation is that
        of its run's root, else the first one that any of its operations names.
    """
    by_id = {operation.span_id: operation for operation in operations}
    placing = _Placing(by_id)
    for operation in by_id.values():
        placing.place(operation)
    runs = [
        _run(by_id[root_id], placed)
        for root_id, placed in placing.placed.items()
        if any(operation.counted for _, operation in placed)  # else another run has all of it
    ]
    return sorted(runs, key=lambda run: (run.root.start_ns, run.root.span_id))


def _by_end(root: Operation, depth: int, operation: Operation) -> tuple[bool, int, int, int, str]:
    """The order in which operations ended; what their times leave open is settled alike for any order of spans."""
    is_root = operation.span_id == root.span_id
    return is_root, operation.end_ns, -depth, operation.start_ns, operation.span_id


def _run(root: Operation, placed: list[tuple[int, Operation]]) -> TracedRun:
    placed.sort(key=lambda item: _by_end(root, *item))
    session_id = root.session_id or next((op.session_id for _, op in placed if op.session_id), None)
    kept = tuple(
        op if op.session_id == session_id else msgspec.structs.replace(op, session_id=session_id) for _, op in placed
    )
    own = next((op for op in kept if op.span_id == root.span_id), None)
    return TracedRun(own if own is not None else msgspec.structs.replace(root, session_id=session_id), kept)
