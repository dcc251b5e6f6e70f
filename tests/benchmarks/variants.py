"""The instrumentations that are compared, each with the same SDK: spans and metrics that go nowhere.

Spans pass a `BatchSpanProcessor` to an exporter that counts and drops them. Its timer is set so
that it never fires: batches leave when they are full and when the program flushes, hence at the
same points in every process. Metrics are collected once, at the end.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

NEVER_MS = 3_600_000
ALL_RULES = "ALL_RULES"
OTLP = "BENCHMARK_OTLP"
"""An address that spans are really sent to."""


@dataclass
class Setup:
    """What a variant has switched on."""

    provider: Any = None
    exporter: Any = None
    reader: Any = None
    hand_spans: HandSpans | None = None

    def flush(self) -> None:
        """Export what waits, and learn from the runs that wait."""
        if self.provider is not None:
            self.provider.force_flush()
        if "otel_agentperf.live.in_process" in sys.modules:
            pipeline = _load("otel_agentperf.live.in_process").current()
            if pipeline is not None and getattr(pipeline, "learner", None) is not None:
                pipeline.learner.settle()

    def spans_seen(self) -> int:
        """Spans exported so far."""
        return 0 if self.exporter is None else self.exporter.count

    def collect_metrics(self) -> None:
        """Collect once, into nothing."""
        if self.reader is not None:
            self.reader.get_metrics_data()

    def write_spans(self, path: str, number: int) -> None:
        """Write the spans of the last run, in order of start; those of `ours` are what `spans` copies."""
        spans = sorted(self.exporter.last[-number:], key=lambda span: span.start_time)
        rows = [{"name": s.name, "kind": s.kind.name, "attributes": dict(s.attributes or {})} for s in spans]
        Path(path).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def sdk() -> Setup:
    """The same SDK for everyone, set as the global providers; as a variant, nothing uses it."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    sent_to = os.environ.get(OTLP)
    over_otlp: Any = _load("opentelemetry.exporter.otlp.proto.http.trace_exporter") if sent_to else None
    otlp = over_otlp.OTLPSpanExporter(f"{sent_to}/v1/traces") if sent_to else None

    class Counting(SpanExporter):
        def __init__(self) -> None:
            self.count = 0
            self.last: Sequence[ReadableSpan] = ()

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if otlp is not None and otlp.export(spans) is not SpanExportResult.SUCCESS:
                return SpanExportResult.FAILURE
            self.count += len(spans)
            self.last = spans
            return SpanExportResult.SUCCESS

    resource = Resource({"service.name": "benchmark"})
    exporter, reader = Counting(), InMemoryMetricReader()
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000, schedule_delay_millis=NEVER_MS))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))
    return Setup(provider, exporter, reader)


class HandSpans:
    """Plain SDK spans around the same work, each with all its attributes at its start."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        from opentelemetry import trace

        self._tracer = trace.get_tracer("benchmark")
        self._rows = [(row["name"], trace.SpanKind[row["kind"]], row["attributes"]) for row in rows]
        self._within = trace.set_span_in_context
        self._root_context: Any = None

    def root(self, work: Callable[[int], object]) -> Callable[[int], object]:
        """The run with a root span around it."""
        start, (name, kind, attributes) = self._tracer.start_span, self._rows[0]

        def run(number: int) -> object:
            span = start(name, kind=kind, attributes=attributes)
            self._root_context = self._within(span)
            try:
                return work(number)
            finally:
                span.end()

        return run

    def node(self, place: int, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A node's body with the spans of node and request around it."""
        start, within = self._tracer.start_span, self._within
        name, kind, attributes = self._rows[1 + 2 * place]
        request_name, request_kind, request_attributes = self._rows[2 + 2 * place]

        def body(state: Any) -> Any:
            span = start(name, self._root_context, kind, attributes)
            request = start(request_name, within(span), request_kind, request_attributes)
            try:
                return work(state)
            finally:
                request.end()
                span.end()

        return body


def bare(_template: str | None) -> Setup:
    """No SDK, no instrumentation."""
    return Setup()


def spans(template: str | None) -> Setup:
    """Eleven plain spans a run."""
    setup = sdk()
    rows = json.loads(Path(template or "").read_text(encoding="utf-8"))
    if len(rows) != 11:
        raise SystemExit(f"the template holds {len(rows)} spans, not 11")
    for row in rows:
        attributes: dict[str, Any] = row["attributes"]
        row["attributes"] = {key: _immutable(value) for key, value in attributes.items()}
    setup.hand_spans = HandSpans(rows)
    return setup


@dataclass(frozen=True)
class Ours:
    """Ours, as a program would switch it on in code, or with a part of it off."""

    settings: dict[str, str] = field(default_factory=dict[str, str])
    langgraph: bool = True
    gemini: bool = True
    system: bool = False

    def __call__(self, _template: str | None) -> Setup:
        """Switch on."""
        setup = sdk()
        os.environ["AGENTPERF_FINGERPRINT_KEY"] = "benchmark"
        for name, value in self.settings.items():
            os.environ[name] = _all_rules() if value == ALL_RULES else value
        if self.langgraph:
            _instrument("otel_agentperf.instrumentation.langgraph", "LangGraphInstrumentor")
        if self.gemini:
            _instrument("otel_agentperf.instrumentation.google_genai", "GoogleGenAIInstrumentor")
        if self.system:
            _instrument("otel_agentperf.instrumentation.system", "SystemInstrumentor")
        _load("otel_agentperf.live.auto").install()
        return setup


def _immutable(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _all_rules() -> str:
    codes: list[str] = [rule.code for rule in _load("otel_agentperf.rules").RULES]
    return ",".join(codes)


def _load(module: str) -> Any:
    return importlib.import_module(module)


def _instrument(module: str, name: str, **options: Any) -> None:
    getattr(_load(module), name)().instrument(**options)


def openlit(*, content: bool) -> Callable[[str | None], Setup]:
    """OpenLIT finds the providers that exist; its prices come from a file, else it would ask the network."""

    def switch_on(_template: str | None) -> Setup:
        setup = sdk()
        prices = {"chat": {"gemini-2.5-flash": {"promptPrice": 0.0003, "completionPrice": 0.0025}}}
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(prices, file)
        _load("openlit").init(
            capture_message_content=content,
            disable_events=not content,
            pricing_json=file.name,
            disabled_instrumentors=["httpx", "requests", "urllib", "urllib3"],
        )
        Path(file.name).unlink()
        return setup

    return switch_on


def peer(
    *instrumentors: tuple[str, str], environment: dict[str, str] | None = None, **options: Any
) -> Callable[[str | None], Setup]:
    """A peer that is a number of instrumentors."""

    def switch_on(_template: str | None) -> Setup:
        os.environ.update(environment or {})
        setup = sdk()
        for module, name in instrumentors:
            _instrument(module, name, **options)
        return setup

    return switch_on


OPENLLMETRY = (
    ("opentelemetry.instrumentation.langchain", "LangchainInstrumentor"),
    ("opentelemetry.instrumentation.google_generativeai", "GoogleGenerativeAiInstrumentor"),
)
OPENINFERENCE = (
    ("openinference.instrumentation.langchain", "LangChainInstrumentor"),
    ("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
)
OFFICIAL = (
    ("opentelemetry.instrumentation.genai.langchain", "LangChainInstrumentor"),
    ("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor"),
)
HIDDEN = {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"}
CAPTURED = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}

VARIANTS: dict[str, Callable[[str | None], Setup]] = {
    "bare": bare,
    "sdk": lambda _: sdk(),
    "spans": spans,
    "ours": Ours(),
    "ours-three-rules": Ours({"AGENTPERF_RULES_SELECT": "COST001,LAT001,REP001"}),
    "ours-nometrics": Ours({"AGENTPERF_METRICS": "false"}),
    "ours-norules": Ours({"AGENTPERF_RULES_IGNORE": ALL_RULES}),
    "ours-nolearning": Ours({"AGENTPERF_LEARN": "false"}),
    "ours-langgraph": Ours(gemini=False),
    "ours-gemini": Ours(langgraph=False),
    # Samples come by the clock, which callgrind slows fifty times: as few as there may be.
    "ours-system": Ours({"AGENTPERF_SAMPLE_INTERVAL": "60"}, system=True),
    "openlit": openlit(content=False),
    "openlit-content": openlit(content=True),
    "openllmetry": peer(*OPENLLMETRY, environment={"TRACELOOP_TRACE_CONTENT": "false"}),
    "openllmetry-content": peer(*OPENLLMETRY),
    "openinference": peer(*OPENINFERENCE, environment=HIDDEN),
    "openinference-content": peer(*OPENINFERENCE),
    "official": peer(*OFFICIAL),
    "official-content": peer(*OFFICIAL, environment=CAPTURED),
}

SPANS = {
    **dict.fromkeys(
        ("spans", "ours", "ours-three-rules", "ours-nometrics", "ours-norules", "ours-nolearning", "ours-system"), 11
    ),
    "ours-langgraph": 6,
    "ours-gemini": 5,
    **dict.fromkeys(("openlit", "openlit-content", "openinference", "openinference-content"), 11),
    **dict.fromkeys(("openllmetry", "openllmetry-content"), 12),
    **dict.fromkeys(("official", "official-content"), 6),
}
"""Spans in a run; a variant that makes another number was not switched on as meant."""
