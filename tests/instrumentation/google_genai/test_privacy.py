"""By default nothing of prompts, answers, arguments, results or error messages leaves the process."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_agentperf import config
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply, sse
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import looks_up_with
from tests.telemetry import Telemetry, observed

CANARY = "canary"
"""Stands in everything that is said; no name, model or host here has it in it."""
PROMPT = f"{CANARY}-prompt tell me of four or more words"
PARTS = [
    types.Part.from_text(text=PROMPT),
    types.Part.from_uri(file_uri=f"gs://{CANARY}-bucket/{CANARY}-file.pdf", mime_type="application/pdf"),
    types.Part.from_bytes(data=b"Y2FuYXJ5", mime_type="image/png"),
]


def _config(**more: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        system_instruction=f"{CANARY}-system", stop_sequences=[f"{CANARY}-stop"], labels=None, **more
    )


def _answer(request: GeminiRequest) -> Reply:
    if f"{CANARY}-fail" in str(request.body):
        return replies.error(400, f"cannot read {request.body}")
    if request.call is Call.INTERACTION:
        return replies.interaction(request, f"{CANARY}-answer")
    if request.call in {Call.EMBED, Call.EMBED_BATCH}:
        return replies.embeddings(request)
    if request.call is Call.CACHE:
        return replies.cache(request)
    if request.call is Call.COUNT:
        return Reply({"totalTokens": 3})
    if "tools" in request.body and "functionResponse" not in str(request.body):
        part = replies.function_call("look_up", {"city": f"{CANARY}-argument"})
        return replies.content(request, [part])
    if f"{CANARY}-midway" in str(request.body):
        error = {"error": {"code": 503, "message": f"{CANARY}-midway", "status": "UNAVAILABLE"}}
        whole = replies.content(request, replies.text(f"{CANARY}-answer", "x"), Tokens()).events
        assert whole is not None
        return Reply(events=(whole[0], sse(error)))
    grounding = {"webSearchQueries": [f"{CANARY}-query"]}
    reply = replies.content(request, replies.text(f"{CANARY}-answer"), Tokens())
    if isinstance(reply.body, dict):
        candidate = reply.body["candidates"][0]
        return Reply({**reply.body, "candidates": [{**candidate, "groundingMetadata": grounding}]})
    return reply


def _generate(client: Any) -> None:
    client.models.generate_content(model=ways.MODEL, contents=PARTS, config=_config())


def _stream(client: Any) -> None:
    for _ in client.models.generate_content_stream(model=ways.MODEL, contents=PARTS, config=_config()):
        pass


def _fail(client: Any) -> None:
    client.models.generate_content(model=ways.MODEL, contents=f"{CANARY}-fail")


def _fail_streamed(client: Any) -> None:
    list(client.models.generate_content_stream(model=ways.MODEL, contents=f"{CANARY}-fail"))


def _fail_midway(client: Any) -> None:
    list(client.models.generate_content_stream(model=ways.MODEL, contents=f"{CANARY}-midway"))


def _fail_async(client: Any) -> None:
    async def run() -> None:
        try:
            await client.aio.models.generate_content(model=ways.MODEL, contents=f"{CANARY}-fail")
        finally:
            await ways.close(client)

    asyncio.run(run())


def _call(function: Callable[[str], Any]) -> Callable[[Any], None]:
    def run(client: Any) -> None:
        client.models.generate_content(
            model=ways.MODEL, contents=PARTS, config=types.GenerateContentConfig(tools=[function])
        )

    return run


def _raise(city: str) -> None:
    raise LookupError(f"{CANARY}-error of {city}")


def _embed(client: Any) -> None:
    client.models.embed_content(model="gemini-embedding-2", contents=PROMPT)


def _cache(client: Any) -> None:
    wanted = types.CreateCachedContentConfig(contents=PROMPT, display_name=f"{CANARY}-cache", ttl="60s")
    client.caches.create(model=ways.MODEL, config=wanted)


def _count(client: Any) -> None:
    client.models.count_tokens(model=ways.MODEL, contents=PROMPT)


def _interact(client: Any) -> None:
    client.interactions.create(model=ways.MODEL, input=PROMPT, system_instruction=f"{CANARY}-system")
    stream: Any = client.interactions.create(model=ways.MODEL, input=PROMPT, stream=True)
    list(stream)


def _fail_interaction(client: Any) -> None:
    client.interactions.create(model=ways.MODEL, input=f"{CANARY}-fail")


_PATHS: dict[str, Callable[[Any], None]] = {
    "generate": _generate,
    "stream": _stream,
    "error": _fail,
    "error of a stream": _fail_streamed,
    "error within a stream": _fail_midway,
    "error async": _fail_async,
    "function": _call(looks_up_with(str)),
    "function that raises": _call(looks_up_with(_raise)),
    "embeddings": _embed,
    "cache": _cache,
    "count": _count,
}
_INTERACTIONS = {"interactions": _interact, "error of an interaction": _fail_interaction}
PATHS = _PATHS | (_INTERACTIONS if hasattr(genai.Client, "interactions") else {})


@contextmanager
def listening(**settings: Any) -> Generator[tuple[Telemetry, InMemoryLogRecordExporter]]:
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    chosen = config.Settings(fingerprint_key="test", emit="both", optimization_threshold=0.0, **settings)
    with observed(settings=chosen) as telemetry:
        telemetry.pipeline.logger_provider = logs
        yield telemetry, exporter


def _said(telemetry: Telemetry, exporter: InMemoryLogRecordExporter, caplog: pytest.LogCaptureFixture) -> str:
    spans = "".join(span.to_json() for span in telemetry.spans)
    logs = "".join(str(data.log_record) for data in exporter.get_finished_logs())
    metrics = telemetry.reader.get_metrics_data()
    ours = "".join(
        record.getMessage() + str(record.exc_text) for record in caplog.records if record.name.startswith("otel")
    )
    return spans + logs + ("" if metrics is None else metrics.to_json()) + ours


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
def test_nothing_that_was_said_is_exported(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "otel_agentperf")
    with GeminiServer(_answer) as server, listening() as (telemetry, exporter):
        client = ways.client_of(server)
        with suppress(Exception):
            PATHS[path](client)
        gc.collect()
        assert CANARY in str([request.body for request in server.requests]), "nothing was said"
        assert bool(telemetry.spans) is (path != "count")
        said = _said(telemetry, exporter, caplog)
    assert CANARY not in said
    assert "Y2FuYXJ5" not in said


def test_the_canary_shows_where_content_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with GeminiServer(_answer) as server, listening(capture_content="span_and_event") as (telemetry, exporter):
        client = ways.client_of(server)
        _generate(client)
        assert all(f"{CANARY}-{what}" in _said(telemetry, exporter, caplog) for what in ("prompt", "answer", "system"))
        assert exporter.get_finished_logs()
        telemetry.assert_sound()


def test_the_same_prompt_has_the_same_fingerprint_under_one_key_and_another_under_another() -> None:
    found: dict[str, set[object]] = {}
    for key in ("one", "one", "two"):
        with GeminiServer(_answer) as server, observed(settings=config.Settings(fingerprint_key=key)) as telemetry:
            client = ways.client_of(server)
            _generate(client)
            found.setdefault(key, set()).add((telemetry.spans[0].attributes or {})["agentperf.request.hash"])
    assert [len(hashes) for hashes in found.values()] == [1, 1]
    assert found["one"] != found["two"]
