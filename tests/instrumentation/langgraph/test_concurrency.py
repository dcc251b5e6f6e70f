"""Hundreds of runs at once, in threads and in one event loop: none gets what belongs to another."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langgraph.types import Send

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from tests.instrumentation.langgraph.graphs import START, State, new
from tests.instrumentation.langgraph.trees import attributes, sorted_tree, trace_id
from tests.telemetry import Telemetry, observed

RUNS = 300
TREE = [
    "invoke_workflow graph",
    "  invoke_node fan",
    *["  invoke_node work", "    generate_content gemini-2.5-flash"] * 3,
]


def spending(*, aio: bool) -> Any:
    """Three nodes at once; each asks a model for as many tokens as the run's number."""

    def fan(state: State) -> State:
        return {"seen": [state.get("session_id", "")]}

    def work(state: State) -> State:
        number = int(state.get("session_id", "0"))
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=number, output_tokens=1)
        return {"seen": [str(number)]}

    async def awork(state: State) -> State:
        await asyncio.sleep(0)
        return work(state)

    def spread(state: State) -> list[Any]:
        return [Send("work", state) for _ in range(3)]

    builder = new()
    builder.add_node("fan", fan)
    builder.add_node("work", awork if aio else work)
    builder.add_edge(START, "fan")
    builder.add_conditional_edges("fan", spread, ["work"])
    return builder.compile(name="graph")


def assert_not_mixed(telemetry: Telemetry) -> None:
    telemetry.assert_sound()
    by_trace: dict[int, set[object]] = {}
    for span in telemetry.spans:
        by_trace.setdefault(trace_id(span), set()).add(attributes(span).get(semconv.CONVERSATION_ID))
    assert len(by_trace) == RUNS
    assert all(len(found) == 1 for found in by_trace.values())
    assert sorted_tree(telemetry.tree()) == sorted_tree(TREE * RUNS)
    roots = telemetry.named("invoke_workflow graph")
    said = Counter(
        (attributes(root)[semconv.CONVERSATION_ID], attributes(root)[semconv.RUN_INPUT_TOKENS]) for root in roots
    )
    assert said == {(str(number), 3 * number): 1 for number in range(1, RUNS + 1)}
    for node in telemetry.named("invoke_node work"):
        assert str(attributes(node)[semconv.NODE_INPUT_TOKENS]) == attributes(node)[semconv.CONVERSATION_ID]


def given(number: int) -> State:
    return {"seen": [], "session_id": str(number)}


def test_runs_in_threads_are_not_mixed() -> None:
    graph = spending(aio=False)
    with observed() as telemetry, ThreadPoolExecutor(16) as pool:
        list(pool.map(graph.invoke, map(given, range(1, RUNS + 1))))
    assert_not_mixed(telemetry)


def test_runs_in_one_loop_are_not_mixed() -> None:
    graph = spending(aio=True)

    async def run() -> None:
        await asyncio.gather(*(graph.ainvoke(given(number)) for number in range(1, RUNS + 1)))

    with observed() as telemetry:
        asyncio.run(run())
    assert_not_mixed(telemetry)


def test_streams_that_one_thread_reads_in_turn_are_not_mixed() -> None:
    graph = spending(aio=False)
    with observed() as telemetry:
        streams = [graph.stream(given(number)) for number in range(1, RUNS + 1)]
        while streams:
            streams = [stream for stream in streams if next(stream, None) is not None]
    assert_not_mixed(telemetry)


def test_a_graph_that_runs_while_it_is_switched_off_and_on_leaves_nothing_open() -> None:
    graph = spending(aio=False)
    done = threading.Event()

    def keep_running() -> None:
        while not done.is_set():
            assert len(graph.invoke(given(1))["seen"]) == 4

    with observed() as telemetry, ThreadPoolExecutor(2) as pool:
        running = [pool.submit(keep_running) for _ in range(2)]
        for _ in range(20):
            LangGraphInstrumentor().uninstrument()
            LangGraphInstrumentor().instrument(tracer_provider=telemetry.provider)
            graph.invoke(given(2))
        done.set()
        for one in running:
            one.result()
    telemetry.assert_sound()
    assert len(telemetry.named("invoke_workflow graph")) >= 20
