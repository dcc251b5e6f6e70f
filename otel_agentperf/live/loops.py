"""Event loops in which instrumented code runs: how late they are, and whose code keeps them.

While a node runs on a loop, a timer of that loop fires every 0.1 s (`call_later`; nothing of the
loop is replaced, and a pending timer keeps no loop alive). It is late by as long as something
kept the loop. Meanwhile a thread looks who: where the timer is overdue by 0.1 s, it asks for the
loop's current task, and the node or tool that runs in it. The time is charged to the node.

It rather misses a block than blames the wrong node. A node whose thread computes is blamed. Of one
that does not, nobody is while a thread of the process wants the CPU or has used it meanwhile (the
loop's may wait for a core, or for the interpreter's lock), or while the looking thread was held up
itself; nor for less than 0.1 s. A timer that fires just before a block measures up to 0.1 s too little.
Python 3.11 does not tell a task's context: it is found on the loop's stack, and not with uvloop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from otel_agentperf import guard
from otel_agentperf.live import frames
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import OperationKind

INTERVAL_S = 0.1
"""Twice as often would take half a percent of a core from a program that only waits."""
BLOCKED_S = 0.1
"""The least time that counts as a block."""
_NS_PER_S = 1e9
_HALF = 0.5
_MAX_THREADS = 64
_Task = asyncio.Task[Any]
_RUN = asyncio.Handle._run.__code__  # noqa: SLF001 - only looked for on a stack


class Blocked(NamedTuple):
    """For how long a node blocked its loop, in nanoseconds."""

    total_ns: int
    longest_ns: int


class Watched:
    """One loop, from its own thread; the watching thread only reads, and adds suspects."""

    __slots__ = (
        "context",
        "cpu_clock",
        "cpu_s",
        "due_s",
        "is_armed",
        "loop",
        "open",
        "others_s",
        "suspects",
        "thread",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = weakref.ref(loop)
        self.context = Context()  # so that the timer holds on to nobody's context
        self.open = 0
        self.is_armed = False
        self.due_s = 0.0
        self.suspects: Counter[Frame] = Counter()
        self.thread = threading.get_ident()
        self.cpu_clock: int | None = None
        with suppress(AttributeError, OSError):  # Windows and macOS have none
            self.cpu_clock = time.pthread_getcpuclockid(self.thread)
        self.cpu_s = self.others_s = 0.0

    def own_cpu_s(self) -> float:
        """CPU time of the loop's thread; 0 where that is unknown, so that it never seems to compute."""
        with suppress(OSError):
            return time.clock_gettime(self.cpu_clock) if self.cpu_clock is not None else 0.0
        return 0.0

    def arm(self, tick: Callable[[Watched], None]) -> None:
        """Set the timer."""
        loop = self.loop()
        if loop is None or loop.is_closed():
            self.is_armed = False
            return
        self.is_armed = True
        self.cpu_s = self.own_cpu_s()
        self.others_s = time.process_time() - self.cpu_s
        self.due_s = time.perf_counter() + INTERVAL_S
        loop.call_later(INTERVAL_S, tick, self, context=self.context)


class LoopWatch:
    """Watches the loops of this process.

    Args:
        on_lag: told how late a loop's timer was, in seconds, in the loop's own thread.
    """

    def __init__(self, on_lag: Callable[[float], None]) -> None:
        self._on_lag = on_lag
        self._loops: dict[int, Watched] = {}
        self._charged: dict[Frame, Blocked] = {}
        self._longest_s = 0.0
        self._is_on = True
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """Watch no more; timers that are set fire once and are not set again."""
        self._is_on = False
        self._wake.set()

    def longest_lag_s(self) -> float:
        """The longest lag since this was asked last."""
        longest_s, self._longest_s = self._longest_s, 0.0
        now_s = time.perf_counter()
        for watched in list(self._loops.values()):
            if watched.is_armed and _is_running(watched):  # one that is kept right now has no lag to tell yet
                longest_s = max(longest_s, now_s - watched.due_s)
        return longest_s

    def enter(self) -> Watched | None:
        """Say that a node begins on the running loop; `None` where none runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        watched = self._loops.get(id(loop))
        if watched is None or watched.loop() is not loop:
            watched = self._loops[id(loop)] = Watched(loop)
        if not watched.is_armed:
            self._begin_to_look()
            watched.arm(self._tick)
            self._wake.set()
        watched.open += 1  # last: the node of one that fails here never leaves
        return watched

    def _begin_to_look(self) -> None:
        if self._thread is not None:
            return
        # Kept before it starts: another loop's thread may ask meanwhile.
        self._thread = threading.Thread(target=self._watch, name="agentperf-loops", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None  # so that it is tried again
            raise

    def leave(self, watched: Watched) -> None:
        """Say that it ends; what kept the loop until now is charged while its node is still open."""
        watched.open -= 1
        if watched.suspects:
            now_s = time.perf_counter()
            late_s = now_s - watched.due_s
            self._charge(watched, late_s)
            self._note(late_s)
            watched.due_s = now_s

    def take(self, frame: Frame) -> Blocked | None:
        """For how long a node that ends blocked its loop; told once."""
        return self._charged.pop(frame, None) if self._charged else None

    # -- in the loop's thread -----------------------------------------------------------------

    @guard.guarded("loops.tick", None)
    def _tick(self, watched: Watched) -> None:
        late_s = max(0.0, time.perf_counter() - watched.due_s)
        self._charge(watched, late_s)
        self._note(late_s)
        if watched.open > 0 and self._is_on:
            watched.arm(self._tick)
        else:
            watched.is_armed = False

    def _note(self, late_s: float) -> None:
        self._longest_s = max(self._longest_s, late_s)
        self._on_lag(late_s)

    def _charge(self, watched: Watched, late_s: float) -> None:
        suspects, watched.suspects = watched.suspects, Counter()
        seen = suspects.total()
        for frame, times in suspects.items():
            share_ns = round(late_s * _NS_PER_S * times / seen)
            before = self._charged.get(frame, Blocked(0, 0))
            if not frame.ended:
                self._charged[frame] = Blocked(before.total_ns + share_ns, max(before.longest_ns, share_ns))

    # -- in the watching thread ---------------------------------------------------------------

    def _watch(self) -> None:
        while self._is_on:
            self._wake.clear()
            if not self._is_on:
                return  # `stop` came just before, and its wake is cleared
            if not any(watched.is_armed for watched in list(self._loops.values())):
                self._wake.wait()
                continue
            slept_s = time.perf_counter()
            time.sleep(INTERVAL_S)
            now_s = time.perf_counter()
            try:
                self._look(now_s, was_held=now_s - slept_s > INTERVAL_S + BLOCKED_S)
            except Exception as error:  # noqa: BLE001 - a thread of ours must not die with a traceback
                with suppress(Exception):  # under pytest, and here nobody could catch it
                    guard.report("loops.watch", error)

    def _look(self, now_s: float, *, was_held: bool) -> None:
        for key, watched in list(self._loops.items()):
            loop = watched.loop()
            if loop is None or loop.is_closed():
                self._loops.pop(key, None)
            elif watched.is_armed and not loop.is_running():
                watched.due_s = now_s + INTERVAL_S  # it stands still: nobody keeps it
            elif watched.is_armed and now_s - watched.due_s > BLOCKED_S:
                frame = self._blocking(watched, loop, now_s, was_held=was_held)
                if frame is not None:
                    watched.suspects[frame] += 1

    def _blocking(
        self, watched: Watched, loop: asyncio.AbstractEventLoop, now_s: float, *, was_held: bool
    ) -> Frame | None:
        """The node whose code keeps the loop, where that is beyond doubt."""
        task = asyncio.current_task(loop)
        if task is None:
            return None
        frame = _frame_of(task, watched.thread)
        while frame is not None and frame.kind is not OperationKind.NODE:
            frame = frame.parent
        if frame is None or frame.ended:
            return None
        half_s = _HALF * (now_s - watched.due_s)
        own_s = watched.own_cpu_s()
        if own_s - watched.cpu_s >= half_s:
            return frame  # it computes
        others_s = time.process_time() - own_s - watched.others_s
        return None if was_held or others_s >= half_s or _anyone_wants_cpu() else frame


def _anyone_wants_cpu() -> bool:
    """Whether a thread of the process but this one could run, on Linux; the first 64 are asked."""
    own = str(threading.get_native_id())
    with suppress(OSError):
        for task in islice(Path("/proc/self/task").iterdir(), _MAX_THREADS):
            if task.name != own and _state(task) == "R":
                return True
    return False


def _state(task: Path) -> str:
    with suppress(OSError, IndexError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _is_running(watched: Watched) -> bool:
    loop = watched.loop()
    return loop is not None and loop.is_running()


def _frame_of(task: _Task, thread: int) -> Frame | None:
    """The frame that is held in the context in which a task runs in a thread."""
    context_of: Callable[[], Context] | None = getattr(task, "get_context", None)
    context = context_of() if context_of is not None else _context_on_stack(thread)
    return frames.held_in(context) if context is not None else None


def _context_on_stack(thread: int) -> Context | None:
    """The context of the callback that the loop of a thread runs, before Python 3.12."""
    place: FrameType | None = sys._current_frames().get(thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as debuggers do
    while place is not None:
        if place.f_code is _RUN:
            handle = place.f_locals.get("self")
            context = getattr(handle, "_context", None)
            return context if isinstance(context, Context) else None
        place = place.f_back
    return None


_watch: LoopWatch | None = None


def use(watch: LoopWatch | None) -> None:
    """Make this the watch of the process; `None` watches no more."""
    global _watch  # noqa: PLW0603 - one watch in a process
    if _watch is not None:
        _watch.stop()
    _watch = watch


@guard.guarded("loops.enter", None)
def enter() -> Watched | None:
    """Say that a node begins on the running loop, where loops are watched."""
    return _watch.enter() if _watch is not None else None


@guard.guarded("loops.leave", None)
def leave(watched: Watched | None) -> None:
    """Say that it ends."""
    if watched is not None and _watch is not None:
        _watch.leave(watched)


def take(frame: Frame) -> Blocked | None:
    """For how long a node that ends blocked its loop."""
    return _watch.take(frame) if _watch is not None else None


def _after_fork_in_child() -> None:
    """The watching thread is not there; whoever switched the watch on sets another one."""
    global _watch  # noqa: PLW0603 - one watch in a process
    _watch = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
