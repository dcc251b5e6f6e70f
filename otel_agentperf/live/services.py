"""Billed services: time and calls that are paid for beside model requests, as `use_service` spans."""

from __future__ import annotations

from decimal import Decimal

from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind, Tracer

from otel_agentperf import semconv
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, OperationKind

_NS_PER_MINUTE = Decimal(60_000_000_000)


def bill(pipeline: Pipeline, service: str, tracer: Tracer, user: Frame | None, start_ns: int, end_ns: int) -> None:
    """Put a `use_service` span with its cost beneath a frame, for time that has passed.

    Time within a node, tool or span that is billed for the same service already, is not billed
    again: the outermost match counts.

    Args:
        pipeline: what counts it.
        service: a name under `[prices.services]`.
        tracer: what starts the span.
        user: the frame that used the service, if there is one.
        start_ns: since when, Unix nanoseconds.
        end_ns: until when, Unix nanoseconds.
    """
    if user is not None and will_bill(pipeline, service, user.parent):
        return
    minutes = Decimal(max(0, end_ns - start_ns)) / _NS_PER_MINUTE
    write(pipeline, service, tracer, user, start_ns, end_ns, cost_of(pipeline, service, minutes, 1), minutes)


def cost_of(pipeline: Pipeline, service: str, minutes: Decimal, calls: int) -> Cost:
    """What the use of a service costs; unpriced where the settings have none of that name."""
    rate = pipeline.prices.service(service)
    if rate is None:
        return Cost(CostStatus.UNPRICED, reason=f"no [prices.services.{service}] in the settings file")
    return rate.cost(minutes=minutes, calls=calls)


def will_bill(pipeline: Pipeline, service: str, frame: Frame | None) -> bool:
    """Whether a frame, or one above it, is billed for a service once it ends."""
    prices = pipeline.prices
    while frame is not None:
        kind, name = frame.kind, frame.name
        if kind is OperationKind.NODE:
            matched = prices.match_service(node=name)
        elif kind is OperationKind.TOOL:
            matched = prices.match_service(tool=name)
        else:
            matched = prices.match_service(span=name) if kind is OperationKind.OTHER else None
        if matched == service:
            return True
        frame = frame.parent
    return False


def write(
    pipeline: Pipeline,
    service: str,
    tracer: Tracer,
    parent: Frame | None,
    start_ns: int,
    end_ns: int,
    cost: Cost,
    minutes: Decimal | None = None,
) -> None:
    """Write one finished use of a billed service as a span and count it.

    Args:
        pipeline: what counts it.
        service: its name.
        tracer: what starts the span.
        parent: the frame that it ran in, if there is one.
        start_ns: since when, Unix nanoseconds.
        end_ns: until when, Unix nanoseconds.
        cost: what it cost.
        minutes: how long it was used.
    """
    context = context_api.get_current()
    if parent is not None:
        context = frames.enter(parent, context)
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_USE_SERVICE,
        semconv.SERVICE_NAME: service,
    }
    if minutes is not None:
        attributes[semconv.SERVICE_MINUTES] = float(minutes)
    span = tracer.start_span(
        f"{semconv.OP_USE_SERVICE} {service}",
        context=context,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        start_time=start_ns,
    )
    if span.get_span_context().is_valid:
        frame = pipeline.open(OperationKind.SERVICE, service, span, start_ns, parent)
        pipeline.close(frame, {}, cost=cost, end_ns=end_ns)
