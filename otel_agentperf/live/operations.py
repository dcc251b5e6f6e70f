"""An operation as it ends, made of its frame and of what the seam saw."""

from __future__ import annotations

from time import time_ns

from otel_agentperf.live import loops, samples
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import (
    Cost,
    Inference,
    NodeStep,
    Operation,
    OperationKind,
    Resources,
    ToolCall,
    Usage,
)

_NODE = OperationKind.NODE  # members of an enum are dear to look up in Python 3.11


def operation_of(
    frame: Frame,
    *,
    error_type: str | None = None,
    outcome: str | None = None,
    usage: Usage | None = None,
    cost: Cost | None = None,
    inference: Inference | None = None,
    tool: ToolCall | None = None,
    node: NodeStep | None = None,
    end_ns: int | None = None,
) -> Operation:
    """The operation that a frame stands for, as it ends. Arguments as for `Pipeline.close`."""
    run = frame.run
    parent = frame.parent
    if end_ns is None:
        end_ns = time_ns()
    return Operation(
        frame.kind,
        frame.name,
        frame.span_id,
        frame.start_ns,
        end_ns,
        parent.span_id if parent is not None else None,
        frame.trace_id,
        frame.agent,
        error_type,
        outcome,
        usage,
        cost,
        inference,
        tool,
        node,
        frame.is_agent,
        (run.session.id or None) if run is not None else None,
        resources=resources_of(frame, end_ns) if frame.kind is _NODE or frame.owns_run else None,
        error_beneath=error_type is not None and frame.error_is_beneath(),
    )


def resources_of(frame: Frame, end_ns: int) -> Resources | None:
    """What was used while a node or run was open, as far as it was sampled."""
    blocked = loops.take(frame)
    if blocked is not None:
        return samples.samples.within(frame.start_ns, end_ns, *blocked)
    kept = samples.samples
    return kept.within(frame.start_ns, end_ns) if kept.last_ns >= frame.start_ns else None
