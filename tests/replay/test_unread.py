"""What is not read is named, each file, with what to do about it."""

from __future__ import annotations

import gzip
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from otel_agentperf.cli.group import group
from otel_agentperf.replay import foreign
from otel_agentperf.replay.foreign import Form
from otel_agentperf.replay.mapping import map_piece
from otel_agentperf.replay.pieces import Layout, Piece
from otel_agentperf.replay.records import reader_with
from otel_agentperf.report.document import to_json
from otel_agentperf.report.render import Format, render
from tests.replay.forms import as_lines
from tests.replay.replaying import made_up, put, replayed

# Before 8.2 click mixed the streams unless it was asked not to; from then on it has no such parameter.
APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
RUNNER = CliRunner(**APART)
ZIPKIN = {
    "traceId": "5982fe77008310cc80f1da5e10147517",
    "id": "90394f6bcffb5d13",
    "parentId": "67fae42571535f60",
    "kind": "SERVER",
    "name": "chat gemini-2.5-pro",
    "timestamp": 1774000000000000,
    "duration": 26000,
    "localEndpoint": {"serviceName": "agents"},
    "tags": {"gen_ai.usage.input_tokens": "7"},
}
GENERATION = {
    "id": "o-7",
    "traceId": "t-3",
    "type": "GENERATION",
    "name": "answer",
    "startTime": "2026-03-20T09:46:40.000Z",
    "model": "gemini-2.5-pro",
    "usageDetails": {"input": 7},
}
TRACE = {"id": "t-3", "name": "agent", "timestamp": "2026-03-20T09:46:40Z", "public": False, "bookmarked": False}
PHOENIX_SPAN: dict[str, Any] = {
    "id": "U3Bhbjox",
    "name": "ChatGoogleGenerativeAI",
    "context": {"trace_id": "a" * 32, "span_id": "b" * 16},
    "span_kind": "LLM",
    "parent_id": None,
    "start_time": "2026-03-20T09:46:40Z",
    "end_time": "2026-03-20T09:46:41Z",
    "status_code": "OK",
    "attributes": {"llm.token_count.prompt": 7},
    "events": [],
}
PHOENIX_ROW = {"name": "x", "span_kind": "LLM", "context.span_id": "b", "attributes.llm.token_count.prompt": 7}
RUN: dict[str, Any] = {
    "id": "r-1",
    "name": "agent",
    "run_type": "chain",
    "trace_id": "r-1",
    "inputs": {},
    "dotted_order": "2026r-1",
}
LOGFIRE_ROW = {"span_name": "chat", "start_timestamp": "2026-03-20T09:46:40Z", "otel_scope_name": "x", "trace_id": "a"}
MLFLOW_SPAN = {
    "trace_id": "qqqq",
    "span_id": "cccc",
    "start_time_unix_nano": 5,
    "attributes": {"mlflow.spanType": "LLM"},
}
DATADOG_SPAN: dict[str, Any] = {
    "trace_id": 1,
    "span_id": 2,
    "service": "agents",
    "resource": "chat",
    "meta": {},
    "duration": 5,
}
LOG: dict[str, Any] = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
METRIC: dict[str, Any] = {
    "resourceMetrics": [
        {"scopeMetrics": [{"metrics": [{"name": "x", "gauge": {"dataPoints": [{"asInt": "7", "timeUnixNano": "5"}]}}]}]}
    ]
}
JAVASCRIPT_LOG: dict[str, Any] = {
    "hrTime": [1, 2],
    "hrTimeObserved": [1, 2],
    "resource": {},
    "instrumentationScope": {},
    "attributes": {},
}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"
DEBUG = b"2026-03-20T09:46:40Z\tinfo\tTraces\nResourceSpans #0\nResource SchemaURL: \n"
NODE = b"{\n  resource: {\n    attributes: {}\n  },\n  traceId: '3f',\n  name: 'chat'\n}\n"


def _json(value: Any, *, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent).encode()


def _message(value: Any, kind: Any) -> bytes:
    return json_format.ParseDict(value, kind).SerializeToString()


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


FILES: dict[str, tuple[bytes, Form]] = {
    "a trace of Langfuse": (_json({**TRACE, "observations": [GENERATION]}, indent=1), foreign.LANGFUSE),
    "a list of Langfuse's traces": (_json([TRACE, TRACE]), foreign.LANGFUSE),
    "lines of Langfuse's observations": (as_lines([GENERATION] * 30), foreign.LANGFUSE),
    "what Langfuse's interface answers": (_json({"data": [GENERATION], "meta": {"page": 1}}), foreign.LANGFUSE),
    "what Langfuse's page saves": (_json({"trace": TRACE, "observations": []}), foreign.LANGFUSE),
    "what Langfuse takes in": (
        _json({"batch": [{"id": "1", "type": "trace-create", "body": TRACE}]}),
        foreign.LANGFUSE,
    ),
    "a list of Zipkin's spans": (_json([ZIPKIN, ZIPKIN], indent=2), foreign.ZIPKIN),
    "a list of Zipkin's traces": (_json([[ZIPKIN], [ZIPKIN]]), foreign.ZIPKIN),
    "Zipkin's first version": (_json([{"traceId": "1", "id": "2", "binaryAnnotations": []}]), foreign.ZIPKIN),
    "Phoenix's spans": (_json({"data": [PHOENIX_SPAN], "next_cursor": None}), foreign.PHOENIX),
    "rows of Phoenix's table": (as_lines([PHOENIX_ROW]), foreign.PHOENIX),
    "Phoenix's table as CSV": (b"context.span_id,name,span_kind\n1,x,LLM\n", foreign.PHOENIX),
    "LangSmith's runs": (_json({"runs": [RUN, RUN]}), foreign.LANGSMITH),
    "lines of LangSmith's runs": (as_lines([RUN]), foreign.LANGSMITH),
    "Logfire's rows": (_json({"rows": [LOGFIRE_ROW], "columns": []}), foreign.LOGFIRE),
    "MLflow's trace": (_json({"info": {"trace_id": "tr-1"}, "data": {"spans": [MLFLOW_SPAN]}}), foreign.MLFLOW),
    "Datadog's traces": (_json([[DATADOG_SPAN]]), foreign.DATADOG),
    "X-Ray's traces": (_json({"Traces": [{"Id": "1-5", "Segments": []}]}), foreign.XRAY),
    "Go's output": (as_lines([{"Name": "chat", "SpanContext": {"TraceID": "1"}, "Parent": {}}]), foreign.GO),
    "OTLP logs": (as_lines([LOG] * 3), foreign.LOGS),
    "OTLP logs with other names": (_json({"resource_logs": []}), foreign.LOGS),
    "logs of JavaScript's SDK": (_json(JAVASCRIPT_LOG, indent=2), foreign.LOGS),
    "OTLP metrics": (_json(METRIC, indent=4), foreign.METRICS),
    "OTLP logs as protobuf": (_message(LOG, LogsData()), foreign.LOGS),
    "OTLP metrics as protobuf": (_message(METRIC, MetricsData()), foreign.METRICS),
    "framed OTLP metrics": (_framed(_message(METRIC, MetricsData())), foreign.METRICS),
    "spans of OpenInference as JSON": (_json([{"attributes": {"openinference.span.kind": "LLM"}}]), foreign.PHOENIX),
    "an error": (_json({"error": {"httpCode": 404, "message": "trace not found"}}), foreign.ERROR),
    "JSON of something else": (_json({"level": "info", "msg": "error"}), foreign.JSON),
    "a list of numbers": (b"[1, 2]", foreign.JSON),
    "text": (b"# Notes\n\nSome [text] with {brackets}.\n", foreign.TEXT),
    "a program": (b"def f():\n    return {\n        1: 2,\n    }\n", foreign.TEXT),
    "a table": (b"model,tokens\ngemini-2.5-pro,7\n", foreign.CSV),
    "a page": (b"<!DOCTYPE html>\n<html><body>x</body></html>", foreign.HTML),
    "an image": (PNG, foreign.IMAGE),
    "an image of vectors": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', foreign.IMAGE),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3", foreign.PDF),
    "a Parquet file": (b"PAR1\x15\x04", foreign.PARQUET),
    "a database": (b"SQLite format 3\x00\x10\x00", foreign.SQLITE),
    "an archive": (b"PK\x03\x04\x14\x00", foreign.ARCHIVE),
    "other binary data": (b"\x7fELF\x02\x01\x01\x00", foreign.BINARY),
    "binary data that may be framed": (b"\x00\x00\x01\x00\x01\x00 \x20\xff\xff\xff\xff", foreign.BINARY),
    "the debug exporter's output": (DEBUG, foreign.DEBUG),
    "Node's output": (NODE, foreign.NODE),
    "metrics of Prometheus": (b"# HELP up Whether.\n# TYPE up gauge\nup 1\n", foreign.PROMETHEUS),
}


def analyzed(*arguments: object) -> Result:
    return RUNNER.invoke(group, ["analyze", *map(str, arguments), "--workers", "1", "--format", "json"])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_not_read_is_named_with_its_form_and_what_to_do(kind: str, packed: bool, tmp_path: Path) -> None:
    data, form = FILES[kind]
    path = put(tmp_path / "file", gzip.compress(data, mtime=0) if packed else data)
    result = analyzed(path)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{path}: not read: it looks like {form.name}. {form.advice}",
        f"Error: there is no span in {path}",
    ]


@pytest.mark.parametrize("form", [form.value for form in Format])
@pytest.mark.parametrize("kind", ["runs", "run"])
def test_a_report_of_ours_is_named_as_one(kind: str, form: str, tmp_path: Path) -> None:
    from otel_agentperf.report.collection import By

    report = replayed(put(tmp_path / "a.jsonl", as_lines(made_up(2)))).report("traces", By.RUN)
    one = report if kind == "runs" else report.dearest[0]
    text = to_json(one) if form == "json" else render(one, form)
    path = put(tmp_path / "report", text.encode())
    assert f"{path}: not read: it looks like {foreign.OURS.name}. " in analyzed(path).stderr


def test_of_a_folder_each_file_that_is_not_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    (folder / "older").mkdir(parents=True)
    put(folder / "good.jsonl", as_lines(made_up(3)))
    names = {
        name: str(put(folder / f"older/{place:02}", data)) for place, (name, (data, _)) in enumerate(FILES.items())
    }
    empty = put(folder / "empty.json", b"")
    put(folder / ".hidden", PNG)
    result = analyzed(folder)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["figures"]["runs"] == 3
    assert report["notes"][0] == f"{len(FILES)} parts of the input could not be read and are not in here."
    lines = sorted(result.stderr.splitlines())
    expected = [
        f"{names[name]}: not read: it looks like {form.name}. {form.advice}" for name, (_, form) in FILES.items()
    ]
    assert lines == sorted([*expected, f"{empty}: it is empty"])


def test_documents_of_other_forms_in_a_file_with_spans_are_one_line_each_with_the_first_place(tmp_path: Path) -> None:
    good = as_lines(made_up(3))
    data = good + as_lines([ZIPKIN] * 40) + good + as_lines([RUN, LOG, METRIC])
    path = put(tmp_path / "a.jsonl", data)
    result = analyzed(path)
    assert result.exit_code == 0
    count = good.count(b"\n")
    assert result.stderr.splitlines() == [
        f"{path}:{count + 1}: left out and 39 more like it: it looks like {foreign.ZIPKIN.name}. {foreign.ZIPKIN.advice}",
        f"{path}:{2 * count + 41}: left out: it looks like {foreign.LANGSMITH.name}. {foreign.LANGSMITH.advice}",
    ]


def test_a_file_of_otlp_without_spans_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", b'{"resourceSpans":[]}\n{}\n')
    result = analyzed(path)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"{path}: there is no span in it")


def test_learning_names_them_too(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", _json(ZIPKIN))
    result = RUNNER.invoke(group, ["learn", str(path), "--store", str(tmp_path / "store.db"), "--workers", "1"])
    assert result.exit_code == 2
    assert f"{path}: not read: it looks like {foreign.ZIPKIN.name}" in result.stderr


BROKEN: dict[str, tuple[str, int, str]] = {
    "a trailing comma in a list": ('[\n {"resourceSpans": []},\n]', 3, "trailing comma in array"),
    "a trailing comma in an object": ('{\n "resourceSpans": [],\n}', 3, "trailing comma in object"),
    "no quotes": ("{\n resourceSpans: []\n}", 2, "object keys must be strings"),
    "cut off": ('{\n "resourceSpans": [\n  {', 1, "Input data was truncated"),
}


@pytest.mark.parametrize("place", ["alone", "first", "last"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_document_that_is_no_json_is_named_with_the_line_and_the_others_are_read(
    broken: str, place: str, tmp_path: Path
) -> None:
    text, line, why = BROKEN[broken]
    good = json.dumps(made_up(2)[0], indent=1)
    texts = {"alone": [text], "first": [text, good], "last": [good, text]}[place]
    path = put(tmp_path / "a.json", "\n".join(texts).encode())
    result = analyzed(path)
    assert result.exit_code == (2 if place == "alone" else 0)
    number = line + (good.count("\n") + 1 if place == "last" else 0)
    assert result.stderr.splitlines()[0].startswith(f"{path}:{number}: ")
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == (2 if place == "alone" else 1)


OTHER_KEYS = ("id", "type", "schema", "span_kind", "trace", "observations", "name", "error", "info", "processes")
KEYS = st.sampled_from(
    (
        *OTHER_KEYS,
        *("data", "result", "runs", "resource", "scope", "spans", "scopeSpans", "traceId", "spanId"),
        *("startTimeUnixNano", "context", "parent_id", "kind", "start_time", "startTime", "endTime", "spanContext"),
    )
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=12))
def test_whatever_fields_a_document_has_it_is_read_or_named(fields: dict[str, Any]) -> None:
    mapped = map_piece(Piece(source="x", layout=Layout.TEXT, data=_json(fields)), 1, reader_with("a key"))
    found = mapped.spans + mapped.troubles.count + sum(mapped.unread.counts.values())
    assert found or fields.keys() & {"data", "result", "runs", "spans", "scopeSpans"}  # which may hold none
