"""Attributes onto a span that is about to end, past the cleaning that they do not need."""

# ruff: noqa: SLF001 - the private parts of the SDK are what this is about

from __future__ import annotations

from functools import cache
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span

CleanValue = str | bool | int | float | tuple[str, ...] | tuple[int, ...]
"""What the SDK leaves as it is. No lists: they are kept, and might change."""
CleanAttributes = dict[str, CleanValue]

_PROBED: CleanAttributes = {"text": "a", "numbers": (1, 2), "texts": ("b",), "yes": True, "share": 0.5, "none": ()}


def set_attributes(span: Span, attributes: CleanAttributes) -> None:
    """Set attributes of a span that has not ended."""
    if type(span) is not known_class() or not _put(span, attributes):
        span.set_attributes(attributes)


def _put(span: Any, attributes: CleanAttributes) -> bool:
    held = span._attributes
    kept = held._dict
    if held.max_value_len is not None or (held.maxlen is not None and len(kept) + len(attributes) > held.maxlen):
        return False
    with span._lock:
        if span._end_time is None:
            kept.update(attributes)
    return True


@cache
def known_class() -> type | None:
    """The class of span whose core is as it is taken to be here; tried once."""
    provider = TracerProvider(ALWAYS_ON, Resource.get_empty(), shutdown_on_exit=False)
    last = _Last()
    provider.add_span_processor(last)
    tracer = provider.get_tracer("otel_agentperf.probe")
    try:
        public = tracer.start_span("probe", attributes={"text": "before", "kept": 1})
        public.set_attributes(_PROBED)
        public.end()
        wanted = last.attributes
        span = tracer.start_span("probe", attributes={"text": "before", "kept": 1})
        taken = _put(span, _PROBED)
        span.end()
        _put(span, {"late": 1})
    except Exception:  # noqa: BLE001 - whatever it is, the core is another one in this version
        return None
    return type(span) if taken and last.attributes == wanted and "late" not in _attributes(span) else None


def _attributes(span: Any) -> dict[str, Any]:
    return dict(span.attributes or {})


class _Last(SpanProcessor):
    """Keeps the attributes of the last span to end."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def on_end(self, span: ReadableSpan) -> None:
        self.attributes = _attributes(span)
