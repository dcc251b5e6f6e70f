"""One measurement into the sums, buckets and exemplars of a histogram.

The SDK takes 22,000 instructions for it, most of them on the way to the exemplar: it looks for
the bucket once more there, and through an abstract class for the span. Here they are 9,000. What is not a histogram with
explicit bounds and one exemplar a bucket (a view may say so) goes the SDK's own way.
"""

# ruff: noqa: SLF001 - the private parts of the SDK are what this is about

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import AlignedHistogramBucketExemplarReservoir
from opentelemetry.trace import INVALID_SPAN

from otel_agentperf.live.sdk_core.current import SPAN_KEY

_AGGREGATION = "_ExplicitBucketHistogramAggregation"


def is_known(aggregation: Any) -> bool:
    """Whether `add` may be used for an aggregation of the SDK's."""
    return (
        type(aggregation).__name__ == _AGGREGATION
        and type(aggregation._reservoir) is AlignedHistogramBucketExemplarReservoir
    )


def add(  # all in one: each further function would take some 700 instructions
    aggregation: Any, value: float, now_ns: int, context: Context, attributes: dict[str, str], *, sampled: bool
) -> None:
    """Add a measurement, and make it the exemplar of its bucket where its span is sampled.

    Raises:
        ValueError: a span's context is not as it is taken to be here.
    """
    with aggregation._lock:
        counts = aggregation._value
        if counts is None:  # after a collection
            counts = aggregation._value = aggregation._get_empty_bucket_counts()
        aggregation._sum += value
        if aggregation._record_min_max:
            aggregation._min = min(aggregation._min, value)
            aggregation._max = max(aggregation._max, value)
        place = bisect_left(aggregation._boundaries, value)
        counts[place] += 1
    if not sampled:
        return
    span: Any = context.get(SPAN_KEY, INVALID_SPAN)
    trace_id, span_id, _, _, _, is_valid = span.get_span_context()
    reservoir = aggregation._reservoir
    with getattr(reservoir, "_lock", aggregation._lock):  # early versions have none there
        bucket = reservoir._reservoir_storage[place]
        bucket._ExemplarBucket__value = value
        bucket._ExemplarBucket__time_unix_nano = now_ns
        bucket._ExemplarBucket__attributes = attributes
        if is_valid:
            bucket._ExemplarBucket__span_id = span_id
            bucket._ExemplarBucket__trace_id = trace_id
        bucket._ExemplarBucket__offered = True
