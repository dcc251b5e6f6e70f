"""How long at least one of several runs ran: their times, each moment counted once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

MAX_STRETCHES = 1_000
"""Stretches of time that one clock tells apart; beyond it the earliest are forgotten."""


class Clock:
    """The times in which runs of one trace ran. Unix nanoseconds."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start_ns: int, end_ns: int) -> int:
        """Add the time of one run.

        Args:
            start_ns: when it began.
            end_ns: when it ended.

        Returns:
            Nanoseconds of it in which an added run ran already. The sum of all durations less the sum of
            all that is returned is the same in whatever order the runs come.
        """
        if end_ns <= start_ns:
            return 0
        starts, ends = self._starts, self._ends
        # The stretches are apart and in order: those that touch the new one lie between these two places.
        first, last = bisect_left(ends, start_ns), bisect_right(starts, end_ns)
        covered = sum(
            min(end, end_ns) - max(start, start_ns)
            for start, end in zip(starts[first:last], ends[first:last], strict=True)
        )
        if first < last:
            start_ns, end_ns = min(start_ns, starts[first]), max(end_ns, ends[last - 1])
        starts[first:last], ends[first:last] = [start_ns], [end_ns]
        if len(starts) > MAX_STRETCHES:
            del starts[0], ends[0]
        return covered
