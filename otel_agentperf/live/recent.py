"""The last model requests of this process, so that one which two instrumentations report counts once."""

from __future__ import annotations

from collections import deque

from otel_agentperf.live.frames import Frame
from otel_agentperf.model import Operation

MAX_REQUESTS = 256


_Request = tuple[int, str, str, str, bool]
"""A request that was counted: its start, its model, the scope it was counted from (empty for our own
seam), its trace, and whether it is the root of that. Plain, since each request makes one."""


class RecentRequests:
    """Remembers the last 256 model requests."""

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests: deque[_Request] = deque(maxlen=MAX_REQUESTS)

    def remember(self, frame: Frame, model: str, scope: str = "") -> None:
        """Note a model request.

        Args:
            frame: its frame.
            model: the model it asked for, or that answered.
            scope: the instrumentation whose span it is counted from; empty for our own seam.
        """
        is_root = getattr(frame.span, "parent", None) is None
        self._requests.append((frame.start_ns, model, scope, frame.trace_id, is_root))

    def covers(self, operation: Operation, scope: str) -> bool:
        """Whether what another instrumentation's span reports has been counted already.

        True when one of the last requests began within its time, with the same model, and either
        in the same trace, counted from a span of another scope; or at our own seam, where one of
        the two is the root of its trace, since a peer's span that is never current has a trace of
        its own. It errs towards counting twice where a trace was torn apart.

        Args:
            operation: what the span reports.
            scope: the span's instrumentation scope.
        """
        model = _without_router(operation.inference.request_model) if operation.inference is not None else ""
        outermost = operation.parent_id is None
        return any(
            operation.start_ns <= start_ns <= operation.end_ns
            and (not model or model == _without_router(counted_model))
            and counted_scope != scope
            and (trace_id == operation.trace_id or (not counted_scope and (is_root or outermost)))
            for start_ns, counted_model, counted_scope, trace_id, is_root in tuple(self._requests)
        )


def _without_router(model: str) -> str:
    """A model's name without the prefixes that routers and APIs put before it, such as `models/` or `openai/`."""
    return model.rpartition("/")[2]
