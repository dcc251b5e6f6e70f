"""Prebuilt agents: `invoke_agent` spans, whatever the state or the call's config looks like."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool

from otel_agentperf import semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import InOrder
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.langgraph.graphs import START, State, line, new
from tests.instrumentation.langgraph.models import Scripted, calling
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.telemetry import observed


def needs(module: str) -> pytest.MarkDecorator:
    """Runs a test only where a library is installed, and says which one is not."""
    try:
        absent = importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        absent = True
    return pytest.mark.skipif(absent, reason=f"{module} is not installed in this environment")


@tool
def weather(city: str) -> str:
    """Weather."""
    return f"sunny in {city}"


def react_agent(model: Any, tools: Sequence[Any] = (weather,), **options: Any) -> Any:
    """LangGraph's prebuilt agent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated since 1.0
        make = importlib.import_module("langgraph.prebuilt").create_react_agent
        return make(model, [*tools], **options)


def langchain_agent(model: Any, tools: Sequence[Any] = (weather,), **options: Any) -> Any:
    """LangChain's agent."""
    return importlib.import_module("langchain.agents").create_agent(model, [*tools], **options)


AGENTS = [
    pytest.param(react_agent, "agent", id="create_react_agent"),
    pytest.param(langchain_agent, "model", id="create_agent", marks=needs("langchain.agents")),
]
Make = Callable[..., Any]
ASKED = {"messages": [("user", "How is the weather?")]}


def scripted() -> Scripted:
    return Scripted(answers=[calling(("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})), AIMessage("Fine.")])


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("make", "model_node"), AGENTS)
def test_a_prebuilt_agent_is_an_agent_by_its_name(make: Make, model_node: str, aio: bool) -> None:
    agent = make(scripted(), name="forecaster")
    with observed() as telemetry:
        ended = asyncio.run(agent.ainvoke(ASKED)) if aio else agent.invoke(ASKED)
    assert ended["messages"][-1].text == "Fine." or ended["messages"][-1].content == "Fine."
    tools = [line for line in telemetry.tree() if "tool" in line]
    assert sum("execute_tool weather" in line for line in tools) == 2
    lines = [line for line in telemetry.tree() if "invoke_node tools" not in line and "execute_tool" not in line]
    assert lines == ["invoke_agent forecaster", *[f"  invoke_node {model_node}"] * 2]
    telemetry.assert_sound()
    assert not outcomes(telemetry)
    root = attributes(telemetry.one("invoke_agent forecaster"))
    assert root[semconv.OPERATION_NAME] == "invoke_agent"
    assert root[semconv.AGENT_NAME] == "forecaster"
    assert semconv.WORKFLOW_NAME not in root
    assert root[semconv.RUN_TOOL_CALLS] == 2
    assert {attributes(span)[semconv.AGENT_NAME] for span in telemetry.named("execute_tool weather")} == {"forecaster"}


@pytest.mark.parametrize(("make", "model_node"), AGENTS)
def test_an_agent_with_a_prompt_or_another_config_is_still_one(make: Make, model_node: str) -> None:
    del model_node
    key = "prompt" if make is react_agent else "system_prompt"
    agent = make(scripted(), name="forecaster", **{key: "Be brief."})
    with observed() as telemetry:
        agent.with_config({"tags": ["a"], "metadata": {"team": "x"}}).invoke(ASKED)
        list(agent.stream(ASKED))
    assert len(telemetry.named("invoke_agent forecaster")) == 2
    telemetry.assert_sound()


@pytest.mark.parametrize(("make", "model_node"), AGENTS)
def test_an_agent_without_a_name_goes_by_the_node_that_it_is(make: Make, model_node: str) -> None:
    builder: Any = new(importlib.import_module("langgraph.graph").MessagesState)
    builder.add_node("forecaster", make(scripted()))
    builder.add_edge(START, "forecaster")
    graph = builder.compile(name="graph")
    with observed() as telemetry:
        graph.invoke(ASKED)
        make(scripted()).invoke(ASKED)
    assert telemetry.tree()[:4] == [
        "invoke_workflow graph",
        "  invoke_node forecaster",
        "    invoke_agent forecaster",
        f"      invoke_node {model_node}",
    ]
    assert len(telemetry.named("invoke_agent LangGraph")) == 1
    telemetry.assert_sound()


@pytest.mark.parametrize(("make", "model_node"), AGENTS)
def test_a_graph_called_by_an_agent_is_no_agent_for_that(make: Make, model_node: str) -> None:
    inner = line("x", name="inner_graph")

    @tool
    def research(topic: str, config: RunnableConfig) -> str:
        """Runs a graph."""
        return str(inner.invoke({"seen": [topic]}, config)["seen"])

    model = Scripted(answers=[calling(("research", {"topic": "t"})), AIMessage("Done.")])
    with observed() as telemetry:
        make(model, [research], name="boss").invoke(ASKED)
    assert_tree(
        telemetry,
        f"""
        invoke_agent boss
          invoke_node {model_node}
          invoke_node tools
            execute_tool research
              invoke_workflow inner_graph
                invoke_node x
          invoke_node {model_node}
        """,
    )


def test_a_graph_that_only_looks_like_an_agent_is_a_workflow() -> None:
    def agent(_state: State) -> State:
        return {"seen": ["a"]}

    builder = new()
    builder.add_node("agent", agent)
    builder.add_node("model", agent)
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "model")
    with observed() as telemetry:
        graph = builder.compile(name="graph")
        graph.invoke({"seen": []}, {"metadata": {"ls_integration": "langchain_create_agent"}})
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node agent", "  invoke_node model"])


@needs("langchain_google_genai")
@pytest.mark.parametrize(("make", "model_node"), AGENTS)
def test_an_agent_on_gemini_holds_its_billed_requests(make: Make, model_node: str) -> None:
    google = importlib.import_module("langchain_google_genai")
    answers = InOrder(
        [
            lambda request: replies.content(request, [replies.function_call("weather", {"city": "Rome"})], replies.FEW),
            lambda request: replies.content(request, replies.text("Fine."), replies.FEW),
        ]
    )
    with GeminiServer(answers) as server, observed() as telemetry:
        model = google.ChatGoogleGenerativeAI(
            model="gemini-2.5-flash", api_key="none", base_url=server.base_url, max_retries=1
        )
        make(model, name="forecaster").invoke(ASKED, {"configurable": {"thread_id": "t-9"}})
    assert_tree(
        telemetry,
        f"""
        invoke_agent forecaster
          invoke_node {model_node}
            generate_content gemini-2.5-flash
          invoke_node tools
            execute_tool weather
          invoke_node {model_node}
            generate_content gemini-2.5-flash
        """,
    )
    root = attributes(telemetry.one("invoke_agent forecaster"))
    assert root[semconv.RUN_INFERENCE_CALLS] == 2
    assert root[semconv.RUN_INPUT_TOKENS] == 2 * replies.FEW.prompt
    assert {attributes(span)[semconv.CONVERSATION_ID] for span in telemetry.spans} == {"t-9"}
