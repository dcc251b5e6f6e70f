"""The budget blocks that the current code runs in.

They travel in OpenTelemetry's context and beside it, in a context variable of ours: a library
that hands on the former to its threads hands on the budgets, and one that puts an older context
back (some instrumentations do, around each call) does not take them away. What was begun in a
block, such as a task that outlives it, stays in it.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

if TYPE_CHECKING:
    from otel_agentperf.live.budgets.account import Account

Accounts = tuple["Account", ...]
_KEY = context_api.create_key("otel-agentperf-budgets")


class _Entered:
    """One block that was entered, and how to leave it."""

    __slots__ = ("account", "accounts", "outer", "token")

    def __init__(self, account: Account, accounts: Accounts, outer: _Entered | None, token: Token[Context]) -> None:
        self.account = account
        self.accounts = accounts
        self.outer = outer
        self.token = token


_entered: ContextVar[_Entered | None] = ContextVar("otel_agentperf_budgets", default=None)


def joined(held: Accounts, more: Accounts) -> Accounts:
    """Those of both, each once."""
    if not more or held is more:
        return held
    if not held:
        return more
    for account in more:
        if account not in held:
            return (*held, *[account for account in more if account not in held])
    return held


entered_anywhere: set[Account] = set()
"""The accounts of blocks that some thread of this process is in."""


def current(context: Context) -> Accounts:
    """The blocks around the current code, the outermost first."""
    carried: Any = context.get(_KEY)
    entered = _entered.get()
    if entered is None:
        return carried or ()
    return entered.accounts if not carried or carried is entered.accounts else joined(carried, entered.accounts)


def enter(account: Account) -> None:
    """Begin a block."""
    entered_anywhere.add(account)
    context = context_api.get_current()
    accounts = joined(current(context), (account,))
    token = context_api.attach(context_api.set_value(_KEY, accounts, context))
    _entered.set(_Entered(account, accounts, _entered.get(), token))


def leave(account: Account) -> None:
    """End a block; where it was not begun in this context, there is nothing to end."""
    entered_anywhere.discard(account)
    entered = _entered.get()
    while entered is not None and entered.account is not account:
        entered = entered.outer
    if entered is None:
        return
    _entered.set(entered.outer)
    try:  # noqa: SIM105 - as in `switch.leave`: not a word in the log where the context is another one
        entered.token.var.reset(entered.token)
    except (ValueError, RuntimeError):
        pass
