"""How a graph run, node or tool ended, told from what it raised."""

from __future__ import annotations

import asyncio
import concurrent.futures

from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand

from otel_agentperf import semconv
from otel_agentperf.budgets import BudgetExceeded
from otel_agentperf.instrumentation.patching import error_type
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import OperationKind

INTERRUPTED = "interrupted"
PARENT_COMMAND = "parent_command"
CANCELLED = "cancelled"
CACHE_HIT = semconv.OUTCOME_CACHE_HIT
ABANDONED = "abandoned"
BUDGET_EXCEEDED = semconv.OUTCOME_BUDGET_EXCEEDED
DRAINED = "drained"


def of(error: BaseException | None) -> tuple[str | None, str | None]:
    """Tell an error from a way of ending that LangGraph expresses as an exception.

    Returns:
        `error.type` and outcome; both `None` for a plain success. What a budget has stopped has both.
    """
    if error is None:
        return None, None
    if isinstance(error, GraphInterrupt):
        return None, INTERRUPTED
    if isinstance(error, ParentCommand):
        return None, PARENT_COMMAND
    if isinstance(error, GraphBubbleUp):
        return None, DRAINED
    if isinstance(error, (asyncio.CancelledError, concurrent.futures.CancelledError)):
        return None, CANCELLED
    if isinstance(error, GeneratorExit):
        return None, ABANDONED
    return error_type(error), BUDGET_EXCEEDED if isinstance(error, BudgetExceeded) else None


def interrupt_run(frame: Frame | None) -> None:
    """Remember on the frame of a graph run, and on no other, that it was interrupted."""
    if frame is not None and frame.kind in (OperationKind.WORKFLOW, OperationKind.AGENT):
        frame.outcome = INTERRUPTED
