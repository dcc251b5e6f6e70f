"""What goes past the SDK's public calls comes to what they come to."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Observation
from opentelemetry.metrics._internal import _ProxyMeterProvider  # pyright: ignore[reportPrivateUsage]
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, SamplingResult, StaticSampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from otel_agentperf.live.sdk_core import (
    CleanAttributes,
    Series,
    attributes,
    forked,
    histograms,
    set_attributes,
    start_span,
)

ATTRIBUTES = {"gen_ai.request.model": "gemini-2.5-flash", "gen_ai.token.type": "input"}
GIVEN: CleanAttributes = {"text": "a" * 50, "numbers": (1, 2), "texts": ("b" * 50,), "yes": True, "share": 0.5}
VALUES = (1, 3.5, 100, 100_000)


def test_the_cores_of_this_sdk_are_known() -> None:
    assert attributes.known_class() is not None
    assert histograms.known_class() is not None


# -- attributes ----------------------------------------------------------------------------

LIMITS = {
    "the usual ones": SpanLimits(),
    "few attributes": SpanLimits(max_span_attributes=4),
    "just enough attributes": SpanLimits(max_span_attributes=7),
    "short values": SpanLimits(max_span_attribute_length=10),
}


def _span(limits: SpanLimits) -> Any:
    provider = TracerProvider(span_limits=limits, resource=Resource.get_empty(), shutdown_on_exit=False)
    return provider.get_tracer("test").start_span("span", attributes={"text": "before", "kept": 1})


@pytest.mark.parametrize("limits", LIMITS)
def test_attributes_are_those_of_the_public_call_within_all_limits(limits: str) -> None:
    ours, theirs = _span(LIMITS[limits]), _span(LIMITS[limits])
    set_attributes(ours, GIVEN)
    theirs.set_attributes(GIVEN)
    for span in (ours, theirs):
        span.end()
    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


def test_a_span_that_has_ended_takes_no_attributes() -> None:
    span = _span(SpanLimits())
    span.end()
    set_attributes(span, {"late": 1})
    assert "late" not in span.attributes


def test_spans_of_a_class_of_their_own_and_of_an_unknown_sdk_get_the_public_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Recording(NonRecordingSpan):
        given: Any = None

        def set_attributes(self, attributes: Any) -> None:
            self.given = attributes

    wrapped = Recording(SpanContext(1, 2, is_remote=False))
    set_attributes(wrapped, GIVEN)
    assert wrapped.given == GIVEN
    monkeypatch.setattr(attributes, "known_class", lambda: None)
    span = _span(SpanLimits())
    set_attributes(span, GIVEN)
    assert dict(span.attributes) == {"kept": 1, **GIVEN}


# -- the start ----------------------------------------------------------------------------


class _Looking(SpanProcessor):
    """Notes the attributes that a span starts with."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        del parent_context
        self.seen.append(dict(span.attributes or {}))


class _Choosy(StaticSampler):
    """Samples by an attribute."""

    def should_sample(self, *given: Any, **named: Any) -> SamplingResult:
        attributes = named.get("attributes") or given[4]
        return (ALWAYS_ON if "text" in (attributes or {}) else ALWAYS_OFF).should_sample(*given, **named)


PROVIDERS: dict[str, Callable[[], TracerProvider]] = {
    "the usual sampler": lambda: TracerProvider(shutdown_on_exit=False),
    "a sampler that looks": lambda: TracerProvider(_Choosy(Decision.DROP), shutdown_on_exit=False),
    "such a one for roots": lambda: TracerProvider(ParentBased(_Choosy(Decision.DROP)), shutdown_on_exit=False),
    "nothing sampled": lambda: TracerProvider(ALWAYS_OFF, shutdown_on_exit=False),
    "few attributes": lambda: TracerProvider(span_limits=SpanLimits(max_span_attributes=2), shutdown_on_exit=False),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_span_starts_with_the_attributes_of_the_public_call(provider: str) -> None:
    tracer = PROVIDERS[provider]().get_tracer("test")
    ours: Any = start_span(tracer, "span", Context(), SpanKind.CLIENT, dict(GIVEN), 7)
    theirs: Any = tracer.start_span("span", Context(), SpanKind.CLIENT, GIVEN, (), 7)
    assert ours.is_recording() == theirs.is_recording() == (provider != "nothing sampled")
    for name in ("name", "kind", "start_time", "parent", "attributes", "dropped_attributes"):
        assert getattr(ours, name, None) == getattr(theirs, name, None)


def test_a_processor_that_looks_finds_the_attributes_also_when_it_is_added_later() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    tracer, looking = provider.get_tracer("test"), _Looking()
    start_span(tracer, "before", Context(), SpanKind.CLIENT, dict(GIVEN), 7)
    provider.add_span_processor(looking)
    start_span(tracer, "span", Context(), SpanKind.CLIENT, dict(GIVEN), 7)
    assert looking.seen == [GIVEN]


# -- histograms ----------------------------------------------------------------------------

DELTA = {SdkHistogram: AggregationTemporality.DELTA}
SETUPS: dict[str, Callable[[InMemoryMetricReader], MeterProvider]] = {
    "no more": lambda reader: MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False),
    "a view that drops an attribute": lambda reader: _provider(
        reader, views=[View(instrument_name="tokens", attribute_keys={"gen_ai.token.type"})]
    ),
    "two views": lambda reader: _provider(reader, views=[View(instrument_name="tok*"), View(instrument_name="*")]),
    "a view that drops all": lambda reader: _provider(
        reader, views=[View(instrument_name="tokens", aggregation=DropAggregation())]
    ),
    "exponential buckets": lambda reader: _provider(
        reader, views=[View(instrument_name="tokens", aggregation=ExponentialBucketHistogramAggregation())]
    ),
    "exemplars of all": lambda reader: _provider(reader, exemplar_filter=AlwaysOnExemplarFilter()),
    "exemplars of none": lambda reader: _provider(reader, exemplar_filter=AlwaysOffExemplarFilter()),
}


def _provider(*readers: InMemoryMetricReader, **more: Any) -> MeterProvider:
    return MeterProvider(readers, Resource.get_empty(), shutdown_on_exit=False, **more)


def _histogram(provider: Any) -> Histogram:
    return provider.get_meter("test").create_histogram("tokens", explicit_bucket_boundaries_advisory=[1, 10, 1000])


def _context(*, sampled: bool = True) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=flags)), Context())


def _collected(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    points: list[tuple[str, Any]] = [
        (metric.name, point)
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    return [
        (name, dict(p.attributes or {}), p.count, p.sum, p.min, p.max, getattr(p, "bucket_counts", None), _exemplars(p))
        for name, p in points
    ]


def _exemplars(point: Any) -> list[Any]:
    return [(one.value, one.trace_id, one.span_id, one.filtered_attributes) for one in point.exemplars]


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "not sampled"])
@pytest.mark.parametrize("preferred", [None, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("setup", SETUPS)
def test_measurements_are_those_of_the_public_call_however_metrics_are_set_up(
    setup: str, preferred: Any, sampled: bool
) -> None:
    found: list[list[Any]] = []
    for ours in (True, False):
        reader = InMemoryMetricReader(preferred_temporality=preferred)
        histogram = _histogram(SETUPS[setup](reader))
        series, context = Series(histogram, ATTRIBUTES), _context(sampled=sampled)
        points: list[Any] = []
        for _ in range(3):
            for value in VALUES:
                if ours:
                    series.record(value, 1, context, sampled=sampled)
                else:
                    histogram.record(value, ATTRIBUTES, context)
            points.append(_collected(reader))
        found.append(points)
    assert found[0] == found[1]


def test_a_reader_that_comes_later_gets_the_measurements_from_then_on() -> None:
    first, second = InMemoryMetricReader(), InMemoryMetricReader()
    provider = _provider(first)
    if not hasattr(provider, "add_metric_reader"):
        pytest.skip("this SDK takes no readers later")
    series = Series(_histogram(provider), ATTRIBUTES)
    series.record(5, 1, _context(), sampled=True)
    provider.add_metric_reader(second)
    series.record(7, 1, _context(), sampled=True)
    assert [point[2:4] for point in _collected(first)] == [(2, 12)]
    assert [point[2:4] for point in _collected(second)] == [(1, 7)]


def test_a_series_beyond_the_limit_of_attribute_sets_is_counted_with_the_others() -> None:
    if "aggregation_cardinality_limit" not in signature(View).parameters:
        pytest.skip("this SDK has no such limit")
    reader = InMemoryMetricReader()
    histogram = _histogram(_provider(reader, views=[View(instrument_name="tokens", aggregation_cardinality_limit=2)]))
    for model in ("a", "b", "c", "d"):
        Series(histogram, {"model": model}).record(5, 1, _context(), sampled=True)
    assert [point[1] for point in _collected(reader)] == [
        {"model": "a"},
        {"model": "b"},
        {"otel.metric.overflow": True},
    ]


def test_an_instrument_made_before_its_provider_records_once_that_is_there() -> None:
    proxy: Any = _ProxyMeterProvider()
    series = Series(_histogram(proxy), ATTRIBUTES)
    series.record(5, 1, _context(), sampled=True)
    reader = InMemoryMetricReader()
    proxy.on_set_meter_provider(_provider(reader))
    series.record(7, 1, _context(), sampled=True)
    series.record(8, 1, _context(), sampled=True)
    assert [point[2:4] for point in _collected(reader)] == [(2, 15)]


def test_instruments_of_an_unknown_sdk_get_the_public_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "known_class", lambda: None)
    reader = InMemoryMetricReader()
    series = Series(_histogram(_provider(reader)), ATTRIBUTES)
    series.record(5, 1, _context(), sampled=True)
    assert [point[2:4] for point in _collected(reader)] == [(1, 5)]
    Series(metrics.NoOpMeterProvider().get_meter("x").create_histogram("y"), ATTRIBUTES).record(
        5, 1, Context(), sampled=False
    )


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
def test_a_meter_that_begins_anew_tells_nothing_of_before_and_never_goes_below_zero(
    temporality: AggregationTemporality,
) -> None:
    reader = InMemoryMetricReader({SdkHistogram: temporality, ObservableCounter: temporality})
    provider = MeterProvider([reader], resource=Resource.get_empty(), shutdown_on_exit=False)
    meter, other = provider.get_meter("ours"), provider.get_meter("theirs")
    counted = [5]
    made: list[Histogram] = []
    for each in (meter, other):
        each.create_observable_counter("sum", [lambda _: [Observation(counted[0])]])
        made.append(each.create_histogram("tokens"))
    series = Series(made[0], ATTRIBUTES)

    def told() -> dict[str, Any]:
        data: Any = reader.get_metrics_data()
        return {
            f"{scope.scope.name} {metric.name}": getattr(point, "count", None) or point.value
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    def record() -> None:
        series.record(1.0, 1, Context(), sampled=False)
        made[1].record(1.0, ATTRIBUTES)

    record()
    told()
    record()
    forked.begin_anew(meter)
    counted[0] = 1
    record()
    seen = told()
    assert (seen["ours sum"], seen["ours tokens"]) == (1, 1)
    # The SDK goes on: with all there was, or with what was not collected and a sum less than nothing.
    goes_on = (1, 3) if temporality is AggregationTemporality.CUMULATIVE else (-4, 2)
    assert (seen["theirs sum"], seen["theirs tokens"]) == goes_on


def test_a_meter_of_no_sdk_is_left_alone() -> None:
    forked.begin_anew(metrics.NoOpMeterProvider().get_meter("x"))
