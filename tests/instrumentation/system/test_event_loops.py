"""Real asyncio programs of LangGraph: who holds the loop is named, and nobody else."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import warnings
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import MessagesState, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.prebuilt import ToolNode  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from otel_agentperf import guard, semconv
from otel_agentperf.config import Settings
from otel_agentperf.instrumentation.system import SystemInstrumentor
from otel_agentperf.live import loops
from otel_agentperf.live.loops import LoopWatch
from tests.instrumentation.system.programs import State, blocking, graph_of, in_a_thread, line_of, well_behaved
from tests.telemetry import Telemetry, observed

BLOCKED = semconv.NODE_RESOURCES + semconv.RESOURCE_KEYS["blocked_ns"]
LONGEST = semconv.NODE_RESOURCES + semconv.RESOURCE_KEYS["blocked_max_ns"]


@contextmanager
def watched() -> Generator[Telemetry]:
    """Everything on, without samples: they have nothing to do with this."""
    chosen = Settings(fingerprint_key="test", optimization_threshold=0.0, sample_interval=0.0)
    with observed(settings=chosen) as telemetry:
        instrumentor = SystemInstrumentor()
        instrumentor.instrument(meter_provider=telemetry.meter_provider)
        try:
            yield telemetry
            assert guard.error_counts() == {}
        finally:
            instrumentor.uninstrument()


def blocked(telemetry: Telemetry) -> dict[str, float]:
    """For how long each node held its loop, in seconds."""
    found: dict[str, float] = {}
    for span in telemetry.spans:
        attributes: Any = span.attributes
        if BLOCKED in attributes:
            found[span.name.removeprefix("invoke_node ")] = attributes[BLOCKED]
    return found


def lags(telemetry: Telemetry) -> HistogramDataPoint:
    """How late the timers of all loops were."""
    (point,) = telemetry.points(semconv.METRIC_EVENT_LOOP_LAG)
    assert isinstance(point, HistogramDataPoint)
    return point


def test_the_node_with_a_blocking_call_is_named_and_the_others_are_not() -> None:
    with watched() as telemetry:
        graph = line_of(good=well_behaved, bad=blocking, threaded=in_a_thread)
        asyncio.run(graph.ainvoke({"text": ""}))
        seen = blocked(telemetry)
        (event,) = telemetry.suggestions("RES003")
        telemetry.assert_sound()
    assert set(seen) == {"bad"}
    assert 0.5 < seen["bad"] < 5
    attributes: Any = event.attributes
    assert attributes[semconv.SUGGESTION_APPLIES_TO] == ("node:bad",)
    evidence = json.loads(attributes[semconv.SUGGESTION_EVIDENCE])
    assert evidence["blocked_s"] == pytest.approx(seen["bad"], abs=0.001)


def test_of_nodes_that_run_at_once_only_the_blocking_one_is_named() -> None:
    with watched() as telemetry:
        asyncio.run(graph_of(good=well_behaved, bad=blocking, other=well_behaved).ainvoke({"text": ""}))
        assert set(blocked(telemetry)) == {"bad"}


def test_a_well_behaved_program_is_silent() -> None:
    with watched() as telemetry:
        asyncio.run(graph_of(a=well_behaved, b=in_a_thread, c=well_behaved).ainvoke({"text": ""}))
        assert blocked(telemetry) == {}
        assert telemetry.suggestions("RES003") == []
        assert lags(telemetry).count >= 5


def test_a_plain_function_runs_in_a_thread_and_is_silent() -> None:
    def plain(state: State) -> State:
        time.sleep(0.5)
        return state

    with watched() as telemetry:
        asyncio.run(graph_of(plain=plain, good=well_behaved).ainvoke({"text": ""}))  # pyright: ignore[reportArgumentType]
        assert blocked(telemetry) == {}


def test_code_in_a_task_that_the_node_starts_is_the_nodes() -> None:
    async def step() -> None:
        time.sleep(0.5)  # noqa: ASYNC251 - the very thing

    async def gathers(state: State) -> State:
        await asyncio.gather(asyncio.sleep(0.6), step())
        return state

    with watched() as telemetry:
        asyncio.run(graph_of(gathers=gathers, good=well_behaved).ainvoke({"text": ""}))
        assert set(blocked(telemetry)) == {"gathers"}


def test_a_blocking_tool_is_charged_to_its_node() -> None:
    @tool
    async def fetch(url: str) -> str:
        """Fetch a page."""
        time.sleep(0.5)  # noqa: ASYNC251 - the very thing
        return url

    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([fetch]))
    graph.set_entry_point("tools")
    call = {"name": "fetch", "args": {"url": "x"}, "id": "1", "type": "tool_call"}
    with watched() as telemetry:
        asyncio.run(graph.compile().ainvoke({"messages": [AIMessage("", tool_calls=[call])]}))
        assert set(blocked(telemetry)) == {"tools"}


def test_the_inner_node_is_named_and_not_the_one_around_it() -> None:
    inner = graph_of(inner=blocking)

    async def outer(state: State) -> State:
        return await inner.ainvoke(state)

    with watched() as telemetry:
        asyncio.run(graph_of(outer=outer).ainvoke({"text": ""}))
        assert set(blocked(telemetry)) == {"inner"}


def test_a_block_that_ends_with_its_node_is_still_charged_to_it() -> None:
    async def straight(state: State) -> State:
        await asyncio.sleep(0.06)
        time.sleep(0.5)  # noqa: ASYNC251 - the very thing
        return state

    with watched() as telemetry:
        asyncio.run(graph_of(straight=straight).ainvoke({"text": ""}))
        seen = blocked(telemetry)
        span = telemetry.one("invoke_node straight")
    assert 0.3 < seen["straight"] < 5
    assert (span.attributes or {})[LONGEST] == seen["straight"]


def test_a_node_that_fails_after_a_block_is_charged_and_its_error_passes() -> None:
    async def failing(state: State) -> State:
        await blocking(state)
        raise ValueError("its own")

    with watched() as telemetry:
        with pytest.raises(ValueError, match="its own"):
            asyncio.run(graph_of(failing=failing).ainvoke({"text": ""}))
        assert set(blocked(telemetry)) == {"failing"}


def test_a_block_of_another_task_is_charged_to_nobody() -> None:
    async def program() -> None:
        async def stranger() -> None:
            await asyncio.sleep(0.1)
            time.sleep(0.5)  # noqa: ASYNC251 - the very thing

        outside = asyncio.create_task(stranger())
        await graph_of(good=well_behaved).ainvoke({"text": ""})
        await outside

    with watched() as telemetry:
        asyncio.run(program())
        assert blocked(telemetry) == {}
        assert lags(telemetry).max > 0.3, "it is seen, and nobody is blamed"


def test_threads_that_compute_are_not_the_loops_fault() -> None:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(10_000))

    busy = [threading.Thread(target=compute) for _ in range(8)]
    for thread in busy:
        thread.start()
    try:
        with watched() as telemetry:
            asyncio.run(graph_of(a=well_behaved, b=well_behaved).ainvoke({"text": ""}))
            assert blocked(telemetry) == {}
    finally:
        stop.set()
        for thread in busy:
            thread.join()


def test_several_loops_in_threads_are_told_apart() -> None:
    with watched() as telemetry:
        programs = [graph_of(bad=blocking), graph_of(good=well_behaved)]
        threads = [threading.Thread(target=asyncio.run, args=(graph.ainvoke({"text": ""}),)) for graph in programs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(blocked(telemetry)) == {"bad"}


def test_no_loop_is_kept_alive_and_nothing_warns_at_its_end() -> None:
    seen: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def program() -> None:
        seen.append(weakref.ref(asyncio.get_running_loop()))
        await graph_of(quick=_quick).ainvoke({"text": ""})

    async def _quick(state: State) -> State:
        return state

    with watched(), warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(program())
        gc.collect()
        assert seen[0]() is None


def test_the_timer_rests_when_no_node_runs() -> None:
    lags: list[float] = []

    async def program() -> None:
        watch = LoopWatch(lags.append)
        watched_loop = watch.enter()
        assert watched_loop is not None
        watch.leave(watched_loop)
        await asyncio.sleep(0.3)
        assert len(lags) == 1, "one that was set already, and none after it"
        assert not watched_loop.is_armed
        watch.stop()

    asyncio.run(program())


def test_a_loop_that_stands_still_between_two_runs_is_not_late() -> None:
    lags: list[float] = []
    watch = LoopWatch(lags.append)
    loop = asyncio.new_event_loop()

    async def enter() -> None:
        watch.enter()

    loop.run_until_complete(enter())
    standing = threading.Event()
    standing.wait(0.5)
    loop.run_until_complete(asyncio.sleep(0.1))
    watch.stop()
    loop.close()
    assert lags
    assert max(lags) < 0.3


def test_outside_of_a_loop_there_is_nothing_to_watch() -> None:
    assert LoopWatch(lambda _: None).enter() is None


def test_switched_off_nothing_is_watched() -> None:
    with watched() as telemetry:
        SystemInstrumentor().uninstrument()
        assert loops.enter() is None
        asyncio.run(graph_of(bad=blocking).ainvoke({"text": ""}))
        assert blocked(telemetry) == {}
        SystemInstrumentor().instrument(meter_provider=telemetry.meter_provider)


def test_an_error_of_the_watch_does_not_reach_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")

    def failing(_self: LoopWatch) -> None:
        raise ValueError

    monkeypatch.setattr(LoopWatch, "enter", failing)
    with observed(settings=Settings(fingerprint_key="test", sample_interval=0.0)) as telemetry:
        instrumentor = SystemInstrumentor()
        instrumentor.instrument(meter_provider=telemetry.meter_provider)
        asyncio.run(graph_of(good=well_behaved).ainvoke({"text": ""}))
        instrumentor.uninstrument()
    assert guard.error_counts() == {"loops.enter": 1}


def test_a_loop_whose_watch_cannot_start_is_left_alone_and_watched_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    watch = LoopWatch(lambda _: None)
    start = threading.Thread.start

    def failing(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def program() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(threading.Thread, "start", failing)
        with pytest.raises(RuntimeError):
            watch.enter()
        assert not [each for each in watch._loops.values() if each.open or each.is_armed]  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(threading.Thread, "start", start)
        entered = watch.enter()
        assert entered is not None
        assert entered.loop() is loop
        assert (entered.open, entered.is_armed) == (1, True)
        watch.leave(entered)

    asyncio.run(program())
    watch.stop()


def test_a_watch_that_is_stopped_just_before_it_rests_ends() -> None:
    watch = LoopWatch(lambda _: None)

    class StoppedAtOnce(threading.Event):
        """One that `stop` sets between the question whether to go on and the clearing of the wake."""

        def clear(self) -> None:
            watch.stop()
            super().clear()

    watch._wake = StoppedAtOnce()  # pyright: ignore[reportPrivateUsage]
    thread = threading.Thread(target=watch._watch, daemon=True)  # pyright: ignore[reportPrivateUsage]
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive()
