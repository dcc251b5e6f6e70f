"""Histograms whose measurements come in batches, with exemplars that lead to the spans.

The SDK keeps one exemplar a bucket, the last one offered, and offering one costs several times
as much as counting it. So of a batch only the last measurement of each bucket is offered; the
others are counted. What is exported is the same.
"""

from __future__ import annotations

from bisect import bisect_left

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from otel_agentperf.live.metrics.bounds import Bounded, Values
from otel_agentperf.live.sdk_core import Series

_EMPTY = Context()


class Measured:
    """One histogram. Recorded to by one thread at a time, under the lock of the backlog.

    Args:
        histogram: the instrument.
        boundaries: its buckets; where a view has set others, exemplars are those of these buckets.
        bounded: its series.
    """

    __slots__ = ("_boundaries", "_bounded", "_held", "_histogram", "_places", "_series")

    def __init__(
        self,
        histogram: Histogram,
        boundaries: tuple[float, ...],
        bounded: Bounded,
    ) -> None:
        self._histogram = histogram
        self._boundaries = boundaries
        self._bounded = bounded
        self._series: dict[Values, Series] = {}
        self._held: dict[tuple[Values, int], tuple[Series, float, int, SpanContext]] = {}

    def record(self, values: Values, value: float, time_ns: int, span: SpanContext) -> None:
        """Take one measurement.

        Args:
            values: of the attributes that tell the series apart.
            value: finite; below 0 counts as 0.
            time_ns: when it was made, Unix nanoseconds.
            span: what an exemplar leads to.
        """
        place = self._bounded.place(values)
        series = self._series.get(place)
        if series is None:
            series = self._series[place] = Series(self._histogram, self._bounded.attributes(place))
        value = max(0.0, value)
        if not span.trace_flags.sampled:
            series.record(value, time_ns, _within(span), sampled=False)
            return
        key = (place, bisect_left(self._boundaries, value))
        before = self._held.get(key)
        self._held[key] = (series, value, time_ns, span)
        if before is not None:
            series.record(before[1], before[2], _EMPTY, sampled=False)

    def settle(self) -> None:
        """Record what was held back, as exemplars."""
        held = self._held
        while held:
            _, (series, value, time_ns, span) = held.popitem()
            series.record(value, time_ns, _within(span), sampled=True)


def _within(span: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(span), _EMPTY)
