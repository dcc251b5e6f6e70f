"""Budgets: what a run, a session or a block may spend, held before the next thing begins.

A seam calls `check` before it begins a model request, a node, a tool, a marked action or service,
where `in_use` says that there may be a budget at all; every frame carries the accounts that its
work is charged to, so that this needs neither a sampled span nor what the engine remembers.

`check` is the one function of ours that raises into the program, and it must be called outside of
any guard. What goes wrong within it otherwise is reported as everywhere, and then the work goes on:
an error of ours must not stop a program.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard
from otel_agentperf.budgets import BudgetLimit, BudgetScope
from otel_agentperf.live import frames
from otel_agentperf.live.baggage import session_from_baggage
from otel_agentperf.live.budgets import blocks
from otel_agentperf.live.budgets.account import Account, OnExceeded
from otel_agentperf.live.budgets.blocks import Accounts
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import Level, Operation, Suggestion
from otel_agentperf.semconv import OUTCOME_BUDGET_EXCEEDED

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run
    from otel_agentperf.live.pipeline import Pipeline

__all__ = ["Account", "Accounts", "OnExceeded", "charge", "check", "in_use", "join", "note_alarms", "use"]

in_use = False
"""Whether this process has ever had a budget. Read it as `budgets.in_use`; `use` sets it."""
_REPETITION = "REP"
_logger = logging.getLogger("otel_agentperf")
_said: set[str] = set()
_BLOCK, _ALARM = BudgetScope.BLOCK, Level.ALARM
_lock = threading.RLock()
_Found = tuple[Account, BudgetLimit, Frame | None]
"""A budget that is used up, which of its limits, and where the current code runs."""


def use() -> None:
    """Have budgets checked from now on."""
    global in_use  # noqa: PLW0603 - one switch in a process
    in_use = True


def say_once(text: str) -> None:
    """Say what keeps a budget from holding, once."""
    if text not in _said:
        _said.add(text)
        _logger.warning("otel-agentperf: a budget is set, but %s", text)


def say_uncounted(active: Pipeline, context: Context) -> None:
    """Say that spans have no identity here, so that there is nothing by which work could be counted.

    Args:
        active: the pipeline.
        context: of the work.
    """
    if active.budgets.is_any or blocks.current(context):
        say_once(
            "there is no OpenTelemetry SDK, and what is spent is not counted: set a TracerProvider, be it one "
            "that samples and exports nothing; until then only limits of time and steps of a block hold"
        )


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the one lock of this module
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# -- before something begins ---------------------------------------------------------------


def check(active: Pipeline, *, is_step: bool = False) -> None:
    """Hold the budgets of the current code, before it begins something.

    Args:
        active: the pipeline, which tells of a limit that is reached.
        is_step: whether that is the execution of a node, which is counted then.

    Raises:
        BudgetExceeded: a budget is used up and has no handler.
        BaseException: whatever its handler raises.
    """
    while True:
        try:
            found = _find(active, is_step)
        except Exception as error:  # noqa: BLE001 - as `guard.guarded`, of which the call takes as long as half of this
            guard.report("budgets.check", error)
            return
        if found is None:
            return
        account, limit, frame = found
        try:
            account.stop(limit)
        except BaseException:
            if frame is not None:  # the program may catch it, and the run come to its end as if nothing were
                frame.root().outcome = OUTCOME_BUDGET_EXCEEDED
            raise


def _find(active: Pipeline, is_step: bool) -> _Found | None:  # noqa: FBT001 - on the hot path
    context = context_api.get_current()
    frame = frames.place(context)[1]
    accounts = blocks.current(context)
    if frame is not None:
        accounts = blocks.joined(frame.budgets, accounts) if accounts else frame.budgets
    elif active.budgets.is_any:
        accounts = blocks.joined(active.budgets.outside(session_from_baggage()), accounts)
    is_lost = frame is None and not context and threading.current_thread() is not threading.main_thread()
    if is_lost and (blocks.entered_anywhere or (active.budgets.is_any and active.has_open_runs)):
        say_once(
            "something was begun in a thread that no context was handed on to (a Thread or an executor of the program's own) "
            "while a run or block is at work, which does not hold it: start it with contextvars.copy_context().run"
        )
    if not accounts:
        return None
    if is_step:
        with _lock:
            found = _first(accounts, is_step)
            if found is None:
                for account in accounts:
                    account.steps += 1
                return None
    else:
        found = _first(accounts, is_step)
        if found is None:
            return None
    account, limit = found
    if limit not in account.told:
        _say(active, account, limit, frame)
    return account, limit, frame


def _first(accounts: Accounts, is_step: bool) -> tuple[Account, BudgetLimit] | None:  # noqa: FBT001 - on the hot path
    for account in accounts:
        limit = account.reached(is_step)
        if limit is not None and not account.is_asking():
            return account, limit
    return None


@guard.guarded("budgets.tell", None, timed=False)
def _say(active: Pipeline, account: Account, limit: BudgetLimit, frame: Frame | None) -> None:
    with _lock:
        if limit in account.told:
            return
        account.told.add(limit)
    active.teller.budget_reached(account, limit, frame, time_ns())


# -- as something begins and ends ----------------------------------------------------------


def join(frame: Frame, of_run: Accounts | None = None) -> None:
    """Let the work of a frame be charged to the budgets around it.

    Args:
        frame: it, with those of its parent.
        of_run: the budgets of the run that begins with it; `None` where none does.
    """
    held: Accounts = frame.budgets
    if of_run is not None:
        held = (*of_run, *[account for account in held if account.scope is _BLOCK])
    frame.budgets = blocks.joined(held, blocks.current(context_api.get_current()))


def charge(accounts: Accounts, operation: Operation) -> None:
    """Add a billed operation that has ended to what was spent."""
    with _lock:
        for account in accounts:
            account.add(operation)


def note_alarms(accounts: Accounts, run: Run, said: Iterable[Suggestion]) -> None:
    """Count the repetition alarms among suggestions: each rule and target of a run once."""
    alarms = [(run.id, *each.key) for each in said if each.level is _ALARM and each.rule.startswith(_REPETITION)]
    if alarms:
        with _lock:
            for account in accounts:
                account.alarms.update(alarms)


def run_ends(frame: Frame) -> None:
    """Stop the clock of the session of a run that ends."""
    with _lock:
        for account in frame.budgets:
            account.run_ended(frame)
