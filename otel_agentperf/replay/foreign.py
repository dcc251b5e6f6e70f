"""Forms of files that are not read: how each is recognized, and what to do about it.

A document is recognized by the names of its fields, a file that is no JSON by its first bytes. Errs towards
the more general name: JSON, text or binary data of a kind that is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec

_COLLECTOR = "Send the same spans to an OpenTelemetry Collector too, and analyze what its file exporter writes."
_OTLP = "What is read: OTLP (JSON or protobuf), Jaeger's JSON, the SDK's console output."


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is not read."""

    name: str
    """What it looks like, with its article."""
    advice: str
    """What to do, in one sentence."""

    def described(self) -> str:
        """Both, for people."""
        return f"not read: it looks like {self.name}. {self.advice}"


OURS = Form("a report of otel-agentperf", "Analyze the traces that it was made from.")
LANGFUSE = Form("a Langfuse export", f"Langfuse exports no OTLP. {_COLLECTOR}")
ZIPKIN = Form(
    "Zipkin's JSON",
    "Send it to the Collector's zipkin receiver (POST to port 9411, /api/v2/spans), and analyze what its file "
    "exporter writes.",
)
PHOENIX = Form(
    "a Phoenix export (OpenInference spans as a table or JSON)",
    "Download the spans as OTLP instead (GET /v1/projects/NAME/spans/otlpv1 of Phoenix), or send them to an "
    "OpenTelemetry Collector too and analyze what its file exporter writes.",
)
LANGSMITH = Form(
    "LangSmith runs",
    "Set LANGSMITH_OTEL_ENABLED=true and OTEL_EXPORTER_OTLP_ENDPOINT to send the runs to an OpenTelemetry Collector, "
    "and analyze what its file exporter writes.",
)
LOGFIRE = Form(
    "a Logfire query result",
    "Set OTEL_EXPORTER_OTLP_ENDPOINT to have Logfire's SDK send the spans to an OpenTelemetry Collector too, and "
    "analyze what its file exporter writes.",
)
MLFLOW = Form(
    "an MLflow trace",
    "Set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to have MLflow send its spans to an OpenTelemetry Collector, and analyze "
    "what its file exporter writes.",
)
DATADOG = Form(
    "Datadog traces",
    "Send them to the Collector's datadog receiver, and analyze what its file exporter writes.",
)
XRAY = Form("AWS X-Ray segments", _COLLECTOR)
GO = Form("the output of Go's stdouttrace exporter", f"Its JSON is no OTLP. {_COLLECTOR}")
LOGS = Form("OTLP logs without traces", "Export the traces to the file as well: only spans are analyzed.")
METRICS = Form("OTLP metrics without traces", "Export the traces to the file as well: only spans are analyzed.")
PROFILES = Form("OTLP profiles without traces", "Export the traces to the file as well: only spans are analyzed.")
SIGNALS = frozenset({LOGS, METRICS, PROFILES})
"""What a file may hold beside its spans, as a Collector's with one exporter for all has it."""
ERROR = Form("the error message of a backend", "Ask the backend again, for a trace that it has.")
JSON = Form("JSON without spans", _OTLP)
TEXT = Form("text that is no JSON", _OTLP)
BINARY = Form("binary data", _OTLP)
CSV = Form("a CSV table", f"Tables of spans are not read. {_COLLECTOR}")
HTML = Form("an HTML page", "Save the traces themselves rather than the page that shows them.")
XML = Form("XML", _OTLP)
DEBUG = Form(
    "the output of the Collector's debug exporter",
    "Add the file exporter to the Collector, and analyze what it writes.",
)
NODE = Form(
    "the output of the console exporter of JavaScript", "Export OTLP instead, to a Collector with the file exporter."
)
PROMETHEUS = Form("metrics of Prometheus", "Export the traces: only spans are analyzed.")
IMAGE = Form("an image", _OTLP)
PDF = Form("a PDF", _OTLP)
PARQUET = Form("a Parquet or Arrow table", f"Tables of spans are not read. {_COLLECTOR}")
SQLITE = Form("an SQLite database", "A baseline is given with --baseline; traces are read from files or backends.")
ARCHIVE = Form("an archive or a compressed file", "Unpack it first; .gz and .zst are read as they are.")

_Fields = Mapping[str, msgspec.Raw]
_LANGFUSE_TYPES = frozenset(
    "AGENT CHAIN EMBEDDING EVALUATOR EVENT GENERATION GUARDRAIL RETRIEVER SPAN TOOL".split()  # noqa: SIM905 - a table
)
_LANGFUSE_KEYS = (
    {"observations"},
    {"htmlPath"},
    {"bookmarked", "public"},
    {"parentObservationId"},
    {"parent_observation_id"},
    {"observationId"},
    {"completionStartTime"},
    {"completion_start_time"},
    {"usageDetails"},
    {"usage_details"},
    {"calculatedTotalCost"},
    {"totalCost", "latency"},
    {"sessionId", "userId"},
)
_OBSERVATION_KEYS = ("traceId", "trace_id", "usage", "startTime", "start_time")
_ZIPKIN_KEYS = (
    "name",
    "parentId",
    "timestamp",
    "duration",
    "localEndpoint",
    "remoteEndpoint",
    "tags",
    "annotations",
    "binaryAnnotations",
)
_PHOENIX_KEYS = ("context.", "cumulative_llm_token_count", "attributes.openinference.", "attributes.llm.")
_ERROR_KEYS = {"error", "errors", "code", "message", "details", "status", "data", "total", "limit", "offset", "detail"}
_OTHER_SIGNALS = {
    LOGS: {"resourceLogs", "resource_logs", "scopeLogs", "scope_logs", "logRecords", "log_records", "hrTimeObserved"},
    METRICS: {"resourceMetrics", "resource_metrics", "scopeMetrics", "scope_metrics", "dataPointType"},
    PROFILES: {"resourceProfiles", "resource_profiles"},
}


def _text(fields: _Fields, key: str) -> str:
    """The text of a field; empty where it is another type or absent."""
    try:
        return msgspec.json.decode(fields[key], type=str)
    except (KeyError, msgspec.MsgspecError, UnicodeError):
        return ""


def _is_langfuse(fields: _Fields) -> bool:
    if any(keys <= fields.keys() for keys in _LANGFUSE_KEYS):
        return True
    if _text(fields, "type") in _LANGFUSE_TYPES and any(key in fields for key in _OBSERVATION_KEYS):
        return True
    return "body" in fields and _text(fields, "type").endswith(("-create", "-update"))


def _is_zipkin(fields: _Fields) -> bool:
    return {"traceId", "id"} <= fields.keys() and any(key in fields for key in _ZIPKIN_KEYS)


def _is_phoenix(fields: _Fields) -> bool:
    if "span_kind" in fields and ("context" in fields or "span_id" in fields):
        return True
    if b'"openinference' in bytes(fields.get("attributes", b"")):
        return True
    return {"spanKind", "context"} <= fields.keys() or any(key.startswith(_PHOENIX_KEYS) for key in fields)


def _is_datadog(fields: _Fields) -> bool:
    if "attributes" in fields and _text(fields, "type") in ("span", "spans"):
        return True
    return {"trace_id", "span_id", "resource", "service"} <= fields.keys()


def _is_error(fields: _Fields) -> bool:
    errors = [bytes(fields[key]) for key in ("error", "errors") if key in fields]
    return fields.keys() <= _ERROR_KEYS and any(text not in (b"null", b"[]", b"{}") for text in errors)


def _holds(*keys: AbstractSet[str]) -> Callable[[_Fields], bool]:
    """Whether a document has all fields of one of these."""
    return lambda fields: any(each <= fields.keys() for each in keys)


_RECOGNIZED: tuple[tuple[Form, Callable[[_Fields], bool]], ...] = (
    (OURS, lambda fields: _text(fields, "schema").startswith("otel-agentperf/")),
    *((form, _holds(*({key} for key in keys))) for form, keys in _OTHER_SIGNALS.items()),
    (LOGS, _holds({"hrTime", "instrumentationScope"}, {"severity_number", "body"}, {"severityNumber", "body"})),
    (LANGSMITH, _holds({"run_type"}, {"dotted_order"})),
    (LANGFUSE, _is_langfuse),
    (PHOENIX, _is_phoenix),
    (LOGFIRE, _holds({"otel_scope_name"}, {"span_name", "start_timestamp"}, {"otel_resource_attributes"})),
    (MLFLOW, _holds({"info", "data"}, {"trace_info"}, {"trace_info", "trace_data"})),
    (DATADOG, _is_datadog),
    (ZIPKIN, _is_zipkin),
    (XRAY, _holds({"Segments"}, {"subsegments"}, {"Id", "Document"})),
    (GO, _holds({"SpanContext", "Parent"})),
    (ERROR, _is_error),
)


def form_of_fields(fields: _Fields) -> Form:
    """What a JSON object looks like that holds no spans of a form that is read.

    Args:
        fields: its fields, not decoded.
    """
    return next((form for form, is_it in _RECOGNIZED if is_it(fields)), JSON)


# -- what is no JSON -----------------------------------------------------------------------

_MAGIC: tuple[tuple[Form, tuple[bytes, ...]], ...] = (
    (IMAGE, (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")),
    (PDF, (b"%PDF",)),
    (PARQUET, (b"PAR1", b"ARROW1")),
    (SQLITE, (b"SQLite format 3",)),
    (ARCHIVE, (b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x04\x22\x4d\x18")),
)
_TAR_AT = slice(257, 262)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x1e"))
_HEADER = re.compile(rb"((?:[\w .\"/-]+[,;\t])+[\w .\"/-]+)\r?\n.*[,;\t]")
"""Names of columns, and a row beneath them."""
_OUR_WORDS = re.compile(rb"efficiency\s+\d+/100|\xc2\xb7 rating [a-f]\b")
"""In the first lines of our reports for people, in small letters."""
_PROMETHEUS = re.compile(rb"^# (HELP|TYPE) ", re.MULTILINE)
_NODE = re.compile(rb"^\s+(traceId|spanContext|resource): ", re.MULTILINE)
HEAD_BYTES = 4096
"""How much of a file is looked at."""


def is_text(start: bytes) -> bool:
    """Whether what begins like this is text of one byte or UTF-8 a character, rather than binary data."""
    head = start[:HEAD_BYTES]
    return len(head.translate(None, _CONTROL)) == len(head)


def form_of_bytes(start: bytes) -> Form:
    """What a file looks like that is none of those that are read.

    Args:
        start: how it begins, unpacked.
    """
    for form, magic in _MAGIC:
        if start.startswith(magic):
            return form
    if start[_TAR_AT] == b"ustar":
        return ARCHIVE
    return _text_form(start[:HEAD_BYTES]) if is_text(start) else BINARY


def _text_form(head: bytes) -> Form:
    text = head.lstrip(b" \t\r\n\xef\xbb\xbf")
    lowered = text[:HEAD_BYTES].lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        return OURS if b"otel-agentperf" in lowered else HTML
    if lowered.startswith(b"<"):
        return IMAGE if b"<svg" in lowered else XML
    if _OUR_WORDS.search(lowered):
        return OURS
    if b"ResourceSpans #" in text:
        return DEBUG
    if _PROMETHEUS.search(text):
        return PROMETHEUS
    if _NODE.search(text):
        return NODE
    header = _HEADER.match(text)
    if header is None:
        return TEXT
    names = re.split(r'[,;\t"]+', header[1].decode("utf-8", "replace"))
    form = form_of_fields(dict.fromkeys(names, msgspec.Raw(b"0")))
    return CSV if form is JSON else form
