"""The conversation id: where it is found, and that everything in the run carries it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry import baggage
from opentelemetry import context as context_api

from otel_agentperf import config, semconv
from tests.instrumentation.langgraph.graphs import START, State, line, nested, new
from tests.instrumentation.langgraph.trees import attributes
from tests.telemetry import Telemetry, observed

EVERYTHING: Mapping[str, Any] = {
    "configurable": {"thread_id": "thread"},
    "metadata": {"session_id": "session", "conversation_id": "conversation"},
}


@dataclass(frozen=True)
class Case:
    """Where ids stand, and which one counts."""

    expected: str | None
    call: Mapping[str, Any] = field(default_factory=dict[str, Any])
    bound: Mapping[str, Any] = field(default_factory=dict[str, Any])
    baggage: str | None = None
    state: str | None = None


CASES = {
    "the thread before all": Case("thread", EVERYTHING, baggage="baggage", state="state"),
    "a session in the metadata": Case("session", {"metadata": EVERYTHING["metadata"]}, baggage="baggage"),
    "a conversation in the metadata": Case("conversation", {"metadata": {"conversation_id": "conversation"}}),
    "the baggage": Case("baggage", baggage="baggage", state="state"),
    "the state": Case("state", state="state"),
    "nothing": Case(None),
    "an empty thread": Case(None, {"configurable": {"thread_id": ""}}),
    "the bound thread": Case("bound", bound={"configurable": {"thread_id": "bound"}}),
    "the call's before the bound one": Case(
        "call", {"configurable": {"thread_id": "call"}}, {"configurable": {"thread_id": "bound"}}
    ),
    "the bound thread before the call's metadata": Case(
        "bound", {"metadata": {"session_id": "call"}}, {"configurable": {"thread_id": "bound"}}
    ),
    "the bound metadata": Case("bound", bound={"metadata": {"session_id": "bound"}}),
    "a session among the configurable values": Case("s", {"configurable": {"session_id": "s"}}),
    "a number": Case("7", {"configurable": {"thread_id": 7}}),
    "a UUID": Case(str(uuid.UUID(int=1)), {"configurable": {"thread_id": uuid.UUID(int=1)}}),
}


def copy(state: dict[str, Any]) -> dict[str, Any]:
    return dict(state)


def ids(telemetry: Telemetry) -> set[object]:
    return {attributes(span).get(semconv.CONVERSATION_ID) for span in telemetry.spans}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_first_id_found_stands_on_every_span_of_the_run(case: Case) -> None:
    graph = nested()
    if case.bound:
        graph = graph.with_config(case.bound)
    given: State = {"seen": []} if case.state is None else {"seen": [], "session_id": case.state}
    with observed() as telemetry:
        context = context_api.get_current()
        if case.baggage is not None:
            context = baggage.set_baggage(semconv.SESSION_ID, case.baggage)
        token = context_api.attach(context)
        graph.invoke(given, dict(case.call))
        context_api.detach(token)
    assert ids(telemetry) == {case.expected}
    assert len(telemetry.spans) == 6
    telemetry.assert_sound()


def test_the_key_of_the_state_is_a_setting() -> None:
    with observed(settings=config.Settings(session_key="chat")) as telemetry:
        builder = new(dict)
        builder.add_node("a", copy)
        builder.add_edge(START, "a")
        builder.compile().invoke({"chat": "c-1", "session_id": "other"})
    assert ids(telemetry) == {"c-1"}


def test_a_graph_called_by_another_runnable_is_in_its_conversation() -> None:
    graph = line("a")

    def call(given: State) -> State:
        return graph.invoke(given)

    with observed() as telemetry:
        RunnableLambda(call).invoke({"seen": []}, {"configurable": {"thread_id": "outer"}})
    assert ids(telemetry) == {"outer"}


def test_a_thread_of_an_inner_graph_does_not_split_the_run() -> None:
    inner = line("x", name="inner_graph")

    def call(state: State) -> State:
        return {"seen": inner.invoke(state, {"configurable": {"thread_id": "inner"}})["seen"]}

    builder = new()
    builder.add_node("a", call)
    builder.add_edge(START, "a")
    with observed() as telemetry:
        builder.compile().invoke({"seen": []}, {"configurable": {"thread_id": "outer"}})
    assert ids(telemetry) == {"outer"}
    assert len(telemetry.spans) == 4


def test_runs_of_one_thread_are_one_session_and_others_are_not() -> None:
    with observed() as telemetry:
        for thread in ("one", "one", "two"):
            line("a").invoke({"seen": []}, {"configurable": {"thread_id": thread}})
    assert ids(telemetry) == {"one", "two"}
    engine = telemetry.pipeline.engine
    assert [engine.begin("another", thread, 0).session.runs for thread in ("one", "two")] == [3, 2]


def test_tools_carry_the_id_too() -> None:
    @tool
    def look(word: str) -> str:
        """Look."""
        return word

    def call(_state: State) -> State:
        return {"seen": [look.invoke({"word": "w"})]}

    builder = new()
    builder.add_node("a", call)
    builder.add_edge(START, "a")
    with observed() as telemetry:
        builder.compile().invoke({"seen": []}, {"configurable": {"thread_id": "t"}})
    assert attributes(telemetry.one("execute_tool look"))[semconv.CONVERSATION_ID] == "t"
