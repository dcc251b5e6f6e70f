"""How many sessions are at work, and how many have gone over their budget.

A run without a conversation id is a session of its own, here as in the rules.
"""

from __future__ import annotations

from collections import OrderedDict
from time import time_ns

from otel_agentperf.analysis.engine import Engine

RECENT_NS = 300_000_000_000
"""For how long a session counts as active after its last run has ended: 5 minutes."""
MAX_RECENT = 10_000
"""Sessions whose last end is remembered. Beyond, the longest idle one is forgotten, which is counted."""


class Sessions:
    """What is told of sessions. Changed by one thread at a time, under the lock of the backlog.

    Args:
        engine: knows the runs that are open.
    """

    __slots__ = ("_engine", "_recent", "evicted", "over_budget")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recent: OrderedDict[str | int, int] = OrderedDict()
        self.over_budget = 0
        self.evicted = 0

    def run_ended(self, session: str | int, end_ns: int) -> None:
        """Remember when a session was last at work; `session` is its id, or the number of a run that has none."""
        recent = self._recent
        since_ns = time_ns() - RECENT_NS
        while recent and next(iter(recent.values())) < since_ns:
            recent.popitem(last=False)
        recent[session] = max(end_ns, recent.get(session, 0))
        recent.move_to_end(session)
        if len(recent) > MAX_RECENT:
            recent.popitem(last=False)
            self.evicted += 1

    def exceeded(self) -> None:
        """Count a session that has gone over its budget."""
        self.over_budget += 1

    def active(self, now_ns: int) -> int:
        """Sessions with a run that is open or has ended in the last 5 minutes.

        Args:
            now_ns: Unix nanoseconds.
        """
        since_ns = now_ns - RECENT_NS
        active = self._engine.open_sessions()
        active.update(session for session, end_ns in list(self._recent.items()) if end_ns >= since_ns)
        return len(active)

    def renew(self) -> None:
        """Begin anew, in a child process: the runs that have ended are the parent's, and so is what was counted."""
        self._recent.clear()
        self.over_budget = self.evicted = 0
