"""Roots that stand for spans which are not here: lost, not sampled, or not in this file.

Model calls, tools and nodes whose parent is absent ran in something that is not known any more. What hangs
on one absent parent is one run beneath a root that stands for it. Agents and graphs there are runs of their
own, unless nodes beside them show that the absent parent was a graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from otel_agentperf.model import Operation, OperationKind

MISSING_ROOT_NAME = "?"
_NO_PART = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT, OperationKind.OTHER})


def is_work(operation: Operation) -> bool:
    """Whether an operation belongs to a run without being one: a model call, a tool, a node, a service."""
    return operation.kind not in _NO_PART


def stand_in(span_id: str, beneath: Sequence[Operation]) -> Operation:
    """A root for what hangs on an absent span: a graph where there are nodes, else a plain span.

    Args:
        span_id: the absent span.
        beneath: the operations whose parent it is; at least one.
    """
    is_graph = any(operation.kind is OperationKind.NODE for operation in beneath)
    return Operation(
        OperationKind.WORKFLOW if is_graph else OperationKind.OTHER,
        MISSING_ROOT_NAME,
        span_id,
        min(operation.start_ns for operation in beneath),
        max(operation.end_ns for operation in beneath),
        trace_id=beneath[0].trace_id,
    )


def fitted(root: Operation, operations: Sequence[Operation]) -> Operation:
    """A root that stands for an absent span, with the times of its own operations, not those of other runs.

    Args:
        root: made by `stand_in`.
        operations: those of its run.
    """
    own = [operation for operation in operations if operation.counted and operation.span_id != root.span_id]
    if not own:
        return root
    return msgspec.structs.replace(
        root,
        start_ns=min(operation.start_ns for operation in own),
        end_ns=max(operation.end_ns for operation in own),
    )
