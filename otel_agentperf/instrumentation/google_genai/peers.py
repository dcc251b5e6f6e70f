"""Another instrumentation's inference span around a request of ours, and who counts what.

If the current span is a peer's inference span, it carries its first request: we open no span,
and the processor adds what it lacks at its end. When a further request comes beneath it
(automatic function calling), the first gets a span of its own after all, at its true times,
all further ones too, and the processor marks the peer's as not counted.

The official instrumentations record the semantic-convention metrics, once a span, also when it
is not sampled. After automatic function calling they report the usage of the last request, so
the metrics of every one before it are recorded by us; after an automatic continuation they
report the sum, so none is.
"""

from __future__ import annotations

from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from otel_agentperf import semconv
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes, add_operation
from otel_agentperf.live.frames import Frame, Mark
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.sdk_core.current import span_in
from otel_agentperf.model import Operation, OperationKind

_CONTEXT_KEYS = ("opentelemetry.genai.client.inference.context", "opentelemetry.genai.client.embedding.context")
"""Where opentelemetry-util-genai keeps the inference that is current, sampled or not."""
_UNSAMPLED_MARK = "_otel_agentperf"
_INFERENCES = frozenset({"chat", "generate_content", "text_completion", "embeddings", "interactions.create"})
_OPENINFERENCE_INFERENCES = frozenset({"LLM", "EMBEDDING"})
_APPLIED = (semconv.REQUEST_MODEL_ASKED, semconv.ADVICE_APPLIED, semconv.ADVICE_TIMEOUT)
_CONTINUED = frozenset({"CONTINUATION", "requires_continuation"})


class Peer:
    """A peer's inference span that is current.

    Attributes:
        span: the span, sampled or not.
        mark: where its requests are noted.
        tracer: starts spans beneath it.
        context: the context in which it is current.
    """

    __slots__ = ("context", "mark", "span", "tracer")

    def __init__(self, span: Span, mark: Mark, tracer: Tracer, context: Context) -> None:
        self.span = span
        self.mark = mark
        self.tracer = tracer
        self.context = context

    def takes(self) -> bool:
        """Whether its span shall carry the request that begins now: it does so for its first one."""
        mark = self.mark
        if not mark.requests and mark.in_flight is None:
            return True
        if len(mark.requests) == 1 and not mark.shared:
            self._span_for(mark.requests[0], mark.said)
        mark.shared = True
        return False

    def carried(self, pipeline: Pipeline, frame: Frame, operation: Operation, attributes: Attributes) -> None:
        """Count the request that its span carries, now that it has ended."""
        mark = self.mark
        mark.in_flight = None
        mark.said = attributes
        if mark.shared:
            self._span_for(operation, attributes)
        elif attributes and self.span.is_recording():
            present = cast("dict[str, Any]", getattr(self.span, "attributes", None) or {})
            self.span.set_attributes(
                {key: value for key, value in attributes.items() if key not in present or key == semconv.REQUEST_MODEL}
            )
        news = pipeline.account(frame, operation, {})
        pipeline.teller.add_cost(operation)
        if not mark.measured:
            pipeline.teller.measure(frame, operation)
        self.finished(pipeline, operation)
        pipeline.teller.suggestions(news, frame, operation.end_ns)

    def finished(self, pipeline: Pipeline, operation: Operation) -> None:
        """Note a request beneath it that has ended; the peer's own metrics speak for the last one."""
        requests = self.mark.requests
        requests.append(operation)
        if self.mark.measured and len(requests) > 1:
            previous = requests[-2]
            inference = previous.inference
            if inference is None or _CONTINUED.isdisjoint(inference.finish_reasons):
                frame = Frame(previous.kind, previous.name, self.span, previous.start_ns, self.mark.frame)
                pipeline.teller.measure(frame, previous)

    def _span_for(self, operation: Operation, said: Attributes) -> None:
        inference = operation.inference
        if inference is None:
            return
        embeds = operation.kind is OperationKind.EMBEDDINGS
        name = semconv.OP_EMBEDDINGS if embeds else semconv.OP_GENERATE_CONTENT
        attributes: Attributes = {
            semconv.OPERATION_NAME: name,
            semconv.PROVIDER_NAME: inference.provider,
            semconv.REQUEST_MODEL: inference.request_model,
        }
        if inference.streamed:
            attributes[semconv.REQUEST_STREAM] = True
        if operation.session_id:
            attributes[semconv.CONVERSATION_ID] = operation.session_id
        attributes.update((key, said[key]) for key in _APPLIED if key in said)
        add_operation(attributes, operation)
        span = self.tracer.start_span(
            f"{name} {inference.request_model}",
            context=self.context,
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
            start_time=operation.start_ns,
        )
        if operation.error_type is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end(operation.end_ns)


def find(pipeline: Pipeline, tracer: Tracer, context: Context) -> Peer | None:
    """The peer whose inference span is current, if there is one."""
    span = span_in(context)
    mark = frames.mark_of(span)
    if mark is not None:
        attributes = cast("dict[str, Any]", getattr(span, "attributes", None) or {})
        official = attributes.get(semconv.OPERATION_NAME) in _INFERENCES
        if not official and attributes.get("openinference.span.kind") not in _OPENINFERENCE_INFERENCES:
            return None
        return Peer(span, mark, tracer, context)
    # An SDK's span without a mark has ended: its context was left attached, and it takes nothing more.
    if not isinstance(span, trace.NonRecordingSpan):
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
            noted[1].measured = True
            setattr(data, _UNSAMPLED_MARK, noted)
        if noted[0] == span_id:
            return Peer(span, noted[1], tracer, context)
    return None
