"""Histograms whose measurements are recorded later than they were made, with exemplars that lead to the spans."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_agentperf.live.metrics.bounds import Bounded, Values
from otel_agentperf.live.sdk_core import Series
from otel_agentperf.live.sdk_core.current import SPAN_KEY


class Seen:
    """When something was seen, and on which span.

    Args:
        time_ns: when, Unix nanoseconds.
        span: what exemplars lead to.
    """

    __slots__ = ("context", "sampled", "time_ns")

    def __init__(self, time_ns: int, span: SpanContext) -> None:
        self.time_ns = time_ns
        self.context = Context({SPAN_KEY: NonRecordingSpan(span)})
        self.sampled = span.trace_flags.sampled


class Measured:
    """One histogram. Recorded to by one thread at a time, under the lock of the backlog.

    Args:
        histogram: the instrument.
        bounded: its series.
    """

    __slots__ = ("_bounded", "_histogram", "_series")

    def __init__(self, histogram: Histogram, bounded: Bounded) -> None:
        self._histogram = histogram
        self._bounded = bounded
        self._series: dict[Values, Series] = {}

    def record(self, values: Values, value: float, seen: Seen) -> None:
        """Record one measurement.

        Args:
            values: of the attributes that tell the series apart.
            value: finite; below 0, as by a clock that was set back, counts as 0.
            seen: when and where it was made.
        """
        # A series of just these values stands for them, and nearly always there is one.
        series = self._series.get(values) or self._placed(values)
        series.record(max(0.0, value), seen.time_ns, seen.context, sampled=seen.sampled)

    def _placed(self, values: Values) -> Series:
        place = self._bounded.place(values)
        series = self._series.get(place)
        if series is None:
            series = self._series[place] = Series(self._histogram, self._bounded.attributes(place))
        return series
