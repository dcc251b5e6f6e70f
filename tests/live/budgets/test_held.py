# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""A runaway loop stops at its limit, whatever stands between it and what it asks for."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from google import genai
from google.genai import types
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.errors import GraphRecursionError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased

import otel_agentperf
from otel_agentperf import BudgetExceeded, config
from otel_agentperf.budgets import BudgetLimit, BudgetScope
from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from otel_agentperf.live import budgets
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import look_up, looks_up_with
from tests.live.budgets.loop import (
    COST_USD,
    FOR_EVER,
    MODEL,
    TOKENS,
    TOKENS_EACH,
    State,
    ask,
    ask_on,
    asking,
    endless,
    gemini,
    new,
)
from tests.replay_calls import gemini_client
from tests.telemetry import Telemetry, observed

ROUNDS = 4
LIMITED = config.Settings(budget_run_usd=float(COST_USD * ROUNDS))
AT_ONCE: dict[str, Any] = {"initial_interval": 0.0, "jitter": False}


def stopped(graph: Any, asked: Callable[[], int], telemetry: Telemetry | None = None) -> BudgetExceeded:
    """Run a graph until the budget stops it, after as many requests as it allows."""
    with pytest.raises(BudgetExceeded) as caught:
        graph.invoke({}, FOR_EVER)
    assert asked() == ROUNDS
    if telemetry is not None:
        telemetry.assert_sound()
    return caught.value


def test_a_run_is_stopped_before_the_request_that_would_pass_its_limit() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):
        exceeded = stopped(asking(client), lambda: len(server.requests), telemetry)
    assert exceeded.limit is BudgetLimit.USD
    assert exceeded.scope is BudgetScope.RUN
    assert exceeded.name == "loop"
    assert exceeded.totals.usd == COST_USD * ROUNDS
    assert exceeded.totals.tokens == TOKENS_EACH * ROUNDS
    assert exceeded.totals.steps == ROUNDS


def test_a_run_whose_program_swallows_it_to_the_end_was_ended_by_its_budget_all_the_same() -> None:
    def work(_state: State) -> State:
        for _ in range(ROUNDS * 3):
            with suppress(Exception):
                ask(client)
        return {}

    builder = new()
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):
        builder.compile(name="deaf").invoke({})
        telemetry.assert_sound()
        (root,) = telemetry.named("invoke_workflow deaf")
    assert len(server.requests) == ROUNDS
    attributes = root.attributes or {}
    assert attributes["agentperf.run.success"] is False
    assert attributes["langgraph.outcome"] == "budget_exceeded"
    assert attributes["error.type"] == "BudgetExceeded"


def test_a_run_that_its_handler_lets_go_on_ended_well() -> None:
    def work(_state: State) -> State:
        ask_on(client)
        return {}

    builder = new()
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    with observed() as telemetry, gemini() as (client, _):
        with otel_agentperf.budget(usd=COST_USD, on_exceeded=lambda _: None):
            builder.compile(name="allowed").invoke({})
        (root,) = telemetry.named("invoke_workflow allowed")
    assert (root.attributes or {})["agentperf.run.success"] is True


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ({"budget_run_tokens": TOKENS_EACH * ROUNDS}, BudgetLimit.TOKENS),
        ({"budget_run_tokens": TOKENS_EACH * (ROUNDS - 1) + 1}, BudgetLimit.TOKENS),
        ({"budget_run_steps": ROUNDS}, BudgetLimit.STEPS),
        ({"budget_run_repetition_alarms": 1}, BudgetLimit.REPETITION_ALARMS),
        ({"budget_session_usd": float(COST_USD * ROUNDS)}, BudgetLimit.USD),
        ({"budget_session_steps": ROUNDS}, BudgetLimit.STEPS),
    ],
)
def test_every_limit_stops_a_loop(setting: dict[str, Any], limit: BudgetLimit) -> None:
    def work(_state: State) -> State:
        ask(client)
        return {}

    with observed(settings=config.Settings(**setting)) as telemetry, gemini() as (client, server):
        exceeded = stopped(endless(work), lambda: len(server.requests), telemetry)
    assert exceeded.limit is limit
    assert exceeded.spent >= exceeded.allowed


def test_a_limit_of_time_stops_what_begins_after_it() -> None:
    begun: list[float] = []

    def work(_state: State) -> State:
        begun.append(telemetry.pipeline.settings.budget_run_time)
        return {}

    with observed(settings=config.Settings(budget_run_time=0.5)) as telemetry:
        with pytest.raises(BudgetExceeded) as caught:
            endless(work).invoke({}, {"recursion_limit": 1_000_000})
        telemetry.assert_sound()
    assert begun
    assert caught.value.limit is BudgetLimit.TIME
    assert caught.value.totals.time_s >= 0.5


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.0)], ids=["off", "traceidratio 0"])
def test_it_holds_where_nothing_is_sampled(sampler: Any) -> None:
    with observed(settings=LIMITED, sampler=sampler) as telemetry, gemini() as (client, server):
        stopped(asking(client), lambda: len(server.requests))
        assert not telemetry.spans


def test_it_holds_with_metrics_off_and_for_a_run_that_is_no_longer_followed() -> None:
    settings = config.Settings(budget_run_usd=float(COST_USD * ROUNDS), metrics=False, max_live_runs=1)
    with observed(settings=settings) as telemetry, gemini() as (client, server):

        def work(_state: State) -> State:
            ask(client)
            telemetry.pipeline.engine.begin("other", None, 0)
            return {}

        stopped(endless(work), lambda: len(server.requests))
        assert telemetry.pipeline.engine.evictions["live_runs"] > 0


def always(_: Exception) -> bool:
    return True


@pytest.mark.parametrize(
    "retry_on", [None, Exception, (BudgetExceeded,), always], ids=["default", "all", "named", "asked"]
)
def test_a_retry_policy_does_not_try_again(retry_on: Any) -> None:
    tries: list[int] = []
    policy = RetryPolicy(max_attempts=5, **AT_ONCE) if retry_on is None else RetryPolicy(retry_on=retry_on, **AT_ONCE)
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):

        def work(_state: State) -> State:
            tries.append(1)
            for _ in range(3):
                ask(client)
            return {}

        stopped(endless(work, retry_policy=policy), lambda: len(server.requests), telemetry)
    assert len(tries) == 2


def test_a_time_limit_ends_retries() -> None:
    tries: list[int] = []

    def work(_state: State) -> State:
        tries.append(1)
        time.sleep(0.05)
        raise ConnectionError

    policy = RetryPolicy(max_attempts=150, **AT_ONCE)
    with observed(), pytest.raises(BudgetExceeded), otel_agentperf.budget(time_s=0.2):
        endless(work, retry_policy=policy).invoke({}, FOR_EVER)
    assert len(tries) < 50


def test_a_budget_ends_retries_in_whatever_error_it_is_wrapped() -> None:
    tries: list[int] = []
    policy = RetryPolicy(max_attempts=5, retry_on=always, **AT_ONCE)
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):

        def work(_state: State) -> State:
            tries.append(1)
            try:
                for _ in range(10):
                    ask(client)
            except BudgetExceeded as exceeded:
                raise ExceptionGroup("the branches failed", [OSError("no answer"), exceeded]) from exceeded
            return {}

        stopped(endless(work, retry_policy=policy), lambda: len(server.requests), telemetry)
    assert len(tries) == 1


def test_work_in_a_thread_without_context_is_said_not_to_be_held(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    with observed(), gemini() as (client, _), ThreadPoolExecutor(1) as pool, otel_agentperf.budget(usd=1) as held:
        pool.submit(contextvars.copy_context().run, ask, client).result()
        assert (held.totals.usd, caplog.text) == (COST_USD, "")
        for _ in range(2):
            pool.submit(ask, client).result()
        assert held.totals.usd == COST_USD
    assert caplog.text.count("copy_context") == 1


@pytest.mark.parametrize("within", [True, False], ids=["in a run", "outside"])
def test_a_limit_of_runs_speaks_of_threads_only_while_a_run_is_at_work(
    within: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    with observed(settings=LIMITED), gemini() as (client, _), ThreadPoolExecutor(1) as pool:

        def work(_state: State) -> State:
            if within:
                pool.submit(ask, client).result()
            return {}

        builder = new()
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        builder.compile().invoke({})
        if not within:
            pool.submit(ask, client).result()
    assert ("copy_context" in caplog.text) is within


def test_where_no_budget_is_set_any_more_threads_are_nobodys_concern(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    with observed(), gemini() as (client, _), ThreadPoolExecutor(1) as pool:
        with otel_agentperf.budget(usd=1):
            pass
        pool.submit(ask, client).result()
    assert caplog.text == ""


def test_a_node_that_catches_everything_does_not_go_on() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):
        caught: list[Exception] = []

        def work(_state: State) -> State:
            for _ in range(10):
                try:
                    ask(client)
                except Exception as error:  # noqa: BLE001 - as programs do
                    caught.append(error)
            return {}

        stopped(endless(work), lambda: len(server.requests), telemetry)
    assert len(caught) == 6
    assert all(isinstance(error, BudgetExceeded) for error in caught)
    assert len({id(error) for error in caught}) == 6


def test_a_chain_with_fallbacks_falls_back_in_vain() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):
        fallen: list[int] = []

        def other(_: Any) -> None:
            fallen.append(1)
            ask(client)

        def first(_: Any) -> None:
            ask(client)

        chain: Any = RunnableLambda(first).with_fallbacks([RunnableLambda(other)])

        def work(_state: State) -> State:
            for _ in range(10):
                chain.invoke("x")
            return {}

        stopped(endless(work), lambda: len(server.requests), telemetry)
    assert fallen == [1]


def test_the_error_handling_of_tools_does_not_keep_it_from_stopping() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):

        @tool
        def search(query: str) -> str:
            """Search."""
            for _ in range(3):
                ask(client)
            return query

        calling = AIMessage("", tool_calls=[{"name": "search", "args": {"query": "x"}, "id": "1"}])
        tools = ToolNode([search], handle_tool_errors=True)

        def model(_state: MessagesState) -> dict[str, list[AIMessage]]:
            return {"messages": [calling]}

        builder: Any = StateGraph(MessagesState)
        builder.add_node("model", model)
        builder.add_node("tools", tools)
        builder.add_edge(START, "model")
        builder.add_edge("model", "tools")
        builder.add_edge("tools", "model")
        stopped(builder.compile(name="agent"), lambda: len(server.requests), telemetry)


def calls_for_ever(request: GeminiRequest) -> Reply:
    return replies.content(request, [replies.function_call("look_up", {"city": "Bonn"})], TOKENS)


async def in_a_loop(client: Any, given: dict[str, Any]) -> None:
    try:
        await client.aio.models.generate_content(**given)
    finally:
        await ways.close(client)


@pytest.mark.parametrize("way", ["sync", "async", "stream"])
def test_automatic_function_calling_stops_at_the_limit(way: str) -> None:
    tools = types.GenerateContentConfig(
        tools=[look_up], automatic_function_calling=types.AutomaticFunctionCallingConfig(maximum_remote_calls=50)
    )
    with observed(settings=LIMITED) as telemetry, gemini(calls_for_ever) as (client, server):

        def work(_state: State) -> State:
            given: dict[str, Any] = {"model": MODEL, "contents": "hello", "config": tools}
            if way == "async":
                asyncio.run(in_a_loop(client, given))
            elif way == "stream":
                list(client.models.generate_content_stream(**given))
            else:
                client.models.generate_content(**given)
            return {}

        stopped(endless(work), lambda: len(server.requests), telemetry)


def test_a_function_that_the_model_calls_and_that_spends_the_rest_ends_the_conversation() -> None:
    with observed(settings=LIMITED) as telemetry, gemini(calls_for_ever) as (client, server):
        tools = types.GenerateContentConfig(tools=[looks_up_with(lambda _: [plainly(client) for _ in range(5)])])

        def plainly(client: Any) -> None:
            client.models.embed_content(model="gemini-embedding-001", contents="x")
            ask(client)

        def work(_state: State) -> State:
            client.models.generate_content(model=MODEL, contents="hello", config=tools)
            return {}

        with pytest.raises(BudgetExceeded):
            endless(work).invoke({}, FOR_EVER)
        asked = sum(":generateContent" in request.path for request in server.requests)
        telemetry.assert_sound()
    assert asked <= ROUNDS + 1


async def test_it_stops_asynchronous_graphs_and_streams() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):

        async def work(_state: State) -> State:
            chunks = await client.aio.models.generate_content_stream(model=MODEL, contents="hello")
            async for _ in chunks:
                pass
            return {}

        with pytest.raises(BudgetExceeded):
            async for _ in endless(work).astream({}, FOR_EVER):
                pass
        await ways.close(client)
        assert len(server.requests) == ROUNDS
        telemetry.assert_sound()


def test_embeddings_and_streams_count() -> None:
    with observed(settings=config.Settings(budget_run_usd=float(COST_USD))) as telemetry, gemini() as (client, server):
        with telemetry.provider.get_tracer("app").start_as_current_span("job"):
            list(client.models.generate_content_stream(model=MODEL, contents="hello"))
            with pytest.raises(BudgetExceeded):
                client.models.embed_content(model="gemini-embedding-001", contents="x")
            stream = client.models.generate_content_stream(model=MODEL, contents="hello")
            with pytest.raises(BudgetExceeded):
                next(stream)
            client.models.count_tokens(model=MODEL, contents="hello")
        assert len(server.requests) == 2
        telemetry.assert_sound()


def test_work_outside_of_any_graph_is_a_run_of_its_local_root() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, server):
        for _ in range(2):
            with (
                telemetry.provider.get_tracer("app").start_as_current_span("job"),
                pytest.raises(BudgetExceeded) as caught,
            ):
                ask_on(client)
            assert caught.value.name == "job"
        assert len(server.requests) == 2 * ROUNDS
        telemetry.assert_sound()


def test_nothing_is_counted_or_stopped_without_a_budget() -> None:
    with observed() as telemetry, gemini() as (client, server):
        with pytest.raises(GraphRecursionError):
            asking(client).invoke({}, {"recursion_limit": 10})
        assert len(server.requests) == 10
        assert not telemetry.points("agentperf.budget.exceeded")


def test_tools_and_marked_actions_and_services_are_not_begun_either() -> None:
    @tool
    def click(selector: str) -> str:
        """Click."""
        raise AssertionError(selector)

    with observed() as telemetry, gemini() as (client, _), otel_agentperf.budget(usd="0.01"):
        ask(client)
        with pytest.raises(BudgetExceeded):
            click.invoke({"selector": "#a"})
        with pytest.raises(BudgetExceeded), otel_agentperf.action("click"):
            raise AssertionError
        with pytest.raises(BudgetExceeded), otel_agentperf.service("browser"):
            raise AssertionError
    telemetry.assert_sound()


@pytest.mark.skipif(
    not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
)
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
def test_interactions_are_held_too() -> None:
    def ask_so(**more: Any) -> Any:
        return client.interactions.create(model=MODEL, input="hello", **more)

    async def ask_later() -> None:
        try:
            await client.aio.interactions.create(model=MODEL, input="hello")
        finally:
            await ways.close(client)

    with observed() as telemetry, gemini() as (client, server), otel_agentperf.budget(usd=COST_USD * 2):
        ask_so()
        list(ask_so(stream=True))
        for refused in (ask_so, lambda: ask_so(stream=True), lambda: asyncio.run(ask_later())):
            with pytest.raises(BudgetExceeded):
                refused()
        assert len(server.requests) == 2
    telemetry.assert_sound()


def test_no_context_cache_is_made_beyond_the_limit_and_what_one_costs_counts() -> None:
    with observed() as telemetry, gemini() as (client, server), otel_agentperf.budget(usd="0.0000001") as held:
        made: Any = {"model": "gemini-2.5-flash", "config": {"contents": "x", "ttl": "3600s"}}
        client.caches.create(**made)
        assert held.totals.usd > 0
        with pytest.raises(BudgetExceeded):
            client.caches.create(**made)
        assert len(server.requests) == 1
    telemetry.assert_sound()


def test_the_http_retries_of_the_sdk_do_not_try_it_again() -> None:
    options = types.HttpRetryOptions(attempts=5, initial_delay=0.001, max_delay=0.001)
    with observed() as telemetry, GeminiServer(FixedResponder(tokens=TOKENS)) as server:
        client = gemini_client(server, retry_options=options)
        with otel_agentperf.budget(usd=COST_USD):
            ask(client)
            with pytest.raises(BudgetExceeded):
                ask(client)
        assert len(server.requests) == 1
        telemetry.assert_sound()
