"""The budgets of runs and sessions that the settings ask for.

A session's sums are kept here, apart from what the engine remembers of it: of the 100,000
sessions that began a run last. A session that is forgotten begins anew, which is counted as an
eviction. A run without a conversation id is a session of its own. Each process counts for itself.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from decimal import Decimal

from otel_agentperf.budgets import BudgetExceeded, BudgetLimits, BudgetScope
from otel_agentperf.config import Settings
from otel_agentperf.live.budgets.account import Account
from otel_agentperf.live.budgets.blocks import Accounts
from otel_agentperf.live.frames import Frame

MAX_SESSIONS = 100_000
EVICTION = "budget_sessions"
_logger = logging.getLogger("otel_agentperf")
_NO_LIMITS = BudgetLimits()


class Configured:
    """Opens the budgets of runs and sessions.

    Args:
        settings: what limits there are.
        evictions: counts the sessions that were forgotten.
    """

    def __init__(self, settings: Settings, evictions: Counter[str]) -> None:
        self._run = _limits(settings, BudgetScope.RUN)
        self._session = _limits(settings, BudgetScope.SESSION)
        self._on_exceeded = _go_on if settings.budget_action == "report" else None
        self._evictions = evictions
        self._sessions: OrderedDict[str, Account] = OrderedDict()
        self._lock = threading.RLock()
        limits = (self._run, self._session)
        self.counts_alarms = any(each is not None and each.repetition_alarms is not None for each in limits)
        self.is_any = self._run is not None or self._session is not None

    def begin(self, root: Frame, session_id: str | None) -> Accounts:
        """The budgets of a run that begins, the wider one first."""
        accounts: list[Account] = []
        if self._session is not None:
            session = self._of_session(session_id, self._session)
            session.run_began(root)
            accounts.append(session)
        if self._run is not None:
            accounts.append(Account(BudgetScope.RUN, root.name, self._run, self._on_exceeded))
        return tuple(accounts)

    def outside(self, session_id: str | None) -> Accounts:
        """The budgets of work that no operation is around: that of its session, where it names one."""
        if self._session is None or session_id is None:
            return ()
        return (self._of_session(session_id, self._session),)

    def _of_session(self, session_id: str | None, limits: BudgetLimits) -> Account:
        if session_id is None:
            return Account(BudgetScope.SESSION, "", limits, self._on_exceeded)
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None:
                self._sessions.move_to_end(session_id)
                return session
            session = self._sessions[session_id] = Account(BudgetScope.SESSION, session_id, limits, self._on_exceeded)
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
                self._evictions[EVICTION] += 1
            return session

    def renew(self) -> None:
        """Take new locks, in a child process. What sessions have spent is kept: they may go on here."""
        self._lock = threading.RLock()
        for account in self._sessions.values():
            account.renew()


def _go_on(exceeded: BudgetExceeded) -> None:
    """Report a limit that was reached, and let the work go on."""
    _logger.warning("%s (AGENTPERF_BUDGET_ACTION is report: it goes on)", exceeded)


def _limits(settings: Settings, scope: BudgetScope) -> BudgetLimits | None:
    def value(name: str) -> float:
        return getattr(settings, f"budget_{scope}_{name}")

    limits = BudgetLimits(
        usd=Decimal(str(value("usd"))) if value("usd") else None,
        tokens=int(value("tokens")) or None,
        time_s=value("time") or None,
        steps=int(value("steps")) or None,
        repetition_alarms=int(value("repetition_alarms")) or None,
    )
    if limits == _NO_LIMITS:
        return None
    stops = settings.budget_unpriced == "stop"
    return BudgetLimits(limits.usd, limits.tokens, limits.time_s, limits.steps, limits.repetition_alarms, stops)
