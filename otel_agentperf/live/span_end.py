"""The moment before a span of another instrumentation ends, while it still takes attributes.

`Span.end()` freezes a span before any processor hears of it (the SDK's `_on_ending` comes too
late, open-telemetry/opentelemetry-python#5614). So this module wraps the public method
`opentelemetry.sdk.trace.Span.end` once and calls back first, for spans that carry our mark,
which the processor leaves on those of its own provider alone. Where an SDK hands `_on_ending`
a span that records, that is used and nothing is wrapped. Our own spans never take this way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from time import time_ns

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from otel_agentperf.live.frames import MARK

BeforeEnd = Callable[[Span, int], None]
"""Gets the span and its end time in Unix nanoseconds."""

_lock = Lock()
_wrapped: Callable[..., None] | None = None
_hands_over_recording: bool | None = None


class _Probe(SpanProcessor):
    def __init__(self) -> None:
        self.recording = False

    def _on_ending(self, span: Span) -> None:
        self.recording = span.is_recording()


def hands_over_recording_spans() -> bool:
    """Whether this SDK's `_on_ending` gets a span that still records; asked once."""
    global _hands_over_recording  # noqa: PLW0603 - a fact about the installed SDK
    if _hands_over_recording is None:
        provider = TracerProvider(ALWAYS_ON, Resource.get_empty(), shutdown_on_exit=False)
        probe = _Probe()
        provider.add_span_processor(probe)
        provider.get_tracer("otel_agentperf.probe").start_span("probe").end()
        _hands_over_recording = probe.recording
    return _hands_over_recording


def install(before_end: BeforeEnd) -> None:
    """Have `before_end` called with every marked span that is about to end."""
    global _wrapped  # noqa: PLW0603 - one wrap for the process
    with _lock:
        if _wrapped is not None or hands_over_recording_spans():
            return
        original = Span.end

        @wraps(original)
        def end(self: Span, end_time: int | None = None) -> None:
            if MARK in self.__dict__ and self.is_recording():
                if end_time is None:
                    end_time = time_ns()
                before_end(self, end_time)
            original(self, end_time)

        Span.end = end  # type: ignore[method-assign]  # the patch itself
        _wrapped = end
