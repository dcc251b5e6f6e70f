"""Agents at work for as long as they are let: the demo's team, small graphs, and what goes wrong with both.

`steady` runs whole; `troubled` does what our bounds and guards are for; `judged` is slower than it used to be, too late,
and stopped by its budget. It ends when its standard input does. Knows of us
only what a user's program would.
"""

# pyright: basic
# LangGraph and google-genai are typed too loosely for the strict mode.

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

import otel_agentperf
from otel_agentperf.demo.recording_agents import RemoteBrowser, connect, record

GRAPHS_TOO_MANY = 130


class State(TypedDict):
    number: int


def graph(name: str, node: Any) -> Any:
    """A graph of one node."""
    built = StateGraph(State)
    built.add_node("work", node)
    built.add_edge(START, "work")
    built.add_edge("work", END)
    return built.compile(name=name)


def fails_often(state: State) -> State:
    if state["number"] % 3:
        raise ValueError("the page was not there")
    return state


def repeats_itself(state: State) -> State:
    for _ in range(12):
        with otel_agentperf.action("click", arguments={"selector": "#next"}) as click:
            click.result("nothing happened")
    return state


def uses_what_has_no_price(state: State) -> State:
    otel_agentperf.record_model_usage("my-own-model", input_tokens=1200, output_tokens=80)
    return state


async def blocks_the_loop(state: State) -> State:
    time.sleep(0.15)  # noqa: ASYNC251 - the fault that is to be seen
    garbage: list[Any] = [[] for _ in range(200_000)]
    for one in garbage:
        one.append(garbage)
    del garbage, one
    gc.collect()
    await asyncio.sleep(0.01)
    return state


def steady(is_over: Callable[[float], bool]) -> None:
    """Runs of all kinds, one after the other."""
    failing, looping = graph("failing", fails_often), graph("looping", repeats_itself)
    unpriced, quick = graph("unpriced", uses_what_has_no_price), graph("quick", lambda state: state)
    blocking = graph("blocking", blocks_the_loop)
    number = 0
    while not is_over(0.2):
        record(connect(0.01), RemoteBrowser(0.001), lambda _line: None)
        looping.invoke({"number": number})
        unpriced.invoke({"number": number})
        asyncio.run(blocking.ainvoke({"number": number}))
        for _ in range(30):
            number += 1
            quick.invoke({"number": number})
            with contextlib.suppress(ValueError):
                failing.invoke({"number": number})


def troubled(is_over: Callable[[float], bool]) -> None:
    """More runs at once than may be followed, and graphs of too many names."""
    slow = graph("slow", lambda state: time.sleep(0.2) or state)
    number = 0
    while not is_over(0.2):
        together = [threading.Thread(target=slow.invoke, args=({"number": number},)) for _ in range(4)]
        for one in together:
            one.start()
        for one in together:
            one.join()
        number += 1
        graph(f"graph-{number % GRAPHS_TOO_MANY}", lambda state: state).invoke({"number": number})
        if number == 1:
            for name in range(GRAPHS_TOO_MANY):
                graph(f"graph-{name}", lambda state: state).invoke({"number": name})


def judged(is_over: Callable[[float], bool]) -> None:
    """Runs of which a baseline knows better ones, and a run that asks for more steps than it may take."""
    slower, late = graph("slower", lambda state: time.sleep(0.03) or state), graph("late", lambda state: state)
    while not is_over(0.1):
        slower.invoke({"number": 0})
        late.invoke({"number": 0})
        with contextlib.suppress(otel_agentperf.BudgetExceeded), otel_agentperf.budget(steps=1):
            late.invoke({"number": 0})
            late.invoke({"number": 0})


def main() -> None:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    {"steady": steady, "troubled": troubled, "judged": judged}[sys.argv[1]](over.wait)


if __name__ == "__main__":
    main()
