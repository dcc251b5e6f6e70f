"""Real asyncio programs of LangGraph, some of which hold the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]


def _either(one: str, _other: str) -> str:
    return one


class State(TypedDict):
    text: Annotated[str, _either]


Node = Callable[[State], Awaitable[State]]


async def well_behaved(state: State) -> State:
    for _ in range(8):
        await asyncio.sleep(0.1)
    return state


async def in_a_thread(state: State) -> State:
    await asyncio.to_thread(time.sleep, 0.8)
    return state


async def blocking(state: State) -> State:
    await asyncio.sleep(0.01)
    time.sleep(0.8)  # noqa: ASYNC251 - the very thing
    return state


def graph_of(**nodes: Node) -> Any:
    """A graph whose nodes all start at once."""
    graph: Any = StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
    return graph.compile()


def line_of(**nodes: Node) -> Any:
    """A graph whose nodes run one after the other."""
    graph: Any = StateGraph(State)
    before = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph.compile()
