"""Nodes that raise, are tried again or take too long: what the spans say, and what the caller gets."""

from __future__ import annotations

import asyncio
import threading
import traceback
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.errors import GraphRecursionError
from langgraph.types import RetryPolicy
from opentelemetry.trace import StatusCode

from otel_agentperf import semconv
from tests.instrumentation.langgraph.graphs import END, START, State, line, nested, new, node
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.instrumentation.langgraph.ways import WAYS, Way, since
from tests.telemetry import Telemetry, observed

AT_ONCE: dict[str, Any] = {"initial_interval": 0.0, "jitter": False}
HERE = __name__


class BrokenError(Exception):
    """What a node raises here."""


class OtherError(Exception):
    """What no policy tries again."""


def failing(raised: list[Exception], *, aio: bool = False, **adding: Any) -> Any:
    """A graph whose node raises these, one each time, and then works."""
    left = list(raised)

    def work(_state: State) -> State:
        if left:
            raise left.pop(0)
        return {"seen": ["a"]}

    async def later(state: State) -> State:
        return work(state)

    builder = new()
    builder.add_node("a", later if aio else work, **adding)
    builder.add_edge(START, "a")
    return builder.compile(name="graph")


def attempts(telemetry: Telemetry, name: str = "invoke_node a") -> list[tuple[object, object]]:
    """The attempt events of a node: number and class of error."""
    return [
        ((event.attributes or {})[semconv.ATTEMPT_NUMBER], (event.attributes or {})[semconv.ERROR_TYPE])
        for event in telemetry.one(name).events
        if event.name == semconv.EVENT_ATTEMPT
    ]


RAISING_WAYS = [pytest.param(way, id=way.run.__name__, marks=way.available) for way in WAYS]


@pytest.mark.parametrize("way", RAISING_WAYS)
def test_an_error_reaches_the_caller_as_it_is_and_the_spans_as_its_class(way: Way) -> None:
    error = BrokenError("secret")
    with observed() as telemetry:
        with pytest.raises(BrokenError) as caught:
            way.run(failing([error], aio=way.aio), {"seen": []})
        assert caught.value is error
        assert "raise left.pop(0)" in "".join(traceback.format_exception(caught.value))
        del caught, error
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"], errors=True)
    assert outcomes(telemetry) == dict.fromkeys(["invoke_workflow graph", "invoke_node a"], f"{HERE}.BrokenError")
    for span in telemetry.spans:
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None
        assert not span.events
        assert semconv.NODE_ATTEMPTS not in attributes(span)


def test_an_error_in_an_inner_graph_marks_all_above_it() -> None:
    graph = nested()

    def work(_state: object) -> None:
        raise BrokenError

    graph.nodes["inner"].bound.nodes["y"].bound.func = work
    with observed() as telemetry, pytest.raises(BrokenError):
        graph.invoke({"seen": []})
    assert_tree(
        telemetry,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node inner
            invoke_workflow inner_graph
              invoke_node x
              invoke_node y
        """,
        errors=True,
    )
    assert set(outcomes(telemetry)) == {
        "invoke_workflow graph",
        "invoke_node inner",
        "invoke_workflow inner_graph",
        "invoke_node y",
    }


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_the_branch_that_fails_is_told_from_those_that_do_not(aio: bool) -> None:
    builder = new()
    both_run = threading.Barrier(2)

    def good(_state: State) -> State:
        both_run.wait(5)
        return {"seen": ["good"]}

    def bad(_state: State) -> State:
        both_run.wait(5)
        raise BrokenError

    for name, work in (("good", good), ("bad", bad)):
        builder.add_node(name, work)
        builder.add_edge(START, name)
    graph = builder.compile(name="graph")
    with observed() as telemetry, pytest.raises(BrokenError):
        asyncio.run(graph.ainvoke({"seen": []})) if aio else graph.invoke({"seen": []})
    telemetry.assert_sound()
    assert outcomes(telemetry)["invoke_node bad"] == f"{HERE}.BrokenError"
    assert outcomes(telemetry).get("invoke_node good") in {None, "cancelled"}
    assert len(telemetry.spans) == 3


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("raised", "seen", "number"),
    [
        ([], [], None),
        ([BrokenError], ["BrokenError"], 2),
        ([BrokenError, BrokenError], ["BrokenError", "BrokenError"], 3),
        ([BrokenError, BrokenError, BrokenError], ["BrokenError"] * 3, 3),
        ([BrokenError, OtherError], ["BrokenError"], 2),
        ([OtherError], [], None),
    ],
    ids=[
        "works at once",
        "works the second time",
        "works the third time",
        "never works",
        "fails otherwise",
        "fails at once",
    ],
)
def test_each_failed_attempt_is_an_event_and_the_attempts_are_counted(
    raised: list[type[Exception]], seen: list[str], number: int | None, aio: bool
) -> None:
    policy = RetryPolicy(max_attempts=3, retry_on=BrokenError, **AT_ONCE)
    graph = failing([error() for error in raised], aio=aio, retry_policy=policy)
    fails = len(raised) == 3 or OtherError in raised
    with observed() as telemetry:
        try:
            asyncio.run(graph.ainvoke({"seen": []})) if aio else graph.invoke({"seen": []})
        except (BrokenError, OtherError):
            assert fails
        else:
            assert not fails
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"], errors=fails)
    assert attempts(telemetry) == [(place, f"{HERE}.{name}") for place, name in enumerate(seen, 1)]
    assert attributes(telemetry.one("invoke_node a")).get(semconv.NODE_ATTEMPTS) == number


def test_the_same_exception_object_raised_again_is_another_attempt() -> None:
    error = BrokenError()
    graph = failing([error, error], retry_policy=RetryPolicy(max_attempts=3, retry_on=BrokenError, **AT_ONCE))
    with observed() as telemetry:
        graph.invoke({"seen": []})
    assert len(attempts(telemetry)) == 2
    assert attributes(telemetry.one("invoke_node a"))[semconv.NODE_ATTEMPTS] == 3


def test_the_same_exception_object_that_is_not_tried_again_ends_another_attempt() -> None:
    error = BrokenError()
    answers = iter([True, False])

    def decide(_error: Exception) -> bool:
        return next(answers)

    graph = failing([error, error], retry_policy=RetryPolicy(max_attempts=3, retry_on=decide, **AT_ONCE))
    with observed() as telemetry, pytest.raises(BrokenError):
        graph.invoke({"seen": []})
    assert len(attempts(telemetry)) == 1
    assert attributes(telemetry.one("invoke_node a"))[semconv.NODE_ATTEMPTS] == 2


def test_of_several_policies_an_attempt_counts_once() -> None:
    policies = [RetryPolicy(max_attempts=4, retry_on=kind, **AT_ONCE) for kind in (OtherError, BrokenError)]
    graph = failing([BrokenError(), OtherError(), BrokenError()], retry_policy=policies)
    with observed() as telemetry:
        graph.invoke({"seen": []})
    assert [kind for _, kind in attempts(telemetry)] == [
        f"{HERE}.{kind}" for kind in ("BrokenError", "OtherError", "BrokenError")
    ]


def test_a_policy_that_itself_raises_reaches_the_caller() -> None:
    def decide(error: Exception) -> bool:
        raise OtherError from error

    graph = failing([BrokenError()], retry_policy=RetryPolicy(retry_on=decide))
    with observed() as telemetry, pytest.raises(OtherError):
        graph.invoke({"seen": []})
    assert not attempts(telemetry)
    telemetry.assert_sound()


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_step_that_takes_too_long_ends_with_a_timeout(aio: bool) -> None:
    def slow(_state: State) -> State:
        threading.Event().wait(0.3)
        return {"seen": ["a"]}

    async def aslow(_state: State) -> State:
        await asyncio.sleep(10)
        return {"seen": ["a"]}

    builder = new()
    builder.add_node("a", aslow if aio else slow)
    builder.add_edge(START, "a")
    graph = builder.compile(name="graph")
    graph.step_timeout = 0.02
    with observed() as telemetry, pytest.raises(TimeoutError):
        asyncio.run(graph.ainvoke({"seen": []})) if aio else graph.invoke({"seen": []})
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"], errors=True)
    ended = outcomes(telemetry)
    assert ended.pop("invoke_workflow graph") == "TimeoutError"
    assert ended == ({"invoke_node a": "cancelled"} if aio else {}), "a thread cannot be stopped, so its node works"


@since("1.2", "timeout of a node")
@pytest.mark.parametrize("tries", [1, 2])
def test_a_node_that_takes_too_long_ends_with_a_timeout_and_may_be_tried_again(tries: int) -> None:
    async def slow(_state: State) -> State:
        await asyncio.sleep(10)
        return {"seen": ["a"]}

    builder = new()
    policy = RetryPolicy(max_attempts=tries, **AT_ONCE)
    builder.add_node("a", slow, timeout=0.02, retry_policy=policy)
    builder.add_edge(START, "a")
    with observed() as telemetry, pytest.raises(Exception, match="exceeded"):
        asyncio.run(builder.compile(name="graph").ainvoke({"seen": []}))
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"], errors=True)
    assert set(outcomes(telemetry).values()) == {"langgraph.errors.NodeTimeoutError"}
    assert len(attempts(telemetry)) == tries


@since("1.2", "timeout of a node")
def test_what_runs_within_a_node_with_a_timeout_lies_beneath_it() -> None:
    inner = line("x", aio=True, name="inner_graph")

    async def work(state: State) -> State:
        return {"seen": (await inner.ainvoke(state))["seen"]}

    builder = new()
    builder.add_node("a", work, timeout=5)
    builder.add_edge(START, "a")
    with observed() as telemetry:
        asyncio.run(builder.compile(name="graph").ainvoke({"seen": []}))
    assert_tree(
        telemetry,
        """
        invoke_workflow graph
          invoke_node a
            invoke_workflow inner_graph
              invoke_node x
        """,
    )


@since("1.2", "error handler of a node")
def test_a_failed_node_with_a_handler_fails_alone() -> None:
    def work(_state: State) -> State:
        raise BrokenError

    def handle(_state: State) -> State:
        return {"seen": ["handled"]}

    builder = new()
    builder.add_node("a", work, error_handler=handle)
    builder.add_edge(START, "a")
    with observed() as telemetry:
        assert builder.compile(name="graph").invoke({"seen": []})["seen"] == ["handled"]
    telemetry.assert_sound()
    assert outcomes(telemetry) == {"invoke_node a": f"{HERE}.BrokenError"}
    assert telemetry.tree()[:2] == ["invoke_workflow graph", "  invoke_node a"]


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_node_that_raises_a_cancellation_of_its_own_does_not_hide_the_run(aio: bool) -> None:
    async def acancel(_state: State) -> State:
        raise asyncio.CancelledError

    def cancel(_state: State) -> State:
        raise asyncio.CancelledError

    builder = new()
    builder.add_node("a", acancel if aio else cancel)
    builder.add_edge(START, "a")
    graph = builder.compile(name="graph")
    with observed() as telemetry:
        try:
            asyncio.run(graph.ainvoke({"seen": []})) if aio else graph.invoke({"seen": []})
        except (asyncio.CancelledError, Exception):  # noqa: BLE001 - which one it is, differs between versions
            ended = set(outcomes(telemetry).values())
        else:
            ended = {outcomes(telemetry)["invoke_node a"]}
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a"], errors=True)
    assert ended <= {"cancelled", "langgraph.errors.NodeCancelledError"}


@pytest.mark.parametrize("way", RAISING_WAYS)
def test_the_recursion_limit_is_an_error_of_the_run_alone(way: Way) -> None:
    def again(_state: State) -> str:
        return "a"

    builder = new()
    builder.add_node("a", node("a", aio=way.aio))
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", again, ["a", END])
    with observed() as telemetry, pytest.raises(GraphRecursionError):
        way.run(builder.compile(name="graph"), {"seen": []}, {"recursion_limit": 3})
    assert_tree(telemetry, ["invoke_workflow graph", *["  invoke_node a"] * 3], errors=True)
    assert outcomes(telemetry) == {"invoke_workflow graph": "langgraph.errors.GraphRecursionError"}


def test_one_exception_through_a_tool_a_node_and_the_graph_is_one_error_of_a_run_that_failed() -> None:
    @tool
    def search(query: str) -> str:
        """Search."""
        raise BrokenError(query)

    builder = new()

    def work(_state: State) -> State:
        return {"seen": [str(search.invoke({"query": "a"}))]}

    builder.add_node("a", work)
    builder.add_edge(START, "a")
    with observed() as telemetry:
        with pytest.raises(BrokenError):
            builder.compile(name="graph").invoke({"seen": []})
        telemetry.assert_sound()
        root = attributes(telemetry.one("invoke_workflow graph"))
        failed = [span.name for span in telemetry.spans if span.status.status_code is StatusCode.ERROR]
    assert failed == ["invoke_workflow graph", "invoke_node a", "execute_tool search"]
    assert (root[semconv.RUN_ERRORS], root[semconv.RUN_SUCCESS]) == (1, False)


def test_a_graph_that_gives_up_by_itself_has_one_error() -> None:
    builder = new()
    builder.add_node("a", node("a"))
    builder.add_edge(START, "a")
    builder.add_edge("a", "a")
    with observed() as telemetry:
        with pytest.raises(GraphRecursionError):
            builder.compile(name="graph").invoke({"seen": []}, {"recursion_limit": 3})
        root = attributes(telemetry.one("invoke_workflow graph"))
    assert (root[semconv.RUN_ERRORS], root[semconv.RUN_SUCCESS]) == (1, False)
