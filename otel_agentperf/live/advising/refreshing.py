"""Makes anew what has become old, in a thread of its own: whoever asks meanwhile gets what there was.

A baseline may have to read a file, and holds its lock while it writes one. Nothing that was told once waits for that
again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue

from otel_agentperf import guard

_Job = tuple[Hashable, Callable[[], object]]


class Refresher:
    """Does jobs one after another, each once while it waits."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a child process, which does not have the thread."""
        self._lock = threading.RLock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting: set[Hashable] = set()
        self._thread: threading.Thread | None = None

    def ask(self, key: Hashable, job: Callable[[], object]) -> None:
        """Have a job done soon.

        Args:
            key: what it makes anew.
            job: makes it.
        """
        with self._lock:
            if key in self._waiting:
                return
            self._waiting.add(key)
            self._jobs.put((key, job))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(self._jobs,), name="agentperf-advising", daemon=True
                )
                self._thread.start()

    def settle(self) -> None:
        """Wait until what was asked for is done."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._jobs.put(None)
        if thread is not None:
            thread.join()

    def _work(self, jobs: SimpleQueue[_Job | None]) -> None:
        while (found := jobs.get()) is not None:
            key, job = found
            self._waiting.discard(key)
            try:
                job()
            except Exception as error:  # noqa: BLE001 - what cannot be made anew stays as it was
                guard.report("advising.refresh", error)
