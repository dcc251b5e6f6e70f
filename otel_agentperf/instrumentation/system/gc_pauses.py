"""How long the garbage collector holds everything up, from the interpreter's own callbacks.

Pauses shorter than a millisecond are left out: there may be thousands a second, and they decide
no request's time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter

from otel_agentperf import guard, semconv

_SHORTEST_S = 0.001
_MOST = 10_000


class GcPauses:
    """Measures each collection.

    A callback runs in whichever thread made the garbage, maybe within a lock of the SDK that is
    not re-entrant. So pauses are only noted here; `drain` hands them over.
    """

    def __init__(self) -> None:
        self._began_s = 0.0
        self._pauses: list[tuple[float, int]] = []

    def start(self) -> None:
        """Begin to measure."""
        if self._noted not in gc.callbacks:
            gc.callbacks.append(self._noted)

    def stop(self) -> None:
        """Measure no more."""
        if self._noted in gc.callbacks:
            gc.callbacks.remove(self._noted)

    def _noted(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = perf_counter()
            return
        pause_s = perf_counter() - self._began_s
        if pause_s >= _SHORTEST_S and self._began_s and len(self._pauses) < _MOST:
            self._pauses.append((pause_s, info["generation"]))

    @guard.guarded("system.gc", None)
    def drain(self, record: Callable[[float, dict[str, int]], None]) -> None:
        """Hand over what was measured since the last time.

        Args:
            record: takes seconds and attributes.
        """
        pauses, self._pauses = self._pauses, []
        for pause_s, generation in pauses:
            record(pause_s, {semconv.GC_GENERATION: generation})
