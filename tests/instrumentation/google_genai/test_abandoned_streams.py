"""A caller may leave a stream at any time; what has come so far is what is counted."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from otel_agentperf import semconv
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry, observed

NAME = f"generate_content {ways.MODEL}"
TOKENS = Tokens(prompt=100, candidates=90)
WORDS = ("one ", "two ", "three")


def _ask(client: Any) -> Any:
    return client.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT)


async def _ask_async(client: Any) -> Any:
    return await client.aio.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT)


def _break(client: Any) -> None:
    for _ in _ask(client):
        break


def _close(client: Any) -> None:
    stream = _ask(client)
    next(stream)
    stream.close()


def _drop(client: Any) -> None:
    stream = _ask(client)
    next(stream)
    del stream


def _throw(client: Any) -> None:
    stream = _ask(client)
    next(stream)
    with pytest.raises(KeyError):
        stream.throw(KeyError("of the caller"))


def _break_chat(client: Any) -> None:
    for _ in client.chats.create(model=ways.MODEL).send_message_stream(ways.PROMPT):
        break


async def _break_async(client: Any) -> None:
    async for _ in await _ask_async(client):
        break


async def _aclose(client: Any) -> None:
    async with aclosing(await _ask_async(client)) as stream:
        await anext(stream)


async def _drop_async(client: Any) -> None:
    stream = await _ask_async(client)
    await anext(stream)
    del stream


LEAVE: dict[str, Callable[[Any], None]] = {
    "break": _break,
    "close": _close,
    "dropped": _drop,
    "thrown into": _throw,
    "chat, break": _break_chat,
}
LEAVE_ASYNC: dict[str, Callable[[Any], Any]] = {
    "break": _break_async,
    "aclose": _aclose,
    "dropped": _drop_async,
}


def _assert_counted_so_far(telemetry: Telemetry) -> None:
    telemetry.assert_sound()
    span = telemetry.one(NAME)
    attributes = dict(span.attributes or {})
    assert attributes[semconv.STREAM_ABANDONED] is True
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 100
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 30
    assert attributes[semconv.USAGE_COST] == pytest.approx((100 * 0.3 + 30 * 2.5) / 1e6)
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes
    assert semconv.ERROR_TYPE not in attributes
    assert span.status.is_unset


@pytest.mark.parametrize("leave", LEAVE)
def test_a_stream_that_is_left_early_ends_its_span_and_says_so(leave: str) -> None:
    with GeminiServer(FixedResponder(WORDS, TOKENS)) as server, observed() as telemetry:
        client = ways.client_of(server)
        LEAVE[leave](client)
        gc.collect()
        _assert_counted_so_far(telemetry)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpx2 closes its own stream twice
@pytest.mark.parametrize("leave", LEAVE_ASYNC)
def test_an_asynchronous_stream_that_is_left_early_ends_its_span_and_says_so(leave: str) -> None:
    with GeminiServer(FixedResponder(WORDS, TOKENS)) as server, observed() as telemetry:

        async def run() -> None:
            client = ways.client_of(server)
            await LEAVE_ASYNC[leave](client)
            for _ in range(5):  # the event loop closes dropped generators in a task of its own
                await asyncio.sleep(0)
            gc.collect()
            await ways.close(client)

        asyncio.run(run())
        gc.collect()
        _assert_counted_so_far(telemetry)


def _slow_after_the_first(request: GeminiRequest) -> Reply:
    return replace(FixedResponder(WORDS, TOKENS)(request), between_s=30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_whose_task_is_cancelled_is_cancelled_and_no_error() -> None:
    with GeminiServer(_slow_after_the_first) as server, observed() as telemetry:

        async def run() -> None:
            client = ways.client_of(server)
            began = asyncio.Event()

            async def read() -> None:
                async for _ in await _ask_async(client):
                    began.set()

            task = asyncio.create_task(read())
            await began.wait()
            await asyncio.sleep(0.05)  # into the wait for the second chunk
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ways.close(client)

        asyncio.run(run())
        gc.collect()
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    attributes = dict(span.attributes or {})
    assert attributes[semconv.LANGGRAPH_OUTCOME] == "cancelled"
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 30
    assert span.status.is_unset


def test_a_request_whose_task_is_cancelled_is_cancelled_and_no_error() -> None:
    arrived = threading.Event()

    def answer(request: GeminiRequest) -> Reply:
        arrived.set()
        return FixedResponder(latency_s=30)(request)

    with GeminiServer(answer) as server, observed() as telemetry:

        async def run() -> None:
            client = ways.client_of(server)
            task = asyncio.create_task(ways.generate_async(client))
            await asyncio.to_thread(arrived.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ways.close(client)

        asyncio.run(run())
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert (span.attributes or {})[semconv.LANGGRAPH_OUTCOME] == "cancelled"
    assert span.status.is_unset
    assert semconv.COST_STATUS in (span.attributes or {})


def test_a_stream_that_nobody_reads_sends_nothing_and_leaves_no_span() -> None:
    with GeminiServer() as server, observed() as telemetry:
        _ask(ways.client_of(server))
        gc.collect()
        assert telemetry.spans == []
        assert server.requests == []


def test_a_stream_may_be_read_in_another_thread_than_the_one_that_closes_it() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with GeminiServer(FixedResponder(WORDS, TOKENS)) as server, observed() as telemetry:
        client = ways.client_of(server)
        stream = _ask(client)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(next, stream).result()
        stream.close()
        del stream
        gc.collect()
        _assert_counted_so_far(telemetry)
