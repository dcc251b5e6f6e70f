"""How the runs of the last half hour ended, as far as the health of the process goes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

KEPT_NS = 1_800 * 1_000_000_000
MAX_RUNS = 1_000


class Outcomes(NamedTuple):
    """Runs that ended lately."""

    runs: int
    failed: int


class RecentOutcomes:
    """The last runs, at most 1,000. A deque takes them in from any thread."""

    def __init__(self) -> None:
        self._ended: deque[tuple[int, bool]] = deque(maxlen=MAX_RUNS)

    def add(self, end_ns: int, *, failed: bool) -> None:
        """Note a run that ended.

        Args:
            end_ns: when, Unix nanoseconds.
            failed: whether with an error; an interrupted or cancelled one has not failed.
        """
        self._ended.append((end_ns, failed))

    def renew(self) -> None:
        """Begin anew, in a child process: the runs are its parent's."""
        self._ended = deque(maxlen=MAX_RUNS)

    def since(self, time_ns: int) -> Outcomes:
        """Those that ended from a moment on."""
        ended = [failed for end_ns, failed in list(self._ended) if end_ns >= time_ns]
        return Outcomes(len(ended), sum(ended))
