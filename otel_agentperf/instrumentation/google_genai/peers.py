"""Another instrumentation's inference span around a request of ours, and who counts what.

If the current span is a peer's inference span, it carries its first request: we open no span,
and the processor adds what it lacks at its end. When a further request comes beneath it
(automatic function calling), the first gets a span of its own after all, at its true times,
all further ones too, and the processor marks the peer's as not counted.

The official instrumentations record the semantic-convention metrics, once a span, with the
usage of its last request, also when it is not sampled; so the metrics of a request beneath
them are recorded by us only once another one has followed it.
"""

from __future__ import annotations

from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from otel_agentperf import semconv
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes, add_operation
from otel_agentperf.live.foreign import RECORD_METRICS
from otel_agentperf.live.frames import Mark
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Operation

_CONTEXT_KEYS = ("opentelemetry.genai.client.inference.context", "opentelemetry.genai.client.embedding.context")
"""Where opentelemetry-util-genai keeps the inference that is current, sampled or not."""
_UNSAMPLED_MARK = "_otel_agentperf"
_INFERENCES = frozenset({"chat", "generate_content", "text_completion", "embeddings", "interactions.create"})
_OPENINFERENCE_INFERENCES = frozenset({"LLM", "EMBEDDING"})


class Peer:
    """A peer's inference span that is current.

    Attributes:
        span: the span, sampled or not.
        mark: where its requests are noted.
        records_metrics: whether the peer records the semantic-convention metrics.
    """

    __slots__ = ("mark", "records_metrics", "span")

    def __init__(self, span: Span, mark: Mark, *, records_metrics: bool) -> None:
        self.span = span
        self.mark = mark
        self.records_metrics = records_metrics


def find(pipeline: Pipeline, tracer: Tracer, context: Context) -> Peer | None:
    """The peer whose inference span is current, if there is one."""
    span = trace.get_current_span(context)
    mark = frames.mark_of(span)
    if mark is not None:
        attributes = cast("dict[str, Any]", getattr(span, "attributes", None) or {})
        official = attributes.get(semconv.OPERATION_NAME) in _INFERENCES
        if not official and attributes.get("openinference.span.kind") not in _OPENINFERENCE_INFERENCES:
            return None
        scope = getattr(span, "instrumentation_scope", None)
        return Peer(span, mark, records_metrics=scope is not None and scope.name.startswith(RECORD_METRICS))
    if span.is_recording():
        return None
    return _unsampled(pipeline, tracer, context, span)


def _unsampled(pipeline: Pipeline, tracer: Tracer, context: Context, span: Span) -> Peer | None:
    for key in _CONTEXT_KEYS:
        data = context.get(key)
        if data is None:
            continue
        span_id = span.get_span_context().span_id
        noted = getattr(data, _UNSAMPLED_MARK, None)
        if noted is None:
            noted = (span_id, Mark(pipeline, tracer, frames.current(context)))
            setattr(data, _UNSAMPLED_MARK, noted)
        if noted[0] == span_id:
            return Peer(span, noted[1], records_metrics=True)
    return None


def further_request(pipeline: Pipeline, tracer: Tracer, peer: Peer, context: Context) -> None:
    """Catch up on the request before this one, now that the peer's span holds more than one."""
    previous = peer.mark.requests[-1]
    if len(peer.mark.requests) == 1:
        _span_for(tracer, previous, context)
    if peer.records_metrics:
        frame = frames.Frame(previous.kind, previous.name, peer.span, previous.start_ns, peer.mark.frame)
        pipeline.measure(frame, previous)


def _span_for(tracer: Tracer, operation: Operation, context: Context) -> None:
    inference = operation.inference
    if inference is None:
        return
    name = semconv.OP_EMBEDDINGS if operation.kind == "embeddings" else semconv.OP_GENERATE_CONTENT
    attributes: Attributes = {
        semconv.OPERATION_NAME: name,
        semconv.PROVIDER_NAME: inference.provider,
        semconv.REQUEST_MODEL: inference.request_model,
    }
    add_operation(attributes, operation)
    span = tracer.start_span(
        f"{name} {inference.request_model}",
        context=context,
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        start_time=operation.start_ns,
    )
    if operation.error_type is not None:
        span.set_status(trace.StatusCode.ERROR)
    span.end(operation.end_ns)
