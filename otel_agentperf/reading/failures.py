"""One exception, which ends an operation and those around it one after another, is one error.

An operation failed by what failed beneath it where nothing else began beneath it afterwards: an exception
that passes through ends it before it can do anything more, also where it is wrapped in another one on its
way. Where something began after the failure, it was dealt with, and what ends the operation later is an
error of its own: a retry that succeeded, a fallback, an agent that goes on.

It errs towards one error: an operation that deals with a failure and then fails by itself, before anything
else begins beneath it, is not told from one that passes the failure on.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_agentperf.model import Operation


def passed_on(operations: Iterable[Operation]) -> set[str]:
    """The spans of the operations whose error is that of an operation beneath them.

    Args:
        operations: all operations of a trace in one process, each with the id of the operation that it
            stands beneath. Those that are not counted are left out, and what is beneath them moves up.
    """
    everything = list(operations)
    failed = {one.span_id: one for one in everything if one.counted and one.error_type is not None}
    if len(failed) < 2:  # noqa: PLR2004 - one alone has passed nothing on
        return set()
    by_id = {one.span_id: one for one in everything}
    last_start: dict[str, int] = {}
    last_failure: dict[str, int] = {}
    for one in everything:
        above = _counted_above(one, by_id) if one.counted else None
        if above is None or above.span_id not in failed:
            continue
        span_id = above.span_id
        last_start[span_id] = max(one.start_ns, last_start.get(span_id, 0))
        if one.span_id in failed:
            last_failure[span_id] = max(one.end_ns, last_failure.get(span_id, 0))
    return {span_id for span_id, end_ns in last_failure.items() if end_ns >= last_start[span_id]}


def _counted_above(operation: Operation, by_id: dict[str, Operation]) -> Operation | None:
    seen = {operation.span_id}
    parent_id = operation.parent_id
    while parent_id is not None and parent_id not in seen:
        above = by_id.get(parent_id)
        if above is None or above.counted:
            return above
        seen.add(parent_id)
        parent_id = above.parent_id
    return None
