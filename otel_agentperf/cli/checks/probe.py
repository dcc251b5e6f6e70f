"""The program that `trial` starts under `opentelemetry-instrument`: it prints what it found, and ends without a trace.

The one span that it starts is never ended, and the process ends at once: so nothing is exported, and no backend has a
span of `doctor`.
"""

from __future__ import annotations

import json
import logging
import os
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_agentperf.cli.checks import sdk
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.live import in_process

MARK = "otel-agentperf doctor: "
"""What the line begins with that holds the result."""
TRIES = 10_000
"""Spans that are started until one is recorded: a sampler may leave out most."""
EXPORT_TIMEOUT_S = 4


class _Last(logging.Handler):
    message = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.message = record.getMessage()


def is_recorded(provider: trace.TracerProvider) -> bool:
    """Whether at least one of many spans is recorded."""
    tracer = provider.get_tracer(__name__)
    return any(tracer.start_span("otel-agentperf doctor").is_recording() for _ in range(TRIES))


def left_out() -> list[str]:
    """The libraries that are not instrumented."""
    instrumentors = {"LangGraph": LangGraphInstrumentor(), "google-genai": GoogleGenAIInstrumentor()}
    return [name for name, one in instrumentors.items() if not one.is_instrumented_by_opentelemetry]


def refusal() -> str:
    """Why traces cannot be sent over OTLP, found by sending an empty request; empty where they can, or are not sent."""
    for protocol in sdk.otlp_protocols(os.environ, "traces"):
        entry = next(iter(entry_points(group="opentelemetry_traces_exporter", name=sdk.OTLP[protocol])))
        exporter: Any = entry.load()(timeout=EXPORT_TIMEOUT_S)
        last = _Last(logging.WARNING)
        logging.getLogger("opentelemetry.exporter").addHandler(last)
        with suppress_instrumentation():
            if exporter.export(()) is not SpanExportResult.SUCCESS:
                return last.message or "the request failed"
    return ""


def main() -> None:
    """Print one line and end."""
    provider = trace.get_tracer_provider()
    found = {
        "sdk": isinstance(provider, TracerProvider),
        "recorded": is_recorded(provider),
        "attached": in_process.current() is not None,
        "left_out": left_out(),
        "refusal": "" if os.environ.get("OTEL_CONFIG_FILE") else refusal(),
    }
    print(f"\n{MARK}{json.dumps(found)}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
