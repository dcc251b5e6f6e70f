"""No text of a state, an argument, an answer or an error leaves the process, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, RetryPolicy, Send, interrupt
from opentelemetry._logs import Logger
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_agentperf import config
from tests.instrumentation.langgraph.graphs import START, State, as_task, entry, new
from tests.instrumentation.langgraph.models import Scripted, calling
from tests.instrumentation.langgraph.test_agents import react_agent
from tests.instrumentation.langgraph.test_failures import AT_ONCE
from tests.instrumentation.langgraph.test_tools import tools_graph
from tests.telemetry import Telemetry, observed

CANARY = "canary-7f3a"
STATE: State = {"seen": [CANARY]}


class CanaryError(Exception):
    """Its text is a canary."""


@tool
def echo(word: str) -> str:
    """Says it again."""
    return f"{word} {CANARY}"


@tool
def fail(word: str) -> str:
    """Fails with it."""
    raise CanaryError(f"{word} {CANARY}")


def graph_of(*nodes: Any, **options: Any) -> Any:
    builder = new()
    adding = options.pop("adding", {})
    for place, node in enumerate(nodes):
        builder.add_node(f"n{place}", node, **adding)
        builder.add_edge(START if place == 0 else f"n{place - 1}", f"n{place}")
    return builder.compile(name="graph", **options)


def say(state: State) -> State:
    return {"seen": [CANARY, *state.get("seen", [])]}


def raise_it(state: State) -> State:
    raise CanaryError(f"{CANARY} in {state}")


async def araise_it(state: State) -> State:
    raise CanaryError(f"{CANARY} in {state}")


def ask_it(_state: State) -> State:
    return {"seen": [interrupt(CANARY)]}


def through_states() -> None:
    graph_of(say, say).invoke(STATE)
    list(graph_of(say, say).stream(STATE, stream_mode=["values", "updates", "debug"]))

    def spread(state: State) -> list[Send]:
        return [Send("work", {**state, "more": CANARY})]

    builder = new()
    builder.add_node("plan", say)
    builder.add_node("work", say)
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", spread, ["work"])
    builder.compile().invoke(STATE)


def through_errors() -> None:
    for graph in (
        graph_of(raise_it),
        graph_of(raise_it, adding={"retry_policy": RetryPolicy(retry_on=CanaryError, **AT_ONCE)}),
    ):
        with pytest.raises(CanaryError):
            graph.invoke(STATE)
    with pytest.raises(CanaryError):
        asyncio.run(graph_of(araise_it).ainvoke(STATE))


def through_interrupts() -> None:
    settings: Any = {"configurable": {"thread_id": "t"}}
    graph = graph_of(ask_it, checkpointer=InMemorySaver())
    graph.invoke(STATE, settings)
    graph.invoke(Command(resume=CANARY), settings)


def through_tools() -> None:
    for given in (CANARY, {"word": CANARY}):
        echo.invoke(given)
        with pytest.raises(CanaryError):
            fail.invoke(given)
        with pytest.raises(CanaryError):
            asyncio.run(fail.ainvoke(given))
    handled = tools_graph(echo, fail.model_copy(update={"handle_tool_error": True}))
    with contextlib.suppress(CanaryError):  # the node of an older version makes an answer of it
        handled.invoke({"messages": [calling(("echo", {"word": CANARY}), ("fail", {"word": CANARY}))]})


def through_an_agent() -> None:
    call = calling(*[("weather", {"city": CANARY})] * 5)
    react_agent(Scripted(answers=[call, AIMessage(CANARY)]), name="agent").invoke({"messages": [("user", CANARY)]})


def through_tasks() -> None:
    @as_task
    def repeat(word: str) -> str:
        return word * 2

    @entry()
    def flow(word: str) -> str:
        return str(repeat(word).result())

    flow.invoke(CANARY)


def through_leaving() -> None:
    for _ in graph_of(say, say).stream(STATE):
        break


PATHS = [
    through_states,
    through_errors,
    through_interrupts,
    through_tools,
    through_an_agent,
    through_tasks,
    through_leaving,
]


def everything_said(telemetry: Telemetry, logs: InMemoryLogRecordExporter) -> str:
    """All that any exporter would get, as text."""
    spans = [span.to_json() for span in telemetry.spans]
    metrics = telemetry.reader.get_metrics_data()
    records = [
        record.to_json() if hasattr(record, "to_json") else str(record.log_record)
        for record in logs.get_finished_logs()
    ]
    return json.dumps([*spans, metrics.to_json() if metrics is not None else "", *records])


@pytest.mark.parametrize("path", PATHS)
def test_no_content_is_in_any_span_metric_or_log(
    path: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "otel_agentperf")
    caplog.set_level(logging.DEBUG, "opentelemetry")
    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))

    def get_logger(*_: object) -> Logger:
        return provider.get_logger("test")

    monkeypatch.setattr("otel_agentperf.live.pipeline.get_logger", get_logger)
    settings = config.Settings(fingerprint_key="test", emit="both", optimization_threshold=0)
    with observed(settings=settings) as telemetry:
        path()
        said = everything_said(telemetry, logs)
    assert telemetry.spans
    telemetry.assert_sound()
    assert CANARY not in said
    logged = [record for record in caplog.records if record.name.startswith(("otel", "opentelemetry"))]
    assert CANARY not in "\n".join(f"{record.getMessage()} {record.exc_info}" for record in logged)
    assert not [event.name for span in telemetry.spans for event in span.events if event.name == "exception"]
    assert {span.status.description for span in telemetry.spans} == {None}


def test_the_look_through_everything_would_find_a_canary() -> None:
    with observed() as telemetry:
        with telemetry.provider.get_tracer("app").start_as_current_span("app") as span:
            span.set_attribute("said", CANARY)
        assert CANARY in everything_said(telemetry, InMemoryLogRecordExporter())


def test_suggestions_are_among_what_is_looked_at() -> None:
    with observed(settings=config.Settings(optimization_threshold=0)) as telemetry:
        through_an_agent()
    assert telemetry.suggestions()


def test_an_error_of_ours_says_nothing_of_what_was_at_hand(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raise_with_content(_self: object, content: object) -> None:
        raise ValueError(str(content))

    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    monkeypatch.setattr("otel_agentperf.fingerprint.Fingerprinter.state", raise_with_content)
    monkeypatch.setattr("otel_agentperf.fingerprint.Fingerprinter.arguments", raise_with_content)
    with observed() as telemetry:
        through_states()
        through_tools()
        said = everything_said(telemetry, InMemoryLogRecordExporter())
    ours = [record for record in caplog.records if record.name.startswith("otel")]
    assert len(ours) == 2
    assert not [record for record in ours if CANARY in record.getMessage() or record.exc_info]
    assert CANARY not in said
    caplog.clear()
