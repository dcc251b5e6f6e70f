"""One budget under way: its limits, what was spent of it, and what happens when it is used up.

Sums are the budget's own. They do not depend on what the engine remembers, so that an evicted
run or session stays within its budget.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeGuard

from otel_agentperf.budgets import BudgetExceeded, BudgetLimit, BudgetLimits, BudgetScope, BudgetTotals
from otel_agentperf.model import ZERO_USD, Operation

if TYPE_CHECKING:
    from otel_agentperf.live.budgets.loops import Loops
    from otel_agentperf.live.frames import Frame

OnExceeded = Callable[[BudgetExceeded], float | Decimal | None]
"""Asked instead of raising; see `otel_agentperf.budget`."""
_NS_PER_S = 1_000_000_000
# Members of an enum are dear to look up in Python 3.11.
_USD, _TOKENS, _TIME = BudgetLimit.USD, BudgetLimit.TOKENS, BudgetLimit.TIME
_STEPS, _ALARMS, _UNPRICED = BudgetLimit.STEPS, BudgetLimit.REPETITION_ALARMS, BudgetLimit.UNPRICED

_asking: ContextVar[tuple[Account, ...]] = ContextVar("otel_agentperf_budget_asking", default=())
"""Accounts whose handler runs: what it does itself is not held against them."""


class Account:
    """What one run, session or block may spend and has spent.

    Changed under the lock of `holding`; read without it, since each value is one reference.

    Args:
        scope: what it is for.
        name: the run's name, the session's id, or the block's name.
        limits: what is allowed.
        on_exceeded: is asked instead of raising.
    """

    __slots__ = (
        "_asked",
        "_ended_ns",
        "_running",
        "_since_ns",
        "alarms",
        "cost_usd",
        "limits",
        "loops",
        "name",
        "on_exceeded",
        "scope",
        "steps",
        "time_ns",
        "tokens",
        "told",
        "unpriced",
    )

    def __init__(
        self, scope: BudgetScope, name: str, limits: BudgetLimits, on_exceeded: OnExceeded | None = None
    ) -> None:
        self.scope = scope
        self.name = name
        self.on_exceeded = on_exceeded
        self.cost_usd = ZERO_USD
        self.tokens = self.steps = self.unpriced = 0
        self.alarms: set[tuple[int, str, str]] = set()
        """By run, rule and target."""
        self.told: set[BudgetLimit] = set()
        """Limits of which an event and the metric have spoken."""
        self.loops: Loops | None = None
        self._asked = threading.RLock()
        self._since_ns = perf_counter_ns()
        self._ended_ns = 0
        self._running: weakref.WeakKeyDictionary[Frame, int] | None = (
            weakref.WeakKeyDictionary() if scope is BudgetScope.SESSION else None
        )
        self.allow(limits)

    def allow(self, limits: BudgetLimits) -> None:
        """Let these limits hold from now on."""
        self.limits = limits
        self.time_ns = None if limits.time_s is None else round(limits.time_s * _NS_PER_S)

    def renew(self) -> None:
        """Take new locks, in a child process: a thread that it does not have may hold them."""
        self._asked = threading.RLock()

    # -- what is spent ---------------------------------------------------------------------

    def add(self, operation: Operation) -> None:
        """Add a billed operation."""
        usage, cost = operation.usage, operation.cost
        if usage is not None:
            self.tokens += usage.input_tokens + usage.output_tokens
        if cost is not None:
            if cost.total_usd is None:
                self.unpriced += 1
            else:
                self.cost_usd += cost.total_usd

    def run_began(self, root: Frame) -> None:
        """Count the time of a run of this session from now on."""
        if self._running is not None:
            self._running[root] = perf_counter_ns()

    def run_ended(self, root: Frame) -> None:
        """Stop counting it."""
        if self._running is not None:
            self._ended_ns += perf_counter_ns() - self._running.pop(root, perf_counter_ns())

    def elapsed_ns(self) -> int:
        """Since it began; of a session, what its runs took together, those that go on included."""
        now_ns = perf_counter_ns()
        if self._running is None:
            return now_ns - self._since_ns
        return self._ended_ns + sum(now_ns - began_ns for began_ns in list(self._running.values()))

    def totals(self) -> BudgetTotals:
        """What was spent so far."""
        return BudgetTotals(
            self.cost_usd,
            self.tokens,
            self.elapsed_ns() / _NS_PER_S,
            self.steps,
            len(self.alarms),
            self.unpriced,
        )

    # -- whether that is too much ----------------------------------------------------------

    def reached(self, is_step: bool = False) -> BudgetLimit | None:  # noqa: FBT001, FBT002 - on the hot path
        """The first limit that is reached, if one is; that of steps by the step that would be one too many."""
        limits = self.limits
        usd = limits.usd
        if usd is not None:
            if self.cost_usd >= usd:
                return _USD
            if self.unpriced and limits.stops_unpriced:
                return _UNPRICED
        if limits.tokens is not None and self.tokens >= limits.tokens:
            return _TOKENS
        if limits.steps is not None and self.steps >= limits.steps and (is_step or _STEPS in self.told):
            return _STEPS
        if limits.repetition_alarms is not None and len(self.alarms) >= limits.repetition_alarms:
            return _ALARMS
        time_ns = self.time_ns
        if time_ns is None:
            return None
        passed_ns = perf_counter_ns() - self._since_ns if self._running is None else self.elapsed_ns()
        return _TIME if passed_ns >= time_ns else None

    def exceeded(self, limit: BudgetLimit) -> BudgetExceeded:
        """The exception that says that a limit is reached."""
        return BudgetExceeded(limit, self.scope, self.name, self.limits, self.totals())

    def is_asking(self) -> bool:
        """Whether its handler runs just now, further up."""
        return self in _asking.get()

    def stop(self, limit: BudgetLimit) -> None:
        """Raise, or ask the handler whether to go on.

        Raises:
            BudgetExceeded: nothing more is to be begun.
            BaseException: whatever the handler raises instead.
        """
        exceeded = self.exceeded(limit)
        handler = self.on_exceeded
        if handler is None:
            raise exceeded
        with self._asked:  # others wait for the answer
            if self.reached() is not limit:
                return  # another thread has asked meanwhile
            token = _asking.set((*_asking.get(), self))
            try:
                answer = handler(exceeded)
            finally:
                _asking.reset(token)
            self._lift(limit, answer, exceeded)

    def _lift(self, limit: BudgetLimit, answer: object, exceeded: BudgetExceeded) -> None:
        if answer is None:
            self.allow(_without(self.limits, limit))
            return
        if not _is_limit(answer) or limit is _UNPRICED:
            raise exceeded from TypeError(f"on_exceeded returned a {type(answer).__name__}, not None or a limit")
        more = Decimal(str(answer)) if limit is _USD else float(answer) if limit is _TIME else int(answer)
        self.allow(replace(self.limits, **{limit.value: more}))
        if self.reached() is limit:
            raise exceeded from ValueError(f"on_exceeded allows {more}, which is spent already")
        self.told.discard(limit)


def _is_limit(answer: object) -> TypeGuard[float | Decimal]:
    return isinstance(answer, (int, float, Decimal)) and not isinstance(answer, bool) and isfinite(answer)


def _without(limits: BudgetLimits, limit: BudgetLimit) -> BudgetLimits:
    if limit is _UNPRICED:
        return replace(limits, stops_unpriced=False)
    return replace(limits, **{limit.value: None})
