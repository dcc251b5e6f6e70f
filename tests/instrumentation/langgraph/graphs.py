"""Small graphs of every shape, with plain or asynchronous nodes, and the span tree of each."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, cast

from langgraph.func import entrypoint, task  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import Command, Send

entry: Any = entrypoint
as_task: Any = task


class State(TypedDict, total=False):
    """What the graphs hand on."""

    seen: Annotated[list[str], operator.add]
    session_id: str


def new(state: type = State) -> Any:
    """A graph to build; untyped, since what is built is the test's affair."""
    builder: Any = cast("Any", StateGraph)(state)
    return builder


def node(name: str, *, aio: bool = False) -> Callable[..., Any]:
    """A node that says that it was there."""

    def plain(state: State) -> State:
        del state
        return {"seen": [name]}

    async def later(state: State) -> State:
        return plain(state)

    return later if aio else plain


def line(names: str = "ab", *, aio: bool = False, name: str | None = "graph", **compiling: Any) -> Any:
    """Nodes one after the other."""
    builder = new()
    builder.add_sequence([(each, node(each, aio=aio)) for each in names])
    builder.add_edge(START, names[0])
    return builder.compile(name=name, **compiling)


def conditional(*, aio: bool = False) -> Any:
    """One of two ways."""
    builder = new()
    for name in "abc":
        builder.add_node(name, node(name, aio=aio))
    builder.add_edge(START, "a")

    def choose(state: State) -> Literal["b", "c"]:
        del state
        return "c"

    builder.add_conditional_edges("a", choose)
    return builder.compile(name="graph")


def goto(*, aio: bool = False) -> Any:
    """A node that names the next one."""
    builder = new()

    def a(state: State) -> Command[Literal["c"]]:
        del state
        return Command(goto="c", update={"seen": ["a"]})

    async def later(state: State) -> Command[Literal["c"]]:
        return a(state)

    builder.add_node("a", later if aio else a, destinations=("c",))
    builder.add_node("b", node("b", aio=aio))
    builder.add_node("c", node("c", aio=aio))
    builder.add_edge(START, "a")
    return builder.compile(name="graph")


def parallel(*, aio: bool = False) -> Any:
    """Three at once, then one."""
    builder = new()
    for name in "abcd":
        builder.add_node(name, node(name, aio=aio))
    for name in "abc":
        builder.add_edge(START, name)
        builder.add_edge(name, "d")
    return builder.compile(name="graph")


def map_reduce(*, aio: bool = False) -> Any:
    """One node for each item, by Send."""
    builder = new()
    builder.add_node("plan", node("plan", aio=aio))
    builder.add_node("work", node("work", aio=aio))
    builder.add_node("sum", node("sum", aio=aio))
    builder.add_edge(START, "plan")

    def spread(state: State) -> list[Send]:
        return [Send("work", state) for _ in range(3)]

    builder.add_conditional_edges("plan", spread, ["work"])
    builder.add_edge("work", "sum")
    return builder.compile(name="graph")


def nested(*, aio: bool = False) -> Any:
    """A compiled graph as a node."""
    builder = new()
    builder.add_node("a", node("a", aio=aio))
    builder.add_node("inner", line("xy", aio=aio, name="inner_graph"))
    builder.add_edge(START, "a")
    builder.add_edge("a", "inner")
    return builder.compile(name="graph")


def called(*, aio: bool = False) -> Any:
    """A graph that a node calls by itself."""
    inner = line("xy", aio=aio, name="inner_graph")
    builder = new()

    def a(state: State) -> State:
        return {"seen": inner.invoke(state)["seen"]}

    async def later(state: State) -> State:
        return {"seen": (await inner.ainvoke(state))["seen"]}

    builder.add_node("a", later if aio else a)
    builder.add_edge(START, "a")
    return builder.compile(name="graph")


def to_parent(*, aio: bool = False) -> Any:
    """A node of an inner graph that sends the outer one on."""
    inner = new()

    def x(state: State) -> Command[Any]:
        del state
        return Command(graph=Command.PARENT, goto="b", update={"seen": ["x"]})

    async def later(state: State) -> Command[Any]:
        return x(state)

    inner.add_node("x", later if aio else x)
    inner.add_edge(START, "x")
    builder = new()
    builder.add_node("inner", inner.compile(name="inner_graph"), destinations=("b",))
    builder.add_node("b", node("b", aio=aio))
    builder.add_edge(START, "inner")
    builder.add_edge("b", END)
    return builder.compile(name="graph")


def functional(*, aio: bool = False) -> Any:
    """Tasks of the functional API: one after the other, then two at once."""

    @as_task
    def add(state: State) -> list[str]:
        return [*state.get("seen", []), "+"]

    @as_task
    async def aadd(state: State) -> list[str]:
        return [*state.get("seen", []), "+"]

    if aio:

        @entry()
        async def aflow(state: State) -> State:
            first = await aadd(state)
            both = [aadd({"seen": first}), aadd({"seen": first})]
            return {"seen": [word for one in both for word in await one]}

        return aflow

    @entry()
    def flow(state: State) -> State:
        first = add(state).result()
        both = [add({"seen": first}), add({"seen": first})]
        return {"seen": [word for one in both for word in one.result()]}

    return flow


@dataclass(frozen=True)
class Shape:
    """A graph and its spans."""

    build: Callable[..., Any]
    tree: str
    seen: int
    """How many words the run ends with; it begins with one."""


SHAPES: dict[str, Shape] = {
    "line": Shape(
        line,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node b
        """,
        3,
    ),
    "conditional edge": Shape(
        conditional,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node c
        """,
        3,
    ),
    "Command(goto)": Shape(
        goto,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node c
        """,
        3,
    ),
    "parallel branches": Shape(
        parallel,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node b
          invoke_node c
          invoke_node d
        """,
        5,
    ),
    "Send": Shape(
        map_reduce,
        """
        invoke_workflow graph
          invoke_node plan
          invoke_node work
          invoke_node work
          invoke_node work
          invoke_node sum
        """,
        6,
    ),
    "graph as node": Shape(
        nested,
        """
        invoke_workflow graph
          invoke_node a
          invoke_node inner
            invoke_workflow inner_graph
              invoke_node x
              invoke_node y
        """,
        6,
    ),
    "graph called in a node": Shape(
        called,
        """
        invoke_workflow graph
          invoke_node a
            invoke_workflow inner_graph
              invoke_node x
              invoke_node y
        """,
        4,
    ),
    "Command(graph=PARENT)": Shape(
        to_parent,
        """
        invoke_workflow graph
          invoke_node inner
            invoke_workflow inner_graph
              invoke_node x
          invoke_node b
        """,
        3,
    ),
    "functional API": Shape(
        functional,
        """
        invoke_workflow {entry}
          invoke_node {entry}
            invoke_node {task}
            invoke_node {task}
            invoke_node {task}
        """,
        6,
    ),
}


def expected_tree(shape: Shape, *, aio: bool) -> str:
    """The tree of a shape, with the names of plain or asynchronous tasks."""
    names = {"entry": "aflow", "task": "aadd"} if aio else {"entry": "flow", "task": "add"}
    return shape.tree.format(**names)
