"""An error of our own at any callback: the program's result is the same, and it is said once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from otel_agentperf import guard
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.instrumentation.langgraph import conversation, outcomes, runs, tool_prints
from otel_agentperf.live import frames, pipeline
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.pricing.book import PriceBook
from tests.instrumentation.langgraph.graphs import START, line, new
from tests.instrumentation.langgraph.test_cache import cached
from tests.instrumentation.langgraph.test_failures import AT_ONCE, BrokenError, RetryPolicy, failing
from tests.instrumentation.langgraph.test_interrupts import CONFIG, asking
from tests.instrumentation.langgraph.test_tools import ask, broken, plain, tools_graph
from tests.telemetry import observed, span_id


class OurError(Exception):
    """What goes wrong inside us."""


def run_everything() -> list[Any]:
    """Every callback of ours is called; what comes back is what must not change."""

    async def stream() -> list[Any]:
        return [chunk async for chunk in line(aio=True).astream({"seen": []}, stream_mode="updates")]

    async def leave() -> None:
        chunks = line(aio=True).astream({"seen": []})
        await anext(chunks)
        await chunks.aclose()

    got: list[Any] = [
        line().invoke({"seen": []}),
        asyncio.run(line(aio=True).ainvoke({"seen": []})),
        list(line().stream({"seen": []}, stream_mode="updates")),
        asyncio.run(stream()),
        asyncio.run(leave()),
        plain.invoke({"city": "Rome"}),
        asyncio.run(plain.arun({"city": "Rome"})),
    ]
    for _ in line().stream({"seen": []}):
        break
    graph = cached()
    got += [graph.invoke({"seen": []}), graph.invoke({"seen": []}), asyncio.run(graph.ainvoke({"seen": []}))]
    policy = RetryPolicy(retry_on=BrokenError, **AT_ONCE)
    got.append(failing([BrokenError()], retry_policy=policy).invoke({"seen": []}))
    for raising in (failing([BrokenError("text")]), broken):
        try:
            raising.invoke({"seen": [], "number": 1})
        except Exception as error:  # noqa: BLE001 - whatever it is must not change
            got.append((type(error), str(error).partition("During task")[0]))
    got.append(len(asking(checkpointer=InMemorySaver()).invoke({"seen": []}, CONFIG)["__interrupt__"]))
    got.append([one.content for one in tools_graph(plain).invoke(ask(("plain", {"city": "Rome"})))["messages"]])
    return got


def raising(*_: Any, **__: Any) -> Any:
    raise OurError("secret")


PLACES: list[tuple[Any, str]] = [
    (Pipeline, "open"),
    (Pipeline, "close"),
    (Pipeline, "account"),
    (Engine, "begin"),
    (Engine, "observe"),
    (Engine, "finish"),
    (Fingerprinter, "state"),
    (Fingerprinter, "arguments"),
    (Fingerprinter, "digest"),
    (Fingerprinter, "error"),
    (PriceBook, "match_service"),
    (pipeline, "add_operation"),
    (pipeline, "operation_of"),
    (frames, "current"),
    (outcomes, "of"),
    (outcomes, "interrupt_run"),
    (conversation, "session_from_baggage"),
    (tool_prints, "is_error"),
    (runs, "is_prebuilt_agent"),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[f"{owner.__name__}.{name}" for owner, name in PLACES])
def test_an_error_of_ours_changes_nothing_for_the_program(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run_everything()
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, raising)
            assert run_everything() == expected
            assert run_everything() == expected
        counted = guard.error_counts()
        ended = {span_id(span) for span in telemetry.spans}
        assert {span_id(span) for span in telemetry.started} == ended, "a span was never ended"
        assert not telemetry.pipeline.engine.live_runs
        logged = [record.getMessage() for record in caplog.records]
        assert len(logged) == len(counted)
        assert sum(counted.values()) > len(counted)
        assert not [line for line in logged if "secret" in line]
        caplog.clear()
        telemetry.exporter.clear()
        assert run_everything() == expected
        assert telemetry.named("invoke_node a"), "and it goes on where the error is gone"


def test_the_guard_is_needed_at_no_callback_of_a_sound_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry:
        run_everything()
    telemetry.assert_sound()


def test_the_processor_that_ends_a_run_at_shutdown_ends_it_once() -> None:
    with observed() as telemetry:
        chunks = line().stream({"seen": []}, stream_mode="updates")
        next(chunks)
        telemetry.pipeline.close_open_runs()
        list(chunks)
    telemetry.assert_sound()
    root = telemetry.one("invoke_workflow graph")
    assert (root.attributes or {})["langgraph.outcome"] == "abandoned"


class Unreadable:
    """An object that raises when its attributes are asked for."""

    @property
    def __dict__(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        raise OurError


def cycle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "value",
    [run_everything, b"\xff", cycle(), {(1, 2): {3.5: None}}, Unreadable()],
    ids=["function", "bytes", "cycle", "strange keys", "unreadable"],
)
def test_a_state_of_any_kind_costs_at_most_its_hash(
    value: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def work(given: dict[str, Any]) -> dict[str, Any]:
        return given

    builder = new(dict)
    builder.add_node("a", work)
    builder.add_edge(START, "a")
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry:
        assert builder.compile(name="graph").invoke({"value": value})["value"] is value
    assert telemetry.tree() == ["invoke_workflow graph", "  invoke_node a"]
    assert len(caplog.records) == isinstance(value, Unreadable)
    caplog.clear()
