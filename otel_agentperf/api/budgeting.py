"""Budgets that a program sets itself, around a piece of its work."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from otel_agentperf.api.spanned import F, Spanned
from otel_agentperf.api.switching import active_pipeline
from otel_agentperf.budgets import BudgetExceeded, BudgetLimits, BudgetScope, BudgetTotals
from otel_agentperf.config import wrong
from otel_agentperf.live import budgets, in_process
from otel_agentperf.live.budgets import Account, blocks


class budget(Spanned):  # noqa: N801 - reads as a statement, `with budget(usd=0.50):`
    """Stops what runs inside before it spends more than this.

    A context manager for synchronous and asynchronous code, and a decorator. It is checked before
    each model request, node, tool, and marked action or service inside, in whatever thread or task
    these have the context of; once a limit is reached, `BudgetExceeded` is raised there, and again
    at all that follow, also where the program catches it on the way. Work that is under way is let
    finish, so that money and tokens can pass their limit by the requests in flight. What was begun
    inside and goes on after the block, stays in the budget.

    Budgets nest: all that are around something hold, those of the settings too. A block may hold
    several runs. The same object used again goes on where it stopped, which makes it a purse for
    several blocks, also at once; a decorated function has a budget of its own for each call.

    Args:
        usd: US dollars. Requests without a known price are in no sum, see `unpriced`.
        tokens: input and output tokens together.
        time_s: seconds since the block began. A request that is under way is not cut off.
        steps: executions of LangGraph nodes.
        repetition_alarms: alarms of the rules of repetition (REP001 to REP003, and your own REP rules), each
            target of a run once. A run that is no longer followed (`AGENTPERF_MAX_LIVE_RUNS`) raises none.
        on_exceeded: is called instead of raising, with the `BudgetExceeded`, where the check is made,
            hence in any thread. What it raises stops the work in place of it, and it is called again
            at the next check. Where it returns `None` the work goes on and the limit holds no more;
            where it returns a number that is the new limit. A new limit that is spent already, or
            anything else, raises `BudgetExceeded`. Others wait for its answer, and what it does
            itself is not held against this budget. No coroutine function.
        unpriced: ``"ignore"``, or ``"stop"``: a request without a known price then uses up `usd`.
        name: what messages and telemetry call it, low in cardinality.

    Raises:
        SettingsError: (a `ValueError`) an argument is not allowed, or there is no limit at all.
    """

    def __init__(
        self,
        *,
        usd: float | Decimal | str | None = None,
        tokens: int | None = None,
        time_s: float | None = None,
        steps: int | None = None,
        repetition_alarms: int | None = None,
        on_exceeded: Callable[[BudgetExceeded], float | Decimal | None] | None = None,
        unpriced: str = "ignore",
        name: str = "",
    ) -> None:
        if unpriced not in ("ignore", "stop"):
            raise wrong("budget(unpriced)", unpriced, "'ignore' or 'stop'")
        if on_exceeded is not None and (not callable(on_exceeded) or inspect.iscoroutinefunction(on_exceeded)):
            raise wrong("budget(on_exceeded)", on_exceeded, "a function that is no coroutine function")
        seconds = _number("time_s", time_s)
        self._limits = BudgetLimits(
            _number("usd", usd),
            _whole("tokens", tokens),
            None if seconds is None else float(seconds),
            _whole("steps", steps),
            _whole("repetition_alarms", repetition_alarms),
            stops_unpriced=unpriced == "stop",
        )
        if (usd, tokens, time_s, steps, repetition_alarms) == (None,) * 5:
            raise wrong("budget", "no limit", "at least one of usd, tokens, time_s, steps, repetition_alarms")
        self._on_exceeded = on_exceeded
        self._name = str(name)
        self._account: Account | None = None

    @property
    def totals(self) -> BudgetTotals:
        """What was spent so far; nothing before it was first used."""
        return self._account.totals() if self._account is not None else BudgetTotals()

    def _fresh(self, arguments: Any) -> budget:
        del arguments
        use = object.__new__(budget)
        use._limits, use._on_exceeded, use._name, use._account = self._limits, self._on_exceeded, self._name, None
        return use

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function: each call has a budget of its own.

        Raises:
            SettingsError: it is a generator function, whose body runs in pieces, between which the
                program does other things: use `with` inside it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise wrong("budget", function.__qualname__, "a function or coroutine function; in a generator use `with`")
        return super().__call__(function)

    def begin(self) -> None:
        """Begin one use."""
        if self._account is None:
            self._account = Account(BudgetScope.BLOCK, self._name, self._limits, self._on_exceeded)
        budgets.use()
        if in_process.current() is None:
            budgets.say_once("nothing watches over it: call otel_agentperf.instrument() before")
        blocks.enter(self._account)

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        del result, error
        if self._account is not None:
            blocks.leave(self._account)


def hold_budgets() -> None:
    """Hold the budgets of the current code before it begins something that is marked.

    Raises:
        BudgetExceeded: a budget is used up and has no handler.
        BaseException: whatever its handler raises.
    """
    if budgets.in_use and (active := active_pipeline()) is not None:
        budgets.check(active)


def _number(name: str, value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(str(value)) if isinstance(value, (int, float, str, Decimal)) else None
    except InvalidOperation:
        number = None
    if number is None or isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise wrong(f"budget({name})", value, "a number above 0, or None for no limit")
    return number


def _whole(name: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise wrong(f"budget({name})", value, "a whole number above 0, or None for no limit")
    return value
