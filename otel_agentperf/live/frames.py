"""Where in the agent's work the current code runs: a stack of frames in the OpenTelemetry context.

A frame stands for one open operation and leads to its run, so that nothing has to be looked
up by trace id. It travels in the context, hence into every thread and task that LangGraph
or asyncio starts with it, and it exists also when the span is not sampled.

Spans of other instrumentations have no frame in the context; the processor leaves a `Mark`
on them as they start. `current` prefers the mark of the current span, so that work beneath a
foreign span belongs to the right frame. An instrumentation may also put a context back that it
saved before a frame was entered (opentelemetry-instrumentation-genai-langchain does, around each
runnable): nodes and tools are held beside the context too, and the innermost one counts.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from otel_agentperf.live.answers import Answers
from otel_agentperf.live.sdk_core.current import SPAN_KEY, span_in
from otel_agentperf.model import ZERO_USD, Operation, OperationKind

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run
    from otel_agentperf.live.budgets.blocks import Accounts
    from otel_agentperf.live.pipeline import Pipeline
    from otel_agentperf.live.sdk_core import CleanAttributes

FRAME_KEY = context_api.create_key("otel-agentperf-frame")
MARK = "_agentperf_mark"
AGENTIC = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})


class Frame:
    """One open operation. Times are Unix nanoseconds, sums are over all work beneath it."""

    __slots__ = (
        "__weakref__",
        "agent",
        "answers",
        "budgets",
        "cache_read_tokens",
        "child_start_ns",
        "cost_usd",
        "ended",
        "failed_attempts",
        "failed_child_end_ns",
        "holds_runs",
        "input_tokens",
        "is_agent",
        "kind",
        "last_error_id",
        "name",
        "outcome",
        "output_tokens",
        "owns_run",
        "parent",
        "reasoning_tokens",
        "run",
        "span",
        "span_id",
        "start_ns",
        "trace_id",
    )

    def __init__(self, kind: OperationKind, name: str, span: Span, start_ns: int, parent: Frame | None) -> None:
        self.kind = kind
        self.name = name
        self.span = span
        context = span.get_span_context()  # a tuple, whose properties take 700 instructions each
        # Half the instructions of a format.
        self.span_id = context[1].to_bytes(8, "big").hex()
        self.trace_id = context[0].to_bytes(16, "big").hex()
        self.start_ns = start_ns
        self.parent = parent
        self.run: Run | None = parent.run if parent is not None else None
        self.owns_run = False
        self.agent: str = parent.agent if parent is not None else ""
        self.answers: Answers = parent.answers if parent is not None else Answers()
        self.budgets: Accounts = parent.budgets if parent is not None else ()
        self.is_agent = False
        self.cost_usd: Decimal = ZERO_USD
        self.ended = False
        self.input_tokens = 0
        self.output_tokens = 0
        self.cache_read_tokens = 0
        self.reasoning_tokens = 0
        self.child_start_ns = 0
        """When the last operation right beneath it began."""
        self.failed_child_end_ns = 0
        """When the last one of these that failed ended; 0 while none has."""
        self.holds_runs = False
        """Whether it is no part of a run and a graph's or agent's run has begun beneath it."""
        self.failed_attempts = 0
        self.last_error_id = 0
        self.outcome: str | None = None

    def ancestors(self) -> Iterator[Frame]:
        """The frames above this one, innermost first."""
        frame = self.parent
        while frame is not None:
            yield frame
            frame = frame.parent

    def root(self) -> Frame:
        """The frame of its run, or the outermost one where that has no run yet."""
        frame = self
        while not frame.owns_run and frame.parent is not None:
            frame = frame.parent
        return frame

    def within_agentic(self) -> bool:
        """Whether this frame or one above it is a graph or an agent."""
        frame: Frame | None = self
        while frame is not None:
            if frame.kind in AGENTIC:
                return True
            frame = frame.parent
        return False

    def add(self, operation: Operation) -> None:
        """Add a billed operation that ran beneath this frame."""
        if operation.usage is not None:
            self.input_tokens += operation.usage.input_tokens
            self.output_tokens += operation.usage.output_tokens
            if operation.usage.cache_read_tokens:
                self.cache_read_tokens += operation.usage.cache_read_tokens
            if operation.usage.reasoning_tokens:
                self.reasoning_tokens += operation.usage.reasoning_tokens
        if operation.cost is not None and operation.cost.total_usd is not None:
            self.cost_usd += operation.cost.total_usd

    def error_is_beneath(self) -> bool:
        """Whether the error that it ends with is that of an operation beneath it, as `reading.failures` has it."""
        return 0 < self.failed_child_end_ns >= self.child_start_ns

    def recording_span(self) -> Span | None:
        """The span of this frame or of the nearest one above that still records."""
        frame: Frame | None = self
        while frame is not None:
            if frame.span.is_recording():
                return frame.span
            frame = frame.parent
        return None


class Mark:
    """What the processor leaves on a span of another instrumentation while it is open.

    Attributes:
        pipeline: the pipeline of the processor that left it.
        tracer: starts spans beneath it.
        frame: the frame that work beneath the span belongs to.
        owns_frame: whether the span itself is that frame.
        requests: requests seen at our own seam while this span was the current inference span.
        in_flight: ends the one that is still open, for a span that ends before its stream does.
        measured: whether the peer, or another one directly around it, records the metrics of a request.
        said: what the span was to say of the request that it carries.
        used_before: tokens that its frame had when an agent's span without a frame of its own began.
        shared: whether a second request has begun, so that each has a span of its own.
    """

    __slots__ = (
        "frame",
        "in_flight",
        "measured",
        "owns_frame",
        "pipeline",
        "requests",
        "said",
        "shared",
        "tracer",
        "used_before",
    )

    def __init__(self, pipeline: Pipeline, tracer: Tracer, frame: Frame | None) -> None:
        self.pipeline = pipeline
        self.tracer = tracer
        self.frame = frame
        self.owns_frame = False
        self.requests: list[Operation] = []
        self.in_flight: Callable[[], None] | None = None
        self.measured = False
        self.shared = False
        self.said: CleanAttributes = {}
        self.used_before: tuple[int, int, int, int] = (0, 0, 0, 0)


_held: ContextVar[Frame | None] = ContextVar("otel_agentperf_frame", default=None)


def mark_of(span: Span) -> Mark | None:
    """The mark on a foreign span, if it started under our processor."""
    return getattr(span, MARK, None)


def put_mark(span: Span, mark: Mark) -> None:
    """Leave a mark on a span."""
    setattr(span, MARK, mark)


def take_mark(span: Span) -> Mark | None:
    """Remove the mark from a span and give it back, if it has one."""
    mark = mark_of(span)
    if mark is not None:
        delattr(span, MARK)
    return mark


def current(context: Context | None = None) -> Frame | None:
    """The frame that the current code runs in.

    One that has ended is passed over: a library may leave its context attached, and a task may
    outlive the node that began it.
    """
    if context is None:
        context = context_api.get_current()
    frame = _entered(context)
    span = span_in(context)
    if frame is None or frame.span is not span:
        mark = mark_of(span)
        if mark is not None and mark.frame is not None and not _is_within(frame, mark.frame):
            frame = mark.frame
    while frame is not None and frame.ended:
        frame = frame.parent
    return frame


def _entered(context: Context) -> Frame | None:
    """The frame of a context, or the one within it that is held."""
    frame = cast("Frame | None", context.get(FRAME_KEY))
    held = _held.get()
    if frame is None or held is None or held is frame or held.ended or not _is_within(held, frame):
        return frame
    return held


def held_in(context: contextvars.Context) -> Frame | None:
    """The frame that is held in a context of contextvars."""
    return context.get(_held)


def hold(frame: Frame) -> Token[Frame | None]:
    """Note that a frame is entered, beside OpenTelemetry's context, in which others may put an older one back.

    Returns:
        What `release` takes.
    """
    return _held.set(frame)


def release(token: Token[Frame | None]) -> None:
    """Undo a `hold`; harmless in another context of contextvars."""
    try:  # noqa: SIM105 - `suppress` takes 2,500 instructions
        _held.reset(token)
    except ValueError:
        pass


def _is_within(frame: Frame | None, outer: Frame) -> bool:
    while frame is not None:
        if frame is outer:
            return True
        frame = frame.parent
    return False


def innermost(context: Context) -> Frame | None:
    """The innermost frame that has been entered and has not ended, whatever span is current."""
    frame = _entered(context)
    while frame is not None and frame.ended:
        frame = frame.parent
    return frame


def rightful(context: Context) -> Context:
    """The context, with the span of the innermost frame where another instrumentation has put an outer one back."""
    frame = innermost(context)
    if frame is None or frame.span is context.get(SPAN_KEY):
        return context
    mark = mark_of(span_in(context))
    if mark is None or mark.frame is None or mark.frame is frame or not _is_within(frame, mark.frame):
        return context
    return trace.set_span_in_context(frame.span, context)


def place(context: Context) -> tuple[Context, Frame | None]:
    """The `rightful` context, and the frame that is `current` in it."""
    frame = _entered(context)
    if frame is not None and not frame.ended and frame.span is context.get(SPAN_KEY):
        return context, frame  # nearly always, and the same at half the cost
    context = rightful(context)
    return context, current(context)


def enter(frame: Frame, context: Context) -> Context:
    """A context in which the frame and its span are current."""
    # Both at once: each of the two public calls would copy the context twice.
    return Context({**context, FRAME_KEY: frame, SPAN_KEY: frame.span})
