# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
from __future__ import annotations

from typing import TypedDict

import pytest
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from otel_agentperf import config, semconv
from otel_agentperf.demo.server import GeminiServer
from tests.replay_calls import gemini_client
from tests.telemetry import Telemetry, observed


class State(TypedDict):
    n: int


@tool
def click(selector: str) -> str:
    """Click."""
    return selector


def run_graph() -> None:
    def web(state: State) -> State:
        click.invoke({"selector": "#a"})
        return {"n": state["n"] + 1}

    graph = StateGraph(State)
    graph.add_node("web", web)
    graph.add_edge(START, "web")
    graph.add_edge("web", END)
    graph.compile(name="g").invoke({"n": 0})


def charged(telemetry: Telemetry) -> float:
    spans = telemetry.named("use_service browser")
    return sum(float(str((span.attributes or {})[semconv.USAGE_COST])) for span in spans)


@pytest.mark.parametrize(
    "match", [{"nodes": ["web"]}, {"tools": ["click"]}, {"nodes": ["web"], "tools": ["click"]}, {"nodes": ["w*"]}]
)
def test_a_service_is_billed_once_by_its_outermost_match(match: dict[str, list[str]]) -> None:
    settings = config.Settings(prices={"services": {"browser": {"per_call_usd": 0.25, **match}}})
    with observed(settings=settings) as telemetry:
        run_graph()
        assert charged(telemetry) == pytest.approx(0.25)
        telemetry.assert_sound()


def test_a_graph_under_a_span_with_a_request_of_its_own_keeps_its_session() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = gemini_client(server)

        def ask(state: State) -> State:
            client.models.generate_content(model="gemini-2.5-flash", contents="hello")
            return {"n": state["n"] + 1}

        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", END)
        with telemetry.provider.get_tracer("web").start_as_current_span("POST /chat"):
            client.models.generate_content(model="gemini-2.5-flash", contents="hello")
            graph.compile(name="g").invoke({"n": 0}, {"configurable": {"thread_id": "t-1"}})
        root = telemetry.one("invoke_workflow g").attributes or {}
    assert root[semconv.CONVERSATION_ID] == "t-1"
    assert root[semconv.RUN_INFERENCE_CALLS] == 1
