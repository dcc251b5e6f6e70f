"""Beside another instrumentation of LangChain each graph, node and tool counts once, and hangs where it ran."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict, cast

import pytest
from langchain_core.tools import tool  # pyright: ignore[reportUnknownVariableType]
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from otel_agentperf import semconv
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.sdk import read_span
from tests.instrumentation.google_genai.beside import MISSING, OURS_FIRST, Counted, beside

PEERS = ("official langchain", "OpenInference langchain")
IN_ORDER = {True: "ours first", False: "ours last"}

pytestmark = pytest.mark.skipif(
    not set(MISSING).isdisjoint(PEERS), reason=f"not installed in this environment: {', '.join(MISSING)}"
)


class State(TypedDict):
    text: str


@tool
def look(text: str) -> str:
    """Look something up."""
    return f"found {text}"


@tool
async def look_async(text: str) -> str:
    """Look something up."""
    await asyncio.sleep(0)
    return f"found {text}"


def _graph(*nodes: Any) -> Any:
    graph: Any = cast("Any", StateGraph)(State)
    names = ["one", "two"]
    for name, node in zip(names, nodes, strict=True):
        graph.add_node(name, node)
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", END)
    return graph.compile(name="asking")


def _invoke() -> None:
    def node(state: State) -> State:
        return {"text": look.invoke({"text": state["text"]})}

    _graph(node, node).invoke({"text": "x"})


def _ainvoke() -> None:
    async def node(state: State) -> State:
        return {"text": await look_async.ainvoke({"text": state["text"]})}

    asyncio.run(_graph(node, node).ainvoke({"text": "x"}))


def _nested() -> None:
    def inner(state: State) -> State:
        return {"text": look.invoke({"text": state["text"]})}

    def node(state: State) -> State:
        return _graph(inner, inner).invoke({"text": state["text"]})

    def after(state: State) -> State:
        return state

    _graph(node, after).invoke({"text": "x"})


def _placed(counted: Counted) -> list[tuple[str, str]]:
    """The tools that count, as a replay places them: each with its node."""
    records = [found for span in counted.telemetry.spans if (found := read_span(span)) is not None]
    (run,) = runs_of([record.operation for record in records])
    by_id = {operation.span_id: operation for operation in run.operations}
    tools = [operation for operation in run.operations if operation.kind.value == "tool" and operation.counted]
    return sorted((by_id[one.parent_id or ""].name, one.name) for one in tools)


@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", [(peer,) for peer in PEERS] + [PEERS], ids=" + ".join)
@pytest.mark.parametrize(
    ("run", "name"), [(_invoke, "look"), (_ainvoke, "look_async"), (_nested, "look")], ids=["sync", "async", "nested"]
)
def test_each_tool_counts_once_beneath_its_node(
    run: Callable[[], None], name: str, peers: tuple[str, ...], ours_first: bool
) -> None:
    with beside(peers, ours_first=ours_first) as counted:
        run()
    (summary,) = counted.runs
    assert summary.totals.tool_calls == 2
    assert _placed(counted) == [("one", name), ("two", name)]
    theirs: list[Any] = [
        span
        for span in counted.telemetry.spans
        if name in span.name
        and span.instrumentation_scope is not None
        and span.instrumentation_scope.name not in semconv.OWN_SCOPES
    ]
    assert len(theirs) == 2 * len(peers)
    assert [span.attributes[semconv.COUNTED] for span in theirs] == [False] * len(theirs)


@pytest.mark.parametrize("peer", PEERS)
def test_a_node_is_no_agent_twice(peer: str) -> None:
    with beside((peer,), ours_first=True) as counted:
        _invoke()
    records = [found for span in counted.telemetry.spans if (found := read_span(span)) is not None]
    (run,) = runs_of([record.operation for record in records])
    assert sorted(op.name for op in run.operations if op.is_agent and op.counted) == ["one", "two"]
