"""Measurements of a histogram whose attributes are known beforehand, hashed once instead of each time."""

# ruff: noqa: SLF001 - the private parts of the SDK are what this is about

from __future__ import annotations

from functools import cache
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_agentperf.live.sdk_core import buckets

_PROBED = {"a": "b", "c": "d"}
_VALUES = (1, 3.5, 100)


class Series:
    """One histogram with one set of attributes.

    Args:
        histogram: the instrument, of the SDK or another; also one that waits for its provider.
        attributes: those of every measurement.
        known: the class whose core may be used; tried when absent.
    """

    __slots__ = ("_attributes", "_enabled", "_histogram", "_known", "_sdk_histogram", "_storages", "_targets")

    def __init__(self, histogram: Histogram, attributes: dict[str, str], known: type | None = None) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._known = known if known is not None else known_class()
        self._sdk_histogram: Any = None
        self._enabled: Any = None
        self._storages: Any = None
        self._targets: tuple[_Target, ...] = ()

    def record(self, value: float, now_ns: int, context: Context, *, sampled: bool) -> None:
        """Record one measurement, made now.

        Args:
            value: finite and not negative.
            now_ns: Unix nanoseconds.
            context: holds the span that an exemplar leads to.
            sampled: whether that span is sampled.
        """
        histogram = self._sdk_histogram or self._find()
        enabled = self._enabled
        if histogram is None or (enabled is not None and not enabled()):
            self._histogram.record(value, self._attributes, context)
            return
        consumer = histogram._measurement_consumer
        if consumer._reader_storages is not self._storages:
            self._bind(consumer._reader_storages)
        chooser = consumer._sdk_config.exemplar_filter
        if type(chooser) is not TraceBasedExemplarFilter:
            sampled = chooser.should_sample(value, now_ns, self._attributes, context)
        for target in self._targets:
            target.take(value, now_ns, context, sampled)

    def _find(self) -> Any:
        """The SDK's instrument, where its core is known; one that waits for its provider has none yet."""
        histogram: Any = getattr(self._histogram, "_real_instrument", None) or self._histogram
        if self._known is not None and type(histogram) is self._known:
            self._enabled = getattr(histogram, "_is_enabled", None)  # not in early versions
            self._sdk_histogram = histogram
            return histogram
        return None

    def _bind(self, storages: Any) -> None:
        """Look up what a measurement is added to: for each reader, each view of the instrument."""
        self._targets = tuple(
            _Target(self._sdk_histogram, match, self._attributes)
            for storage in storages.values()
            for match in storage._get_or_init_view_instrument_match(self._sdk_histogram)
        )
        self._storages = storages


class _Target:
    """One view of an instrument for one reader, and the sums that the series has there.

    Args:
        instrument: the SDK's.
        match: the SDK's object for the view.
        attributes: the series'.
    """

    __slots__ = ("_attributes", "_given", "_held", "_instrument", "_key", "_match", "_starts_anew")

    def __init__(self, instrument: Any, match: Any, attributes: dict[str, str]) -> None:
        keys = match._view._attribute_keys
        self._given = attributes
        self._attributes = {key: value for key, value in attributes.items() if keys is None or key in keys}
        self._instrument = instrument
        self._match = match
        self._key: Any = None
        self._held: tuple[Any, Any] = (None, None)
        self._starts_anew = bool(getattr(match, "_reset_on_collect", False))

    def take(self, value: float, now_ns: int, context: Context, sampled: bool) -> None:  # noqa: FBT001 - the hot path
        """Add a measurement; the first one goes the SDK's own way, and each where sums are of another kind."""
        match = self._match
        if self._starts_anew:
            with match._lock:  # else a collection may take the sum away before the measurement is in it
                among, aggregation = self._held
                if match._attributes_aggregation is among:
                    buckets.add(aggregation, value, now_ns, context, self._given, sampled=sampled)
                    return
        else:
            among, aggregation = self._held
            if match._attributes_aggregation is among:
                buckets.add(aggregation, value, now_ns, context, self._given, sampled=sampled)
                return
        match.consume_measurement(_Measurement(value, now_ns, self._instrument, context, self._given), sampled)
        self._hold()

    def _hold(self) -> None:
        """Keep the series' sums, with the dictionary that holds them until they start anew with another one."""
        among = self._match._attributes_aggregation
        if self._key is None:
            self._key = self._found()
        aggregation = among.get(self._key)
        if aggregation is not None and buckets.is_known(aggregation):
            self._held = (among, aggregation)

    def _found(self) -> object:
        for key, aggregation in list(self._match._attributes_aggregation.items()):
            if aggregation._attributes == self._attributes:
                return key
        return _NOWHERE


_NOWHERE = object()
"""The key of a series that is counted with others, beyond the limit of a reader."""


class _Measurement:
    """What the SDK's aggregations read of its own `Measurement`."""

    __slots__ = ("attributes", "context", "instrument", "time_unix_nano", "value")

    def __init__(
        self, value: float, time_unix_nano: int, instrument: Any, context: Context, attributes: dict[str, str]
    ) -> None:
        self.value = value
        self.time_unix_nano = time_unix_nano
        self.instrument = instrument
        self.context = context
        self.attributes = attributes


@cache
def known_class() -> type | None:
    """The class of histogram whose core is as it is taken to be here; tried once, in some milliseconds."""
    try:
        direct, public = _Probe(), _Probe()
        known = type(direct.histogram)
        series = Series(direct.histogram, _PROBED, known)
        for _ in range(2):
            for value in _VALUES:
                series.record(value, 1, direct.context, sampled=True)
                public.histogram.record(value, _PROBED, public.context)
            if direct.collected() != public.collected():
                return None
    except Exception:  # noqa: BLE001 - whatever it is, the core is another one in this version
        return None
    return known


class _Probe:
    """A histogram of its own, with a view that drops an attribute and readers of both temporalities."""

    def __init__(self) -> None:
        delta: dict[type, AggregationTemporality] = {SdkHistogram: AggregationTemporality.DELTA}
        self._readers = (InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=delta))
        views = [View(instrument_name="probe", attribute_keys={"a"}), View(instrument_name="pro*")]
        provider = MeterProvider(self._readers, Resource.get_empty(), shutdown_on_exit=False, views=views)
        self.histogram = provider.get_meter("otel_agentperf.probe").create_histogram("probe")
        span = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        self.context = set_span_in_context(NonRecordingSpan(span), Context())

    def collected(self) -> list[tuple[object, ...]]:
        points: list[tuple[object, ...]] = []
        for reader in self._readers:
            data = reader.get_metrics_data()
            for resource in data.resource_metrics if data is not None else ():
                for scope in resource.scope_metrics:
                    points += [_told(point) for metric in scope.metrics for point in metric.data.data_points]
        return points


def _told(point: object) -> tuple[object, ...]:
    """All of a point but its times."""
    if not isinstance(point, HistogramDataPoint):
        return ()
    exemplars = [(one.value, one.span_id, one.trace_id, one.filtered_attributes) for one in point.exemplars]
    return (dict(point.attributes or {}), point.count, point.sum, point.bucket_counts, point.min, point.max, exemplars)
