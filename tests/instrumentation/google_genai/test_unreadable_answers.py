from __future__ import annotations

import asyncio
import gc
import importlib
import traceback
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry.trace import StatusCode
from pydantic import ValidationError

from otel_agentperf import semconv
from otel_agentperf.demo.responders import InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply, sse
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

NAME = f"generate_content {ways.MODEL}"
USAGE = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
USD = (100 * 0.3 + 10 * 2.5) / 1e6


def _answer(**candidate: Any) -> dict[str, Any]:
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": ways.MODEL}


def _part(part: Any) -> dict[str, Any]:
    return _answer(content={"role": "model", "parts": [part]}, finishReason="STOP")


BODIES: dict[str, Any] = {
    "arguments that are text": _part({"functionCall": {"name": "f", "args": "not an object"}}),
    "arguments that are a list": _part({"functionCall": {"name": "f", "args": [1, 2]}}),
    "a text that is a number": _part({"text": 5}),
    "a finish reason that is a list": _answer(content={"parts": [{"text": "ok"}]}, finishReason=["STOP"]),
    "a candidate index that is text": _answer(content={"parts": [{"text": "ok"}]}, index="first"),
}


def _reply(body: Any) -> Callable[[GeminiRequest], Reply]:
    def answer(request: GeminiRequest) -> Reply:
        return Reply(events=(sse(body),)) if request.call is Call.STREAM else Reply(body)

    return answer


def _raised(ask: Callable[[], object]) -> Exception:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - its class is looked at
        return error
    pytest.fail("nothing was raised")


def _type(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


@pytest.mark.parametrize("way", ways.ALL)
@pytest.mark.parametrize("body", BODIES)
def test_an_answer_that_the_sdk_cannot_read_is_an_error_span_with_its_usage_and_cost(body: str, way: str) -> None:
    with GeminiServer(_reply(BODIES[body])) as server:
        bare = _raised(lambda: ways.ALL[way](ways.client_of(server)))
        with observed() as telemetry:
            error = _raised(lambda: ways.ALL[way](ways.client_of(server)))  # its traceback is kept, and ends nothing
            telemetry.assert_sound()
            span = telemetry.one(NAME)
    assert type(error) is type(bare)
    assert str(error) == str(bare)
    assert traceback.extract_tb(error.__traceback__)[-1].name == traceback.extract_tb(bare.__traceback__)[-1].name
    attributes = dict(span.attributes or {})
    assert span.status.status_code is StatusCode.ERROR
    assert attributes[semconv.ERROR_TYPE] == _type(error)
    assert semconv.STREAM_ABANDONED not in attributes
    assert (attributes[semconv.USAGE_INPUT_TOKENS], attributes[semconv.USAGE_OUTPUT_TOKENS]) == (100, 10)
    assert attributes[semconv.USAGE_COST] == pytest.approx(USD)
    assert attributes[semconv.RUN_ERRORS] == 1


@pytest.mark.parametrize("way", ways.STREAMED)
def test_a_later_chunk_that_cannot_be_read_ends_the_span_with_all_that_had_come(way: str) -> None:
    good = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}}], "modelVersion": ways.MODEL}
    bad = BODIES["arguments that are text"]
    with GeminiServer(lambda _: Reply(events=(sse(good), sse(bad), sse(good)))) as server, observed() as telemetry:
        error = _raised(lambda: ways.ALL[way](ways.client_of(server)))
        telemetry.assert_sound()
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.ERROR_TYPE] == _type(error)
    assert attributes[semconv.USAGE_COST] == pytest.approx(USD)
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def _call_functions(client: Any) -> object:
    return client.models.generate_content(model=ways.MODEL, contents="weather?", config={"tools": [weather]})


def _call_functions_async(client: Any) -> object:
    async def run() -> object:
        try:
            return await client.aio.models.generate_content(
                model=ways.MODEL, contents="weather?", config={"tools": [weather]}
            )
        finally:
            await ways.close(client)

    return asyncio.run(run())


@pytest.mark.parametrize("ask", [_call_functions, _call_functions_async])
def test_only_the_round_whose_answer_cannot_be_read_is_an_error(ask: Callable[[Any], object]) -> None:
    first = _part({"functionCall": {"name": "weather", "args": {"city": "Turin"}}})
    responder = InOrder([Reply(first), Reply(BODIES["arguments that are a list"])])
    with GeminiServer(responder) as server, observed() as telemetry:
        error = _raised(lambda: ask(ways.client_of(server)))
        telemetry.assert_sound()
        spans = telemetry.named(NAME)
        assert len(telemetry.named("execute_tool weather")) == 1
    assert [(span.attributes or {}).get(semconv.ERROR_TYPE) for span in spans] == [None, _type(error)]
    assert [(span.attributes or {})[semconv.USAGE_COST] for span in spans] == pytest.approx([USD, USD])


def _embed(client: Any) -> object:
    return client.models.embed_content(model="gemini-embedding-001", contents="hi")


def _imagine(client: Any) -> object:
    return client.models.generate_images(model="imagen-4.0-generate-001", prompt="a boat")


def _film(client: Any) -> object:
    return client.models.generate_videos(model="veo-3.1-generate-preview", prompt="a boat")


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (_embed, {"embeddings": [{"values": "none"}]}),
        (_imagine, {"predictions": [{"bytesBase64Encoded": 7}]}),
        (_film, {"name": 7, "done": "perhaps"}),
    ],
    ids=["embeddings", "images", "videos"],
)
@pytest.mark.filterwarnings("ignore:The generate_")
def test_other_kinds_of_answers_that_cannot_be_read_are_errors_too(ask: Callable[[Any], object], body: Any) -> None:
    with GeminiServer(lambda _: Reply(body)) as server, observed() as telemetry:
        error = _raised(lambda: ask(ways.client_of(server, vertex=ask is not _embed)))
        assert isinstance(error, ValidationError), repr(error)
        telemetry.assert_sound()
        (span,) = telemetry.spans
    assert isinstance(error, ValidationError), repr(error)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == "pydantic_core._pydantic_core.ValidationError"


@pytest.mark.parametrize("way", [name for name in ways.PLAIN if "chat" not in name])
def test_an_answer_that_is_no_object_is_an_error(way: str) -> None:
    with GeminiServer(lambda _: Reply(5)) as server, observed() as telemetry:  # pyright: ignore[reportArgumentType] - no answer of Gemini
        error = _raised(lambda: ways.ALL[way](ways.client_of(server)))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert (span.attributes or {})[semconv.ERROR_TYPE] == _type(error)
    assert (span.attributes or {}).get(semconv.USAGE_COST) is None


def test_counting_tokens_makes_no_span_also_where_its_answer_cannot_be_read() -> None:
    with GeminiServer(lambda _: Reply({"totalTokens": "many"})) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        _raised(lambda: client.models.count_tokens(model=ways.MODEL, contents="hi"))
        assert telemetry.spans == []


def test_a_request_that_the_program_makes_of_the_client_itself_ends_with_its_text() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        client._api_client.request("post", f"models/{ways.MODEL}:generateContent", body)
        telemetry.assert_sound()
        assert telemetry.one(NAME).status.status_code is StatusCode.UNSET


def test_a_stream_that_is_left_after_a_chunk_is_abandoned_and_no_error() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        for _ in client.models.generate_content_stream(model=ways.MODEL, contents="hi"):
            break
        gc.collect()
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})[semconv.STREAM_ABANDONED] is True


@pytest.mark.skipif(
    "should_return_http_response" not in types.GenerateContentConfig.model_fields,
    reason=f"google-genai {genai.__version__} does not give the HTTP response",
)
def test_the_whole_http_response_is_asked_for_and_nothing_is_read() -> None:
    with GeminiServer(_reply(BODIES["arguments that are text"])) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.models.generate_content(model=ways.MODEL, contents="hi", config={"should_return_http_response": True})
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})[semconv.USAGE_COST] == pytest.approx(USD)


# -- Interactions, and LangChain -------------------------------------------------------------


def _interact(client: Any) -> object:
    return client.interactions.create(model=ways.MODEL, input="hi")


def _interact_async(client: Any) -> object:
    async def run() -> object:
        try:
            return await client.aio.interactions.create(model=ways.MODEL, input="hi")
        finally:
            await ways.close(client)

    return asyncio.run(run())


@pytest.mark.skipif(
    not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
)
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
@pytest.mark.parametrize("ask", [_interact, _interact_async])
def test_an_interaction_that_is_no_json_is_an_error_of_the_sdk_s_type(ask: Callable[[Any], object]) -> None:
    torn = Reply(events=('{"id": "v1", "status": "comp',), headers={"content-type": "application/json"})
    with GeminiServer(lambda _: torn) as server, observed() as telemetry:
        error = _raised(lambda: ask(ways.client_of(server)))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert type(error).__module__.startswith("google.genai")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == _type(error)


def _langchain(server: GeminiServer) -> Any:
    made: Any = importlib.import_module("langchain_google_genai").ChatGoogleGenerativeAI
    return made(model=ways.MODEL, google_api_key="loopback", base_url=server.base_url, max_retries=1)


def _invoke(chat: Any) -> object:
    return chat.invoke("hi")


def _stream(chat: Any) -> object:
    return list(chat.stream("hi"))


def _ainvoke(chat: Any) -> object:
    return asyncio.run(_closing(chat, chat.ainvoke("hi")))


def _astream(chat: Any) -> object:
    async def read() -> object:
        return [chunk async for chunk in chat.astream("hi")]

    return asyncio.run(_closing(chat, read()))


async def _closing(chat: Any, asked: Awaitable[object]) -> object:
    try:
        return await asked
    finally:
        await ways.close(chat.client)


@pytest.mark.skipif(
    find_spec("langchain_google_genai") is None,
    reason="langchain-google-genai is not installed beside this google-genai",
)
@pytest.mark.parametrize("ask", [_invoke, _stream, _ainvoke, _astream])
def test_through_langchain_it_is_an_error_span_with_its_usage_too(ask: Callable[[Any], object]) -> None:
    with GeminiServer(_reply(BODIES["arguments that are text"])) as server, observed() as telemetry:
        chat = _langchain(server)
        error = _raised(lambda: ask(chat))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert isinstance(error, ValidationError), repr(error)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == "pydantic_core._pydantic_core.ValidationError"
    assert (span.attributes or {})[semconv.USAGE_COST] == pytest.approx(USD)
