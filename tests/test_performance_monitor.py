from __future__ import annotations

import asyncio
import inspect
import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import Command, Send
from pydantic import BaseModel

import otel_agentperf
from otel_agentperf import performance_monitor
from otel_agentperf.api import monitor
from otel_agentperf.api import refusals as refused_calls
from tests.instrumentation.langgraph import graphs
from tests.telemetry import observed

FLASH, PRO = "gemini-2.5-flash", "gemini-2.5-pro"


class State(TypedDict, total=False):
    seen: Annotated[list[str], operator.add]
    next: str
    optimizations: dict[str, Any]
    advice: dict[str, Any]


class Bare(TypedDict, total=False):
    seen: Annotated[list[str], operator.add]


@dataclass
class Data:
    seen: list[str] = field(default_factory=list[str])
    optimizations: dict[str, Any] | None = None


class Model(BaseModel):
    seen: list[str] = []
    optimizations: dict[str, Any] | None = None


class BareModel(BaseModel):
    seen: list[str] = []


@pytest.fixture(autouse=True)
def said_once() -> None:
    monitor._told.clear()  # pyright: ignore[reportPrivateUsage]
    refused_calls._refused.clear()  # pyright: ignore[reportPrivateUsage]


def graph_of(*nodes: tuple[str, Any], state: type = State, **compiled: Any) -> Any:
    """A chain of nodes."""
    builder = graphs.new(state)
    before = graphs.START
    for name, node in nodes:
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, graphs.END)
    return builder.compile(**compiled)


def look(state: State) -> State:
    """A node that tells whether advice is in its state."""
    return {"seen": [str(sorted(state))]}


async def alook(state: State) -> State:
    await asyncio.sleep(0)
    return look(state)


def giving(result: Any) -> Callable[[Any], Any]:
    """A node that gives this."""

    def node(state: Any) -> Any:
        del state
        return result

    return node


def test_as_a_node_it_writes_advice_into_the_state_and_is_an_ordinary_span() -> None:
    with observed() as telemetry:
        end = graph_of(("monitor", performance_monitor), ("look", look)).invoke({"seen": []})
        telemetry.assert_sound()
        assert telemetry.tree() == ["invoke_workflow LangGraph", "  invoke_node monitor", "  invoke_node look"]
    assert end["seen"] == ["['optimizations', 'seen']"]
    assert end["optimizations"]["model"]["value"] == PRO
    assert json.loads(json.dumps(end["optimizations"])) == end["optimizations"]


async def test_as_a_node_of_an_asynchronous_graph_it_is_the_same() -> None:
    with observed() as telemetry:
        end = await graph_of(("monitor", performance_monitor), ("look", alook)).ainvoke({"seen": []})
        telemetry.assert_sound()
    assert end["optimizations"]["timeout_s"]["value"] == 30.0


def test_key_action_and_models_are_configurable_and_may_go_by_the_state() -> None:
    configured = performance_monitor(key="advice", action=lambda state: state["next"], node="look", models=[FLASH])
    with observed():
        end = graph_of(("monitor", configured), ("look", look)).invoke({"seen": [], "next": "click"})
    assert "optimizations" not in end
    assert (end["advice"]["model"]["value"], end["advice"]["model"]["confidence"]) == (FLASH, 0.9)


def test_a_function_of_the_user_that_fails_costs_its_answer_and_not_the_run(caplog: pytest.LogCaptureFixture) -> None:
    configured = performance_monitor(action=lambda state: state["canary"])
    with observed():
        end = graph_of(("monitor", configured)).invoke({"seen": []})
    assert end["optimizations"]["model"]["value"] == PRO
    assert "KeyError" in caplog.text
    assert "canary" not in caplog.text


def test_advice_goes_through_a_checkpointer() -> None:
    graph = graph_of(("monitor", performance_monitor), ("look", look), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "one"}}
    with observed():
        end = graph.invoke({"seen": []}, config)
    assert graph.get_state(config).values["optimizations"] == end["optimizations"]


@pytest.mark.parametrize("wrapped", [look, alook])
def test_a_wrapped_node_finds_its_advice_and_keeps_name_signature_and_colour(wrapped: Any) -> None:
    node = performance_monitor.wrap(wrapped, action="plan")
    assert node.__name__ == wrapped.__name__
    assert inspect.signature(node) == inspect.signature(wrapped)
    assert inspect.iscoroutinefunction(node) == inspect.iscoroutinefunction(wrapped)
    with observed() as telemetry:
        end = asyncio.run(graph_of(("look", node)).ainvoke({"seen": []}))
        telemetry.assert_sound()
        assert telemetry.tree() == ["invoke_workflow LangGraph", "  invoke_node look"]
    assert end == {"seen": ["['optimizations', 'seen']"]}


def test_as_a_decorator_it_takes_arguments_or_none() -> None:
    @performance_monitor.wrap
    def plain(state: State) -> State:
        return look(state)

    @performance_monitor.wrap(action="click", key="advice")
    def configured(state: State) -> State:
        return {**look(state), "advice": state.get("advice", {})}

    with observed():
        end = graph_of(("plain", plain), ("configured", configured)).invoke({"seen": []})
    assert end["seen"] == ["['optimizations', 'seen']", "['advice', 'seen']"]
    assert (end["advice"]["model"]["value"], end["advice"]["model"]["confidence"]) == (FLASH, 0.9)


async def run(graph: Any, *, aio: bool) -> Any:
    return await graph.ainvoke({"seen": []}) if aio else graph.invoke({"seen": []})


@pytest.mark.parametrize(("aio", "node"), [(False, look), (True, alook), (True, look)])
async def test_wrapped_nodes_in_one_step_write_nothing_that_the_others_write(node: Any, *, aio: bool) -> None:
    builder = graphs.new(State)
    for name in ("left", "right"):
        builder.add_node(name, performance_monitor.wrap(node, action="plan"))
        builder.add_edge(graphs.START, name)
        builder.add_edge(name, graphs.END)
    with observed() as telemetry:
        end = await run(builder.compile(), aio=aio)
        telemetry.assert_sound()
    assert end == {"seen": ["['optimizations', 'seen']"] * 2}


@pytest.mark.parametrize(("aio", "node"), [(False, look), (True, alook)])
async def test_a_wrapped_node_can_be_sent_to_many_times_in_one_step(node: Any, *, aio: bool) -> None:
    def fan_out(state: State) -> list[Send]:
        del state
        return [Send("each", {"next": str(number)}) for number in range(3)]

    builder = graphs.new(State)
    builder.add_node("each", performance_monitor.wrap(node, action="plan"))
    builder.add_conditional_edges(graphs.START, fan_out, ["each"])
    builder.add_edge("each", graphs.END)
    with observed() as telemetry:
        end = await run(builder.compile(), aio=aio)
        telemetry.assert_sound()
    assert end == {"seen": ["['next', 'optimizations']"] * 3}


def test_what_a_wrapped_node_gives_stays_as_it_is() -> None:
    command = Command(update={"seen": ["jumped"]})
    with observed():
        for result in ({"seen": ["a"]}, command, None, [command], "text"):
            assert performance_monitor.wrap(giving(result))({"seen": []}) is result
        end = graph_of(("jump", performance_monitor.wrap(giving(command)))).invoke({"seen": []})
    assert end["seen"] == ["jumped"]


def test_an_error_of_a_wrapped_node_is_its_own() -> None:
    def fail(state: State) -> State:
        raise KeyError("own", *state.get("seen", []))

    with observed(), pytest.raises(KeyError, match="own"):
        graph_of(("fail", performance_monitor.wrap(fail))).invoke({"seen": []})


def test_a_schema_without_the_key_runs_as_before() -> None:
    with observed() as telemetry:
        nodes = (("monitor", performance_monitor), ("look", performance_monitor.wrap(look)))
        end = graph_of(*nodes, state=Bare).invoke({"seen": []})
        telemetry.assert_sound()
    assert end == {"seen": ["['optimizations', 'seen']"]}


@pytest.mark.parametrize("state", [Data, Model])
def test_a_state_that_is_a_class_keeps_its_type(state: type) -> None:
    types: list[type] = []

    @performance_monitor.wrap
    def step(given: Any) -> dict[str, Any]:
        types.append(given.__class__)
        return {"seen": [given.optimizations["model"]["value"]]}

    with observed():
        end = graph_of(("step", step), state=state).invoke(state())
    assert types == [state]
    assert end["seen"] == [PRO]


def test_a_state_that_cannot_take_advice_is_handed_on_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def step(state: Any) -> dict[str, Any]:
        return {"seen": [state.__class__.__name__]}

    wrapped = performance_monitor.wrap(step)
    with observed():
        assert graph_of(("step", wrapped), state=BareModel).invoke(BareModel())["seen"] == ["BareModel"]
        wrapped(BareModel())
        assert performance_monitor(["a", "list"]) is None
    assert [record.getMessage() for record in caplog.records if "has no optimizations" in record.getMessage()] != []
    assert sum("has no optimizations" in record.getMessage() for record in caplog.records) == 1


def test_the_state_that_was_given_is_not_changed() -> None:
    given: dict[str, Any] = {"seen": []}
    with observed():
        performance_monitor.wrap(look)(given)
    assert given == {"seen": []}


def test_what_is_no_function_is_not_wrapped_and_works_as_before(caplog: pytest.LogCaptureFixture) -> None:
    def walk(state: State) -> Iterator[State]:
        yield state

    inner = graph_of(("look", look))
    assert performance_monitor.wrap(walk) is walk
    assert performance_monitor.wrap(inner) is inner
    assert "coroutine functions" in caplog.text


def test_nothing_switched_on_runs_and_says_so() -> None:
    end = graph_of(("monitor", performance_monitor), ("look", performance_monitor.wrap(look))).invoke({"seen": []})
    assert end["seen"] == ["['optimizations', 'seen']"]
    assert end["optimizations"]["model"]["abstains"] is not None
    assert "not switched on" in end["optimizations"]["reasoning"]


def test_the_public_monitor_is_one_object() -> None:
    assert otel_agentperf.performance_monitor is performance_monitor
    assert isinstance(performance_monitor(key="other"), monitor.PerformanceMonitor)


class Ambiguous:
    """As an array is: it has no truth value."""

    def __bool__(self) -> bool:
        raise ValueError("canary")

    def __iter__(self) -> Iterator[str]:
        return iter(("search", "read"))


async def later(_state: object) -> str:
    return "plan"


def ambiguous(_state: object) -> Ambiguous:
    return Ambiguous()


ODD: dict[str, dict[str, Any]] = {
    "pending": {"pending": ambiguous},
    "action": {"action": ambiguous},
    "models": {"models": 5},
    "coroutine": {"action": later},
}


@pytest.mark.parametrize("options", ODD.values(), ids=ODD)
def test_odd_things_given_to_a_monitor_do_not_reach_the_graph(options: dict[str, Any]) -> None:
    with observed():
        update = performance_monitor(**options)({"seen": []})
    assert set(update["optimizations"]) >= {"model", "forecast"}
