"""The programs of `growth.py`: one very long run, one with large prompts, and very many runs at once.

Like `scenario.py` they run in a process of their own, with one of `variants.py`, and print one line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any, TypedDict

import callgrind
import scenario
import variants

SPANS_PER_STEP = 3
WINDOW_STEPS = 20


class State(TypedDict):
    """How far the loop is."""

    step: int


def loop(url: str, at_steps: list[int], *, same_arguments: bool) -> dict[str, Any]:
    """One run whose node, tool and Gemini request repeat; callgrind counts some stretches of it and its end."""
    graphs, tools = importlib.import_module("langgraph.graph"), importlib.import_module("langchain_core.tools")
    requests, client = callgrind.Requests(), scenario.make_client(url)
    last = at_steps[-1] + WINDOW_STEPS

    def click(place: int) -> str:
        """Click at a place."""
        return f"clicked {place % 7}"

    clicking = tools.tool(click)

    def work(state: State) -> State:
        step = state["step"] + 1
        if step in at_steps:
            gc.collect()
            requests.request(callgrind.START)
            requests.request(callgrind.ZERO)
        elif step - WINDOW_STEPS in at_steps:
            requests.request(callgrind.DUMP)
            if step != last:
                requests.request(callgrind.STOP)
        clicking.invoke({"place": 0 if same_arguments else step})
        client.models.generate_content(model=scenario.MODEL, contents=f"Step {step}: what next?")
        if step == last:
            requests.request(callgrind.ZERO)
        return {"step": step}

    def further(state: State) -> str:
        return graphs.END if state["step"] >= last else "work"

    graph = graphs.StateGraph(State)
    graph.add_node("work", work)
    graph.add_edge(graphs.START, "work")
    graph.add_conditional_edges("work", further)
    app = graph.compile(name="loop")
    app.invoke({"step": 0}, {"recursion_limit": last + 10})
    requests.request(callgrind.DUMP)
    requests.request(callgrind.STOP)
    return {"steps": last}


def prompts(url: str, size: int, calls: int) -> dict[str, Any]:
    """One run of requests whose prompts differ and have the same size; callgrind counts each request."""
    graphs = importlib.import_module("langgraph.graph")
    requests, client = callgrind.Requests(), scenario.make_client(url)
    filler = "All work and no play makes a dull prompt. " * (size // 42)

    def ask(state: State) -> State:
        for number in range(calls):
            prompt = f"{number:04} {filler}"
            gc.collect()
            requests.request(callgrind.START)
            requests.request(callgrind.ZERO)
            client.models.generate_content(model=scenario.MODEL, contents=prompt)
            requests.request(callgrind.DUMP)
            requests.request(callgrind.STOP)
        return {"step": state["step"] + 1}

    graph = graphs.StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(graphs.START, "ask")
    graph.add_edge("ask", graphs.END)
    graph.compile(name="prompts").invoke({"step": 0})
    return {"calls": calls}


def held(url: str, number: int) -> dict[str, Any]:
    """Many runs that have each begun, made one Gemini request, and wait."""
    graphs, client = importlib.import_module("langgraph.graph"), scenario.make_client(url)

    def work(state: State) -> State:
        client.models.generate_content(model=scenario.MODEL, contents=f"Run {state['step']}: what next?")
        return {"step": state["step"] + 1}

    graph = graphs.StateGraph(State)
    graph.add_node("work", work)
    graph.add_node("more", work)
    graph.add_edge(graphs.START, "work")
    graph.add_edge("work", "more")
    graph.add_edge("more", graphs.END)
    app = graph.compile(name="held")
    list(app.stream({"step": 0}))
    gc.collect()
    before = scenario.resident_bytes()
    runs: list[Iterator[Any]] = []
    for place in range(number):
        run = app.stream({"step": place})
        next(run)
        runs.append(run)
    gc.collect()
    grown = scenario.resident_bytes() - before
    live = _live_runs()
    for run in runs:
        list(run)
    return {"bytes_per_run": grown / number, "live": live, "live_after": _live_runs()}


def _live_runs() -> int | None:
    module: Any = sys.modules.get("otel_agentperf.live.pipeline")
    active = None if module is None else module.current()
    return None if active is None else active.engine.live_runs


def main() -> None:
    """Set up, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=("loop", "held", "prompts"))
    parser.add_argument("variant", choices=sorted(variants.VARIANTS))
    parser.add_argument("--url", required=True)
    parser.add_argument("--at-steps", type=int, nargs="+", default=[])
    parser.add_argument("--same-arguments", action="store_true")
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--size", type=int, default=0)
    given = parser.parse_args()
    setup = variants.VARIANTS[given.variant](None)
    if given.program == "loop":
        told = loop(given.url, given.at_steps, same_arguments=given.same_arguments)
    elif given.program == "prompts":
        told = prompts(given.url, given.size, given.number)
    else:
        told = held(given.url, given.number)
    setup.flush()
    print(json.dumps({**told, "spans": setup.spans_seen()}))


if __name__ == "__main__":
    main()
