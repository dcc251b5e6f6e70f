"""The samples of the last 30 minutes, and what they say of the time in which an operation ran.

Columns of numbers in 50 bytes a sample, written by one thread and read as operations end. What
is read there costs one comparison where no sample lies within the operation, and a few
microseconds otherwise: nothing is asked of the system.
"""

from __future__ import annotations

import os
import threading
from array import array
from bisect import bisect_left, bisect_right
from math import nan
from typing import NamedTuple

from otel_agentperf.model import Resources

KEPT_S = 1_800
CPU_SPIKE_PERCENT = 80.0
MEMORY_SPIKE_PERCENT = 85.0
_DIGITS = 2
_UNKNOWN = -1


class Sample(NamedTuple):
    """What was in use at one moment; the CPU since the sample before. Not a number, or -1, is unknown."""

    time_ns: int
    """Unix time."""
    cpu_percent: float = nan
    own_cpu_percent: float = nan
    memory_percent: float = nan
    memory_bytes: int = _UNKNOWN
    open_files: int = _UNKNOWN
    threads: int = _UNKNOWN
    lag_s: float = 0.0
    """The longest time that an event loop was late since the sample before."""


class Samples:
    """The last samples.

    Args:
        limit: how many are kept, at the least; twice as many at the most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begin()

    def _begin(self) -> None:
        self._times = array("q")
        self._cpu, self._own, self._memory, self._lag = array("d"), array("d"), array("d"), array("d")
        self._bytes, self._files, self._threads = array("q"), array("q"), array("q")
        # Re-entrant: the garbage collector may end an operation in the middle of this.
        self._lock = threading.RLock()
        self.last_ns = 0
        self.open_files_limit: int | None = None

    def __len__(self) -> int:
        return len(self._times)

    def renew(self) -> None:
        """Begin anew, in a child process: the samples are its parent's, and a lost thread may hold the lock."""
        self._begin()

    def add(self, sample: Sample) -> None:
        """Keep a sample, which is later than all before."""
        with self._lock:
            for column, value in zip(self._columns(), sample, strict=True):
                column.append(value)  # pyright: ignore[reportArgumentType] - whole numbers for the columns of them
            if len(self._times) >= 2 * self._limit:
                for column in self._columns():
                    del column[: self._limit]
            self.last_ns = sample.time_ns

    def _columns(self) -> tuple[array[int] | array[float], ...]:
        return self._times, self._cpu, self._own, self._memory, self._bytes, self._files, self._threads, self._lag

    def since(self, time_ns: int) -> list[Sample]:
        """The samples from a moment on."""
        with self._lock:
            begin = bisect_left(self._times, time_ns)
            return [Sample(*values) for values in zip(*(column[begin:] for column in self._columns()), strict=True)]

    def within(self, start_ns: int, end_ns: int, blocked_ns: int = 0, blocked_max_ns: int = 0) -> Resources | None:
        """What was used while an operation ran; `None` where that is not known.

        Args:
            start_ns: when it began, Unix nanoseconds.
            end_ns: when it ended.
            blocked_ns: how long its own code blocked an event loop.
            blocked_max_ns: the longest of these times.
        """
        if self.last_ns < start_ns:
            return Resources(blocked_ns=blocked_ns, blocked_max_ns=blocked_max_ns) if blocked_ns else None
        with self._lock:
            begin, end = bisect_left(self._times, start_ns), bisect_right(self._times, end_ns)
            if begin >= end:
                return Resources(blocked_ns=blocked_ns, blocked_max_ns=blocked_max_ns) if blocked_ns else None
            memory, cpu = self._memory[begin:end], self._cpu[begin + 1 : end]
            cpu_percent = _average(cpu)
            memory_percent = _average(memory)
            has_cpu, has_memory = cpu_percent is not None, memory_percent is not None
            return Resources(
                samples=end - begin,
                cpu_samples=len(cpu) if has_cpu else 0,
                cpu_percent=cpu_percent,
                cpu_percent_max=round(max(cpu), _DIGITS) if has_cpu else None,
                cpu_percent_delta=round(cpu[-1] - cpu[0], _DIGITS) if has_cpu else None,
                own_cpu_percent=_average(self._own[begin + 1 : end]),
                cpu_spikes=sum(share > CPU_SPIKE_PERCENT for share in cpu) if has_cpu else 0,
                memory_percent=memory_percent,
                memory_percent_max=round(max(memory), _DIGITS) if has_memory else None,
                memory_percent_delta=round(memory[-1] - memory[0], _DIGITS) if has_memory else None,
                memory_spikes=sum(share > MEMORY_SPIKE_PERCENT for share in memory) if has_memory else 0,
                memory_bytes=_known(self._bytes, end - 1),
                memory_bytes_delta=_change(self._bytes, begin, end - 1),
                open_files=_known(self._files, end - 1),
                open_files_delta=_change(self._files, begin, end - 1),
                open_files_limit=self.open_files_limit,
                threads=_known(self._threads, end - 1),
                threads_delta=_change(self._threads, begin, end - 1),
                blocked_ns=blocked_ns,
                blocked_max_ns=blocked_max_ns,
            )


def _average(shares: array[float]) -> float | None:
    if not shares:
        return None
    average = sum(shares) / len(shares)
    return round(average, _DIGITS) if average == average else None  # noqa: PLR0124 - not a number


def _known(column: array[int], place: int) -> int | None:
    value = column[place]
    return value if value >= 0 else None


def _change(column: array[int], first: int, last: int) -> int | None:
    before, after = column[first], column[last]
    return after - before if before >= 0 and after >= 0 else None


samples = Samples(KEPT_S)
"""Those of this process."""


def begin(interval_s: float) -> Samples:
    """Begin anew, for samples at this interval."""
    global samples  # noqa: PLW0603 - one set of samples in a process
    samples = Samples(max(2, round(KEPT_S / interval_s)))
    return samples


def _after_fork_in_child() -> None:
    samples.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
