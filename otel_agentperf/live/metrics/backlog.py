"""What was seen and is not counted yet.

To record an operation in all its metrics takes as long as to make its span. So the program's
threads only note what there is to record, and whoever collects the metrics works it off first,
in the reader's thread. Where nobody collects in time, the program's thread does it, `MOST` at a
time, so that little memory is held.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from otel_agentperf import guard

MOST = 256
"""Entries that wait at most."""

Entry = tuple[Any, ...]
"""A function, and what to call it with."""


class Backlog:
    """Notes calls, and makes them later, one at a time."""

    __slots__ = ("_at_work", "_lock", "waiting")

    def __init__(self) -> None:
        # Re-entrant: a run that the garbage collector closes may be noted in the middle of this.
        self._lock = threading.RLock()
        self._at_work = False
        self.waiting: deque[Entry] = deque()
        """Append to it, and call `work_off` when it is longer than `MOST`."""

    def work_off(self) -> None:
        """Make the calls that wait. An error in one is reported, and the others are made."""
        waiting = self.waiting
        if not waiting:
            return
        with self._lock:
            if self._at_work:
                return  # further up in this thread
            self._at_work = True
            try:
                for _ in range(len(waiting)):
                    _make(waiting.popleft())
            finally:
                self._at_work = False

    def renew(self) -> None:
        """Begin anew, in a child process: what waits is the parent's to record."""
        self._lock = threading.RLock()
        self._at_work = False
        self.waiting.clear()


def _make(entry: Entry) -> None:
    function, *arguments = entry
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - one that cannot be recorded must not keep the others from it
        guard.report("metrics.record", error)
