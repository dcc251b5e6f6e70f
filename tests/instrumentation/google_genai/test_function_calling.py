from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from google import genai
from google.genai import types

from otel_agentperf import semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply, sse
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import look_up, look_up_async, look_up_in_vain, looks_up_with
from tests.telemetry import observed, span_id

NAME = f"generate_content {ways.MODEL}"
TOOL = "execute_tool look_up"
PROMPTS = (1000, 2000, 3000, 4000)
CITIES = ("Bonn", "Ghent", "Oslo")
HOPS = 3
Tool = Callable[[str], Any]


def rounds() -> InOrder:
    """Three requests that call `look_up`, then the answer; 10,000 input tokens in all."""

    def call(prompt: int, city: str) -> Callable[[GeminiRequest], Reply]:
        part = replies.function_call("look_up", {"city": city})
        return lambda request: replies.content(request, [part], Tokens(prompt=prompt, candidates=10))

    def answer(request: GeminiRequest) -> Reply:
        return replies.content(request, replies.text("All found."), Tokens(prompt=PROMPTS[-1], candidates=10))

    return InOrder([*(call(p, c) for p, c in zip(PROMPTS, CITIES, strict=False)), answer])


def _config(tool: Tool) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(tools=[tool])


def generate(client: Any, tool: Tool) -> Any:
    return client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=_config(tool)).text


def _stream(client: Any, tool: Tool) -> Any:
    chunks = list(client.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT, config=_config(tool)))
    return chunks[-1].text


def _chat(client: Any, tool: Tool) -> Any:
    return client.chats.create(model=ways.MODEL, config=_config(tool)).send_message(ways.PROMPT).text


def _chat_stream(client: Any, tool: Tool) -> Any:
    chat = client.chats.create(model=ways.MODEL, config=_config(tool))
    return list(chat.send_message_stream(ways.PROMPT))[-1].text


def _async(client: Any, tool: Tool) -> Any:
    async def run() -> Any:
        answer = await client.aio.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=_config(tool))
        await ways.close(client)
        return answer.text

    return asyncio.run(run())


def _async_stream(client: Any, tool: Tool) -> Any:
    async def run() -> Any:
        chunks = [
            chunk
            async for chunk in await client.aio.models.generate_content_stream(
                model=ways.MODEL, contents=ways.PROMPT, config=_config(tool)
            )
        ]
        await ways.close(client)
        return chunks[-1].text

    return asyncio.run(run())


WAYS: dict[str, tuple[Callable[[Any, Tool], Any], Tool]] = {
    "generate": (generate, look_up),
    "stream": (_stream, look_up),
    "chat": (_chat, look_up),
    "chat stream": (_chat_stream, look_up),
    "async, async function": (_async, look_up_async),
    "async, plain function": (_async, look_up),
    "async stream": (_async_stream, look_up_async),
}


@pytest.mark.parametrize("way", WAYS)
def test_four_rounds_of_automatic_function_calling_report_all_four(way: str) -> None:
    ask, tool = WAYS[way]
    with GeminiServer(rounds()) as server, observed() as telemetry:
        client = ways.client_of(server)
        with telemetry.provider.get_tracer("the program").start_as_current_span("program"):
            assert ask(client, tool) == "All found."
        telemetry.assert_sound()
        assert telemetry.tree() == [
            "program",
            *[f"  {name}" for _ in range(3) for name in (NAME, TOOL)],
            f"  {NAME}",
        ]
        requests, tools = telemetry.named(NAME), telemetry.named(TOOL)
        program = telemetry.one("program")
    assert tuple((span.attributes or {})[semconv.USAGE_INPUT_TOKENS] for span in requests) == PROMPTS
    assert (program.attributes or {})[semconv.RUN_INPUT_TOKENS] == 10_000
    assert (program.attributes or {})[semconv.RUN_INFERENCE_CALLS] == 4
    assert (program.attributes or {})[semconv.RUN_TOOL_CALLS] == 3
    assert [(span.attributes or {}).get(semconv.RESPONSE_FUNCTION_CALLS) for span in requests] == [1, 1, 1, None]
    ids = [format(span_id(span), "016x") for span in requests]
    assert [(span.attributes or {})[semconv.REQUEST_USES] for span in requests] == [
        tuple(ids[:place]) for place in range(4)
    ]
    hashes = {str((span.attributes or {})[semconv.TOOL_ARGUMENTS_HASH]) for span in tools}
    assert len(hashes) == 3
    for span in tools:
        attributes = span.attributes or {}
        assert attributes[semconv.OPERATION_NAME] == "execute_tool"
        assert attributes[semconv.TOOL_NAME] == "look_up"
        assert attributes[semconv.TOOL_TYPE] == "function"
        assert semconv.TOOL_RESULT_HASH in attributes
        assert span.status.is_unset


def test_each_request_of_a_conversation_continues_the_chain_of_hashes_of_the_last() -> None:
    with GeminiServer(rounds()) as server, observed() as telemetry:
        generate(ways.client_of(server), look_up)
        chains: list[Any] = [(span.attributes or {})[semconv.REQUEST_PREFIX_HASHES] for span in telemetry.named(NAME)]
    assert [len(chain) for chain in chains] == [2, 4, 6, 8]
    for shorter, longer in pairwise(chains):
        assert longer[: len(shorter)] == shorter


def test_the_sizes_of_the_prefixes_grow_to_the_size_of_the_request() -> None:
    with GeminiServer(rounds()) as server, observed() as telemetry:
        generate(ways.client_of(server), look_up)
        requests: list[Any] = [span.attributes or {} for span in telemetry.named(NAME)]
    sizes = [one[semconv.REQUEST_PREFIX_SIZES] for one in requests]
    assert [len(one) for one in sizes] == [2, 4, 6, 8]
    for shorter, longer in pairwise(sizes):
        assert longer[: len(shorter)] == shorter
    for one, request in zip(sizes, requests, strict=True):
        assert list(one) == sorted(set(one))
        assert one[-1] <= request[semconv.REQUEST_SIZE] < one[-1] + 100


@pytest.mark.parametrize("instrument", [True, False])
def test_a_function_that_raises_is_an_error_of_its_own_type_and_the_model_hears_the_same(instrument: bool) -> None:
    with GeminiServer(rounds()) as server, observed(instrument=instrument) as telemetry:
        answer = generate(ways.client_of(server), look_up_in_vain)
        assert answer == "All found."
        heard = server.requests[1].body["contents"][-1]["parts"][0]["functionResponse"]["response"]
        assert heard == {
            "error": "Failed to invoke function look_up with converted arguments {'city': 'Bonn'} from model returned function call argument {'city': 'Bonn'} because of error no city is called Bonn"
        }
        tools = telemetry.named(TOOL)
    assert len(tools) == (3 if instrument else 0)
    for span in tools:
        attributes = span.attributes or {}
        assert attributes[semconv.ERROR_TYPE] == "LookupError"
        assert semconv.TOOL_ERROR_HASH in attributes
        assert semconv.TOOL_RESULT_HASH not in attributes
        assert span.status.status_code.name == "ERROR"
        assert span.status.description is None
        assert {event.name for event in span.events} <= {semconv.EVENT_SUGGESTION}


def test_a_model_request_inside_a_called_function_lies_beneath_it() -> None:
    with GeminiServer(rounds()) as server, GeminiServer() as other, observed() as telemetry:
        inner = ways.client_of(other)
        inside = looks_up_with(lambda city: inner.models.generate_content(model="gemini-2.5-pro", contents=city))
        client = ways.client_of(server)
        generate(client, inside)
        telemetry.assert_sound()
        tools = telemetry.named(TOOL)
        nested = telemetry.named("generate_content gemini-2.5-pro")
        assert [span.parent and span.parent.span_id for span in nested] == [
            span.context.span_id for span in tools if span.context
        ]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_every_hop_of_an_automatic_continuation_is_a_request_of_its_own(streamed: bool) -> None:
    if "continuation_token" not in types.Candidate.model_fields:
        pytest.skip(f"google-genai {genai.__version__} continues nothing by itself")

    def hop(number: int) -> Callable[[GeminiRequest], Reply]:
        def reply(request: GeminiRequest) -> Reply:
            body: dict[str, Any] = {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": f"part {number} "}]},
                        "finishReason": "STOP" if number == HOPS else "CONTINUATION",
                        **({} if number == HOPS else {"continuationToken": b64encode(b"token %d" % number).decode()}),
                    }
                ],
                "usageMetadata": Tokens(prompt=100 * number, candidates=10).metadata(),
                "modelVersion": request.model,
            }
            return Reply(events=(sse(body),)) if request.streaming else Reply(body)

        return reply

    with GeminiServer(InOrder([hop(1), hop(2), hop(3)])) as server, observed() as telemetry:
        (ways.stream if streamed else ways.generate)(ways.client_of(server))
        telemetry.assert_sound()
        found = [(span.attributes or {})[semconv.USAGE_INPUT_TOKENS] for span in telemetry.named(NAME)]
    assert found == [100, 200, 300]
