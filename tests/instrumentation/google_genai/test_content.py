"""Content is recorded only where the user opted in, in the conventions' form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from google import genai
from google.genai import types
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_agentperf import config, semconv
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import look_up
from tests.instrumentation.google_genai.test_function_calling import rounds
from tests.telemetry import Telemetry, observed

NAME = f"generate_content {ways.MODEL}"
ASKED = [{"role": "user", "parts": [{"type": "text", "content": ways.PROMPT}]}]
ANSWERED = [
    {"role": "assistant", "parts": [{"type": "text", "content": "Hello from loopback."}], "finish_reason": "stop"}
]
CONTENT = (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS)


def settings(mode: str) -> config.Settings:
    return config.Settings(fingerprint_key="test", capture_content=mode)


def on_span(telemetry: Telemetry) -> dict[str, Any]:
    attributes = dict(telemetry.one(NAME).attributes or {})
    return {key: json.loads(str(attributes[key])) for key in CONTENT if key in attributes}


@pytest.mark.parametrize("way", ways.ALL)
def test_on_spans_messages_are_json_text(way: str) -> None:
    with GeminiServer() as server, observed(settings=settings("span_only")) as telemetry:
        client = ways.client_of(server)
        ways.ALL[way](client)
        telemetry.assert_sound()
        assert on_span(telemetry) == {semconv.INPUT_MESSAGES: ASKED, semconv.OUTPUT_MESSAGES: ANSWERED}


def test_system_instructions_stand_apart() -> None:
    with GeminiServer() as server, observed(settings=settings("span_only")) as telemetry:
        client = ways.client_of(server)
        wanted = types.GenerateContentConfig(system_instruction="Be brief.")
        client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=wanted)
        assert on_span(telemetry)[semconv.SYSTEM_INSTRUCTIONS] == [{"type": "text", "content": "Be brief."}]


def test_tool_calls_and_their_results_have_parts_of_their_own() -> None:
    with GeminiServer(rounds()) as server, observed(settings=settings("span_only")) as telemetry:
        client = ways.client_of(server)
        wanted = types.GenerateContentConfig(tools=[look_up])
        client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=wanted)
        first, second, *_ = (dict(span.attributes or {}) for span in telemetry.named(NAME))
        tool = dict(telemetry.named("execute_tool look_up")[0].attributes or {})
    call = {"type": "tool_call", "id": "look_up_0", "name": "look_up", "arguments": {"city": "Bonn"}}
    (message,) = json.loads(str(first[semconv.OUTPUT_MESSAGES]))
    assert message == {"role": "assistant", "parts": [call], "finish_reason": "stop"}
    asked = json.loads(str(second[semconv.INPUT_MESSAGES]))
    assert asked[1] == {"role": "assistant", "parts": [call]}
    assert asked[2]["parts"] == [
        {"type": "tool_call_response", "id": "look_up_0", "response": {"result": "Bonn is a city"}}
    ]
    assert json.loads(str(tool[semconv.TOOL_CALL_ARGUMENTS])) == {"city": "Bonn"}
    assert tool[semconv.TOOL_CALL_RESULT] == "Bonn is a city"


def test_media_have_parts_of_their_own() -> None:
    parts = [
        types.Part.from_bytes(data=b"dots", mime_type="image/png"),
        types.Part.from_uri(file_uri="gs://bucket/film.mp4", mime_type="video/mp4"),
    ]
    with GeminiServer() as server, observed(settings=settings("span_only")) as telemetry:
        client = ways.client_of(server)
        client.models.generate_content(model=ways.MODEL, contents=parts)
        (message,) = on_span(telemetry)[semconv.INPUT_MESSAGES]
    assert message["parts"] == [
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "ZG90cw=="},
        {"type": "uri", "mime_type": "video/mp4", "modality": "video", "uri": "gs://bucket/film.mp4"},
    ]


@pytest.mark.parametrize("mode", ["event_only", "span_and_event"])
def test_in_events_messages_are_structured(mode: str) -> None:
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with GeminiServer() as server, observed(settings=settings(mode)) as telemetry:
        telemetry.pipeline.logger_provider = logs
        client = ways.client_of(server)
        ways.generate(client)
        span = telemetry.one(NAME)
    (record,) = (data.log_record for data in exporter.get_finished_logs())
    assert record.event_name == "gen_ai.client.inference.operation.details"
    assert span.context is not None
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    attributes: Any = dict(record.attributes or {})
    assert _plain(attributes[semconv.INPUT_MESSAGES]) == ASKED
    assert _plain(attributes[semconv.OUTPUT_MESSAGES]) == ANSWERED
    assert attributes[semconv.REQUEST_MODEL] == ways.MODEL
    assert (semconv.INPUT_MESSAGES in (span.attributes or {})) is (mode == "span_and_event")


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    return (
        {key: _plain(item) for key, item in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, Mapping)
        else value
    )


@pytest.mark.skipif(not hasattr(genai.Client, "interactions"), reason="this google-genai has no Interactions")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
def test_interactions_have_the_same_form(streamed: bool) -> None:
    with GeminiServer() as server, observed(settings=settings("span_only")) as telemetry:
        client = ways.client_of(server)
        more: Any = {"stream": True} if streamed else {}
        answer: Any = client.interactions.create(
            model=ways.MODEL, input=ways.PROMPT, system_instruction="Be brief.", **more
        )
        if streamed:
            list(answer)
            del answer
        found = on_span(telemetry)
    assert found[semconv.INPUT_MESSAGES] == ASKED
    assert found[semconv.SYSTEM_INSTRUCTIONS] == [{"type": "text", "content": "Be brief."}]
    (message,) = found[semconv.OUTPUT_MESSAGES]
    assert message == {**ANSWERED[0], "finish_reason": "completed"}


def test_embeddings_have_no_messages() -> None:
    with GeminiServer() as server, observed(settings=settings("span_and_event")) as telemetry:
        client = ways.client_of(server)
        client.models.embed_content(model="gemini-embedding-2", contents="words")
        attributes = dict(telemetry.one("embeddings gemini-embedding-2").attributes or {})
    assert not set(CONTENT) & attributes.keys()
