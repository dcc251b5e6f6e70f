# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""A limit of one repetition alarm: a loop is stopped, an agent that makes progress is not."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

import otel_agentperf
from otel_agentperf import BudgetExceeded, config, semconv
from otel_agentperf.budgets import BudgetLimit
from otel_agentperf.reading.sdk import read_span
from tests.instrumentation.langgraph.models import Scripted, calling
from tests.live.budgets.loop import State, ask, endless, gemini
from tests.telemetry import Telemetry, observed


@tool
def read_file(path: str) -> str:
    """Read a file."""
    return f"contents of {path}"


@tool
def write_file(path: str, text: str) -> str:
    """Write a file."""
    del path, text
    return "ok"


@tool
def fetch(url: str) -> str:
    """Fetch a page."""
    del url
    return "403 Forbidden"


@tool
def weather(query: str) -> str:
    """Ask for the weather."""
    del query
    return "no data"


@tool
def shell(command: str) -> str:
    """Run a command."""
    del command
    return "all passed"


@tool
def open_config(path: str) -> str:
    """Read a file that may not be there."""
    raise FileNotFoundError(f"[Errno 2] No such file or directory: {path!r}")


@tool
def search(query: str) -> str:
    """Search."""
    del query
    return "2.1 million"


TOOLS = [read_file, write_file, fetch, weather, shell, open_config, search]
FOLDER = "/home/ann/shop/src/components/checkout"
SITE = "https://docs.example.org/library/reference"
HEALTHY: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "files": [("read_file", {"path": f"{FOLDER}/{name}.tsx"}) for name in ("Form", "Item", "Total", "Taxes", "Note")],
    "written files": [
        ("write_file", {"path": f"{FOLDER}/{name}.tsx", "text": "export the component of the page"})
        for name in ("Form", "Item", "Total", "Taxes", "Note")
    ],
    "pages": [
        ("fetch", {"url": f"{SITE}/{name}.html"}) for name in ("typing", "logging", "pathlib", "asyncio", "json")
    ],
    "cities": [
        ("weather", {"query": f"current weather and temperature today in the city of {name}"})
        for name in ("Oslo", "Bonn", "Ghent", "Turin", "Porto")
    ],
    "cities in small letters": [
        ("weather", {"query": f"how is the weather in {name} tomorrow morning please"})
        for name in ("oslo", "bonn", "ghent", "turin", "porto")
    ],
    "tests": [
        ("shell", {"command": f"pytest -q --maxfail 1 tests/{name}"}) for name in ("cart", "form", "item", "tax")
    ],
    "files that are not there": [
        ("open_config", {"path": f"/srv/shop/{name}"}) for name in ("setup.py", "setup.cfg", "tox.ini", "noxfile.py")
    ],
}
QUESTIONS = (
    "population of the town of Ghent in Belgium",
    "town of Ghent Belgium population",
    "What is the population of the town of Ghent in Belgium?",
    "please tell me the population of Ghent, a town in Belgium",
    "Belgium population of the town Ghent",
    "the town of Ghent in Belgium: population",
)
LOOPS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "the same again": [("read_file", {"path": f"{FOLDER}/Form.tsx"})] * 20,
    "the same in other words": [("search", {"query": question}) for question in QUESTIONS * 3],
    "two tools in turns": [("read_file", {"path": "a.py"}), ("shell", {"command": "pytest -q tests/cart"})] * 10,
}


def agent(calls: list[tuple[str, dict[str, Any]]]) -> Any:
    """A graph of a model and its tools, which makes these calls one after another."""
    model = Scripted(answers=[*[calling(call) for call in calls], AIMessage("done")])

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def after_thinking(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

    builder = cast("Any", StateGraph)(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode(TOOLS, handle_tool_errors=True))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", after_thinking, ["tools", END])
    builder.add_edge("tools", "think")
    return builder.compile(name="coder")


def run(calls: list[tuple[str, dict[str, Any]]]) -> Any:
    return agent(calls).invoke({"messages": [HumanMessage("go")]}, {"recursion_limit": 200})


@pytest.mark.parametrize("name", HEALTHY)
def test_an_agent_that_asks_for_one_thing_after_another_is_not_stopped(name: str) -> None:
    with observed() as telemetry:
        with otel_agentperf.budget(repetition_alarms=1) as held:
            answer = run(HEALTHY[name])
        telemetry.assert_sound()
        assert len(telemetry.named(f"execute_tool {HEALTHY[name][0][0]}")) == len(HEALTHY[name])
        assert not telemetry.suggestions("REP001")
    assert answer["messages"][-1].content == "done"
    assert held.totals.repetition_alarms == 0


@pytest.mark.parametrize("name", LOOPS)
def test_an_agent_in_a_loop_is_stopped(name: str) -> None:
    with observed() as telemetry:
        with pytest.raises(BudgetExceeded) as caught, otel_agentperf.budget(repetition_alarms=1):
            run(LOOPS[name])
        telemetry.assert_sound()
        called = sum(span.name.startswith("execute_tool") for span in telemetry.spans)
    assert caught.value.limit is BudgetLimit.REPETITION_ALARMS
    assert called <= 6


def reported(telemetry: Telemetry) -> list[tuple[str, str, str, int]]:
    """The events of the rules of repetition: rule, level, first target and wasted calls."""
    found: list[tuple[str, str, str, int]] = []
    for event in telemetry.suggestions():
        attributes: Any = event.attributes
        if attributes[semconv.SUGGESTION_RULE].startswith("REP"):
            evidence = json.loads(attributes[semconv.SUGGESTION_EVIDENCE])
            level, target = attributes[semconv.SUGGESTION_LEVEL], attributes[semconv.SUGGESTION_APPLIES_TO][0]
            found.append((attributes[semconv.SUGGESTION_RULE], level, target, evidence.get("wasted_calls", 0)))
    return found


@pytest.mark.parametrize("name", LOOPS)
def test_a_short_loop_is_one_event(name: str) -> None:
    with observed() as telemetry:
        run(LOOPS[name][:5])
        telemetry.assert_sound()
        assert [event[:2] for event in reported(telemetry)] == [("REP001", "alarm")]


def test_a_long_loop_of_two_tools_is_reported_again_as_it_doubles() -> None:
    with observed() as telemetry:
        run(LOOPS["two tools in turns"])
        telemetry.assert_sound()
        assert reported(telemetry) == [("REP001", "alarm", "tool:read_file", wasted) for wasted in (3, 6, 12)]


def test_a_loop_of_a_node_its_request_and_its_tool_is_one_suggestion() -> None:
    def work(_state: State) -> State:
        ask(client)
        read_file.invoke({"path": "a.py"})
        return {}

    with observed(settings=config.Settings(optimization_threshold=0.0)) as telemetry, gemini() as (client, _):
        with pytest.raises(Exception, match="Recursion limit"):
            endless(work).invoke({}, {"recursion_limit": 8})
        events = reported(telemetry)
        (root,) = telemetry.named("invoke_workflow loop")
        repetition = [event for event in root.events if event.name == semconv.EVENT_SUGGESTION]
    assert {rule for rule, *_ in events} == {"REP001"}
    assert not [
        event for event in repetition if str((event.attributes or {})[semconv.SUGGESTION_RULE]).startswith("REP")
    ]


def test_a_loop_of_a_node_its_request_and_its_tool_is_one_alarm_of_a_budget() -> None:
    def work(_state: State) -> State:
        ask(client)
        read_file.invoke({"path": "a.py"})
        return {}

    with (
        observed(),
        gemini() as (client, _),
        otel_agentperf.budget(repetition_alarms=3) as held,
        pytest.raises(Exception, match="Recursion limit"),
    ):
        endless(work).invoke({}, {"recursion_limit": 12})
    assert held.totals.repetition_alarms == 1


def test_whether_an_argument_is_a_sentence_is_read_back_from_the_span() -> None:
    with observed() as telemetry:
        run([("search", {"query": QUESTIONS[0]}), ("read_file", {"path": "a.py"})])
        spans = [telemetry.one("execute_tool search"), telemetry.one("execute_tool read_file")]
        written = [(span.attributes or {})[semconv.TOOL_ARGUMENT_IS_SENTENCE] for span in spans]
    records = [read_span(span) for span in spans]
    assert written == [True, False]
    assert [
        record.operation.tool.argument_is_sentence for record in records if record and record.operation.tool
    ] == written
