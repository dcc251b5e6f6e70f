"""What was in use in the last minute, worked out once for each sample of the sampler."""

from __future__ import annotations

from collections.abc import Iterable

from otel_agentperf.advice import machine
from otel_agentperf.advice.facts import Load
from otel_agentperf.advice.results import Part, Pressure
from otel_agentperf.live import samples

WINDOW_NS = 60 * 1_000_000_000


class Machine:
    """Says whether to hold back, by the samples of this process."""

    __slots__ = ("_last_ns", "_part")

    def __init__(self) -> None:
        self._last_ns = -1
        self._part: Part[Pressure] = machine.decide(None)

    def part(self, now_ns: int) -> Part[Pressure]:
        """What can be said now.

        Args:
            now_ns: Unix nanoseconds.
        """
        kept = samples.samples
        if now_ns - kept.last_ns > WINDOW_NS:
            return machine.decide(None)
        if kept.last_ns != self._last_ns:
            self._part, self._last_ns = machine.decide(_load(kept, now_ns)), kept.last_ns
        return self._part


def _load(kept: samples.Samples, now_ns: int) -> Load:
    recent = kept.since(now_ns - WINDOW_NS)
    last = recent[-1] if recent else None
    limit = kept.open_files_limit
    return Load(
        cpu_percent=_average(each.cpu_percent for each in recent),
        own_cpu_percent=_average(each.own_cpu_percent for each in recent),
        memory_percent=_average(each.memory_percent for each in recent),
        lag_s=max((each.lag_s for each in recent), default=None),
        open_files_share=last.open_files / limit if last is not None and limit and last.open_files >= 0 else None,
    )


def _average(values: Iterable[float]) -> float | None:
    known = [value for value in values if value == value]  # noqa: PLR0124 - not a number
    return sum(known) / len(known) if known else None
