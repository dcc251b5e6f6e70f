"""Streams that their reader leaves: the run ends as abandoned, whoever closes it, wherever."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace

from otel_agentperf import semconv
from tests.instrumentation.langgraph.graphs import line, nested
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.instrumentation.langgraph.ways import since
from tests.telemetry import observed

ONE_STEP = ["invoke_workflow graph", "  invoke_node a"]
ALL_STEPS = [*ONE_STEP, "  invoke_node b"]
GIVEN = {"seen": ["-"]}


def leave_by_break(chunks: Generator[Any]) -> None:
    for _ in chunks:
        break


def leave_by_close(chunks: Generator[Any]) -> None:
    next(chunks)
    chunks.close()


def leave_to_another_thread(chunks: Generator[Any]) -> None:
    next(chunks)
    thread = threading.Thread(target=chunks.close)
    thread.start()
    thread.join()


def leave_in_another_context(chunks: Generator[Any]) -> None:
    contextvars.copy_context().run(next, chunks)
    contextvars.Context().run(chunks.close)


def leave_in_a_cycle(chunks: Generator[Any]) -> None:
    next(chunks)
    cycle: list[Any] = [chunks]
    cycle.append(cycle)


@pytest.mark.parametrize(
    "leave",
    [leave_by_break, leave_by_close, leave_to_another_thread, leave_in_another_context, leave_in_a_cycle],
)
def test_a_stream_that_is_left_ends_as_abandoned(leave: Callable[[Generator[Any]], None]) -> None:
    with observed() as telemetry:
        leave(line().stream(GIVEN, stream_mode="updates"))
        gc.collect()
    assert_tree(telemetry, ONE_STEP)
    assert outcomes(telemetry) == {"invoke_workflow graph": "abandoned"}


def test_a_stream_of_graphs_within_graphs_that_is_left_leaves_nothing_open() -> None:
    with observed() as telemetry:
        for name, _ in nested().stream(GIVEN, stream_mode="updates", subgraphs=True):
            if name:
                break
        gc.collect()
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
    )
    assert outcomes(telemetry) == {"invoke_workflow graph": "abandoned"}


def test_each_step_may_run_in_another_context_or_thread() -> None:
    with observed() as telemetry:
        chunks = line("abcd").stream(GIVEN, stream_mode="updates")
        contextvars.Context().run(next, chunks)
        contextvars.copy_context().run(next, chunks)
        thread = threading.Thread(target=next, args=(chunks,))
        thread.start()
        thread.join()
        assert len(list(chunks)) == 1
    assert_tree(telemetry, ["invoke_workflow graph", *(f"  invoke_node {name}" for name in "abcd")])
    assert not outcomes(telemetry)


def test_while_the_caller_holds_a_chunk_its_own_context_is_current() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        for _ in line().stream(GIVEN, stream_mode="updates"):
            assert not context_api.get_current()
            with tracer.start_as_current_span("between"):
                pass
    assert_tree(telemetry, [*ALL_STEPS, "between", "between"])


def test_a_span_opened_between_steps_does_not_take_in_the_next_node() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        chunks = line().stream(GIVEN, stream_mode="updates")
        next(chunks)
        with tracer.start_as_current_span("between") as between:
            next(chunks)
            assert trace.get_current_span() is between
        assert not list(chunks)
    assert_tree(telemetry, [*ALL_STEPS, "between"])


def test_a_stream_that_is_never_begun_makes_no_span() -> None:
    async def never() -> None:
        line().astream(GIVEN)

    with observed() as telemetry:
        line().stream(GIVEN)
        asyncio.run(never())
        gc.collect()
    assert_tree(telemetry, [])


def test_streams_keep_their_type_and_take_what_is_thrown() -> None:
    class ThrownError(Exception):
        pass

    with observed() as telemetry:
        chunks = line().stream(GIVEN)
        assert inspect.isgenerator(chunks)
        next(chunks)
        thrown = ThrownError()
        with pytest.raises(ThrownError) as caught:
            chunks.throw(thrown)
        assert caught.value is thrown
        assert inspect.isasyncgen(line().astream(GIVEN))
    assert outcomes(telemetry) == {"invoke_workflow graph": f"{__name__}.{ThrownError.__qualname__}"}


async def abreak(chunks: AsyncGenerator[Any]) -> None:
    async for _ in chunks:
        break


async def aclose(chunks: AsyncGenerator[Any]) -> None:
    await anext(chunks)
    await chunks.aclose()


async def aclose_in_another_task(chunks: AsyncGenerator[Any]) -> None:
    await asyncio.create_task(anext(chunks))
    await asyncio.create_task(chunks.aclose())


async def adrop(chunks: AsyncGenerator[Any]) -> None:
    await anext(chunks)


@pytest.mark.parametrize("leave", [abreak, aclose, aclose_in_another_task, adrop])
def test_an_asynchronous_stream_that_is_left_ends_as_abandoned(leave: Callable[[AsyncGenerator[Any]], Any]) -> None:
    async def run() -> None:
        await leave(line(aio=True).astream(GIVEN, stream_mode="updates"))
        gc.collect()
        await asyncio.sleep(0)

    with observed() as telemetry:
        asyncio.run(run())
    assert_tree(telemetry, ONE_STEP)
    assert outcomes(telemetry) == {"invoke_workflow graph": "abandoned"}


def test_a_loop_that_shuts_down_closes_an_open_stream_in_silence() -> None:
    kept: list[Any] = []

    async def run() -> None:
        for mode in ("updates", ["updates", "messages"]):
            chunks = line(aio=True).astream(GIVEN, stream_mode=mode)
            kept.append(chunks)
            await anext(chunks)

    with observed() as telemetry:
        asyncio.run(run())
    assert_tree(telemetry, ONE_STEP * 2)
    assert outcomes(telemetry) == {"invoke_workflow graph": "abandoned"}


def test_a_loop_that_is_closed_without_shutting_down_loses_no_span() -> None:
    async def begin() -> Any:
        chunks = line(aio=True).astream(GIVEN, stream_mode="updates")
        await anext(chunks)
        return chunks

    with observed() as telemetry:
        loop = asyncio.new_event_loop()
        chunks = loop.run_until_complete(begin())
        loop.close()
        del chunks
        gc.collect()
    assert_tree(telemetry, ONE_STEP)
    assert outcomes(telemetry) == {"invoke_workflow graph": "abandoned"}


def test_each_step_may_run_in_another_task() -> None:
    async def run() -> None:
        chunks = line("abc", aio=True).astream(GIVEN, stream_mode="updates")
        for _ in "abc":
            await asyncio.create_task(anext(chunks), context=contextvars.Context())
            assert not context_api.get_current()
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)

    with observed() as telemetry:
        asyncio.run(run())
    assert_tree(telemetry, ["invoke_workflow graph", *(f"  invoke_node {name}" for name in "abc")])
    assert not outcomes(telemetry)


LEFT_BEHIND = """
import asyncio, gc
from tests.instrumentation.langgraph.graphs import line
from tests.telemetry import observed

async def hold(state):
    await asyncio.Future()

async def begin(graph):
    task = asyncio.create_task(graph.ainvoke({"seen": []}))
    for _ in range(10):
        await asyncio.sleep(0)
    return task

with observed() as telemetry:
    graph = line("a", aio=True)
    graph.nodes["a"].bound.afunc = hold
    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(begin(graph))
    loop.close()
    del task
    gc.collect()
    telemetry.assert_sound()
    print(telemetry.tree())
"""


def test_a_task_that_its_loop_leaves_behind_loses_no_span() -> None:
    program = [sys.executable, "-W", "ignore", "-c", LEFT_BEHIND]
    ended = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == str(ONE_STEP)
    assert "Task was destroyed but it is pending" in ended.stderr, "the loop says so, with or without us"
    assert "detach" not in ended.stderr
    assert "internal error" not in ended.stderr


def test_a_run_that_is_cancelled_says_so_and_is_no_error() -> None:
    async def run() -> None:
        reached = asyncio.Event()
        graph = line("a", aio=True)

        async def hold(state: object) -> None:
            del state
            reached.set()
            await asyncio.Future()

        graph.nodes["a"].bound.afunc = hold
        running = asyncio.create_task(graph.ainvoke(GIVEN))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with observed() as telemetry:
        asyncio.run(run())
    assert_tree(telemetry, ONE_STEP)
    assert outcomes(telemetry) == {"invoke_workflow graph": "cancelled", "invoke_node a": "cancelled"}
    assert attributes(telemetry.one("invoke_workflow graph"))[semconv.RUN_ERRORS] == 0


def test_events_that_are_left_midway_leave_nothing_open() -> None:
    async def run() -> None:
        events = line("abc", aio=True).astream_events(GIVEN, version="v2")
        async for event in events:
            if event["event"] == "on_chain_end":
                break
        await events.aclose()
        gc.collect()

    with observed() as telemetry:
        asyncio.run(run())
    telemetry.assert_sound()
    root = telemetry.one("invoke_workflow graph")
    assert attributes(root)[semconv.LANGGRAPH_OUTCOME] in {"cancelled", "abandoned"}


@since("1.2", "stream_events_v3")
@pytest.mark.filterwarnings("ignore:.*v3 streaming protocol")
def test_events_of_version_3_that_are_left_midway_leave_nothing_open() -> None:
    async def run() -> None:
        events = await line("abc", aio=True).astream_events(GIVEN, version="v3")
        await anext(aiter(events))
        del events
        gc.collect()
        await asyncio.sleep(0)

    with observed() as telemetry:
        next(iter(line("abc").stream_events(GIVEN, version="v3")))
        gc.collect()
        asyncio.run(run())
    telemetry.assert_sound()
    assert outcomes(telemetry)["invoke_workflow graph"] == "abandoned"
