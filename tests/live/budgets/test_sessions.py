# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""Budgets of sessions: over the runs of a thread, over interrupts, and whatever is forgotten elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START
from langgraph.types import Command, interrupt
from opentelemetry import baggage
from opentelemetry import context as context_api

from otel_agentperf import BudgetExceeded, config, semconv
from otel_agentperf.budgets import BudgetScope
from otel_agentperf.live.budgets import configured
from tests.live.budgets.loop import COST_USD, State, ask, ask_on, gemini, new
from tests.telemetry import observed

SETTINGS: dict[str, Any] = {"budget_session_usd": float(COST_USD * 3)}


def once(client: Any) -> Any:
    """A graph that asks once."""

    def work(_state: State) -> State:
        ask(client)
        return {"rounds": 1}

    builder = new()
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    return builder.compile(name="once")


def runs(graph: Any, **config_: Any) -> int:
    """Run a graph until the budget stops it."""
    for done in range(20):
        try:
            graph.invoke({}, config_)
        except BudgetExceeded as exceeded:
            return done if exceeded.scope is BudgetScope.SESSION else -1
    raise AssertionError("nothing stopped it")


def test_a_session_is_held_over_its_runs_and_no_other_session_is() -> None:
    with observed(settings=config.Settings(**SETTINGS)) as telemetry, gemini() as (client, _):
        graph = once(client)
        for thread in ("a", "b"):
            assert runs(graph, configurable={"thread_id": thread}) == 3
        assert runs(graph, configurable={"thread_id": "a"}) == 0
        for _ in range(5):
            graph.invoke({})  # a run without an id is a session of its own
        telemetry.assert_sound()


def test_a_session_that_the_engine_has_forgotten_is_held_all_the_same() -> None:
    with observed(settings=config.Settings(**SETTINGS, max_sessions=1)) as telemetry, gemini() as (client, _):
        graph = once(client)
        graph.invoke({}, {"configurable": {"thread_id": "a"}})
        graph.invoke({}, {"configurable": {"thread_id": "b"}})
        assert telemetry.pipeline.engine.session("a") is None
        assert runs(graph, configurable={"thread_id": "a"}) == 2


def test_a_session_that_the_budgets_have_forgotten_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configured, "MAX_SESSIONS", 1)
    with observed(settings=config.Settings(**SETTINGS)) as telemetry, gemini() as (client, _):
        graph = once(client)
        graph.invoke({}, {"configurable": {"thread_id": "a"}})
        graph.invoke({}, {"configurable": {"thread_id": "b"}})
        evicted = {str((p.attributes or {})[semconv.REASON]) for p in telemetry.points(semconv.METRIC_EVICTIONS)}
    assert evicted == {"budget_sessions"}


def test_a_run_that_is_resumed_goes_on_in_the_budget_of_its_session() -> None:
    with observed(settings=config.Settings(**SETTINGS)) as telemetry, gemini() as (client, server):

        def work(_state: State) -> State:
            ask(client)
            interrupt("go on?")
            return {}

        builder = new()
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        builder.add_edge("work", "work")
        graph = builder.compile(name="asks", checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "a"}}
        graph.invoke({}, thread)
        graph.invoke(Command(resume="yes"), thread)
        with pytest.raises(BudgetExceeded):
            graph.invoke(Command(resume="yes"), thread)
        assert len(server.requests) == 3
        telemetry.assert_sound()


def test_work_outside_of_any_graph_belongs_to_the_session_in_the_baggage() -> None:
    with observed(settings=config.Settings(**SETTINGS)), gemini() as (client, server):
        token = context_api.attach(baggage.set_baggage("session.id", "a"))
        with pytest.raises(BudgetExceeded):
            ask_on(client)
        context_api.detach(token)
        assert len(server.requests) == 3


def test_the_time_of_a_session_is_that_of_its_runs() -> None:
    class Clock:
        now_ns = 10**9

        def __call__(self) -> int:
            return self.now_ns

    clock = Clock()
    with (
        pytest.MonkeyPatch.context() as patch,
        observed(settings=config.Settings(budget_session_time=60.0)) as telemetry,
    ):
        patch.setattr("otel_agentperf.live.budgets.account.perf_counter_ns", clock)

        def work(_state: State) -> State:
            clock.now_ns += 25 * 10**9
            return {}

        builder = new()
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        graph = builder.compile(name="slow")
        thread = {"configurable": {"thread_id": "a"}}
        for _ in range(3):
            graph.invoke({}, thread)
            clock.now_ns += 3_600 * 10**9  # nobody works
        with pytest.raises(BudgetExceeded) as caught:
            graph.invoke({}, thread)
        assert caught.value.totals.time_s == 75
        telemetry.assert_sound()
