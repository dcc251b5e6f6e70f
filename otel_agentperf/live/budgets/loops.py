"""Repetition that shows in the shape of a run, found while the run goes on.

Most rules of repetition look at a run when it has ended, which is too late for a loop that does
not end. Where a budget limits repetition alarms, they are asked meanwhile: each time that a node
or a request was given just what it was given before, though ever more seldom the more often that
found nothing, so that all of it takes about as long as a few looks at the whole run. So an alarm may
come up to half as many repeats late as the rule would raise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import Operation

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run
    from otel_agentperf.model import Suggestion

MAX_GIVEN = 10_000
"""What nodes and requests were given is remembered up to that many; then it begins anew."""


class Loops:
    """What the nodes and requests of a budget's runs were given, and when to look next."""

    __slots__ = ("_given", "_next", "_repeats")

    def __init__(self) -> None:
        self._given: set[tuple[int, str, str]] = set()
        self._repeats = 0
        self._next = 1

    def is_due(self, run: Run, operation: Operation) -> bool:
        """Whether to look now that this operation has ended."""
        given = _given(operation)
        if given is None:
            return False
        key = (run.id, operation.name, given)
        if key not in self._given:
            if len(self._given) >= MAX_GIVEN:
                self._given.clear()
            self._given.add(key)
            return False
        self._repeats += 1
        if self._repeats < self._next:
            return False
        self._next = self._repeats + max(1, self._repeats // 2)
        return True


def _given(operation: Operation) -> str | None:
    if operation.node is not None:
        return operation.node.state_hash
    return operation.inference.request_hash if operation.inference is not None else None


def look(
    engine: Engine, frame: Frame, run: Run, operation: Operation, news: Sequence[Suggestion]
) -> Sequence[Suggestion]:
    """The news of an operation, with what the rules of repetition would say if the run ended with it.

    A loop that several of these rules see is one suggestion: the one that a budget has counted, if it has.

    Args:
        engine: the engine.
        frame: that of the operation.
        run: its run.
        operation: what has ended.
        news: the suggestions that are new with it.
    """
    budgets = [account for account in frame.budgets if account.limits.repetition_alarms is not None]
    due = False
    for account in budgets:
        if account.loops is None:
            account.loops = Loops()
        due |= account.loops.is_due(run, operation)
    reported = {(rule, target) for account in budgets for run_id, rule, target in account.alarms if run_id == run.id}
    is_counted = bool(reported) and any(each.rule in engine.repetition_rules for each in news)
    if not due and not is_counted:
        return news
    root = frame.root()
    so_far = Operation(root.kind, root.name, root.span_id, root.start_ns, operation.end_ns, trace_id=root.trace_id)
    others = [each for each in news if each.rule not in engine.repetition_rules]
    return [*others, *engine.repetition_so_far(run, so_far, reported)]
