# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""Graphs that would go on for ever, and what they ask for costs 3.25 cents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any, TypedDict, cast

from langgraph.graph import START, StateGraph
from langgraph.types import Send

from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from tests.replay_calls import gemini_client

MODEL = "gemini-2.5-flash"
TOKENS = Tokens(prompt=100_000, candidates=1_000)
TOKENS_EACH = 101_000
COST_USD = Decimal("0.0325")
"""Of one request, at $0.30 and $2.50 a million tokens."""
FOR_EVER = {"recursion_limit": 10_000}


class State(TypedDict, total=False):
    """What the graphs hand on."""

    rounds: Annotated[int, operator.add]
    lost: Annotated[int, operator.add]


@contextmanager
def gemini(responder: Any = None) -> Generator[tuple[Any, GeminiServer]]:
    """A client, untyped, and the server that it asks."""
    with GeminiServer(responder or FixedResponder(tokens=TOKENS)) as server:
        yield gemini_client(server), server


def ask(client: Any, contents: str = "hello", model: str = MODEL) -> None:
    """Ask for 3.25 cents."""
    client.models.generate_content(model=model, contents=contents)


def ask_on(client: Any, model: str = MODEL) -> None:
    """Ask again and again."""
    for _ in range(100):
        ask(client, model=model)


async def ask_async(client: Any, contents: str = "hello") -> None:
    """Ask for 3.25 cents."""
    await client.aio.models.generate_content(model=MODEL, contents=contents)


def new() -> Any:
    """A graph to build."""
    builder: Any = cast("Any", StateGraph)(State)
    return builder


def endless(work: Callable[[State], Any], *, name: str = "loop", checkpointer: Any = None, **adding: Any) -> Any:
    """A graph whose one node comes after itself."""
    builder = new()
    builder.add_node("work", work, **adding)
    builder.add_edge(START, "work")
    builder.add_edge("work", "work")
    return builder.compile(name=name, checkpointer=checkpointer)


def asking(client: Any, **compiling: Any) -> Any:
    """An endless graph that asks for 3.25 cents each round."""

    def work(_state: State) -> State:
        ask(client)
        return {"rounds": 1}

    return endless(work, **compiling)


def fan(work: Callable[[State], Any], branches: int) -> Any:
    """A graph with as many branches at once, each of which is the same node."""
    builder = new()
    builder.add_node("work", work)

    def spread(_state: State) -> list[Send]:
        return [Send("work", {"rounds": n}) for n in range(branches)]

    builder.add_conditional_edges(START, spread, ["work"])
    return builder.compile(name="fan")
