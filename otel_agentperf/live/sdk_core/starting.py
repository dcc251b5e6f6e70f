"""The attributes that a span begins with, past the cleaning that they do not need.

The conventions want them there for samplers, and the SDK takes 41,000 instructions for the five
of a request. Where neither the sampler nor any processor looks at them as the span starts, they
are set at its core a moment later: nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Tracer

from otel_agentperf.live.sdk_core.attributes import CleanAttributes, set_attributes

_SAMPLERS: set[Any] = {kind.should_sample for kind in (StaticSampler, TraceIdRatioBased, ParentBased)}
_PROCESSORS: set[Any] = {kind.on_start for kind in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)}
_asked: tuple[object, object, bool] = (None, None, False)
"""A sampler, the processors of its provider, and the answer for them."""


def looks_at_no_start(on_start: Callable[..., None]) -> None:
    """Say of a processor's `on_start` that it does not read the attributes of our spans."""
    _PROCESSORS.add(on_start)


def start_span(
    tracer: Tracer, name: str, context: Context, kind: SpanKind, attributes: CleanAttributes | None, start_ns: int
) -> Span:
    """Start a span as `Tracer.start_span` does."""
    if not attributes or not _is_unseen(tracer):
        return tracer.start_span(name, context, kind, attributes, (), start_ns)
    span = tracer.start_span(name, context, kind, None, (), start_ns)
    if span.is_recording():
        set_attributes(span, attributes)
    return span


def _is_unseen(tracer: Tracer) -> bool:
    """Whether nobody looks at the attributes of a span of this tracer as it starts."""
    global _asked  # noqa: PLW0603 - the last answer: most programs have one provider
    if type(tracer) is not SdkTracer:
        return False
    sampler, of_provider = tracer.sampler, tracer.span_processor
    processors: Any = getattr(of_provider, "_span_processors", None)
    asked_sampler, asked_processors, answer = _asked
    if processors is not asked_processors or sampler is not asked_sampler:
        answer = (
            type(of_provider) is SynchronousMultiSpanProcessor
            and _is_indifferent(sampler)
            and all(_reads_nothing(processor) for processor in processors)
        )
        _asked = (sampler, processors, answer)
    return answer


def _is_indifferent(sampler: Sampler) -> bool:
    """Whether a sampler, and each that it asks, is one of the SDK's that read no attributes."""
    held: list[object] = list(vars(sampler).values())
    return type(sampler).should_sample in _SAMPLERS and all(
        _is_indifferent(asked) for asked in held if isinstance(asked, Sampler)
    )


def _reads_nothing(processor: SpanProcessor) -> bool:
    return type(processor).on_start in _PROCESSORS
