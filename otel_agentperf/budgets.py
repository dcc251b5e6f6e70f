"""What a budget allows, what was spent of it, and the exception that says that it is spent.

A budget is reached when what was spent is at the limit or above: the next step would cross it.
Steps are counted as they begin and stay at the limit exactly; money and tokens are known when an
answer has come, so that they may pass it by what was in flight. `BudgetExceeded` is the one
exception of ours that is meant to reach the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

_MAX_NAME = 80


class BudgetScope(StrEnum):
    """What a budget is for."""

    RUN = "run"
    """One outermost graph or agent execution and all beneath it, or work outside of any."""
    SESSION = "session"
    """The runs of one conversation id."""
    BLOCK = "block"
    """What runs within `with otel_agentperf.budget(...)`."""


class BudgetLimit(StrEnum):
    """What a budget may limit."""

    USD = "usd"
    TOKENS = "tokens"
    TIME = "time_s"
    STEPS = "steps"
    REPETITION_ALARMS = "repetition_alarms"
    UNPRICED = "unpriced"
    """A request without a known price, where a limit in US dollars does not put up with one."""


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What a budget allows. `None` is no limit."""

    usd: Decimal | None = None
    tokens: int | None = None
    """Input and output tokens together."""
    time_s: float | None = None
    steps: int | None = None
    """Executions of nodes; retries of one are the same execution."""
    repetition_alarms: int | None = None
    stops_unpriced: bool = False
    """Whether a request without a known price uses up a limit in US dollars."""


@dataclass(frozen=True, slots=True)
class BudgetTotals:
    """What was spent of a budget, whether it is limited or not."""

    usd: Decimal = Decimal(0)
    """Of the requests and services whose price is known."""
    tokens: int = 0
    time_s: float = 0.0
    """Since it began; of a session, what its runs took together."""
    steps: int = 0
    repetition_alarms: int = 0
    unpriced_calls: int = 0
    """Requests and services whose price is not known, and is in no sum."""


_WORDS = {
    BudgetLimit.TOKENS: "tokens",
    BudgetLimit.TIME: "s",
    BudgetLimit.STEPS: "node executions",
    BudgetLimit.REPETITION_ALARMS: "repetition alarms",
}
_CURES = {
    BudgetScope.RUN: "raise AGENTPERF_BUDGET_RUN_{name}",
    BudgetScope.SESSION: "raise AGENTPERF_BUDGET_SESSION_{name}, or begin another session",
    BudgetScope.BLOCK: "raise {argument} of otel_agentperf.budget(...)",
}


class BudgetExceeded(RuntimeError):  # noqa: N818 - what it says is no error of the program
    """A budget is used up: nothing more of its run, session or block is begun.

    It is raised before a model request, a node, a tool or a marked action or service, and again
    at each one that follows, also where the program has caught it. It is a `RuntimeError`, which
    LangGraph does not retry by default. It can be pickled.

    Attributes:
        limit: which limit was reached.
        scope: what the budget is for.
        name: the run's name, the session's id or the block's name; empty where it has none.
        limits: all limits of the budget.
        totals: what was spent as the limit was found reached.
    """

    def __init__(
        self, limit: BudgetLimit, scope: BudgetScope, name: str, limits: BudgetLimits, totals: BudgetTotals
    ) -> None:
        super().__init__(_message(limit, scope, name, limits, totals))
        self.limit = limit
        self.scope = scope
        self.name = name
        self.limits = limits
        self.totals = totals

    @property
    def allowed(self) -> float:
        """The limit that was reached, as a number in its unit; 0 where a request without a price reached it."""
        return float(getattr(self.limits, self.limit, 0) or 0)

    @property
    def spent(self) -> float:
        """What was spent of it, in the same unit."""
        return float(getattr(self.totals, "unpriced_calls" if self.limit is BudgetLimit.UNPRICED else self.limit))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it again from its parts: an exception is pickled with its message alone otherwise."""
        return type(self), (self.limit, self.scope, self.name, self.limits, self.totals)


def _message(limit: BudgetLimit, scope: BudgetScope, name: str, limits: BudgetLimits, totals: BudgetTotals) -> str:
    named = f" {name[:_MAX_NAME]!r}" if name else ""
    setting = "USD" if limit is BudgetLimit.UNPRICED else limit.upper().removesuffix("_S")
    cure = _CURES[scope].format(name=setting, argument=limit)
    if limit is BudgetLimit.UNPRICED:
        cure = "give the model or service a price (otel-agentperf prices MODEL says what is missing)"
    return (
        f"otel-agentperf: the budget of this {scope}{named} is used up: {_reached(limit, limits, totals)}. "
        f"Spent so far: {_spent(totals)}. No further request, node or tool of it is begun; {cure}."
    )


def _reached(limit: BudgetLimit, limits: BudgetLimits, totals: BudgetTotals) -> str:
    if limit is BudgetLimit.UNPRICED:
        return f"{totals.unpriced_calls:,} calls have no known price, and the limit of ${limits.usd} allows none"
    if limit is BudgetLimit.USD:
        return f"${totals.usd:.6f} of ${limits.usd}"
    if limit is BudgetLimit.TIME:
        return f"{totals.time_s:,.1f} of {limits.time_s:,g} s"
    return f"{getattr(totals, limit):,} of {getattr(limits, limit):,} {_WORDS[limit]}"


def _spent(totals: BudgetTotals) -> str:
    parts = [
        f"${totals.usd:.6f}",
        f"{totals.tokens:,} tokens",
        f"{totals.time_s:,.1f} s",
        f"{totals.steps:,} node executions",
        f"{totals.repetition_alarms:,} repetition alarms",
    ]
    if totals.unpriced_calls:
        parts.append(f"and {totals.unpriced_calls:,} calls whose price is not known and is not in it")
    return ", ".join(parts)


ERROR_TYPE = BudgetExceeded.__name__
"""Its `error.type` on spans: as users catch it."""
