from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from google.genai import errors, types

from otel_agentperf import guard, semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from otel_agentperf.live import applying
from otel_agentperf.model import CostStatus
from tests.applying.graphs import CHEAP, DEAR, TOKENS, ByModel, Says, advised_by, always, answer, settings, thinks
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import look_up
from tests.live.measured import sums
from tests.telemetry import Telemetry, observed

NAME = f"generate_content {CHEAP}"


@pytest.fixture(autouse=True)
def the_lot_falls_on_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "lot", always)


@pytest.mark.parametrize("way", ways.ALL)
def test_each_way_of_asking_goes_to_the_advised_model_and_says_so(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "MODEL", DEAR)
    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        client = ways.client_of(server)
        thinks(lambda: ways.ALL[way](client)).invoke({"text": ""})
        telemetry.assert_sound()
        span = telemetry.one(NAME)
        asked = [request.model for request in server.requests]
    attributes = dict(span.attributes or {})
    assert asked == [CHEAP]
    assert attributes[semconv.REQUEST_MODEL] == CHEAP
    assert attributes[semconv.RESPONSE_MODEL] == CHEAP
    assert attributes[semconv.REQUEST_MODEL_ASKED] == DEAR
    assert attributes[semconv.ADVICE_APPLIED] == ("model",)
    assert attributes[semconv.COST_STATUS] == CostStatus.PRICED
    assert attributes[semconv.USAGE_COST] == pytest.approx((1_000 * 0.3 + 100 * 2.5) / 1e6)


def test_without_the_table_nothing_is_applied() -> None:
    with GeminiServer(ByModel()) as server, observed() as telemetry:
        assert telemetry.pipeline.applying is None
        client = ways.client_of(server)
        thinks(lambda: client.models.generate_content(model=DEAR, contents="x")).invoke({"text": ""})
        assert [request.model for request in server.requests] == [DEAR]
        assert not [name for name in telemetry.collected() if "advice" in name and name != semconv.METRIC_ADVICE]


def _ask(server: GeminiServer, telemetry: Telemetry, *, node: str = "think", vertex: bool = False, **named: Any) -> Any:
    """What the graph's node gets for a request; its error, where it raises one."""
    client = ways.client_of(server, vertex=vertex)
    got: list[Any] = []

    def ask() -> None:
        got.append(client.models.generate_content(**{"model": DEAR, "contents": "Say hello", **named}))

    thinks(ask, node=node).invoke({"text": ""})
    telemetry.assert_sound()
    return got[0]


def _requests(monkeypatch: pytest.MonkeyPatch, advisor: Any, **named: Any) -> list[GeminiRequest]:
    del monkeypatch
    apply = named.pop("apply", {})
    with GeminiServer(ByModel()) as server, observed(settings=settings(**apply)) as telemetry:
        advised_by(telemetry, advisor)
        _ask(server, telemetry, **named)
        return server.requests


def test_vertex_is_asked_for_the_advised_model_of_the_same_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = _requests(monkeypatch, Says(CHEAP), vertex=True)
    assert request.path.endswith(f"projects/demo/locations/global/publishers/google/models/{CHEAP}:generateContent")


def test_the_body_goes_out_as_the_program_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.3,
        max_output_tokens=99,
        response_mime_type="application/json",
        thinking_config=types.ThinkingConfig(thinking_budget=1_024),
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name="look")])],
    )
    before = copy.deepcopy(config)
    bodies: list[Any] = []
    for advisor in (Says(CHEAP), Says(DEAR, seen=100)):
        (request,) = _requests(monkeypatch, advisor, config=config)
        bodies.append((request.model, request.body))
    assert [model for model, _ in bodies] == [CHEAP, DEAR]
    assert bodies[0][1] == bodies[1][1]
    assert config == before


KEPT: dict[str, dict[str, Any]] = {
    "a context cache": {"config": types.GenerateContentConfig(cached_content="cachedContents/1")},
    "a thinking budget that flash does not have": {
        "config": types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_budget=30_000))
    },
    "several candidates": {"config": types.GenerateContentConfig(candidate_count=2)},
    "a picture as answer": {"config": types.GenerateContentConfig(response_modalities=["IMAGE"])},
    "a search": {"config": types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])},
    "a penalty": {"config": types.GenerateContentConfig(presence_penalty=0.5)},
    "an extra body": {
        "config": types.GenerateContentConfig(http_options=types.HttpOptions(extra_body={"labels": {"a": "b"}}))
    },
    "a signature of another model": {
        "contents": [
            types.Content(
                role="model",
                parts=[types.Part(function_call=types.FunctionCall(name="f", args={}), thought_signature=b"\xff\xfe")],
            ),
            types.Content(role="user", parts=[types.Part.from_function_response(name="f", response={"result": "1"})]),
        ]
    },
    "a turn of the model at the end": {"contents": [types.Content(role="model", parts=[types.Part(text="I")])]},
    "another maker's model": {"model": "gemma-3-27b-it"},
    "an alias": {"model": "gemini-flash-latest"},
    "a cheaper model already": {"model": "gemini-2.5-flash-lite"},
    "another node": {"node": "other"},
}


@pytest.mark.parametrize("case", KEPT)
def test_what_belongs_to_one_model_stays_with_it(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = _requests(monkeypatch, Says(CHEAP), **KEPT[case])
    assert request.model == KEPT[case].get("model", DEAR)


def test_why_nothing_was_applied_is_counted() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        _ask(server, telemetry, **KEPT["a context cache"])
        _ask(server, telemetry, model="gemini-2.5-flash-lite")
        _ask(server, telemetry)
        counted = sums(telemetry.points(semconv.METRIC_ADVICE_CALLS))
    assert counted == {
        "abstained cached_content think researcher": 1,
        "abstained none_cheaper think researcher": 1,
        "treated think researcher": 1,
    }


@pytest.mark.parametrize(
    ("advisor", "explore", "asked"),
    [
        (Says(None), True, CHEAP),
        (Says(None), False, DEAR),
        (Says(DEAR), True, CHEAP),
        (Says(DEAR, seen=100), True, DEAR),
        (Says("gemini-2.5-flash-lite"), False, DEAR),
        (Says(CHEAP), False, CHEAP),
    ],
    ids=["explored", "no advice", "explored, though", "known to be no good", "not allowed", "advised"],
)
def test_a_model_is_tried_where_it_is_advised_or_was_never_seen(
    advisor: Says, explore: bool, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,) = _requests(monkeypatch, advisor, apply={"explore": explore})
    assert request.model == asked


def test_embeddings_go_out_as_asked() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        client = ways.client_of(server)
        thinks(lambda: client.models.embed_content(model="gemini-embedding-001", contents="x")).invoke({"text": ""})
        telemetry.assert_sound()
        assert {request.model for request in server.requests} == {"gemini-embedding-001"}


def _rounds(request: GeminiRequest) -> Reply:
    if len(request.body["contents"]) > 4:
        return answer(request)
    part = {**replies.function_call("look_up", {"city": "Bonn"}), "thoughtSignature": "-_8="}
    return replies.content(request, [part], TOKENS)


def test_every_round_of_automatic_function_calling_goes_to_the_same_model() -> None:
    with GeminiServer(_rounds) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        _ask(server, telemetry, config=types.GenerateContentConfig(tools=[look_up]))
        assert [request.model for request in server.requests] == [CHEAP] * 3
        assert len(telemetry.named(NAME)) == 3


def _refuses(request: GeminiRequest) -> Reply:
    return replies.error(404, f"{request.model} is not to be had here")


@pytest.mark.parametrize("way", ways.ALL)
def test_what_the_tried_model_refuses_is_asked_again_as_the_program_asked_it(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "MODEL", DEAR)
    with GeminiServer(ByModel(gemini_2_5_flash=_refuses)) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))

        def twice() -> None:
            for client in (ways.client_of(server), ways.client_of(server)):
                ways.ALL[way](client)

        thinks(twice).invoke({"text": ""})
        telemetry.assert_sound()
        assert [request.model for request in server.requests] == [CHEAP, DEAR, DEAR]
        refused = telemetry.one(NAME)
        assert len(telemetry.named(f"generate_content {DEAR}")) == 2
    assert (refused.attributes or {})[semconv.ERROR_TYPE] == "404"


def test_a_request_that_no_model_takes_fails_as_without_us() -> None:
    with GeminiServer(_refuses) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        with pytest.raises(errors.ClientError) as caught:
            _ask(server, telemetry)
        assert [request.model for request in server.requests] == [CHEAP, DEAR]
    assert caught.value.code == 404
    assert DEAR in str(caught.value)
    assert caught.value.__context__ is None


def test_the_trial_of_a_model_that_is_not_to_be_had_is_taken_back_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with GeminiServer(ByModel(gemini_2_5_flash=_refuses)) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        for _ in range(5):
            _ask(server, telemetry)
        assert [request.model for request in server.requests] == [CHEAP, DEAR] * 3 + [DEAR] * 2
        events = [event for span in telemetry.spans for event in span.events if event.name == semconv.EVENT_TAKEN_BACK]
        collected = telemetry.collected()
    (told,) = (dict(event.attributes or {}) for event in events)
    assert told[semconv.REASON] == "refused"
    assert (told[semconv.REQUEST_MODEL], told[semconv.REQUEST_MODEL_ASKED]) == (CHEAP, DEAR)
    assert sums(collected[semconv.METRIC_ADVICE_TAKEN_BACK]) == {"model refused think researcher": 1}
    assert list(sums(collected[semconv.METRIC_ADVICE_SHARE]).values()) == [0.0]
    assert "gemini-2.5-flash in place of gemini-2.5-pro at researcher/think is taken back for 60 minutes" in caplog.text


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, "12"),
        (types.HttpOptions(headers={"x-mine": "1"}), "12"),
        (types.HttpOptions(timeout=90_000), "90"),
        (types.HttpOptions(headers={"X-Server-Timeout": "77"}), "77"),
    ],
    ids=["none", "others", "its own", "its own header"],
)
def test_a_time_out_is_set_where_the_program_has_set_none(
    options: types.HttpOptions | None, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.deepcopy(options)
    advisor = Says(None, timeout_s=12.0)
    (request,) = _requests(
        monkeypatch,
        advisor,
        apply={"timeout": True, "explore": False},
        config=types.GenerateContentConfig(http_options=options),
    )
    assert request.headers["x-server-timeout"] == sent
    assert request.model == DEAR
    assert options == before


def test_a_time_out_below_what_gemini_takes_is_raised_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = _requests(monkeypatch, Says(CHEAP, timeout_s=0.5), apply={"timeout": True})
    assert request.headers["x-server-timeout"] == "10"
    assert request.model == CHEAP


def test_a_request_that_times_out_raises_what_the_sdk_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(request: GeminiRequest) -> Reply:
        return replies.content(request, replies.text("late"), TOKENS, latency_s=30)

    monkeypatch.setattr(applying, "LEAST_TIMEOUT_S", 1.0)
    asked = settings(timeout=True, explore=False)
    with GeminiServer(slow) as server, observed(settings=asked) as telemetry:
        advised_by(telemetry, Says(None, timeout_s=1.0))
        with pytest.raises(Exception, match="timed out") as caught:
            _ask(server, telemetry)
        (span,) = telemetry.named(f"generate_content {DEAR}")
        assert len(server.requests) == 1
    assert type(caught.value).__module__.startswith("httpx")
    assert (span.attributes or {})[semconv.ADVICE_APPLIED] == ("timeout",)
    assert (span.attributes or {})[semconv.ADVICE_TIMEOUT] == 1.0


class _Broken:
    def for_call(self, *_: object) -> Any:
        raise ZeroDivisionError

    def seen(self, *_: object) -> int:
        raise ZeroDivisionError


@pytest.mark.parametrize("where", ["the advisor", "the decision", "the request", "the note"])
def test_an_error_of_ours_leaves_the_request_as_it_is(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")

    def fails(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, _Broken() if where == "the advisor" else Says(CHEAP))
        if where == "the decision":
            monkeypatch.setattr(applying.Applying, "_draw", fails)
        elif where == "the request":
            monkeypatch.setattr("otel_agentperf.instrumentation.google_genai.applied.classify", fails)
        elif where == "the note":
            monkeypatch.setattr(applying.Applying, "note", fails)
        client = ways.client_of(server)
        thinks(lambda: client.models.generate_content(model=DEAR, contents="x")).invoke({"text": ""})
        assert [request.model for request in server.requests] == [CHEAP if where == "the note" else DEAR]
        assert guard.error_counts()
        assert not telemetry.pipeline.engine.live_runs


def test_concurrent_tasks_of_a_run_have_the_same_model() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        client = ways.client_of(server)

        def ask() -> None:
            async def many() -> None:
                await asyncio.gather(
                    *(client.aio.models.generate_content(model=DEAR, contents=str(n)) for n in range(8))
                )
                await ways.close(client)

            asyncio.run(many())

        thinks(ask).invoke({"text": ""})
        telemetry.assert_sound()
        assert [request.model for request in server.requests] == [CHEAP] * 8
