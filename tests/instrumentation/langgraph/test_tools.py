"""Tools, called in every way: one span each, and fingerprints of what the model sent and got."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode  # pyright: ignore[reportMissingTypeStubs]
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt
from opentelemetry.trace import StatusCode
from typing_extensions import TypedDict

from otel_agentperf import guard, semconv
from tests.instrumentation.langgraph.graphs import START, new
from tests.instrumentation.langgraph.models import calling
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.instrumentation.langgraph.ways import since
from tests.telemetry import Telemetry, observed

HASHES = [
    semconv.TOOL_ARGUMENTS_HASH,
    semconv.TOOL_RESULT_HASH,
    semconv.TOOL_ERROR_HASH,
]


class Messages(TypedDict, total=False):
    messages: list[Any]
    user: str


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": "call-1", "type": "tool_call"}


@tool
def plain(city: str) -> str:
    """A plain tool."""
    return f"sunny in {city}"


@tool
async def later(city: str) -> str:
    """An asynchronous tool."""
    return f"sunny in {city}"


class OfItsOwn(BaseTool):
    """A tool that is a class."""

    name: str = "of_its_own"
    description: str = "a class"

    def _run(self, city: str) -> str:
        return f"sunny in {city}"


def forecast(city: str) -> str:
    """A function that becomes a tool."""
    return f"sunny in {city}"


structured = StructuredTool.from_function(forecast, name="structured")


def arun(one: BaseTool, args: Any) -> Any:
    return asyncio.run(one.arun(args))


def ainvoke(one: BaseTool, args: Any) -> Any:
    return asyncio.run(one.ainvoke(args))


def run(one: BaseTool, args: Any) -> Any:
    return one.run(args)


def invoke(one: BaseTool, args: Any) -> Any:
    return one.invoke(args)


@pytest.mark.parametrize(
    ("one", "way"),
    [
        *[(one, way) for one in (plain, structured, OfItsOwn()) for way in (run, invoke, arun, ainvoke)],
        (later, arun),
        (later, ainvoke),
    ],
    ids=lambda value: getattr(value, "__name__", None) or value.name,
)
def test_a_tool_called_in_any_way_is_one_span(one: BaseTool, way: Callable[[BaseTool, Any], Any]) -> None:
    with observed() as telemetry:
        assert way(one, {"city": "Rome"}) == "sunny in Rome"
    assert_tree(telemetry, [f"execute_tool {one.name}"])
    said = attributes(telemetry.spans[0])
    assert said[semconv.OPERATION_NAME] == "execute_tool"
    assert said[semconv.TOOL_NAME] == one.name
    assert said[semconv.TOOL_TYPE] == "function"
    assert said[semconv.TOOL_RESULT_SIZE] == len("sunny in Rome")
    assert said[semconv.TOOL_NO_ARGUMENTS] is False
    assert semconv.TOOL_CALL_ID not in said


def test_equal_calls_have_equal_hashes_however_they_are_made() -> None:
    with observed() as telemetry:
        plain.invoke({"city": "Rome"})
        plain.invoke(call("plain", city="Rome"))
        plain.invoke("Rome")
        asyncio.run(plain.ainvoke(call("plain", city="Oslo")))
    first, by_call, _, other = (attributes(span) for span in telemetry.spans)
    assert [first[key] for key in HASHES[:2]] == [by_call[key] for key in HASHES[:2]]
    assert all(first[key] != other[key] for key in HASHES[:2])
    assert by_call[semconv.TOOL_CALL_ID] == "call-1"


def test_a_tool_that_calls_a_tool_holds_it() -> None:
    @tool
    def outer(city: str) -> str:
        """A tool that calls another."""
        return str(plain.invoke({"city": city}))

    with observed() as telemetry:
        outer.invoke({"city": "Rome"})
    assert_tree(telemetry, ["execute_tool outer", "  execute_tool plain"])


@tool
def broken(number: int) -> str:
    """A tool that raises."""
    raise ToolException(f"no answer for {number} in '{number}'")


@tool
async def abroken(number: int) -> str:
    """An asynchronous tool that raises."""
    raise ToolException(f"no answer for {number} in '{number}'")


@pytest.mark.parametrize(("one", "way"), [(broken, invoke), (broken, ainvoke), (abroken, ainvoke)])
def test_a_tool_that_raises_is_an_error_whose_hash_ignores_its_numbers(
    one: BaseTool, way: Callable[[BaseTool, Any], Any]
) -> None:
    with observed() as telemetry:
        for number in (1, 2):
            with pytest.raises(ToolException):
                way(one, {"number": number})
    assert_tree(telemetry, [f"execute_tool {one.name}"] * 2, errors=True)
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.ERROR}
    assert {span.status.description for span in telemetry.spans} == {None}
    assert set(outcomes(telemetry).values()) == {"langchain_core.tools.base.ToolException"}
    assert len({attributes(span)[semconv.TOOL_ERROR_HASH] for span in telemetry.spans}) == 1
    assert all(semconv.TOOL_RESULT_HASH not in attributes(span) for span in telemetry.spans)


def test_an_error_that_the_tool_handles_itself_is_an_error_where_it_says_so() -> None:
    handling = broken.model_copy(update={"handle_tool_error": True})
    strict = plain.model_copy(update={"handle_validation_error": True})
    with observed() as telemetry:
        assert handling.invoke(call("broken", number=1)).status == "error"
        assert strict.invoke(call("plain", town="Rome")).status == "error"
        assert isinstance(handling.invoke({"number": 1}), str)
    assert [span.status.status_code for span in telemetry.spans] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ], "without a tool call it returns plain text, which no one can tell from an answer"
    assert [attributes(span).get(semconv.ERROR_TYPE) for span in telemetry.spans] == ["tool_error", "tool_error", None]
    telemetry.assert_sound()


def test_an_error_whose_text_cannot_be_made_costs_its_hash_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @tool
    def mute() -> str:
        """A tool that raises what has no text."""
        raise MuteError

    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry, pytest.raises((MuteError, RuntimeError)):
        mute.invoke({})
    span = telemetry.one("execute_tool mute")
    assert span.status.status_code is StatusCode.ERROR
    assert semconv.TOOL_ERROR_HASH not in attributes(span)
    assert guard.error_counts() == {"langgraph.tool.result": 1}
    assert ["internal error" in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()


def tools_graph(*tools: Any, **compiling: Any) -> Any:
    builder = new(Messages)
    builder.add_node("tools", ToolNode([*tools]))
    builder.add_edge(START, "tools")
    return builder.compile(name="graph", **compiling)


def ask(*calls: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"messages": [calling(*calls)], **more}


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_tools_that_run_at_once_lie_beneath_their_node(aio: bool) -> None:
    graph = tools_graph(plain, OfItsOwn())
    given = ask(("plain", {"city": "Rome"}), ("of_its_own", {"city": "Oslo"}), ("plain", {"city": "Bern"}))
    with observed() as telemetry:
        ended = asyncio.run(graph.ainvoke(given)) if aio else graph.invoke(given)
    assert len(ended["messages"]) == 3
    assert_tree(
        telemetry,
        """
        invoke_workflow graph
          invoke_node tools
            execute_tool plain
            execute_tool of_its_own
            execute_tool plain
        """,
    )
    ids = {attributes(span).get(semconv.TOOL_CALL_ID) for span in telemetry.spans[2:]}
    assert ids == {"call-1", "call-2", "call-3"}


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_an_error_that_the_node_handles_is_the_tools_alone(aio: bool) -> None:
    builder = new(Messages)
    builder.add_node("tools", ToolNode([broken], handle_tool_errors=True))
    builder.add_edge(START, "tools")
    graph = builder.compile(name="graph")
    given = ask(("broken", {"number": 1}))
    with observed() as telemetry:
        asyncio.run(graph.ainvoke(given)) if aio else graph.invoke(given)
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node tools", "    execute_tool broken"], errors=True)
    assert outcomes(telemetry) == {"execute_tool broken": "langchain_core.tools.base.ToolException"}


def test_a_tool_that_asks_is_interrupted_and_no_error() -> None:
    @tool
    def confirm(question: str) -> str:
        """Asks."""
        return str(interrupt(question))

    config = {"configurable": {"thread_id": "t"}}
    graph = tools_graph(confirm, checkpointer=InMemorySaver())
    with observed() as telemetry:
        graph.invoke(ask(("confirm", {"question": "sure?"})), config)
        names = ["invoke_workflow graph", "invoke_node tools", "execute_tool confirm"]
        assert outcomes(telemetry) == dict.fromkeys(names, "interrupted")
        graph.invoke(Command(resume="yes"), config)
    tree = ["invoke_workflow graph", "  invoke_node tools", "    execute_tool confirm"]
    assert_tree(telemetry, tree * 2)
    assert {attributes(span)[semconv.CONVERSATION_ID] for span in telemetry.spans} == {"t"}


@tool
def with_state(city: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Gets the state."""
    return city if state else ""


@tool
def with_field(city: str, user: Annotated[str, InjectedState("user")]) -> str:
    """Gets a field of the state."""
    return city if user else ""


@tool
def with_store(city: str, store: Annotated[Any, InjectedStore()]) -> str:
    """Gets the store."""
    return city if store is not None else ""


@tool
def with_call_id(city: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> str:
    """Gets the id of the call."""
    return city if tool_call_id else ""


def with_runtime() -> BaseTool:
    runtime = importlib.import_module("langgraph.prebuilt").ToolRuntime

    def takes(city: str, runtime: Any) -> str:
        return city if runtime.state else ""

    takes.__annotations__["runtime"] = runtime
    return StructuredTool.from_function(takes, name="with_runtime", description="Gets the runtime.")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: with_state, id="state"),
        pytest.param(lambda: with_field, id="a text of the state"),
        pytest.param(lambda: with_store, id="store"),
        pytest.param(lambda: with_call_id, id="id of the call"),
        pytest.param(with_runtime, id="runtime", marks=since("1.0", "ToolRuntime")),
    ],
)
def test_what_langgraph_injects_is_no_argument(make: Callable[[], BaseTool]) -> None:
    one = make()
    graph = tools_graph(one, store=InMemoryStore())
    with observed() as telemetry:
        for user in ("ann", "bob"):
            graph.invoke(ask((one.name, {"city": "Rome"}), user=user))
        plain.invoke({"city": "Rome"})
    telemetry.assert_sound()
    first, second = (attributes(span) for span in telemetry.named(f"execute_tool {one.name}"))
    expected = attributes(telemetry.one("execute_tool plain"))[semconv.TOOL_ARGUMENTS_HASH]
    assert first[semconv.TOOL_ARGUMENTS_HASH] == second[semconv.TOOL_ARGUMENTS_HASH] == expected


def results(telemetry: Telemetry, name: str) -> list[object]:
    return [attributes(span)[semconv.TOOL_RESULT_HASH] for span in telemetry.named(f"execute_tool {name}")]


def test_results_are_compared_by_their_content_and_not_by_the_ids_in_them() -> None:
    made: list[int] = []

    @tool
    def update(city: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Updates the state."""
        made.append(1)
        message = ToolMessage(city, tool_call_id=tool_call_id, id=f"message-{len(made)}")
        return Command(update={"messages": [message]})

    with observed() as telemetry:
        for place, city in enumerate(("Rome", "Rome", "Oslo")):
            update.invoke({"name": "update", "args": {"city": city}, "id": f"call-{place}", "type": "tool_call"})
            plain.invoke({"name": "plain", "args": {"city": city}, "id": f"call-{place}", "type": "tool_call"})
    for name in ("update", "plain"):
        first, second, other = results(telemetry, name)
        assert first == second, name
        assert first != other, name


def test_a_tool_without_arguments_says_so() -> None:
    @tool
    def now() -> str:
        """Needs nothing."""
        return "noon"

    with observed() as telemetry:
        now.invoke({})
        now.invoke(call("now"))
    assert [attributes(span)[semconv.TOOL_NO_ARGUMENTS] for span in telemetry.spans] == [True, True]


def test_a_message_that_is_no_tools_answer_is_a_result_like_any_other() -> None:
    @tool(return_direct=True)
    def speak(word: str) -> Any:
        """Returns a message."""
        return AIMessage(word)

    with observed() as telemetry:
        for _ in range(2):
            speak.invoke({"word": "hello"})
    first, second = results(telemetry, "speak")
    assert first == second
