"""All that runs while the system instrumentation is on, in one process after the other."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from opentelemetry.metrics import Histogram, Meter

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.system.gauges import Gauges
from otel_agentperf.instrumentation.system.gc_pauses import GcPauses
from otel_agentperf.instrumentation.system.readings import Parts, Reader
from otel_agentperf.instrumentation.system.sampler import Sampler, Taker
from otel_agentperf.instrumentation.system.vitals import HealthGauges, health_now
from otel_agentperf.live import loops, samples
from otel_agentperf.live.loops import LoopWatch
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.sdk_core import forked

_NO_METRICS_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class _Made:
    """The instruments at one meter, which stay there for good."""

    gauges: Gauges
    health: HealthGauges
    lag: Histogram
    pause: Histogram


_INSTRUMENTS = "_agentperf_instruments"


def _made_at(meter: Meter, parts: Parts) -> _Made:
    made: _Made | None = getattr(meter, _INSTRUMENTS, None)
    if made is not None:
        made.gauges.renew(parts)
        made.gauges.is_on = True
        return made
    lag, pause = "How late timers of an event loop are", "Garbage collections of 1 ms or longer"
    made = _Made(
        Gauges(meter, parts),
        HealthGauges(meter),
        meter.create_histogram(
            semconv.METRIC_EVENT_LOOP_LAG, "s", lag, explicit_bucket_boundaries_advisory=semconv.LAG_BUCKETS_S
        ),
        meter.create_histogram(
            semconv.METRIC_GC_PAUSE, "s", pause, explicit_bucket_boundaries_advisory=semconv.GC_BUCKETS_S
        ),
    )
    setattr(meter, _INSTRUMENTS, made)
    return made


class Running:
    """The gauges, the sampler, the watch over event loops and the measure of pauses.

    Args:
        pipeline: whose settings hold, and whose runs count for the health.
        meter: where instruments are made.
        make_reader: makes what reads this process, in this one and in every child.

    Raises:
        Exception: the reader cannot be made, or a thread cannot start; nothing has begun then.
    """

    def __init__(self, pipeline: Pipeline, meter: Meter, make_reader: Callable[[], Reader]) -> None:
        self._pipeline = pipeline
        self._meter = meter
        self._make_reader = make_reader
        self._interval_s = pipeline.settings.sample_interval
        self._sampler: Sampler | None = None
        self._pauses = GcPauses()
        self._made: _Made | None = None
        parts = Parts(make_reader())
        self._samples = samples.begin(self._interval_s or _NO_METRICS_INTERVAL_S)
        try:
            self._made = _made_at(meter, parts) if pipeline.settings.metrics else None
            if self._made is not None:
                self._made.health.told_by(lambda: health_now(self._samples, pipeline.outcomes))
            self._start(parts)
        except Exception:
            self.stop()  # nothing is left that began
            raise
        _all.add(self)

    def _start(self, parts: Parts) -> None:
        watch = LoopWatch(self._late)
        loops.use(watch)
        if self._interval_s:
            sampler = Sampler(Taker(parts, self._samples, watch.longest_lag_s), self._interval_s, self._between)
            sampler.start()
            self._sampler = sampler  # one that could not start cannot be stopped
        if self._made is not None and self._interval_s:
            self._pauses.start()

    def _late(self, late_s: float) -> None:
        if self._made is not None:
            self._made.lag.record(late_s)

    def _between(self) -> None:
        if self._made is not None:
            self._pauses.drain(self._made.pause.record)

    def stop(self) -> None:
        """End the threads, and make the instruments silent."""
        _all.discard(self)
        self._pauses.stop()
        loops.use(None)
        if self._sampler is not None:
            self._sampler.stop()
        if self._made is not None:
            self._made.gauges.is_on = False
            self._made.health.told_by(None)
        samples.begin(self._interval_s or _NO_METRICS_INTERVAL_S)

    def restart(self) -> None:
        """Begin anew in a child process, which has none of the threads and another identity."""
        forked.begin_anew(self._meter)
        parts = Parts(self._make_reader())
        self._samples = samples.begin(self._interval_s or _NO_METRICS_INTERVAL_S)
        if self._made is not None:
            self._made.gauges.renew(parts)
        self._start(parts)


_all: weakref.WeakSet[Running] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for running in list(_all):
        try:
            running.restart()
        except Exception as error:  # noqa: BLE001 - nothing of ours reaches the program
            with suppress(Exception):  # under pytest, and here nobody could catch it
                guard.report("system.fork", error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
