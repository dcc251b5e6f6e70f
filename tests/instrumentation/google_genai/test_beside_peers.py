"""Beside another instrumentation of google-genai each request counts once, whoever came first."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from google.genai import types
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_agentperf import semconv
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import ResponderLike
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.beside import MISSING, OF_THE_CLIENT, OURS_FIRST, PEERS, Counted, beside
from tests.instrumentation.google_genai.functions import look_up, look_up_async, looks_up_with
from tests.instrumentation.google_genai.test_function_calling import rounds

pytestmark = pytest.mark.skipif(
    "official google-genai" in MISSING, reason=f"not installed beside this google-genai: {', '.join(MISSING)}"
)
TOKENS = Tokens(prompt=100, candidates=60, thoughts=30)
PER_INPUT, PER_OUTPUT = Decimal("0.3e-6"), Decimal("2.5e-6")
IN_ORDER = {True: "ours first", False: "ours last"}
Do = Callable[[Any], object]


def _answers() -> ResponderLike:
    return FixedResponder(("one ", "two ", "three"), tokens=TOKENS)


def _break(client: Any) -> None:
    for _ in client.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT):
        break
    gc.collect()


def _close(client: Any) -> None:
    stream: Any = iter(client.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT))
    next(stream)
    stream.close()
    del stream
    gc.collect()


def _break_async(client: Any) -> None:
    async def run() -> None:
        async for _ in await client.aio.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT):
            break
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        await ways.close(client)

    asyncio.run(run())
    gc.collect()


def _call_functions(client: Any) -> None:
    config = types.GenerateContentConfig(tools=[look_up])
    answer = client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=config)
    assert answer.text == "All found."


def _call_functions_streamed(client: Any) -> None:
    config = types.GenerateContentConfig(tools=[look_up])
    list(client.models.generate_content_stream(model=ways.MODEL, contents=ways.PROMPT, config=config))


def _call_functions_in_chat(client: Any) -> None:
    config = types.GenerateContentConfig(tools=[look_up])
    client.chats.create(model=ways.MODEL, config=config).send_message(ways.PROMPT)


def _call_functions_async(client: Any) -> None:
    async def run() -> None:
        config = types.GenerateContentConfig(tools=[look_up_async])
        await client.aio.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=config)
        await ways.close(client)

    asyncio.run(run())


def _embed(client: Any) -> None:
    client.models.embed_content(model="gemini-embedding-2", contents="x" * 400)


def _three_in_a_row(client: Any) -> None:
    for _ in range(3):
        ways.generate(client)


WHOLE = (100, 90)
ABANDONED = (100, 50)
SCENARIOS: dict[str, tuple[Do, Callable[[], ResponderLike], int, tuple[int, int]]] = {
    **{name: (ways.ALL[name], _answers, 1, WHOLE) for name in ways.ALL},
    "three in a row": (_three_in_a_row, _answers, 3, (300, 270)),
    "stream, break": (_break, _answers, 1, ABANDONED),
    "stream, close": (_close, _answers, 1, ABANDONED),
    "stream async, break": (_break_async, _answers, 1, ABANDONED),
    "functions": (_call_functions, rounds, 4, (10_000, 40)),
    "functions streamed": (_call_functions_streamed, rounds, 4, (10_000, 40)),
    "functions in a chat": (_call_functions_in_chat, rounds, 4, (10_000, 40)),
    "functions async": (_call_functions_async, rounds, 4, (10_000, 40)),
}
ROUNDS = {name for name in SCENARIOS if name.startswith("functions")}
AFTER = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _cost(tokens: tuple[int, int]) -> Decimal:
    return tokens[0] * PER_INPUT + tokens[1] * PER_OUTPUT


def _run(counted: Counted, scenario: str, *, inside: bool) -> None:
    do, answers, _, _ = SCENARIOS[scenario]
    with GeminiServer(answers()) as server:
        client = ways.client_of(server)
        if inside:
            with counted.telemetry.provider.get_tracer("the program").start_as_current_span("program"):
                do(client)
        else:
            do(client)
        del client
        gc.collect()


@AFTER
@pytest.mark.parametrize(
    ("ours_first", "inside"), [(True, True), (False, False)], ids=["ours first, inside a span", "ours last, outermost"]
)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_request_counts_once(scenario: str, peers: tuple[str, ...], ours_first: bool, inside: bool) -> None:
    _, _, requests, tokens = SCENARIOS[scenario]
    with beside(peers, ours_first=ours_first) as counted:
        _run(counted, scenario, inside=inside)
        seen = {span.instrumentation_scope.name for span in counted.peer_spans()}
        assert seen == {PEERS[name].scope for name in peers}, "a peer made no span"
        expected = (requests, *tokens, _cost(tokens))
        assert counted.on_spans() == expected
        assert counted.in_runs() == expected
        assert counted.in_metrics() == expected[:3]
        counted.telemetry.assert_sound()


@AFTER
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_request_counts_once_when_nothing_is_sampled(scenario: str, peers: tuple[str, ...]) -> None:
    _, _, requests, tokens = SCENARIOS[scenario]
    with beside(peers, ours_first="stream" in scenario, sampler=ALWAYS_OFF) as counted:
        _run(counted, scenario, inside=False)
        expected = (requests, *tokens, _cost(tokens))
        assert counted.in_runs() == expected
        assert counted.in_metrics() == expected[:3]
        assert counted.telemetry.spans == []
        counted.telemetry.assert_sound()


@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peer", ["official google-genai", "OpenInference google-genai"])
def test_the_peer_s_span_of_a_single_request_gets_what_it_lacks(peer: str, ours_first: bool) -> None:
    with beside((peer,), ours_first=ours_first) as counted:
        with GeminiServer(FixedResponder(tokens=Tokens(prompt=100, candidates=50, thoughts=20, tool_use=7))) as server:
            client = ways.client_of(server)
            ways.generate(client)
        (span,) = counted.telemetry.spans
    attributes = dict(span.attributes or {})
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == PEERS[peer].scope
    assert semconv.COUNTED not in attributes
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 107  # the peers leave out the tokens of tool use
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 70
    assert attributes[semconv.USAGE_REASONING_TOKENS] == 20
    assert attributes[semconv.USAGE_COST] == pytest.approx((107 * 0.3 + 70 * 2.5) / 1e6)
    lacked = (
        semconv.COST_STATUS,
        semconv.COST_INPUT,
        semconv.COST_OUTPUT,
        semconv.COST_TIER,
        semconv.REQUEST_HASH,
        semconv.REQUEST_PREFIX_HASHES,
        semconv.RESPONSE_HASH,
        semconv.RESPONSE_KIND,
    )
    assert set(lacked) <= attributes.keys()


@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
@pytest.mark.parametrize("scenario", sorted(ROUNDS))
def test_each_round_of_function_calling_has_a_span_and_the_peer_s_is_not_counted(
    scenario: str, peers: tuple[str, ...], ours_first: bool
) -> None:
    with beside(peers, ours_first=ours_first) as counted:
        _run(counted, scenario, inside=True)
        spans = counted.telemetry.spans
        peer_ids = {span.context.span_id for span in counted.peer_spans()}
    ours = [s for s in spans if s.instrumentation_scope and s.instrumentation_scope.name == semconv.SCOPE_GOOGLE_GENAI]
    rounds_seen = [s for s in ours if s.name.startswith("generate_content")]
    if len(peer_ids) == len(peers):  # 2.34's chats make one call of the client for each round
        assert [(s.attributes or {})[semconv.USAGE_INPUT_TOKENS] for s in rounds_seen] == [1000, 2000, 3000, 4000]
        for span in spans:
            if span.context is not None and span.context.span_id in peer_ids:
                assert (span.attributes or {})[semconv.COUNTED] is False
    assert len([s for s in ours if s.name == "execute_tool look_up"]) == 3


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_a_request_inside_a_called_function_counts_too(peers: tuple[str, ...], ours_first: bool, sampler: Any) -> None:
    more = {} if sampler is None else {"sampler": sampler}
    with beside(peers, ours_first=ours_first, **more) as counted:
        with GeminiServer(rounds()) as server, GeminiServer(_answers()) as other:
            inner, client = ways.client_of(other), ways.client_of(server)
            inside = looks_up_with(lambda _: ways.generate(inner))
            config = types.GenerateContentConfig(tools=[inside])
            client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=config)
        tokens = (10_000 + 3 * 100, 40 + 3 * 90)
        expected = (7, *tokens, _cost(tokens))
        assert counted.in_runs() == expected
        assert counted.in_metrics() == expected[:3]
        if sampler is None:
            assert counted.on_spans() == expected


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_embeddings_count_once(peers: tuple[str, ...], ours_first: bool, sampler: Any) -> None:
    more = {} if sampler is None else {"sampler": sampler}
    with beside(peers, ours_first=ours_first, **more) as counted, GeminiServer() as server:
        client = ways.client_of(server)
        _embed(client)
        assert counted.in_runs()[:3] == (1, 100, 0)
        assert counted.in_metrics() == (1, 100, 0)
        if sampler is None:
            assert counted.on_spans()[:3] == (1, 100, 0)
            assert counted.on_spans()[3] == counted.in_runs()[3] > 0


@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_requests_made_at_once_beneath_one_span_each_count(peers: tuple[str, ...], ours_first: bool) -> None:
    with beside(peers, ours_first=ours_first) as counted, GeminiServer(_answers()) as server:

        async def run() -> None:
            client = ways.client_of(server)
            await asyncio.gather(*(ways.generate_async(client) for _ in range(5)))
            await ways.close(client)

        with counted.telemetry.provider.get_tracer("the program").start_as_current_span("program"):
            asyncio.run(run())
        expected = (5, 500, 450, _cost((500, 450)))
        assert counted.on_spans() == expected
        assert counted.in_runs() == expected
        assert counted.in_metrics() == expected[:3]


@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_an_error_counts_once(peers: tuple[str, ...], ours_first: bool) -> None:
    from google.genai import errors

    from otel_agentperf.demo.responders import FailFirst

    with beside(peers, ours_first=ours_first) as counted, GeminiServer(FailFirst([503], _answers())) as server:
        client = ways.client_of(server)
        with pytest.raises(errors.ServerError):
            ways.generate(client)
        assert [summary.totals.errors for summary in counted.runs] == [1]
        assert counted.in_runs() == (1, 0, 0, Decimal(0))
        assert counted.on_spans() == (1, 0, 0, Decimal(0))
        assert counted.in_metrics() == (1, 0, 0)
