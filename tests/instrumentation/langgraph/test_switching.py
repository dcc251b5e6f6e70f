"""Switching on and off: graphs of before, libraries beside us, functions that a version lacks."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import subprocess
import sys
from functools import wraps
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import RetryPolicy
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import NoOpTracerProvider

from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.instrumentation.patching import Patches
from otel_agentperf.instrumentation.switch import Switch
from tests.instrumentation.langgraph.graphs import line
from tests.instrumentation.langgraph.test_cache import cached
from tests.instrumentation.langgraph.test_failures import AT_ONCE, BrokenError, failing
from tests.instrumentation.langgraph.test_interrupts import CONFIG, asking
from tests.instrumentation.langgraph.test_tools import plain
from tests.instrumentation.langgraph.trees import assert_tree, outcomes
from tests.telemetry import observed

TREE = ["invoke_workflow graph", "  invoke_node a", "  invoke_node b"]
PATCHED = [
    ("langgraph.pregel", "Pregel.stream"),
    ("langgraph.pregel", "Pregel.astream"),
    ("langgraph.pregel._loop", "PregelLoop._suppress_interrupt"),
    ("langgraph.pregel._runner", "run_with_retry"),
    ("langgraph.pregel._runner", "arun_with_retry"),
    ("langgraph.pregel._loop", "SyncPregelLoop.match_cached_writes"),
    ("langgraph.pregel._loop", "AsyncPregelLoop.amatch_cached_writes"),
    ("langgraph.pregel._retry", "_should_retry_on"),
    ("langchain_core.tools", "BaseTool.run"),
    ("langchain_core.tools", "BaseTool.arun"),
]


def holder(module: str, path: str) -> tuple[Any, str]:
    *parents, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, name


def functions() -> list[Any]:
    owners = [holder(module, path) for module, path in PATCHED]
    return [inspect.getattr_static(owner, name) for owner, name in owners]


def test_everything_is_as_before_once_it_is_switched_off() -> None:
    before = functions()
    assert all(before)
    with observed():
        assert not [function for function in functions() if function in before]
    assert functions() == before


def test_the_replaced_functions_look_like_the_ones_they_replace() -> None:
    before = [inspect.signature(function) for function in functions()]
    with observed():
        assert [inspect.signature(function) for function in functions()] == before
        assert inspect.iscoroutinefunction(BaseTool.arun)


def test_graphs_compiled_before_and_after_switching_on_are_seen_and_none_once_off() -> None:
    before = line()
    with observed() as telemetry:
        before.invoke({"seen": []})
        line().invoke({"seen": []})
    line().invoke({"seen": []})
    before.invoke({"seen": []})
    assert_tree(telemetry, TREE * 2)


def test_a_run_under_way_ends_its_span_after_switching_off() -> None:
    with observed() as telemetry:
        chunks = line().stream({"seen": []})
        next(chunks)
        LangGraphInstrumentor().uninstrument()
        list(chunks)
        assert_tree(telemetry, TREE[:2])
        LangGraphInstrumentor().instrument(tracer_provider=telemetry.provider)


@pytest.mark.parametrize(("module", "path"), PATCHED, ids=[path for _, path in PATCHED])
def test_a_library_that_wrapped_the_same_function_later_is_not_clobbered(
    module: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = holder(module, path)
    calls: list[str] = []
    expected = everything_expected()
    monkeypatch.setattr(owner, name, getattr(owner, name))  # puts the original back at the end
    with observed() as telemetry:
        ours = getattr(owner, name)

        @wraps(ours)
        def theirs(*args: Any, **kwargs: Any) -> Any:
            calls.append(path)
            return ours(*args, **kwargs)

        setattr(owner, name, theirs)
    assert getattr(owner, name) is theirs
    run_everything()
    assert not telemetry.spans, "what is left of ours hands everything on"
    assert calls
    with observed() as telemetry:
        run_everything()
    assert sorted(telemetry.tree()) == sorted(expected), "each is seen once, though ours is there twice"
    telemetry.assert_sound()
    assert getattr(owner, name) is theirs


def run_everything() -> None:
    line().invoke({"seen": []})
    asyncio.run(line(aio=True).ainvoke({"seen": []}))
    plain.invoke({"city": "Rome"})
    asyncio.run(plain.arun({"city": "Rome"}))
    graph = cached()
    graph.invoke({"seen": []})
    asyncio.run(graph.ainvoke({"seen": []}))
    failing_once().invoke({"seen": []})


def failing_once() -> Any:
    return failing([BrokenError()], retry_policy=RetryPolicy(retry_on=BrokenError, **AT_ONCE))


def everything_expected() -> list[str]:
    with observed() as telemetry:
        run_everything()
    return telemetry.tree()


def test_switching_on_again_and_again_sees_everything_once() -> None:
    for _ in range(3):
        with observed() as telemetry:
            LangGraphInstrumentor().uninstrument()
            LangGraphInstrumentor().instrument(tracer_provider=telemetry.provider)
            line().invoke({"seen": []})
        assert_tree(telemetry, TREE)


@pytest.mark.parametrize(("module", "path"), PATCHED, ids=[path for _, path in PATCHED])
def test_without_one_of_the_functions_all_else_works_and_it_is_said_once(
    module: str, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LangGraphInstrumentor, "_patches", Patches())
    replaced = Patches.replace

    def as_if_renamed(self: Patches, in_module: str, at: str, *args: Any, **kwargs: Any) -> bool:
        missing = (in_module, at) == (module, path)
        return replaced(self, in_module, f"{at}_of_old" if missing else at, *args, **kwargs)

    monkeypatch.setattr(Patches, "replace", as_if_renamed)
    for _ in range(2):
        with observed() as telemetry:
            run_everything()
            asking_graph()
        telemetry.assert_sound()
        assert telemetry.spans
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert f"{path}_of_old" in warned[0]
    caplog.clear()


def asking_graph() -> None:
    asking(checkpointer=InMemorySaver()).invoke({"seen": []}, CONFIG)


def test_a_whole_module_that_is_missing_is_said_and_done_without(caplog: pytest.LogCaptureFixture) -> None:
    patches = Patches()
    assert not patches.replace("langgraph.no_such_module", "function", lambda function: function)
    assert not patches.replace("langgraph.no_such_module", "function", lambda function: function)
    assert len(caplog.records) == 1
    caplog.clear()


def test_a_version_that_is_too_old_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("otel_agentperf.instrumentation.langgraph.OLDEST", "999")
    with observed() as telemetry:
        line().invoke({"seen": []})
    assert not telemetry.spans
    assert ["999 or newer is needed" in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()


BROKEN = """
import logging, sys
sys.modules[sys.argv[1]] = None
logging.basicConfig(format="%(message)s")
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
LangGraphInstrumentor().instrument()
LangGraphInstrumentor().uninstrument()
print("the program goes on")
"""


@pytest.mark.parametrize("broken", ["langgraph", "langgraph.errors", "langchain_core.tools"])
def test_a_library_that_cannot_be_imported_is_said_and_done_without(broken: str) -> None:
    program = [sys.executable, "-W", "ignore", "-c", BROKEN, broken]
    ended = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "the program goes on"
    said = [line for line in ended.stderr.splitlines() if line.startswith("otel-agentperf: ")]
    assert len(said) == (2 if broken == "langchain_core.tools" else 1), ended.stderr
    assert "Traceback" not in ended.stderr


def test_suppressed_instrumentation_makes_no_span() -> None:
    with observed() as telemetry, suppress_instrumentation():
        line().invoke({"seen": []})
        list(line().stream({"seen": []}))
        plain.invoke({"city": "Rome"})
    assert not telemetry.spans


def test_without_an_sdk_the_program_runs_as_ever() -> None:
    async def run() -> list[Any]:
        return [chunk async for chunk in line(aio=True).astream({"seen": []}, stream_mode="updates")]

    async def leave() -> None:
        async for _ in line(aio=True).astream({"seen": []}):
            break

    with observed(instrument=False) as telemetry:
        LangGraphInstrumentor().instrument(tracer_provider=NoOpTracerProvider())
        try:
            assert line().invoke({"seen": []})["seen"] == ["a", "b"]
            assert len(asyncio.run(run())) == 2
            asyncio.run(leave())
            assert plain.invoke({"city": "Rome"}) == "sunny in Rome"
            assert not trace.get_current_span().get_span_context().is_valid
        finally:
            LangGraphInstrumentor().uninstrument()
    telemetry.assert_sound()
    assert not telemetry.spans


def test_a_subclass_that_streams_by_itself_is_left_alone() -> None:
    graph_class: Any = importlib.import_module("langgraph.pregel").Pregel

    class Own(graph_class):
        def stream(self, *args: Any, **kwargs: Any) -> Any:
            yield "own"

    with observed() as telemetry:
        own = Own.__new__(Own)
        assert list(own.stream()) == ["own"]
    assert not outcomes(telemetry)
    assert not telemetry.spans


def test_the_switch_is_off_until_it_is_turned_on() -> None:
    with observed():
        switch = Switch("scope")
        assert switch.active() is None
        switch.turn_on(None)
        assert switch.active() is not None
        switch.turn_off()
        assert switch.active() is None
