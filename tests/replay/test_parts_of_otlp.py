"""OTLP that is not in its envelope, has other names, or is what an SDK prints."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from otel_agentperf.replay import records, sdk_spans
from otel_agentperf.replay.outcome import nothing
from otel_agentperf.replay.packing import Packer
from tests.replay.forms import Request, as_indented, as_lines, with_protobuf_names
from tests.replay.replaying import put, replayed, request_of, told

TRACE = "7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c"
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}


def span(number: int, parent: int | None, operation: str, **more: Any) -> Request:
    """A span of an agent, or of its request for 700 tokens."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": operation,
        "startTimeUnixNano": str(1_774_000_000_000_000_000 + number),
        "endTimeUnixNano": str(1_774_000_003_000_000_000),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": operation}},
            {"key": "gen_ai.agent.name", "value": {"stringValue": "planner"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "gemini-2.5-flash"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": "gcp.gemini"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "700"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "50"}},
        ],
        **more,
    }


SPANS = [span(1, None, "invoke_agent"), span(2, 1, "chat")]
SCOPE_SPANS = {"scope": {"name": "a library"}, "spans": SPANS}
BATCH = {"resource": RESOURCE, "scopeSpans": [SCOPE_SPANS]}
PARTS: dict[str, Any] = {
    "the spans of a scope": SCOPE_SPANS,
    "the spans of a scope beside their resource": {"resource": RESOURCE, **SCOPE_SPANS},
    "a list of those": [SCOPE_SPANS],
    "a list of spans": SPANS,
    "spans under a name": {"spans": SPANS},
    "spans under data, as an interface has them": {"data": SPANS, "next_cursor": None},
    "a resource in an envelope of an envelope": {"result": {"data": [BATCH]}},
    "a list of envelopes": [{"result": {"resourceSpans": [BATCH]}}, {"resourceSpans": []}],
    "a list of lists": [[BATCH]],
    "the older name of a scope": {
        "resourceSpans": [
            {
                "resource": RESOURCE,
                "instrumentationLibrarySpans": [{"instrumentationLibrary": {"name": "x"}, "spans": SPANS}],
            }
        ]
    },
}


@pytest.mark.parametrize("names", ["of JSON", "of protobuf"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_otlp_is_read_as_all_of_it(part: str, indent: int | None, names: str, tmp_path: Path) -> None:
    whole = told(replayed(put(tmp_path / "whole.json", as_lines([request_of(RESOURCE, "a library", SPANS)]))))
    document = PARTS[part] if names == "of JSON" else with_protobuf_names(PARTS[part])
    report = told(replayed(put(tmp_path / "part.json", json.dumps(document, indent=indent).encode())))
    assert (report["figures"]["calls"]["model"], report["figures"]["tokens"]["input"]) == (1, 700)
    assert report["figures"] == whole["figures"]


def test_spans_one_a_line_are_read(tmp_path: Path) -> None:
    figures = told(replayed(put(tmp_path / "a.jsonl", as_lines(SPANS))))["figures"]
    assert (figures["runs"], figures["tokens"]["input"]) == (1, 700)


@pytest.mark.parametrize("name", ["scope", "instrumentationLibrary", "instrumentation_library"])
@pytest.mark.parametrize("outer", ["scopeSpans", "instrumentationLibrarySpans", "instrumentation_library_spans"])
def test_the_scope_is_known_by_its_older_names(name: str, outer: str, tmp_path: Path) -> None:
    own = [{"key": key, "value": value} for key, value in {"agentperf.run.efficiency_score": {"intValue": 90}}.items()]
    root = span(1, None, "invoke_workflow")
    root["attributes"] += [{"key": "gen_ai.workflow.name", "value": {"stringValue": "plan"}}, *own]

    def report(names: tuple[str, str]) -> Any:
        scopes = [{names[1]: {"name": "otel_agentperf.langgraph"}, "spans": [root]}]
        document = {"resourceSpans": [{"resource": RESOURCE, names[0]: scopes}]}
        return told(replayed(put(tmp_path / "a.json", json.dumps(document).encode())))

    assert report((outer, name)) == report(("scopeSpans", "scope"))


MIXED_NAMES: dict[str, Any] = {
    "spans alone": {
        "resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": list(map(with_protobuf_names, SPANS))}]}]
    },
    "values alone": {
        "resourceSpans": [
            {
                "resource": RESOURCE,
                "scopeSpans": [
                    {"spans": [{**one, "attributes": with_protobuf_names(one["attributes"])} for one in SPANS]}
                ],
            }
        ]
    },
    "envelope alone": {"resource_spans": [BATCH]},
}


@pytest.mark.parametrize("mixed", MIXED_NAMES)
def test_names_of_protobuf_and_of_json_may_stand_in_one_document(mixed: str, tmp_path: Path) -> None:
    figures = told(replayed(put(tmp_path / "a.json", json.dumps(MIXED_NAMES[mixed]).encode())))["figures"]
    assert (figures["calls"]["model"], figures["tokens"]["input"]) == (1, 700)


def test_an_attribute_that_is_called_like_a_field_keeps_its_name(tmp_path: Path) -> None:
    named = span(1, None, "chat")
    text = 'say "string_value": or "trace_id" : twice'
    named["attributes"] += [
        {"key": "trace_id", "value": {"stringValue": "span_id"}},
        {"key": "gen_ai.conversation.id", "value": {"stringValue": text}},
    ]
    document = with_protobuf_names(request_of(RESOURCE, "x", [named]))
    (session,) = told(replayed(put(tmp_path / "a.json", json.dumps(document).encode())))["sessions"]
    assert session["id"] == text


# -- what an SDK prints --------------------------------------------------------------------


def printed(*, indent: int | None = 4) -> str:
    """What Python's console exporter prints of an agent with a failed and a good request."""
    out = io.StringIO()
    exporter = ConsoleSpanExporter(out=out, formatter=lambda one: one.to_json(indent=indent) + "\n")
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("a library")
    requests = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gemini-2.5-flash"}
    with tracer.start_as_current_span(
        "invoke_agent planner", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    ):
        with tracer.start_as_current_span("chat", attributes=requests) as failed:
            failed.add_event("retried", {"n": float("nan")})
            failed.set_status(StatusCode.ERROR, "no answer")
        with tracer.start_as_current_span("chat", attributes=requests) as good:
            good.set_attributes({"gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 4})
            good.set_attribute("gen_ai.response.finish_reasons", ["stop"])
    provider.shutdown()
    return out.getvalue()


@pytest.mark.parametrize("indent", [4, None])
@pytest.mark.parametrize("around", ["", "the agent starts\n"])
def test_what_the_console_exporter_prints_is_read(around: str, indent: int | None, tmp_path: Path) -> None:
    text = around + printed(indent=indent) + around
    outcome = replayed(put(tmp_path / "a.txt", text.encode()), on_troubles=nothing)
    figures = told(outcome)["figures"]
    assert (figures["runs"], figures["calls"]["model"], figures["calls"]["errors"]) == (1, 2, 1)
    assert (figures["tokens"]["input"], figures["tokens"]["output"]) == (30, 4)
    assert [agent["name"] for agent in figures["agents"]] == ["planner"]
    assert outcome.sums.troubles.count == (1 if around else 0)


@pytest.mark.parametrize(
    "resource", [{"attributes": {"service.name": "shop"}, "schema_url": ""}, {"service.name": "shop"}]
)
def test_the_resource_of_an_older_sdk_is_the_attributes_alone(resource: Any) -> None:
    assert sdk_spans.process(json.dumps(resource).encode()).service == "shop"


ODD_SPANS: dict[str, tuple[dict[str, Any], str]] = {
    "no trace id": ({"context": {"trace_id": "0x0", "span_id": "0x1"}}, "1 span without a valid trace id"),
    "no span id": ({"context": {"trace_id": f"0x{TRACE}", "span_id": "none"}}, "a span without a valid id"),
    "attributes that are none": ({"attributes": "all"}, "a span of an SDK with a value of a wrong type"),
}


@pytest.mark.parametrize("odd", ODD_SPANS)
def test_an_odd_span_of_the_console_exporter_is_named(odd: str) -> None:
    fields, why = ODD_SPANS[odd]
    good = json.loads(printed(indent=None).splitlines()[-1])
    raw = msgspec.Raw(json.dumps({**good, **fields}).encode())
    packer = Packer()
    assert sdk_spans.take(raw, packer, records.reader_with("a key"), javascript=False) == [why]
    assert packer.spans == 0


@pytest.mark.parametrize("time", [None, "soon", "2026-13-45T00:00:00Z", "1960-01-01T00:00:00Z"])
def test_a_time_that_is_none_ends_no_replay(time: Any, tmp_path: Path) -> None:
    spans = [json.loads(line) for line in printed(indent=None).splitlines()]
    data = as_indented([{**one, "start_time": time} for one in spans])
    assert told(replayed(put(tmp_path / "a.json", data)))["figures"]["calls"]["model"] == 2
