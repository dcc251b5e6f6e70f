"""Spans of other instrumentations: what they mean for our runs, decided as they start and end.

At start each gets a `Mark` that leads to the frame it runs in. At its end it is read as an
operation. A request counts once:

- a peer's inference span that was current for exactly one of our requests carries that
  request: it gets what it lacks (cost, fingerprints), and no span of ours exists;
- one that stood over several requests (automatic function calling), or beneath which our own
  spans report the work already, is marked `agentperf.counted = false`;
- the same goes for one that was never current, where a seam of ours sees all that its scope
  reports, or a request of ours with its model began in its time;
- any other inference is priced and counted as it stands.

A graph, a node or a tool for which we have a span of our own is likewise counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import msgspec
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import Tracer

from otel_agentperf import reading, semconv
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.live import frames, services
from otel_agentperf.live.answers import Pieces
from otel_agentperf.live.attributes import Attributes, add_cost, add_operation
from otel_agentperf.live.frames import Frame, Mark, put_mark
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import BILLED_BY_TOKEN, Cost, Operation, OperationKind
from otel_agentperf.reading.judge import priced
from otel_agentperf.reading.reported import Covered, uncovered
from otel_agentperf.reading.sdk import events_of

_AGENTIC = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_HOST_KEYS = (semconv.SERVER_ADDRESS, "http.host", "net.peer.name")
_URL_KEYS = ("url.full", "http.url")
RECORD_METRICS = "opentelemetry.instrumentation."
"""Scopes of instrumentations that record the semantic-convention metrics themselves."""
_EXACT = frozenset({semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.USAGE_REASONING_TOKENS})
"""Peers leave out tool-use tokens; our figure replaces theirs."""


_seen_scopes: set[str] = set()
_INTERACTIONS = ("interactions.", "InteractionsResource.", "AsyncInteractionsResource.")
"""Requests by a client of their own, which some versions may have where we do not see it."""


def see(scopes: Iterable[str], *, on: bool) -> None:
    """Say that a seam of ours lies beneath all requests that these scopes report.

    Args:
        scopes: names of instrumentation scopes.
        on: whether the seam is in place now.
    """
    (_seen_scopes.update if on else _seen_scopes.difference_update)(scopes)


def on_start(pipeline: Pipeline, tracer: Tracer, span: Span, parent_context: Context | None) -> None:
    """Leave a mark on a span of another instrumentation that begins.

    A span that is outermost in this process, or that is an agent or workflow of another
    framework, opens a frame of its own, so that the work beneath it becomes one run.
    """
    scope = _scope(span)
    parent = frames.current(parent_context)
    mark = Mark(pipeline, tracer, parent)
    kind = _read(span, span.start_time or 0).kind if _is_known(span) else OperationKind.OTHER
    if kind in BILLED_BY_TOKEN:
        around = frames.mark_of(trace.get_current_span(parent_context))
        mark.measured = scope.startswith(RECORD_METRICS) or (around is not None and around.measured)
    if kind in _AGENTIC or parent is None:
        inside_ours = parent is not None and parent.kind in _AGENTIC
        if not inside_ours and kind not in BILLED_BY_TOKEN:
            mark.frame = pipeline.open(kind, _name(span), span, span.start_time or 0, parent)
            mark.owns_frame = True
        elif kind in _AGENTIC and parent is not None:
            mark.used_before = _covered(parent)
    put_mark(span, mark)


def _is_known(span: Span) -> bool:
    attributes = span.attributes
    return bool(attributes) and not reading.KEYS.isdisjoint(attributes)


def _name(span: Span) -> str:
    attributes = _attributes(span)
    return str(attributes.get(semconv.AGENT_NAME) or attributes.get(semconv.WORKFLOW_NAME) or span.name)


def _attributes(span: Span) -> Mapping[str, object]:
    return cast("Mapping[str, object]", span.attributes or {})


def _read(span: Span, end_ns: int, fingerprinter: Fingerprinter | None = None) -> Operation:
    """Read a span; its content, which is fingerprinted at its end, is left alone without a fingerprinter."""
    context = span.get_span_context()
    scope = span.instrumentation_scope
    parent = span.parent
    return reading.read(
        span.name,
        dict(_attributes(span)),  # many look-ups follow, and each of the SDK's takes long
        scope=scope.name if scope is not None else "",
        span_id=format(context.span_id, "016x"),
        parent_id=format(parent.span_id, "016x") if parent is not None else None,
        trace_id=format(context.trace_id, "032x"),
        start_ns=span.start_time or 0,
        end_ns=end_ns,
        is_error=span.status.status_code is trace.StatusCode.ERROR,
        events=events_of(span.events) if span.events else (),
        status_message=span.status.description or "",
        fingerprinter=fingerprinter,
        with_content=fingerprinter is not None,
    )


def before_end(mark: Mark, span: Span, end_ns: int) -> None:
    """Take in a marked span that is about to end and still takes attributes."""
    pipeline, frame = mark.pipeline, mark.frame
    service = _service(pipeline, span) if pipeline.prices.services else None
    if service is not None:
        start_ns = span.start_time or end_ns
        at = frame if mark.owns_frame else Frame(OperationKind.OTHER, span.name, span, start_ns, frame)
        services.bill(pipeline, service, mark.tracer, at, start_ns, end_ns)
    if mark.owns_frame and frame is not None:
        frame.ended = True
        operation = _read(span, end_ns, pipeline.fingerprinter)
        if operation.kind in BILLED_BY_TOKEN:
            _end_inference(pipeline, span, mark, operation)
        elif frame.run is not None or operation.kind in _AGENTIC:
            _settle(pipeline, frame, operation, {})
        return
    if not _is_known(span):
        return
    operation = _read(span, end_ns, pipeline.fingerprinter)
    if operation.kind in BILLED_BY_TOKEN:
        _end_inference(pipeline, span, mark, operation)
    elif _is_told(operation, frame):
        span.set_attributes({semconv.COUNTED: False})
    elif operation.kind in _AGENTIC and frame is not None:
        _count_report(mark, frame, operation, span)
    elif operation.kind is OperationKind.TOOL:
        _settle(pipeline, Frame(operation.kind, operation.name, span, operation.start_ns, frame), operation, {})


def _count_report(mark: Mark, frame: Frame, operation: Operation, span: Span) -> None:
    """Count the usage on the span of an agent within an agent that no request in its time accounts for."""
    covered = Covered(*(now - before for now, before in zip(_covered(frame), mark.used_before, strict=True)))
    left = uncovered(operation, covered)
    if left.usage is not None or left.cost is not None:
        _settle(mark.pipeline, Frame(left.kind, left.name, span, left.start_ns, frame), left, {})


def _is_told(operation: Operation, frame: Frame | None) -> bool:
    """Whether a span of ours reports the graph, node or tool that this one of a peer's reports.

    A peer's callbacks run within what they tell of: the frame of ours for it is the innermost one
    as they end the span, also where the peer puts its spans elsewhere.
    """
    kind, name = operation.kind, operation.name
    if kind is OperationKind.OTHER:
        return False
    return any(
        own is not None and own.name == name and (own.kind is kind or (own.kind in _AGENTIC and kind in _AGENTIC))
        for own in (frame, frames.innermost(context_api.get_current()))
    )


def _service(pipeline: Pipeline, span: Span) -> str | None:
    by_name = pipeline.prices.match_service(span=span.name)
    if by_name is not None:
        return by_name
    attributes = _attributes(span)
    host = next((str(attributes[key]) for key in _HOST_KEYS if key in attributes), "")
    if not host:
        url = next((str(attributes[key]) for key in _URL_KEYS if key in attributes), "")
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = host.partition(":")[0]
    return pipeline.prices.match_service(host=host) if host else None


def _end_inference(pipeline: Pipeline, span: Span, mark: Mark, operation: Operation) -> None:
    if mark.in_flight is not None:
        mark.in_flight()
    requests = mark.requests
    own = mark.frame if mark.owns_frame else None
    if len(requests) == 1 and not mark.shared:
        if _scope(span).startswith(RECORD_METRICS) and semconv.USAGE_INPUT_TOKENS not in _attributes(span):
            frame = Frame(operation.kind, operation.name, span, operation.start_ns, mark.frame)
            pipeline.teller.measure(frame, requests[0], tokens_only=True)
        span.set_attributes(_lacking(span, requests[0]))
    elif requests or _is_counted(pipeline, span, operation):
        span.set_attributes({semconv.COUNTED: False})
    else:
        frame = own if own is not None else Frame(operation.kind, operation.name, span, operation.start_ns, mark.frame)
        _settle(pipeline, frame, operation, {}, _price(pipeline, operation))
        return
    if own is not None and own.run is not None:
        rest = msgspec.structs.replace(operation, kind=OperationKind.OTHER, usage=None, cost=None, inference=None)
        _settle(pipeline, own, rest, {})


def _is_counted(pipeline: Pipeline, span: Span, operation: Operation) -> bool:
    scope = _scope(span)
    return (scope in _seen_scopes and not span.name.startswith(_INTERACTIONS)) or pipeline.requests.covers(
        operation, scope
    )


def _scope(span: object) -> str:
    scope = getattr(span, "_instrumentation_scope", None) or getattr(span, "instrumentation_scope", None)
    return "" if scope is None else scope.name


def _lacking(span: Span, request: Operation) -> Attributes:
    attributes: Attributes = {}
    add_operation(attributes, request)
    present = _attributes(span)
    return {key: value for key, value in attributes.items() if key not in present or key in _EXACT}


def _price(pipeline: Pipeline, operation: Operation) -> Cost | None:
    return priced(operation, pipeline.prices).cost


def _covered(frame: Frame) -> Covered:
    """What the requests beneath a frame account for."""
    return Covered(frame.input_tokens, frame.output_tokens, frame.cache_read_tokens, frame.reasoning_tokens)


def _settle(
    pipeline: Pipeline, frame: Frame, operation: Operation, attributes: Attributes, cost: Cost | None = None
) -> None:
    """Count what a peer reports, and write onto its span what it lacks."""
    run, parent = frame.run, frame.parent
    if parent is not None:
        parent.child_start_ns = max(parent.child_start_ns, operation.start_ns)
    if operation.kind in _AGENTIC:
        operation = uncovered(operation, _covered(frame))
        cost = _price(pipeline, operation)
    operation = msgspec.structs.replace(
        operation,
        error_beneath=operation.error_type is not None and frame.error_is_beneath(),
        agent=frame.agent or operation.agent,
        is_agent=frame.is_agent,
        cost=cost if cost is not None else operation.cost,
        session_id=(run.session.id or None) if run is not None else None,
    )
    news = pipeline.account(frame, operation, attributes)
    if cost is not None and operation.kind in BILLED_BY_TOKEN:
        add_cost(attributes, cost)
    if attributes:
        frame.span.set_attributes(attributes)
    if operation.kind in BILLED_BY_TOKEN:
        scope = _scope(frame.span)
        if operation.kind is OperationKind.INFERENCE:
            frame.answers.keep(operation.span_id, Pieces())
        pipeline.requests.remember(frame, operation.name, scope)
        pipeline.teller.add_cost(operation)
        if not scope.startswith(RECORD_METRICS):
            pipeline.teller.measure(frame, operation)
    elif operation.cost is not None:
        pipeline.teller.add_cost(operation)
    pipeline.teller.suggestions(news, frame, operation.end_ns)
