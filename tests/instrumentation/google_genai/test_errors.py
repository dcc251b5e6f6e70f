from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from google.genai import errors, types
from opentelemetry.trace import StatusCode

from otel_agentperf import guard, semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import FailFirst, FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply, sse
from otel_agentperf.instrumentation.google_genai import opening
from otel_agentperf.instrumentation.google_genai.answer import Answer
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.reading.sdk import read_span
from tests.instrumentation.google_genai import ways
from tests.telemetry import counted, observed

NAME = f"generate_content {ways.MODEL}"


@pytest.mark.parametrize("way", ways.ALL)
@pytest.mark.parametrize("status", [400, 429, 503])
def test_an_error_has_its_status_and_the_program_sees_the_sdk_s_own_exception(status: int, way: str) -> None:
    with GeminiServer(FailFirst([status], FixedResponder())) as server, observed() as telemetry:
        with pytest.raises(errors.APIError) as caught:
            ways.ALL[way](ways.client_of(server))
        assert caught.value.code == status
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    attributes = dict(span.attributes or {})
    assert attributes[semconv.ERROR_TYPE] == str(status)
    assert attributes[semconv.HTTP_STATUS_CODE] == status
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert semconv.USAGE_INPUT_TOKENS not in attributes
    assert semconv.COST_STATUS not in attributes
    assert attributes[semconv.RUN_ERRORS] == 1
    assert semconv.RUN_COST not in attributes
    assert semconv.RUN_RATING not in attributes
    assert attributes[semconv.RUN_NOT_SCORED]


@pytest.mark.parametrize("way", ways.ALL)
def test_each_http_attempt_is_an_event_with_its_status_and_wait(way: str) -> None:
    # google-genai 1.32 does not hand the options of one request to asynchronous streams: the client's hold for all.
    retry = types.HttpRetryOptions(initial_delay=0.02, max_delay=0.05, attempts=4, jitter=0)
    with GeminiServer(FailFirst([503, 429], FixedResponder())) as server, observed() as telemetry:
        ways.ALL[way](ways.client_of(server, retry_options=retry))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
        assert len(server.requests) == 3
    events = [dict(event.attributes or {}) for event in span.events if event.name == semconv.EVENT_ATTEMPT]
    assert [event[semconv.ATTEMPT_NUMBER] for event in events] == [1, 2, 3]
    assert [event[semconv.HTTP_STATUS_CODE] for event in events] == [503, 429, 200]
    waits = [float(str(event[semconv.ATTEMPT_WAIT_S])) for event in events]
    assert waits[0] == 0
    assert all(0.01 < wait < 2 for wait in waits[1:])
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})[semconv.COST_STATUS] == "priced"
    assert (span.attributes or {})[semconv.RUN_INFERENCE_CALLS] == 1


@pytest.mark.parametrize("way", ways.ALL)
def test_rate_limits_and_waits_are_counted_and_read_back_from_the_attempts(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = types.HttpRetryOptions(initial_delay=0.02, max_delay=0.05, attempts=4, jitter=0)
    with GeminiServer(FailFirst([429, 503, 429], FixedResponder())) as server, observed() as telemetry:
        seen = counted(telemetry, monkeypatch)
        ways.ALL[way](ways.client_of(server, retry_options=retry))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    inference = seen[0].inference
    assert inference is not None
    assert (inference.attempts, inference.rate_limited) == (4, 2)
    assert 0.03e9 < inference.retry_wait_ns < 6e9
    record = read_span(span)
    assert record is not None
    assert record.operation.inference == inference


@pytest.mark.parametrize("way", ["generate", f"generate async on {ways.TRANSPORT}"])
def test_one_attempt_that_succeeds_is_no_event(way: str) -> None:
    with GeminiServer() as server, observed() as telemetry:
        ways.ALL[way](ways.client_of(server))
        assert telemetry.one(NAME).events == ()


def _raised(ask: Callable[[], object]) -> type[BaseException]:
    """What a call raises: the exceptions of httpx, httpx2 or aiohttp have no class in common."""
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - its class is looked at
        return type(error)
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("way", ["generate", "stream", f"generate async on {ways.TRANSPORT}"])
def test_a_timeout_is_an_error_of_the_http_client_s_type(way: str) -> None:
    with GeminiServer(FixedResponder(latency_s=20)) as server, observed() as telemetry:
        error = _raised(lambda: ways.ALL[way](ways.client_of(server, timeout=150)))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    expected = error.__qualname__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"
    assert "Timeout" in expected
    assert (span.attributes or {})[semconv.ERROR_TYPE] == expected
    assert span.status.status_code is StatusCode.ERROR


def test_a_refused_connection_is_an_error() -> None:
    with GeminiServer() as server:
        client = ways.client_of(server)
    with observed() as telemetry:
        error = _raised(lambda: ways.generate(client))
        span = telemetry.one(NAME)
    assert (span.attributes or {})[semconv.ERROR_TYPE] == f"{error.__module__}.ConnectError"


def _breaks_midway(request: GeminiRequest) -> Reply:
    first = replies.content(request, replies.text("one ", "two"), replies.Tokens(prompt=100, candidates=20)).events
    assert first is not None
    error = {"error": {"code": 503, "message": f"overloaded: {request.text}", "status": "UNAVAILABLE"}}
    return Reply(events=(first[0], sse(error)))


@pytest.mark.parametrize("way", ["stream", f"stream async on {ways.TRANSPORT}"])
def test_an_error_in_the_middle_of_a_stream_keeps_the_tokens_so_far(way: str) -> None:
    with GeminiServer(_breaks_midway) as server, observed() as telemetry:
        with suppress(errors.APIError):  # google-genai 1.32 hands the error on as a chunk and raises nothing
            ways.ALL[way](ways.client_of(server))
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    attributes = dict(span.attributes or {})
    assert attributes[semconv.ERROR_TYPE] == "503"
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 100
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 10
    assert attributes[semconv.COST_STATUS] == "priced"
    assert span.status.status_code is StatusCode.ERROR


ODD_BODIES: dict[str, Any] = {
    "empty object": {},
    "usage of the wrong type": {"usageMetadata": "much"},
    "tokens of the wrong type": {"usageMetadata": {"promptTokenCount": "many"}},
    "candidates of the wrong type": {"candidates": 5},
    "negative tokens": {"usageMetadata": {"promptTokenCount": -5, "candidatesTokenCount": -1}},
}


@pytest.mark.parametrize("body", ODD_BODIES)
def test_an_odd_response_never_makes_an_error_of_ours(body: str) -> None:
    with GeminiServer(lambda _: Reply(ODD_BODIES[body])) as server:
        theirs = _outcome(server)
    with GeminiServer(lambda _: Reply(ODD_BODIES[body])) as server, observed() as telemetry:
        assert _outcome(server) == theirs
        telemetry.assert_sound()
        telemetry.one(NAME)


def _outcome(server: GeminiServer) -> str:
    try:
        ways.generate(ways.client_of(server))
    except Exception as error:  # noqa: BLE001 - pydantic's own, which the program sees
        return type(error).__name__
    return "answered"


OURS = [
    (opening, "begin", "google_genai.begin"),
    (Answer, "take", "google_genai.response"),
    (Call, "_inference", "google_genai.end"),
    (Pipeline, "account", "google_genai.end"),
]


@pytest.mark.parametrize("way", ways.ALL)
@pytest.mark.parametrize(("owner", "name", "site"), OURS, ids=[name for _, name, _ in OURS])
def test_an_error_of_ours_never_reaches_the_program_and_is_counted(
    owner: Any, name: str, site: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with GeminiServer() as server, observed() as telemetry:
        monkeypatch.setattr(owner, name, fail)
        client = ways.client_of(server)
        assert ways.ALL[way](client)
        assert site in guard.error_counts()
        assert len(telemetry.spans) <= 1


def test_concurrent_requests_keep_their_attempts_apart() -> None:
    retry = types.HttpRetryOptions(initial_delay=0.02, max_delay=0.05, attempts=6, jitter=0)
    with GeminiServer(FailFirst([503] * 3, FixedResponder())) as server, observed() as telemetry:

        async def run() -> None:
            client = ways.client_of(server, retry_options=retry)
            await asyncio.gather(*(ways.generate_async(client) for _ in range(20)))
            await ways.close(client)

        asyncio.run(run())
        telemetry.assert_sound()
        spans = telemetry.named(NAME)
    assert len(spans) == 20
    statuses = [[(e.attributes or {})[semconv.HTTP_STATUS_CODE] for e in span.events] for span in spans]
    assert sum(found.count(503) for found in statuses) == 3
    for found in statuses:
        assert not found or found[-1] == 200
