"""The span processor: it binds the pipeline of this process to a tracer provider.

Our own instrumentations hand over their operations directly; what the processor adds is
everything that only it can see: spans of other instrumentations and the end of the process.
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import TracerProvider

from otel_agentperf import guard, semconv
from otel_agentperf._version import VERSION
from otel_agentperf.config import Settings
from otel_agentperf.live import evaluation, foreign, in_process, span_end
from otel_agentperf.live.frames import mark_of, take_mark
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.sdk_core import looks_at_no_start


class AgentPerfSpanProcessor(SpanProcessor):
    """Prices, counts and judges the agent work of a tracer provider.

    Add it to a `TracerProvider` beside anyone's exporters, in any order: what it writes is on
    a span before that span ends. It becomes the pipeline of the process; a second processor
    shares the first one's unless it is given settings of its own.

    Args:
        settings: the settings; read from the environment when absent.
        tracer_provider: starts the spans of billed services that are matched by span or host
            name; the global one when absent.

    Raises:
        SettingsError: a setting is wrong; the message names it and what is allowed.
    """

    def __init__(self, settings: Settings | None = None, tracer_provider: TracerProvider | None = None) -> None:
        if settings is not None:
            in_process.begin_with(settings)
        self._pipeline = in_process.ensure()
        if tracer_provider is not None:
            self._pipeline.tracer_provider = tracer_provider
        self._tracer = trace.get_tracer(semconv.SCOPE_API, VERSION, tracer_provider, semconv.SCHEMA_URL)
        span_end.install(before_end)

    @property
    def pipeline(self) -> Pipeline:
        """What the processor feeds."""
        return self._pipeline

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Leave a mark on a span of another instrumentation."""
        try:
            scope = span.instrumentation_scope
            if scope is None or scope.name not in semconv.OWN_SCOPES:
                foreign.on_start(self._pipeline, self._tracer, span, parent_context)
        except Exception as error:  # noqa: BLE001 - a processor must not raise into the program
            guard.report("processor.on_start", error)

    def _on_ending(self, span: Span) -> None:
        if span_end.hands_over_recording_spans() and mark_of(span) is not None:
            before_end(span, span.end_time or time_ns())

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: what there is to say was said before the span ended."""

    def shutdown(self) -> None:
        """End the runs that are still open, and keep what was learned."""
        try:
            self._pipeline.close_open_runs()
            if self._pipeline.learner is not None:
                self._pipeline.learner.close()
        except Exception as error:  # noqa: BLE001 - a processor must not raise into the program
            guard.report("processor.shutdown", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back, so there is nothing to flush."""
        del timeout_millis
        return True


looks_at_no_start(AgentPerfSpanProcessor.on_start)  # of our own spans it reads the scope alone


def before_end(span: Span, end_ns: int) -> None:
    """Take in a span of another instrumentation that is about to end.

    Args:
        span: a span that carries our mark.
        end_ns: its end time, Unix nanoseconds.
    """
    began_ns = perf_counter_ns()
    try:
        mark = take_mark(span)
        if mark is None:
            return
        if mark.frame is not None and mark.frame.run is not None:
            evaluation.take_from_span(mark.frame.run, span)
        foreign.before_end(mark, span, end_ns)
    except Exception as error:  # noqa: BLE001 - a processor must not raise into the program
        guard.report("processor.before_end", error)
    finally:
        guard.spend(began_ns)
