"""Learning from the runs of this process as they end.

The program's threads only note that a run has ended. A daemon thread digests what was noted a second later,
and writes it to the store every ten, so that nothing is computed or written in the program's way. Rules are told
of `history`: the days before this one. Advice is told of `learned`: this day too; and of what came of earlier
advice, which that thread reads when the process begins, as far as there is a store or a baseline to start from. What
other processes see meanwhile it is told of when it begins the next time.

Limits: at most `MOST_WAITING` runs wait to be digested, and a process tells `keeping.MOST_SUBJECTS` graphs, nodes,
tools and models apart; what is beyond is counted as an eviction. A process that is killed loses what it learned
since it last wrote.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic, time_ns
from typing import Protocol

from otel_agentperf import guard
from otel_agentperf.analysis.observations import day_of, observations
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.advised import Told
from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.tally import KEPT_DAYS, Seen
from otel_agentperf.live.keeping import Keeper

MOST_WAITING = 4_096
MANY_WAITING = 256
"""From here on it is digested at once."""
UNLEARNED_RUNS, UNLEARNED_SUBJECTS = "unlearned_runs", "unlearned_subjects"
FLUSH_S = 10.0
_DIGEST_AFTER_S = 1.0
_BUSY_S, _LAST_BUSY_S = 10.0, 2.0
"""How long to wait for other processes that write the store: in the thread, and when the process ends."""


class Followed(Protocol):
    """What knows what came of the advice of this process."""

    def drain(self) -> Told:
        """What came of it since this was last called."""
        ...

    def take_in(self, told: Told) -> None:
        """What came of earlier advice."""
        ...


class Learner:
    """Learns from finished runs.

    Args:
        evictions: where what is left out is counted.
        on_history: called with the history whenever there is another one; with `None` where nothing can be in it, so
            that nobody asks it.
        store: the path of the store; empty where what is learned stays in memory.
        base: the path or address of a baseline to start from, or empty.
        clock: the time, Unix nanoseconds.
    """

    def __init__(
        self,
        evictions: Counter[str],
        on_history: Callable[[LearnedNormals | None], None],
        *,
        store: str = "",
        base: str = "",
        clock: Callable[[], int] = time_ns,
    ) -> None:
        self._evictions = evictions
        self._on_history = on_history
        self._clock = clock
        self._keeper = Keeper(store, base)
        self._keeps = bool(store)
        self._followed: Followed | None = None
        self._keeps_advice = False
        self._earlier_advice: list[Told] = []
        """Read before anyone asked for advice."""
        self._waiting: deque[tuple[RunSummary, str]] = deque()
        self._noted, self._hurry = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._flush_at = 0.0
        self._digesting = threading.RLock()
        """One thread digests at a time, so that whoever settles finds all of it learned."""
        self._today = day_of(clock())
        self.history = self._normals(with_today=False)
        """What was learned on the days before this one."""
        self.learned = self._normals(with_today=True)
        """What was learned, this day too, as far as it is digested."""
        self._tell_history()
        if store:
            atexit.register(_close, weakref.ref(self))
        if base or store:
            self._start()

    def _normals(self, *, with_today: bool) -> LearnedNormals:
        keeper = self._keeper
        return LearnedNormals(keeper.sources, self._today, with_today=with_today, lock=keeper.lock)

    def _begin_history(self) -> None:
        """Know anew: the day, the process or what is known is another one."""
        with self._keeper.lock:
            self.history, self.learned = self._normals(with_today=False), self._normals(with_today=True)
        self._tell_history()

    def _tell_history(self) -> None:
        self._on_history(self.history if self._keeper.may_know_before(self._today) else None)

    # -- in the program's threads --------------------------------------------------------------

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
        if self._thread is None:
            self._start()
        if len(waiting) == 1:
            self._noted.set()
        elif len(waiting) == MANY_WAITING:
            self._hurry.set()

    def follow(self, followed: Followed, *, keeps: bool) -> None:
        """Tell of earlier advice, now or once it is read, and keep what comes of advice from now on.

        Args:
            followed: what is told and asked.
            keeps: False where it is told and never asked.
        """
        with self._keeper.lock:
            self._followed, self._keeps_advice = followed, keeps and self._keeps
            earlier, self._earlier_advice = self._earlier_advice, []
        for told in earlier:
            followed.take_in(told)

    def _start(self) -> None:
        with self._keeper.lock:
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(target=self._work, name="agentperf-learning", daemon=True)
                self._thread.start()

    # -- in the thread of its own --------------------------------------------------------------

    def _work(self) -> None:
        while not self._closed:
            try:
                self._load()
                self._noted.wait(max(0.0, self._flush_at - monotonic()) if self._flush_at else None)
                if self._noted.is_set():
                    self._hurry.wait(_DIGEST_AFTER_S)
                self._noted.clear()
                self._hurry.clear()
                self.settle()
                if self._flush_at and monotonic() >= self._flush_at:
                    self._flush_at = 0.0 if self.flush() else monotonic() + FLUSH_S
            except Exception as error:  # noqa: BLE001 - what cannot be learned must not end the thread
                guard.report("learning.work", error)
            if self._waiting:  # noted while the others were digested
                self._noted.set()

    def _load(self) -> None:
        keeper = self._keeper
        if keeper.waits_for_advice:
            try:
                self._tell(keeper.load_advice())
            finally:
                keeper.advice_settled.set()
        if keeper.waits_for_base:
            try:
                if keeper.load_base():
                    self._begin_history()
                    self._tell(keeper.base_advice())
            finally:
                keeper.base_settled.set()

    def _tell(self, told: Told) -> None:
        """Tell of earlier advice, now or once someone asks for advice."""
        with self._keeper.lock:
            followed = self._followed
            if followed is None:
                self._earlier_advice.append(told)
        if followed is not None:
            followed.take_in(told)

    def settle(self) -> None:
        """Digest all that was noted."""
        with self._digesting:
            self.turn_day()
            seen: list[Seen] = []
            for _ in range(len(self._waiting)):
                try:
                    seen += self._learn(*self._waiting.popleft())
                except Exception as error:  # noqa: BLE001 - one run that cannot be learned must not keep the others from it
                    guard.report("learning.digest", error)
            if not seen:
                return
            with self._keeper.lock:
                if self.learned.is_asked:
                    self.learned.forget({subject for subject, _ in seen})
                if self._keeper.refused:
                    self._evictions[UNLEARNED_SUBJECTS] += self._keeper.refused
                    self._keeper.refused = 0
            if self._keeps and not self._flush_at:
                self._flush_at = monotonic() + FLUSH_S

    def _learn(self, summary: RunSummary, root_id: str) -> list[Seen]:
        seen = observations(summary, root_id)
        self._keeper.add(day_of(summary.end_ns), seen)
        return seen

    def turn_day(self) -> None:
        """Begin another day, where one has begun."""
        today = day_of(self._clock())
        if today != self._today:
            self._today = today
            self._keeper.drop_before(today - KEPT_DAYS)
            self._begin_history()

    def flush(self, busy_s: float = _BUSY_S) -> bool:
        """Digest what was noted, and write it to the store with what came of advice; whether all of it is written."""
        with self._digesting:
            self.settle()
            if self._followed is not None and self._keeps_advice:
                self._keeper.add_advice(self._today, self._followed.drain())
            return self._keeper.flush(self._today, self.learned.forget, busy_s)

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Digest and write what was noted, and end the thread; a run that ends later begins another one."""
        self._closed = True
        thread, self._thread = self._thread, None
        self._hurry.set()
        self._noted.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LAST_BUSY_S)
        self.flush(_LAST_BUSY_S)
        self._keeper.close()

    def renew(self) -> None:
        """Begin anew, in a child process: the thread and what was noted are the parent's."""
        self._keeper.renew()
        self._digesting = threading.RLock()
        self._noted, self._hurry = threading.Event(), threading.Event()
        self._thread = None
        self._flush_at = 0.0
        self._waiting.clear()
        self._begin_history()


def _close(learner: weakref.ref[Learner]) -> None:
    alive = learner()
    if alive is None:
        return
    try:
        alive.close()
    except Exception as error:  # noqa: BLE001 - the program is about to end
        guard.report("learning.close", error)
