"""The public ways of asking Gemini for content, each as one call that leaves nothing open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

from otel_agentperf.demo.server import GeminiServer
from tests.replay_calls import gemini_client

MODEL = "gemini-2.5-flash"
PROMPT = "Say hello"
TRANSPORT = "aiohttp" if find_spec("aiohttp") else "httpx, aiohttp is absent"
"""What asynchronous requests travel on here; it stands in the ids of the tests."""


def client_of(server: GeminiServer, *, vertex: bool = False, **http_options: Any) -> Any:
    """A real client of the loopback server, untyped: the SDK's own types are incomplete."""
    return gemini_client(server, vertex=vertex, **http_options)


AskAsync = Callable[[Any], Awaitable[object]]
Ask = Callable[[Any], object]


def generate(client: Any) -> object:
    return client.models.generate_content(model=MODEL, contents=PROMPT)


def stream(client: Any) -> object:
    return list(client.models.generate_content_stream(model=MODEL, contents=PROMPT))


def chat(client: Any) -> object:
    return client.chats.create(model=MODEL).send_message(PROMPT)


def chat_stream(client: Any) -> object:
    return list(client.chats.create(model=MODEL).send_message_stream(PROMPT))


async def generate_async(client: Any) -> object:
    return await client.aio.models.generate_content(model=MODEL, contents=PROMPT)


async def stream_async(client: Any) -> object:
    return [chunk async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents=PROMPT)]


async def chat_async(client: Any) -> object:
    return await client.aio.chats.create(model=MODEL).send_message(PROMPT)


async def chat_stream_async(client: Any) -> object:
    return [chunk async for chunk in await client.aio.chats.create(model=MODEL).send_message_stream(PROMPT)]


def _in_a_loop(ask: AskAsync) -> Ask:
    def run(client: Any) -> object:
        async def asked() -> object:
            try:
                return await ask(client)
            finally:
                await close(client)

        return asyncio.run(asked())

    return run


async def close(client: Any) -> None:
    """Close the asynchronous half of a client, which only later versions have a method for."""
    aclose: Any = getattr(client.aio, "aclose", None) or client._api_client._async_httpx_client.aclose
    await aclose()


PLAIN: dict[str, Ask] = {
    "generate": generate,
    "chat": chat,
    f"generate async on {TRANSPORT}": _in_a_loop(generate_async),
    f"chat async on {TRANSPORT}": _in_a_loop(chat_async),
}
STREAMED: dict[str, Ask] = {
    "stream": stream,
    "chat stream": chat_stream,
    f"stream async on {TRANSPORT}": _in_a_loop(stream_async),
    f"chat stream async on {TRANSPORT}": _in_a_loop(chat_stream_async),
}
ALL = PLAIN | STREAMED
