from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from typing import Any

import pytest
from google.genai import errors, types

from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import FailFirst, FixedResponder, InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply
from tests.replay_calls import gemini_client

FLASH = "gemini-2.5-flash"
HELLO = "Hello from loopback."
AT_ONCE = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.001, jitter=0.0)


def sdk(server: GeminiServer, **options: Any) -> Any:
    """A client to keep in a variable: the SDK closes one that nothing refers to, its `models` notwithstanding."""
    return gemini_client(server, **options)


def test_the_sdk_gets_an_answer_with_its_usage() -> None:
    tokens = replies.Tokens(prompt=100, candidates=20, cached=40, thoughts=7, tool_use=3)
    with GeminiServer(FixedResponder(tokens=tokens)) as server:
        client = sdk(server)
        answer = client.models.generate_content(model=FLASH, contents="hi")

    usage = answer.usage_metadata
    assert answer.text == HELLO
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 40)
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (20, 7)
    assert (usage.tool_use_prompt_token_count, usage.total_token_count) == (3, 130)
    assert [(one.call, one.model, one.text) for one in server.requests] == [(Call.GENERATE, FLASH, "hi")]


def test_a_stream_carries_cumulative_usage() -> None:
    with GeminiServer() as server:
        client = sdk(server)
        chunks = list(client.models.generate_content_stream(model=FLASH, contents="hi"))

    assert [chunk.text for chunk in chunks] == ["Hello ", "from ", "loopback."]
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [1, 3, 5]
    assert [bool(chunk.candidates[0].finish_reason) for chunk in chunks] == [False, False, True]


async def test_the_async_sdk_is_answered_whole_and_streamed() -> None:
    with GeminiServer() as server:
        client = sdk(server)
        aio = client.aio.models
        answer = await aio.generate_content(model=FLASH, contents="hi")
        streamed = [chunk.text async for chunk in await aio.generate_content_stream(model=FLASH, contents="hi")]

    assert answer.text == "".join(streamed) == HELLO


def test_functions_are_called_automatically_until_the_model_answers_in_words() -> None:
    def weather(city: str) -> str:
        """The weather there."""
        return f"sun in {city}"

    def ask(request: GeminiRequest) -> Reply:
        return replies.content(request, [replies.function_call("weather", {"city": "Rome"})])

    def tell(request: GeminiRequest) -> Reply:
        return replies.content(request, replies.text("It is sunny."))

    with GeminiServer(InOrder([ask, ask, ask, tell])) as server:
        config = types.GenerateContentConfig(tools=[weather])
        client = sdk(server)
        answer = client.models.generate_content(model=FLASH, contents="hi", config=config)

    assert answer.text == "It is sunny."
    assert [len(one.body["contents"]) for one in server.requests] == [1, 3, 5, 7]


@pytest.mark.parametrize("vertex", [False, True])
def test_texts_are_embedded_and_the_same_text_the_same_way(vertex: bool) -> None:
    with GeminiServer() as server:
        client = sdk(server, vertex=vertex)
        one, two = (
            client.models.embed_content(model="gemini-embedding-001", contents="step").embeddings[0] for _ in range(2)
        )

    assert one.values == two.values
    assert len(one.values) == 8


def test_tokens_are_counted_caches_made_and_pictures_drawn() -> None:
    with GeminiServer(FixedResponder(tokens=replies.Tokens(prompt=12))) as server:
        client = sdk(server)
        counted = client.models.count_tokens(model=FLASH, contents="hi").total_tokens
        cache = client.caches.create(model=FLASH, config=types.CreateCachedContentConfig(contents="x", ttl="60s"))
        body = json.dumps({"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}).encode()
        drawn = json.loads(_post(server, "/v1beta/models/imagen-4.0-generate-001:predict", body))

    assert counted == 12
    assert cache.usage_metadata.total_token_count == 4096
    assert [one["mimeType"] for one in drawn["predictions"]] == ["image/png"] * 2


def test_interactions_are_answered_whole_and_streamed() -> None:
    with GeminiServer() as server:
        client = sdk(server)
        if not hasattr(client, "interactions"):
            pytest.skip("this google-genai has no Interactions")
        whole = client.interactions.create(model=FLASH, input="hi")
        events = list(client.interactions.create(model=FLASH, input="hi", stream=True))

    assert (whole.status, whole.usage.total_input_tokens, whole.usage.total_output_tokens) == ("completed", 10, 5)
    assert events[-1].interaction.usage.total_tokens == 15
    assert [one.streaming for one in server.requests] == [False, True]


def test_vertex_paths_are_served() -> None:
    with GeminiServer() as server:
        client = sdk(server, vertex=True)
        answer = client.models.generate_content(model=FLASH, contents="hi")

    assert answer.text == HELLO
    assert [(one.vertex, one.model) for one in server.requests] == [(True, FLASH)]


def test_a_client_that_tries_again_gets_past_429_and_503() -> None:
    with GeminiServer(FailFirst([429, 503], FixedResponder())) as server:
        client = sdk(server, retry_options=AT_ONCE)
        answer = client.models.generate_content(model=FLASH, contents="hi")

    assert answer.text == HELLO
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, errors.ClientError), (503, errors.ServerError)])
def test_without_retries_the_error_reaches_the_caller(status: int, kind: type[errors.APIError]) -> None:
    with GeminiServer(FailFirst([status], FixedResponder(), retry_after_s=1.5)) as server:
        client = sdk(server)
        with pytest.raises(kind) as raised:
            client.models.generate_content(model=FLASH, contents="hi")

    assert raised.value.code == status
    assert raised.value.status == replies.STATUS_NAMES[status]


def test_retry_after_is_in_whole_seconds() -> None:
    assert replies.error(429, retry_after_s=1.5).headers == {"Retry-After": "2"}


def raising(_: GeminiRequest) -> Reply:
    raise KeyError("absent")


@pytest.mark.parametrize(("responder", "words"), [(raising, "KeyError"), (InOrder([]), "not expected")])
def test_a_responder_that_fails_shows_in_the_client(responder: Any, words: str) -> None:
    with GeminiServer(responder) as server:
        client = sdk(server)
        with pytest.raises(errors.APIError, match=words) as raised:
            client.models.generate_content(model=FLASH, contents="hi")

    assert raised.value.code == 500


@pytest.mark.parametrize(("path", "body", "status"), [("/v1beta/files", b"{}", 404), ("/v1beta/models/m:x", b"{", 400)])
def test_what_is_not_understood_is_refused(path: str, body: bytes, status: int) -> None:
    with GeminiServer() as server, pytest.raises(urllib.request.HTTPError) as raised:
        _post(server, path, body)

    assert raised.value.code == status
    raised.value.close()


@pytest.mark.parametrize("events", [None, ("data: {}\r\n\r\n",)])
def test_a_reply_can_break_off(events: tuple[str, ...] | None) -> None:
    broken = pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected))
    with GeminiServer(lambda _: Reply(events=events, cut=True)) as server, broken:
        _post(server, f"/v1beta/models/{FLASH}:streamGenerateContent", b"{}")


def test_a_connection_serves_many_requests() -> None:
    with GeminiServer() as server:
        connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"))
        for _ in range(3):
            connection.request("POST", f"/v1beta/models/{FLASH}:generateContent", b"{}")
            assert json.loads(connection.getresponse().read())["modelVersion"] == FLASH
        assert len(_threads()) == 2
        connection.close()

    assert [one.number for one in server.requests] == [1, 2, 3]


def test_speed_divides_latencies() -> None:
    with GeminiServer(FixedResponder(latency_s=3600), speed=3_600_000) as server:
        client = sdk(server)
        assert client.models.generate_content(model=FLASH, contents="hi").text == HELLO


def test_stopping_ends_every_thread_also_those_that_wait_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    asked = threading.Event()
    failed: list[Exception] = []

    def slow(_: GeminiRequest) -> Reply:
        asked.set()
        return Reply({}, latency_s=3600)

    def ask() -> None:
        try:
            _post(server, f"/v1beta/models/{FLASH}:generateContent", b"{}")
        except OSError as error:
            failed.append(error)

    server = GeminiServer(slow).start()
    idle = http.client.HTTPConnection(server.base_url.removeprefix("http://"))
    idle.connect()
    client = threading.Thread(target=ask)
    client.start()
    assert asked.wait(10)
    server.stop()
    server.stop()
    client.join(10)
    idle.close()

    assert not client.is_alive()
    assert _threads() == []
    assert capfd.readouterr() == ("", "")


def test_a_server_that_was_never_started_stops_too() -> None:
    GeminiServer().stop()


def test_requests_are_not_kept_when_that_is_switched_off() -> None:
    with GeminiServer(record=False) as server:
        client = sdk(server)
        client.models.generate_content(model=FLASH, contents="hi")

    assert server.requests == []


@pytest.mark.parametrize("end", ["signal", "pipe"])
def test_the_process_prints_its_url_and_ends_with_a_signal_or_its_pipe(end: str) -> None:
    command = [sys.executable, "-m", "otel_agentperf.demo.server", "--responder", "fixed", "--fail", "429"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = process.stdout.readline().decode().strip()
        with pytest.raises(urllib.request.HTTPError) as raised:
            urllib.request.urlopen(urllib.request.Request(f"{url}/v1beta/models/m:countTokens", b"{}"))  # noqa: S310
        raised.value.close()
        if end == "signal":
            os.kill(process.pid, signal.SIGTERM)
        process.stdin.close()
        process.stdin = None
        rest, complaints = process.communicate(timeout=20)

    assert raised.value.code == 429
    assert raised.value.headers["Retry-After"] == "1"
    assert (process.returncode, rest, complaints) == (0, b"", b"")


def _post(server: GeminiServer, path: str, body: bytes) -> bytes:
    request = urllib.request.Request(server.base_url + path, body)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return answer.read()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gemini-loopback")]
