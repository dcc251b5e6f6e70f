"""A thread that takes a sample of the process and its host at an interval, for `live.samples`.

A daemon, so that it keeps no process alive. It does not exist in a child process: `start` is
called again there. An interval that it slept through, since the machine did, makes one sample.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from math import nan
from time import monotonic, time_ns

from otel_agentperf import guard
from otel_agentperf.instrumentation.system.readings import Parts, at_once
from otel_agentperf.live.samples import Sample, Samples

_MANY_FILES = 500
_SELDOM = 30
"""Counting descriptors takes the longer the more there are: many are counted at every 30th sample."""


class Taker:
    """Takes one sample after the other.

    Args:
        parts: what to read.
        samples: where they are kept.
        lag_s: tells, and forgets, the longest time that an event loop was late.
    """

    def __init__(self, parts: Parts, samples: Samples, lag_s: Callable[[], float]) -> None:
        self._parts = parts
        self._samples = samples
        self._lag_s = lag_s
        self._at_s: float | None = None
        self._used_s: float | None = None
        self._own_s: float | None = None
        self._files = -1
        self._count = 0

    def take(self, now_s: float, now_ns: int) -> None:
        """Take a sample; the first one only sets the beginning for the CPU.

        Args:
            now_s: by the monotonic clock.
            now_ns: Unix nanoseconds.
        """
        parts, reader = self._parts, self._parts.reader
        with at_once(parts):
            own = parts.read("process_cpu", reader.process_cpu)
            used = parts.read("cpu_used", reader.cpu_used)
            memory = parts.read("memory", reader.memory)
            own_memory = parts.read("process_memory", reader.process_memory)
            threads = parts.read("threads", reader.threads)
        if self._files < _MANY_FILES or self._count % _SELDOM == 0:
            files = parts.read("open_files", reader.open_files)
            self._files = files if files is not None else -1
            self._samples.open_files_limit = parts.read("open_files_limit", reader.open_files_limit)
        self._count += 1
        own_s = sum(own.values()) if own is not None else None
        used_s, cores = used if used is not None else (None, 0.0)
        before_s, self._at_s = self._at_s, now_s
        if before_s is not None:
            room_s = (now_s - before_s) * cores
            self._samples.add(
                Sample(
                    max(now_ns, self._samples.last_ns + 1),  # the clock may be set back
                    _percent(used_s, self._used_s, room_s),
                    _percent(own_s, self._own_s, room_s),
                    100 * memory.used / memory.limit if memory is not None and memory.limit else nan,
                    own_memory[0] if own_memory is not None else -1,
                    self._files,
                    threads if threads is not None else -1,
                    self._lag_s(),
                )
            )
        self._used_s, self._own_s = used_s, own_s


def _percent(now_s: float | None, before_s: float | None, room_s: float) -> float:
    if now_s is None or before_s is None or room_s <= 0:
        return nan
    return min(100.0, max(0.0, 100 * (now_s - before_s) / room_s))


class Sampler:
    """The thread.

    Args:
        taker: takes the samples.
        interval_s: between two of them.
        between: what else to do at each.
    """

    def __init__(self, taker: Taker, interval_s: float, between: Callable[[], None]) -> None:
        self._taker = taker
        self._between = between
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agentperf-sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the thread is gone when this returns."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        self._take()
        while not self._stop.wait(self._interval_s):
            self._take()

    def _take(self) -> None:
        try:
            self._taker.take(monotonic(), time_ns())
            self._between()
        except Exception as error:  # noqa: BLE001 - a thread of ours must not die with a traceback
            with suppress(Exception):  # under pytest, and here nobody could catch it
                guard.report("system.sampler", error)
