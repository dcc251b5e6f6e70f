from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from google import genai
from opentelemetry.trace import SpanKind, StatusCode

from otel_agentperf import semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FailFirst, FixedResponder, InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply, sse
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.beside import MISSING, OF_THE_CLIENT, OURS_FIRST, beside
from tests.telemetry import observed

pytestmark = [
    pytest.mark.skipif(
        not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
    ),
    pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental"),
]
NAME = f"generate_content {ways.MODEL}"
TOKENS = Tokens(prompt=100, candidates=50, cached=30, thoughts=20, tool_use=5)


def _create(client: Any, **more: Any) -> Any:
    return client.interactions.create(model=ways.MODEL, input=ways.PROMPT, **more)


def _stream(client: Any) -> Any:
    return list(_create(client, stream=True))


def _async(client: Any) -> Any:
    async def run() -> Any:
        try:
            return await client.aio.interactions.create(model=ways.MODEL, input=ways.PROMPT)
        finally:
            await ways.close(client)

    return asyncio.run(run())


def _async_stream(client: Any) -> Any:
    async def run() -> Any:
        try:
            found: Any = await client.aio.interactions.create(model=ways.MODEL, input=ways.PROMPT, stream=True)
            return [event async for event in found]
        finally:
            await ways.close(client)

    return asyncio.run(run())


WAYS: dict[str, Callable[[Any], Any]] = {
    "create": _create,
    "stream": _stream,
    "create async": _async,
    "stream async": _async_stream,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("vertex", [False, True], ids=["gemini", "vertex"])
def test_an_interaction_is_one_priced_client_span(way: str, vertex: bool) -> None:
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed() as telemetry:
        client = ways.client_of(server, vertex=vertex)
        WAYS[way](client)
        gc.collect()
        telemetry.assert_sound()
        assert telemetry.tree() == [NAME]
        span = telemetry.one(NAME)
        points = telemetry.collected()
    attributes = dict(span.attributes or {})
    assert span.kind is SpanKind.CLIENT
    expected = {
        semconv.OPERATION_NAME: "generate_content",
        semconv.PROVIDER_NAME: "gcp.vertex_ai" if vertex else "gcp.gemini",
        semconv.REQUEST_MODEL: ways.MODEL,
        semconv.RESPONSE_MODEL: ways.MODEL,
        semconv.RESPONSE_ID: "loopback-1",
        semconv.RESPONSE_FINISH_REASONS: ("completed",),
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.USAGE_INPUT_TOKENS: 105,
        semconv.USAGE_OUTPUT_TOKENS: 70,
        semconv.USAGE_CACHE_READ_TOKENS: 30,
        semconv.USAGE_REASONING_TOKENS: 20,
        semconv.USAGE_TOOL_USE_TOKENS: 5,
        semconv.COST_STATUS: "priced",
        semconv.RESPONSE_KIND: "text",
        semconv.RUN_INFERENCE_CALLS: 1,
    }
    assert {key: attributes.get(key) for key in expected} == expected
    assert attributes[semconv.USAGE_COST] == pytest.approx((75 * 0.3 + 30 * 0.03 + 70 * 2.5) / 1e6, abs=1e-12)
    assert (semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes) is ("stream" in way)
    assert attributes.get(semconv.REQUEST_STREAM, False) is ("stream" in way)
    assert semconv.REQUEST_HASH in attributes
    assert len(points[semconv.METRIC_OPERATION_DURATION]) == 1
    assert len(points[semconv.METRIC_TOKEN_USAGE]) == 2


def test_the_answer_s_fingerprint_is_the_same_streamed_and_whole() -> None:
    found = set[object]()
    for ask in WAYS.values():
        with GeminiServer() as server, observed() as telemetry:
            client = ways.client_of(server)
            ask(client)
            gc.collect()
            found.add((telemetry.one(NAME).attributes or {})[semconv.RESPONSE_HASH])
    assert len(found) == 1


def _with_usage_midway(request: GeminiRequest) -> Reply:
    whole = replies.interaction(request, "hello", TOKENS).events
    assert whole is not None
    usage = Tokens(prompt=100, candidates=7).interaction()
    middle = {"event_type": "step.stop", "index": 0, "usage": usage}
    return Reply(events=(*whole[:3], sse(middle, event="step.stop"), *whole[4:]))


def _leave(client: Any) -> None:
    for event in _create(client, stream=True):
        if event.event_type == "step.stop":
            break


def _leave_by_with(client: Any) -> None:
    with _create(client, stream=True) as stream:
        for event in stream:
            if event.event_type == "step.stop":
                break


def _leave_by_close(client: Any) -> None:
    stream = _create(client, stream=True)
    for event in stream:
        if event.event_type == "step.stop":
            break
    stream.close()


def _leave_async(client: Any) -> None:
    async def run() -> None:
        stream: Any = await client.aio.interactions.create(model=ways.MODEL, input=ways.PROMPT, stream=True)
        async for event in stream:
            if event.event_type == "step.stop":
                break
        del stream
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        await ways.close(client)

    asyncio.run(run())


LEAVE = {"break": _leave, "with": _leave_by_with, "close": _leave_by_close, "async, break": _leave_async}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpx2 closes its own stream twice
@pytest.mark.parametrize("leave", LEAVE)
def test_a_stream_that_is_left_early_ends_its_span_with_the_usage_so_far(leave: str) -> None:
    with GeminiServer(_with_usage_midway) as server, observed() as telemetry:
        client = ways.client_of(server)
        LEAVE[leave](client)
        gc.collect()
        telemetry.assert_sound()
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.STREAM_ABANDONED] is True
    assert (attributes[semconv.USAGE_INPUT_TOKENS], attributes[semconv.USAGE_OUTPUT_TOKENS]) == (100, 7)
    assert attributes[semconv.COST_STATUS] == "priced"


def test_a_stream_that_is_left_before_any_usage_is_unpriced_and_says_why() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server)
        for _ in _create(client, stream=True):
            break
        gc.collect()
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert attributes[semconv.COST_REASON] == "the response reports no usage"


def test_reading_cancelling_and_deleting_what_was_not_begun_here_are_not_billed() -> None:
    def answer(request: GeminiRequest) -> Reply:
        return Reply({} if request.verb == "DELETE" else replies.interaction(request, "x").body)

    with GeminiServer(answer) as server, observed() as telemetry:
        client = ways.client_of(server)
        client.interactions.get("one")
        client.interactions.cancel("one")
        client.interactions.delete("one")
        assert len(server.requests) == 3
        assert telemetry.spans == []


@pytest.mark.parametrize("way", WAYS)
def test_attempts_are_events(way: str) -> None:
    with GeminiServer(FailFirst([503, 429], FixedResponder(), retry_after_s=0)) as server, observed() as telemetry:
        client = ways.client_of(server)
        WAYS[way](client)
        gc.collect()
        telemetry.assert_sound()
        span = telemetry.one(NAME)
        assert len(server.requests) == 3
    events = [dict(event.attributes or {}) for event in span.events]
    assert [event[semconv.HTTP_STATUS_CODE] for event in events] == [503, 429, 200]
    assert [event[semconv.ATTEMPT_NUMBER] for event in events] == [1, 2, 3]
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("way", WAYS)
def test_an_error_has_its_status_and_stays_the_sdk_s_own(way: str) -> None:
    with GeminiServer(FailFirst([400], FixedResponder())) as server, observed() as telemetry:
        client = ways.client_of(server)
        with pytest.raises(Exception, match=r"400|invalid argument|INVALID") as caught:
            WAYS[way](client)
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert type(caught.value).__module__.startswith("google.genai")
    attributes = dict(span.attributes or {})
    assert attributes[semconv.ERROR_TYPE] == "400"
    assert attributes[semconv.HTTP_STATUS_CODE] == 400
    assert span.status.status_code is StatusCode.ERROR
    assert semconv.COST_STATUS not in attributes


def test_a_conversation_names_the_interaction_that_it_goes_on_from() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server)
        _create(client, previous_interaction_id="earlier", generation_config={"temperature": 0.5})
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] == "earlier"
    assert attributes[semconv.REQUEST_TEMPERATURE] == 0.5


def test_a_raw_response_is_counted_too() -> None:
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed() as telemetry:
        client = ways.client_of(server)
        raw: Any = getattr(client.interactions, "with_raw_response", None)
        if raw is None:
            pytest.skip(f"google-genai {genai.__version__} gives no raw responses here")
        raw.create(model=ways.MODEL, input=ways.PROMPT)
        telemetry.assert_sound()
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 105


def _hop(number: int, last: int) -> Callable[[GeminiRequest], Reply]:
    def reply(request: GeminiRequest) -> Reply:
        body = replies.interaction(request, f"part {number}", Tokens(prompt=100 * number, candidates=10)).body
        assert isinstance(body, dict)
        more = {"status": "requires_continuation", "continuation_token": f"token {number}"}
        return Reply(body if number == last else {**body, **more})

    return reply


def test_every_hop_of_an_automatic_continuation_is_a_request_of_its_own() -> None:
    with GeminiServer(InOrder([_hop(1, 3), _hop(2, 3), _hop(3, 3)])) as server, observed() as telemetry:
        client = ways.client_of(server)
        _create(client)
        telemetry.assert_sound()
        assert len(server.requests) == 3
        found = [(span.attributes or {})[semconv.USAGE_INPUT_TOKENS] for span in telemetry.named(NAME)]
    assert found == [100, 200, 300]


@pytest.mark.skipif("official google-genai" in MISSING, reason=f"not installed beside this google-genai: {MISSING}")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=["ours first", "ours last"])
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
@pytest.mark.parametrize("way", WAYS)
def test_beside_peers_an_interaction_counts_once(way: str, peers: tuple[str, ...], ours_first: bool) -> None:
    with beside(peers, ours_first=ours_first) as counted, GeminiServer(FixedResponder(tokens=TOKENS)) as server:
        client = ways.client_of(server)
        WAYS[way](client)
        gc.collect()
        assert counted.peer_spans(), "no peer made a span"
        expected = (1, 105, 70, Decimal("0.00019840"))
        assert counted.on_spans() == expected
        assert counted.in_runs() == expected
        requests, *_ = counted.in_metrics()
        assert requests == 1


@pytest.mark.skipif("official google-genai" in MISSING, reason=f"not installed beside this google-genai: {MISSING}")
@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=["ours first", "ours last"])
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_beside_peers_every_hop_counts_once(peers: tuple[str, ...], ours_first: bool) -> None:
    responder = InOrder([_hop(1, 3), _hop(2, 3), _hop(3, 3)])
    with beside(peers, ours_first=ours_first) as counted, GeminiServer(responder) as server:
        client = ways.client_of(server)
        _create(client)
        assert counted.in_runs()[:3] == (3, 600, 30)
        assert counted.on_spans() == counted.in_runs()
