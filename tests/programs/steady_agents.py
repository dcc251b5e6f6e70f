"""A LangGraph program that asks Gemini all the time, and tells at its end how it fared; tests start it.

    steady_agents.py --seconds 5

Our processor and the SDK's own batch processor and OTLP exporter, as `otel_agentperf.instrument()` documents it. One
line of JSON says how many runs there were and how long each took, and which spans were made and acknowledged.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# LangGraph and google-genai are typed too loosely for the strict mode.

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import TypedDict

from google import genai
from langgraph.graph import END, START, StateGraph
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import otel_agentperf


class State(TypedDict):
    question: str
    note: str


class Telling(SpanExporter):
    """The OTLP exporter, and a list of the spans whose arrival it was told."""

    def __init__(self) -> None:
        self._exporter = OTLPSpanExporter()
        self.acknowledged: list[str] = []
        self.refused = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.acknowledged += [span_id(span) for span in spans]
        else:
            self.refused += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Made(SpanProcessor):
    """Counts the spans that ended."""

    def __init__(self) -> None:
        self.count = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.count += 1


def span_id(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return f"{context.trace_id:032x}:{context.span_id:016x}" if context is not None else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--pause", type=float, default=0.01, help="between two runs")
    given = parser.parse_args()

    provider = TracerProvider(resource=Resource.create({"service.name": "steady"}))
    telling, made = Telling(), Made()
    provider.add_span_processor(BatchSpanProcessor(telling))
    provider.add_span_processor(made)
    trace.set_tracer_provider(provider)
    otel_agentperf.instrument()

    client = genai.Client(api_key="none", http_options={"base_url": os.environ["GOOGLE_GEMINI_BASE_URL"]})

    def ask(state: State) -> dict[str, str]:
        response = client.models.generate_content(
            model="gemini-2.5-flash", contents=f"{state['question']} {state['note']}"
        )
        return {"note": response.text or ""}

    graph = StateGraph(State)
    before = START
    for name in ("plan", "search", "read", "compare", "write"):
        graph.add_node(name, ask)
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, END)
    app = graph.compile(name="steady")

    took: list[float] = []
    failed = 0
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            app.invoke({"question": f"What is {len(took)}?", "note": ""})
        except Exception:  # noqa: BLE001 - it is counted, and the test wants none
            failed += 1
        took.append(time.perf_counter() - began)
        time.sleep(given.pause)
    flushing = time.perf_counter()
    provider.shutdown()
    told = {
        "runs": len(took),
        "failed": failed,
        "seconds": took,
        "made": made.count,
        "acknowledged": telling.acknowledged,
        "refused": telling.refused,
        "shutdown_s": time.perf_counter() - flushing,
    }
    print(json.dumps(told))


main()
