"""The health of this process as gauges, from its last samples and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import time_ns

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from otel_agentperf import guard, semconv
from otel_agentperf.analysis.health import Health, Vitals, health_of
from otel_agentperf.live.outcomes import KEPT_NS, RecentOutcomes
from otel_agentperf.live.samples import Samples

WINDOW_NS = 60 * 1_000_000_000
_Observe = Callable[[CallbackOptions], Iterable[Observation]]


def vitals_of(samples: Samples, outcomes: RecentOutcomes, now_ns: int) -> Vitals:
    """What health is told from.

    Args:
        samples: of this process.
        outcomes: of its runs.
        now_ns: Unix nanoseconds.
    """
    recent = samples.since(now_ns - WINDOW_NS)
    ended = outcomes.since(now_ns - KEPT_NS)
    last = recent[-1] if recent else None
    return Vitals(
        cpu_percent=_average([each.cpu_percent for each in recent]),
        memory_percent=_average([each.memory_percent for each in recent]),
        lag_s=max((each.lag_s for each in recent), default=None),
        open_files=last.open_files if last is not None and last.open_files >= 0 else None,
        open_files_limit=samples.open_files_limit,
        runs=ended.runs,
        failed_runs=ended.failed,
    )


def _average(values: Sequence[float]) -> float | None:
    known = [value for value in values if value == value]  # noqa: PLR0124 - not a number
    return sum(known) / len(known) if known else None


class HealthGauges:
    """The score and the deductions; silent until they are told what they tell.

    Args:
        meter: where they are made.
    """

    def __init__(self, meter: Meter) -> None:
        self._health: Callable[[], Health] | None = None
        score = "Health of the process: 100 less the deductions; healthy above 70, critical from 40 down"
        points = "Points taken from the health score, by reason"
        meter.create_observable_gauge(semconv.METRIC_HEALTH_SCORE, [self._observer(_score)], "1", score)
        meter.create_observable_gauge(semconv.METRIC_HEALTH_DEDUCTIONS, [self._observer(_deductions)], "1", points)

    def told_by(self, health: Callable[[], Health] | None) -> None:
        """Take the health from here; from nowhere, where there is none to tell."""
        self._health = health

    def _observer(self, observations: Callable[[Health], list[Observation]]) -> _Observe:
        @guard.guarded("system.health", ())
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return observations(self._health()) if self._health is not None else ()

        return observe


def _score(health: Health) -> list[Observation]:
    return [Observation(health.score)] if health.score is not None else []


def _deductions(health: Health) -> list[Observation]:
    return [Observation(points, {semconv.HEALTH_REASON: reason.value}) for reason, points in health.deductions.items()]


def health_now(samples: Samples, outcomes: RecentOutcomes) -> Health:
    """The health of this process."""
    return health_of(vitals_of(samples, outcomes, time_ns()))
