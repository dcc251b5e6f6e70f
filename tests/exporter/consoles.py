"""A provider whose only exporter is ours."""

from __future__ import annotations

import io
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_agentperf import config, semconv
from otel_agentperf.exporter import AgentPerfSpanExporter
from tests.reading.spans import Program, at

A = "00000000000000aa"
PRINTS: dict[str, Any] = {semconv.TOOL_NO_ARGUMENTS: False, semconv.TOOL_ARGUMENTS_HASH: A, semconv.TOOL_RESULT_HASH: A}


class Console:
    """A provider whose only exporter is ours, behind the processor of the SDK that batches."""

    def __init__(self, settings: config.Settings | None = None) -> None:
        self.out = io.StringIO()
        self.exporter = AgentPerfSpanExporter(settings or config.Settings(), self.out)
        self.provider = TracerProvider(shutdown_on_exit=False)
        # A delay of an hour: a batch is what `flush` sends.
        self.provider.add_span_processor(BatchSpanProcessor(self.exporter, schedule_delay_millis=3_600_000))
        self.program = Program(self.provider)

    def flush(self) -> str:
        """End the batch and return what was printed since the last one."""
        self.provider.force_flush()
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text

    def shutdown(self) -> str:
        self.provider.shutdown()
        return self.out.getvalue()


def loop(program: Program, root: Any, calls: int = 4) -> None:
    node = program.node("web_agent", 10, root)
    for call in range(calls):
        program.tool("click", 20 + call, 21 + call, node, **PRINTS)
    node.end(at(100))
