"""Content of prompts, answers and tools, which is recorded only where the user opted in.

`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` decides, as for the official
instrumentations: on spans as JSON text, in the log event
`gen_ai.client.inference.operation.details` in structured form. Tools have a form on spans only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import Span

from otel_agentperf import guard, semconv
from otel_agentperf._version import VERSION
from otel_agentperf.config import Settings
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.pipeline import Pipeline

_ON_SPANS = frozenset({"span_only", "span_and_event"})
_IN_EVENTS = frozenset({"event_only", "span_and_event"})


def on_spans(settings: Settings) -> bool:
    """Whether content goes onto spans."""
    return settings.capture_content in _ON_SPANS


def in_events(settings: Settings) -> bool:
    """Whether content goes into log events."""
    return settings.capture_content in _IN_EVENTS


def as_text(value: object) -> str:
    """A value as JSON text; text as it is, and what JSON does not know as its string."""
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def tool_content_attributes(arguments: object = None, result: object = None) -> Attributes:
    """What a tool was called with and what it gave back; to be asked for where `on_spans` holds.

    Args:
        arguments: what the model asked for; `None` leaves the attribute out.
        result: what the tool returned; `None` leaves the attribute out.
    """
    attributes: Attributes = {}
    try:
        if arguments is not None:
            attributes[semconv.TOOL_CALL_ARGUMENTS] = as_text(arguments)
        if result is not None:
            attributes[semconv.TOOL_CALL_RESULT] = as_text(result)
    except Exception as error:  # noqa: BLE001 - content that has no text form is left out
        guard.report("content.tool", error)
    return attributes


def emit_details(pipeline: Pipeline, scope: str, span: Span, facts: Mapping[str, Any]) -> None:
    """Write the log event with the content of one model request.

    Args:
        pipeline: whose logs it goes to.
        scope: the instrumentation that saw it.
        span: the request's span.
        facts: the attributes of the inference span, content in structured form.
    """
    get_logger(scope, VERSION, pipeline.logger_provider).emit(
        LogRecord(
            event_name=semconv.EVENT_INFERENCE_DETAILS,
            severity_number=SeverityNumber.DEBUG,
            attributes=facts,
            context=trace.set_span_in_context(span),
        )
    )
