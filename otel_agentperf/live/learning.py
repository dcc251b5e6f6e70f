"""Learning from the runs of this process as they end.

The program's threads only note that a run has ended. A daemon thread digests what was noted, half a second
later, so that nothing is computed in the program's way. What is learned stays in memory, and is what
rules (`history`: the days before this one) and advice (`learned`: this day too) are told.

Limits: at most `MOST_WAITING` runs wait to be digested, and at most `MOST_SUBJECTS` graphs, nodes, tools and
models are told apart; what is beyond is counted as an eviction.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from time import time_ns

from otel_agentperf import guard
from otel_agentperf.analysis.observations import day_of, observations
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.learned import LearnedNormals, Source
from otel_agentperf.baselines.normals import Subject
from otel_agentperf.baselines.tally import KEPT_DAYS, Tally

MOST_WAITING = 4_096
MANY_WAITING = 256
"""From here on it is digested at once."""
MOST_SUBJECTS = 20_000
UNLEARNED_RUNS, UNLEARNED_SUBJECTS = "unlearned_runs", "unlearned_subjects"
_DIGEST_AFTER_S = 0.5


class Learner:
    """Learns from finished runs.

    Args:
        evictions: where what is left out is counted.
        on_day: called with the history whenever another day has begun.
        clock: the time, Unix nanoseconds.
    """

    def __init__(
        self,
        evictions: Counter[str],
        on_day: Callable[[LearnedNormals], None],
        clock: Callable[[], int] = time_ns,
    ) -> None:
        self._evictions = evictions
        self._on_day = on_day
        self._clock = clock
        self._waiting: deque[tuple[RunSummary, str]] = deque()
        self._noted = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.RLock()
        """Held while what is known is changed or put together; never while a run is noted."""
        self._digesting = threading.RLock()
        """One thread digests at a time, so that whoever settles finds all of it learned."""
        self._tally = Tally(MOST_SUBJECTS)
        self._today = day_of(clock())
        self.history = self._normals(with_today=False)
        """What was learned on the days before this one."""
        self.learned = self._normals(with_today=True)
        """What was learned, this day too, as far as it is digested."""

    def _normals(self, *, with_today: bool) -> LearnedNormals:
        return LearnedNormals(self._sources, self._today, with_today=with_today, lock=self._lock)

    def _sources(self) -> list[Source]:
        return [self._tally]

    def note(self, summary: RunSummary, root_id: str) -> None:
        """A run has ended.

        Args:
            summary: it.
            root_id: the span of its root.
        """
        waiting = self._waiting
        if len(waiting) >= MOST_WAITING:
            self._evictions[UNLEARNED_RUNS] += 1
            return
        waiting.append((summary, root_id))
        if len(waiting) == 1:
            if self._thread is None:
                self._start()
            self._noted.set()
        elif len(waiting) == MANY_WAITING:
            self._hurry.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(target=self._work, name="agentperf-learning", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while not self._closed:
            self._noted.wait()
            self._hurry.wait(_DIGEST_AFTER_S)
            self._noted.clear()
            self._hurry.clear()
            try:
                self.settle()
            except Exception as error:  # noqa: BLE001 - what cannot be learned must not end the thread
                guard.report("learning.settle", error)
            if self._waiting:  # noted while the others were digested
                self._noted.set()

    def settle(self) -> None:
        """Digest all that was noted."""
        with self._digesting:
            self.turn_day()
            self._digest()

    def _digest(self) -> None:
        waiting = self._waiting
        touched: set[Subject] = set()
        for _ in range(len(waiting)):
            summary, root_id = waiting.popleft()
            try:
                seen = observations(summary, root_id)
                with self._lock:
                    touched |= self._tally.add(day_of(summary.end_ns), seen)
            except Exception as error:  # noqa: BLE001 - one run that cannot be learned must not keep the others from it
                guard.report("learning.digest", error)
        with self._lock:
            self.learned.forget(touched)
            if self._tally.refused:
                self._evictions[UNLEARNED_SUBJECTS] += self._tally.refused
                self._tally.refused = 0

    def turn_day(self) -> None:
        """Begin another day, where one has begun."""
        today = day_of(self._clock())
        if today == self._today:
            return
        with self._lock:
            self._today = today
            self._tally.drop_before(today - KEPT_DAYS)
            self.history = self._normals(with_today=False)
            self.learned = self._normals(with_today=True)
        self._on_day(self.history)

    def close(self) -> None:
        """Digest what was noted and end the thread; a run that ends later begins another one."""
        self._closed = True
        thread, self._thread = self._thread, None
        self._hurry.set()
        self._noted.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_DIGEST_AFTER_S)
        self.settle()

    def renew(self) -> None:
        """Begin anew, in a child process: the thread and what was noted are the parent's."""
        self._lock, self._digesting = threading.RLock(), threading.RLock()
        self._noted, self._hurry = threading.Event(), threading.Event()
        self._thread = None
        self._waiting.clear()
        self.history = self._normals(with_today=False)
        self.learned = self._normals(with_today=True)
        self._on_day(self.history)
