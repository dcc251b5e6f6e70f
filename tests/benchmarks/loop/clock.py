"""A clock that waiting moves: model seconds pass at once, and every `time` function tells them.

`install()` comes before anything else is imported, in a process of its own: it replaces the functions
of the `time` module, so that spans, learned durations and limits are all in model seconds. Nothing is
scaled, hence no error of scale; what the program computes takes no time at all, which leaves our own
overhead out (`instructions` and `cpu` measure it). Each reading is a microsecond after the last.

Work side by side: time moves on to the first wait that ends only when as many wait as run. What runs is the main
thread and what pools were given, save who is blocked until another of them is done. Waiting means `sleep`, by the
program or by the server on its behalf.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

TICK_NS = 1_000
_real_sleep = time.sleep


class Task:
    """Something that runs or waits: the main thread, or what a pool was given."""

    def __init__(self, parent: Task | None = None) -> None:
        self.parent = parent
        self.children = 0
        self.blocked = 0


class Clock:
    """Model time, in nanoseconds since 1970."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._waited_ns = 0
        self._ticks = count()
        self._lock = threading.RLock()
        self._waits: list[tuple[int, int, threading.Event]] = []
        self._numbers = count()
        self._local = threading.local()
        self._local.task = Task()
        self._alive: set[Task] = {self._local.task}

    @property
    def waited_s(self) -> float:
        """How much time has passed in waiting, exactly."""
        return self._waited_ns / 1e9

    def now_ns(self) -> int:
        """Unix nanoseconds; never the same twice."""
        return self._start_ns + self._waited_ns + TICK_NS * next(self._ticks)

    def jump(self, seconds: float) -> None:
        """Let time pass between two runs, when nothing waits."""
        with self._lock:
            self._start_ns += round(seconds * 1e9)

    def sleep(self, seconds: float) -> None:
        """Wait in model time."""
        if seconds <= 0:
            return
        over = threading.Event()
        with self._lock:
            due_ns = self._waited_ns + round(seconds * 1e9)
            heapq.heappush(self._waits, (due_ns, next(self._numbers), over))
            self._move_on()
        over.wait()

    def sleep_if_ours(self, seconds: float) -> None:
        """`time.sleep`: of the program's own threads in model time, of others as ever."""
        if getattr(self._local, "task", None) is None:
            _real_sleep(seconds)
        else:
            self.sleep(seconds)

    def submit(self, pool: ThreadPoolExecutor, call: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """`ThreadPoolExecutor.submit`, of which the clock knows."""
        parent: Task | None = getattr(self._local, "task", None)
        task = Task(parent)
        self._begun(task)

        def run() -> Any:
            self._local.task = task
            try:
                return call(*args, **options)
            finally:
                self._local.task = None
                self._ended(task)

        return _submit(pool, run)

    def blocked(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call what comes back when another task is done."""
        task: Task | None = getattr(self._local, "task", None)
        if task is None:
            return call(*args, **options)
        with self._lock:
            task.blocked += 1
            self._move_on()
        try:
            return call(*args, **options)
        finally:
            task.blocked -= 1

    def _begun(self, task: Task) -> None:
        with self._lock:
            self._alive.add(task)
            if task.parent is not None:
                task.parent.children += 1

    def _ended(self, task: Task) -> None:
        with self._lock:
            self._alive.remove(task)
            if task.parent is not None:
                task.parent.children -= 1
            self._move_on()

    def _move_on(self) -> None:
        # Who is blocked without a task of its own left is about to go on.
        running = sum(1 for task in self._alive if not (task.blocked and task.children))
        if self._waits and len(self._waits) >= running:
            due_ns, _, over = heapq.heappop(self._waits)
            self._waited_ns = max(self._waited_ns, due_ns)
            over.set()


_submit = ThreadPoolExecutor.submit


def install(start_ns: int) -> Clock:
    """Make the `time` module of this process tell model time."""
    clock = Clock(start_ns)

    def now_s() -> float:
        return clock.now_ns() / 1e9

    def submit(pool: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return clock.submit(pool, call, *args, **options)

    def blocking(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: clock.blocked(call, *args, **options)

    Future.result = blocking(Future[Any].result)
    ThreadPoolExecutor.shutdown = blocking(ThreadPoolExecutor.shutdown)
    futures.wait = blocking(futures.wait)
    time.time_ns = time.monotonic_ns = time.perf_counter_ns = clock.now_ns
    time.time = time.monotonic = time.perf_counter = now_s
    time.sleep = clock.sleep_if_ours
    ThreadPoolExecutor.submit = submit  # pyright: ignore[reportAttributeAccessIssue]
    return clock
