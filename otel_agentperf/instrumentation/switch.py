"""Whether an instrumentation is on: its tracer, and the checks that every wrapper makes first."""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as _SUPPRESSED  # pyright: ignore[reportPrivateUsage]
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer, TracerProvider

from otel_agentperf import semconv
from otel_agentperf._version import VERSION
from otel_agentperf.live import budgets, frames, in_process
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline
from otel_agentperf.live.sdk_core import start_span
from otel_agentperf.model import OperationKind

_SUPPRESSED_PLAIN = "suppress_instrumentation"
"""The key of early versions, which `opentelemetry.instrumentation.utils` heeds too."""


class Switch:
    """The state that the wrappers of one instrumentation share."""

    __slots__ = ("_on", "_scope", "tracer")

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._on = False
        self.tracer: Tracer = trace.NoOpTracer()

    def turn_on(self, tracer_provider: TracerProvider | None) -> None:
        """Take the tracer from a provider, the global one when absent."""
        active = in_process.current()
        # Fingerprints are comparable under one key only, so the key's id goes with every span.
        attributes = {semconv.FINGERPRINT_KEY_ID: active.fingerprinter.key_id} if active is not None else None
        self.tracer = trace.get_tracer(self._scope, VERSION, tracer_provider, semconv.SCHEMA_URL, attributes)
        self._on = True

    def turn_off(self) -> None:
        """Make every wrapper that is still in place a pass-through."""
        self._on = False

    def active(self) -> Pipeline | None:
        """The pipeline to report to, or `None` when there is nothing to do."""
        if not self._on:
            return None
        context = context_api.get_current()
        if context and (context.get(_SUPPRESSED) or context.get(_SUPPRESSED_PLAIN)):
            return None
        return in_process.current()

    def start(
        self,
        active: Pipeline,
        kind: OperationKind,
        name: str,
        span_name: str,
        attributes: Attributes | None,
        start_ns: int,
        context: Context,
        parent: Frame | None,
        *,
        span_kind: SpanKind = SpanKind.INTERNAL,
        session_id: str | None = None,
    ) -> Frame | None:
        """Start a span and its frame; `None` where no SDK is set up, so that we stay away.

        Args:
            active: the pipeline.
            kind: what begins.
            name: its name, low in cardinality.
            span_name: the span's.
            attributes: what a sampler may want to know; the rest goes onto the span as it ends, at less cost.
            start_ns: when it began, Unix nanoseconds.
            context: the current context.
            parent: the frame that is current in it.
            span_kind: the span's.
            session_id: the conversation id, for an outermost operation.
        """
        span = start_span(self.tracer, span_name, context, span_kind, attributes, start_ns)
        if not span.get_span_context().is_valid:
            if budgets.in_use:
                budgets.say_uncounted(active, context)
            return None
        try:
            return active.open(kind, name, span, start_ns, parent, session_id=session_id)
        except BaseException:
            span.end()
            raise


def leave(token: Token[Context]) -> None:
    """Go back to the context before an `attach`, without a word in the log.

    What waits may be destroyed in another contextvars context than the one that it attached in,
    as when its event loop is closed under it. There is nothing to go back to there, and
    OpenTelemetry's `detach` would log an error.
    """
    try:  # noqa: SIM105 - `suppress` takes 2,500 instructions
        token.var.reset(token)
    except ValueError:
        pass


def enter(frame: Frame) -> Context:
    """The current context with the frame and its span current."""
    return frames.enter(frame, context_api.get_current())
