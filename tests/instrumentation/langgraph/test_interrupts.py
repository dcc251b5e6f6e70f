"""Runs that stop to be gone on with: interrupts of every kind, resuming, draining."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from opentelemetry.trace import StatusCode

from otel_agentperf import semconv
from tests.instrumentation.langgraph.graphs import START, State, as_task, entry, line, new, node
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.instrumentation.langgraph.ways import WAYS, Way, since
from tests.telemetry import observed

CONFIG = {"configurable": {"thread_id": "t-1"}}
EVERY_WAY = [pytest.param(way, id=way.run.__name__, marks=way.available) for way in WAYS]


def asking(*, aio: bool = False, **compiling: Any) -> Any:
    """A graph whose second node asks."""

    def ask(_state: State) -> State:
        return {"seen": [interrupt("go on?")]}

    async def later(state: State) -> State:
        return ask(state)

    builder = new()
    builder.add_node("a", node("a", aio=aio))
    builder.add_node("ask", later if aio else ask)
    builder.add_edge(START, "a")
    builder.add_edge("a", "ask")
    return builder.compile(name="graph", **compiling)


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_run_that_asks_is_interrupted_and_goes_on_in_another_run(way: Way) -> None:
    graph = asking(aio=way.aio, checkpointer=InMemorySaver())
    with observed() as telemetry:
        way.run(graph, {"seen": []}, CONFIG)
        assert outcomes(telemetry) == {"invoke_workflow graph": "interrupted", "invoke_node ask": "interrupted"}
        assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a", "  invoke_node ask"])
        telemetry.exporter.clear()
        telemetry.started.clear()
        ended = way.run(graph, Command(resume="yes"), CONFIG)
    assert ended["seen"] == ["a", "yes"]
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node ask"])
    assert not outcomes(telemetry)
    assert {attributes(span)[semconv.CONVERSATION_ID] for span in telemetry.spans} == {"t-1"}


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize(
    ("when", "first"),
    [({"interrupt_before": ["b"]}, ["  invoke_node a"]), ({"interrupt_after": ["a"]}, ["  invoke_node a"])],
    ids=["before", "after"],
)
def test_a_graph_that_stops_before_or_after_a_node_is_interrupted(
    when: dict[str, Any], first: list[str], way: Way
) -> None:
    graph = line(aio=way.aio, checkpointer=InMemorySaver(), **when)
    with observed() as telemetry:
        way.run(graph, {"seen": []}, CONFIG)
        assert outcomes(telemetry) == {"invoke_workflow graph": "interrupted"}
        way.run(graph, None, CONFIG)
    assert_tree(telemetry, ["invoke_workflow graph", *first, "invoke_workflow graph", "  invoke_node b"])
    assert outcomes(telemetry) == {"invoke_workflow graph": "interrupted"}


def test_a_reader_that_leaves_at_the_question_leaves_an_interrupted_run() -> None:
    graph = asking(checkpointer=InMemorySaver())
    with observed() as telemetry:
        for chunk in graph.stream({"seen": []}, CONFIG, stream_mode="updates"):
            if "__interrupt__" in chunk:
                break
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a", "  invoke_node ask"])
    assert outcomes(telemetry)["invoke_workflow graph"] == "interrupted"


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_an_inner_graph_that_asks_interrupts_all_above_it(aio: bool) -> None:
    builder = new()
    builder.add_node("inner", asking(aio=aio))
    builder.add_edge(START, "inner")
    graph = builder.compile(name="outer", checkpointer=InMemorySaver())
    with observed() as telemetry:
        asyncio.run(graph.ainvoke({"seen": []}, CONFIG)) if aio else graph.invoke({"seen": []}, CONFIG)
    assert_tree(
        telemetry,
        """
        invoke_workflow outer
          invoke_node inner
            invoke_workflow graph
              invoke_node a
              invoke_node ask
        """,
    )
    names = ["invoke_workflow outer", "invoke_node inner", "invoke_workflow graph", "invoke_node ask"]
    assert outcomes(telemetry) == dict.fromkeys(names, "interrupted")
    assert all(span.status.status_code is StatusCode.UNSET for span in telemetry.spans)


def test_a_task_that_asks_interrupts_its_entrypoint() -> None:
    @as_task
    def ask() -> str:
        return str(interrupt("go on?"))

    @entry(checkpointer=InMemorySaver())
    def flow(word: str) -> str:
        return word + ask().result()

    with observed() as telemetry:
        flow.invoke("so ", CONFIG)
        assert outcomes(telemetry) == dict.fromkeys(
            ["invoke_workflow flow", "invoke_node flow", "invoke_node ask"], "interrupted"
        )
        assert flow.invoke(Command(resume="yes"), CONFIG) == "so yes"
    assert_tree(telemetry, ["invoke_workflow flow", "  invoke_node flow", "    invoke_node ask"] * 2)


def _run(graph: Any, *, aio: bool, **options: Any) -> Any:
    if aio:
        return asyncio.run(graph.ainvoke({"seen": []}, CONFIG, **options))
    return graph.invoke({"seen": []}, CONFIG, **options)


@since("1.2", "drain of a run")
@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_run_that_is_drained_says_so_and_is_no_error(aio: bool) -> None:
    runtime = importlib.import_module("langgraph.runtime")
    errors = importlib.import_module("langgraph.errors")
    control = runtime.RunControl()

    def stop(_state: State) -> State:
        control.request_drain()
        return {"seen": ["a"]}

    builder = new()
    builder.add_node("a", stop)
    builder.add_node("b", node("b"))
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    graph = builder.compile(name="graph", checkpointer=InMemorySaver())
    with observed() as telemetry, pytest.raises(errors.GraphDrained):
        _run(graph, aio=aio, control=control)
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"])
    assert outcomes(telemetry) == {"invoke_workflow graph": "drained"}
