"""Finished spans made by hand, with times in milliseconds, through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from otel_agentperf import semconv
from otel_agentperf.model import Operation
from otel_agentperf.reading import read

START_NS = 1_790_000_000_000_000_000
MS = 1_000_000


def at(milliseconds: float) -> int:
    """A moment in Unix nanoseconds, counted from the start of all tests."""
    return START_NS + round(milliseconds * MS)


def operation(
    name: str,
    attributes: Mapping[str, object],
    *,
    span_id: str = "00000000000000a1",
    parent_id: str | None = None,
    start: float = 0,
    end: float = 1,
    is_error: bool = False,
    scope: str = "somebody",
) -> Operation:
    """An operation read from a span of these attributes."""
    return read(
        name,
        attributes,
        scope=scope,
        span_id=span_id,
        parent_id=parent_id,
        trace_id="0" * 31 + "1",
        start_ns=at(start),
        end_ns=at(end),
        is_error=is_error,
    )


class Program:
    """Starts and ends spans of a provider at stated times.

    Args:
        provider: a provider of the SDK.
        scope: the instrumentation scope of its spans.
    """

    def __init__(self, provider: TracerProvider, scope: str = "somebody") -> None:
        self._tracer = provider.get_tracer(scope)

    def start(self, name: str, attributes: Mapping[str, Any], start: float, parent: Any = None) -> Span:
        """Start a span beneath another one, or a root."""
        context = trace.set_span_in_context(parent) if parent is not None else None
        span = self._tracer.start_span(name, context=context, attributes=attributes, start_time=at(start))
        assert isinstance(span, Span)
        return span

    def graph(self, name: str, start: float, parent: Any = None, **more: Any) -> Span:
        """Start a graph run."""
        said = {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: name, **more}
        return self.start(f"invoke_workflow {name}", said, start, parent)

    def node(self, name: str, start: float, parent: Any, **more: Any) -> Span:
        """Start a node."""
        said = {semconv.OPERATION_NAME: "invoke_node", semconv.NODE_NAME: name, **more}
        return self.start(f"invoke_node {name}", said, start, parent)

    def model(self, name: str, start: float, end: float, parent: Any = None, **more: Any) -> Span:
        """A model request, ended."""
        said = {
            semconv.OPERATION_NAME: "generate_content",
            semconv.PROVIDER_NAME: "gcp.gemini",
            semconv.REQUEST_MODEL: name,
            semconv.USAGE_INPUT_TOKENS: 1000,
            semconv.USAGE_OUTPUT_TOKENS: 100,
            **more,
        }
        span = self.start(f"generate_content {name}", said, start, parent)
        span.end(at(end))
        return span

    def tool(self, name: str, start: float, end: float, parent: Any, error: str | None = None, **more: Any) -> Span:
        """A tool execution, ended."""
        said = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: name, **more}
        span = self.start(f"execute_tool {name}", said, start, parent)
        if error is not None:
            span.set_attribute(semconv.ERROR_TYPE, error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(at(end))
        return span


def remote_parent(trace_id: int = 1, span_id: int = 1) -> NonRecordingSpan:
    """A parent in another process."""
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(1)))
