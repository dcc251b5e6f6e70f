"""`ChatGoogleGenerativeAI`, in a LangGraph node and without one, beside instrumentations of LangChain."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, TypedDict, cast

import pytest
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_agentperf import semconv
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.beside import MISSING, OF_LANGCHAIN, OURS_FIRST, PEERS, beside
from tests.telemetry import observed

pytestmark = pytest.mark.skipif(
    find_spec("langchain_google_genai") is None,
    reason="langchain-google-genai is not installed beside this google-genai",
)
TOKENS = Tokens(prompt=100, candidates=60, thoughts=30)
IN_ORDER = {True: "ours first", False: "ours last"}
NAME = f"generate_content {ways.MODEL}"


class State(TypedDict):
    text: str


@contextmanager
def model(server: GeminiServer) -> Generator[Any]:
    """A chat model, whose client is closed again afterwards."""
    made: Any = importlib.import_module("langchain_google_genai").ChatGoogleGenerativeAI
    chat = made(model=ways.MODEL, google_api_key="loopback", base_url=server.base_url, max_retries=1)
    yield chat
    gc.collect()


async def _close(chat: Any) -> None:
    await ways.close(chat.client)


def _graph(node: Any) -> Any:
    graph: Any = cast("Any", StateGraph)(State)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(name="asking")


def _leave_early(chat: Any) -> None:
    for _ in chat.stream("hello"):
        break
    gc.collect()


BY_ITSELF: dict[str, Callable[[Any], object]] = {
    "invoke": lambda chat: chat.invoke("hello"),
    "stream": lambda chat: list(chat.stream("hello")),
    "stream, break": _leave_early,
}


def _in_node(ask: Callable[[Any], object]) -> Callable[[Any], object]:
    def run(chat: Any) -> object:
        def node(_: State) -> State:
            ask(chat)
            return {"text": "asked"}

        return _graph(node).invoke({"text": ""}, {"configurable": {"thread_id": "T"}})

    return run


def _ainvoke_in_node(chat: Any) -> object:
    async def node(_: State) -> State:
        await chat.ainvoke("hello")
        await _close(chat)
        return {"text": "asked"}

    return asyncio.run(_graph(node).ainvoke({"text": ""}))


def _astream_in_node(chat: Any) -> object:
    async def node(_: State) -> State:
        async for _ in chat.astream("hello"):
            pass
        await _close(chat)
        return {"text": "asked"}

    return asyncio.run(_graph(node).ainvoke({"text": ""}))


SCENARIOS: dict[str, Callable[[Any], object]] = {
    **BY_ITSELF,
    **{f"{name} in a node": _in_node(ask) for name, ask in BY_ITSELF.items()},
    "ainvoke in a node": _ainvoke_in_node,
    "astream in a node": _astream_in_node,
}


def _expected(scenario: str) -> tuple[int, int, int, Decimal]:
    output = 50 if "break" in scenario else 90
    return (1, 100, output, 100 * Decimal("0.3e-6") + output * Decimal("2.5e-6"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ours_first", OURS_FIRST, ids=IN_ORDER.get)
@pytest.mark.parametrize("peers", OF_LANGCHAIN, ids=" + ".join)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_request_counts_once(scenario: str, peers: tuple[str, ...], ours_first: bool) -> None:
    assert not MISSING, f"not installed: {MISSING}"
    with beside(peers, ours_first=ours_first) as counted, GeminiServer(FixedResponder(tokens=TOKENS)) as server:
        with model(server) as chat:
            SCENARIOS[scenario](chat)
        seen = {span.instrumentation_scope.name for span in counted.peer_spans()}
        both_official = {"official google-genai", "official langchain"} <= set(peers)
        silenced = {PEERS["official google-genai"].scope} if both_official else set[str]()
        assert seen == {PEERS[name].scope for name in peers} - silenced, "a peer made no span"
        assert counted.on_spans() == _expected(scenario)
        assert counted.in_runs() == _expected(scenario)
        assert counted.in_metrics() == _expected(scenario)[:3]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("peers", OF_LANGCHAIN, ids=" + ".join)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_request_counts_once_when_nothing_is_sampled(scenario: str, peers: tuple[str, ...]) -> None:
    with (
        beside(peers, ours_first=False, sampler=ALWAYS_OFF) as counted,
        GeminiServer(FixedResponder(tokens=TOKENS)) as server,
    ):
        with model(server) as chat:
            SCENARIOS[scenario](chat)
        assert counted.in_runs() == _expected(scenario)
        measured = _expected(scenario)[:3]
        if "break" in scenario and "official langchain" in peers:
            # It measures the time of an abandoned stream and no tokens; unsampled, nothing tells it from the others.
            measured = (1, 0, 0)
        assert counted.in_metrics() == measured
        assert counted.telemetry.spans == []


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.endswith("in a node")])
def test_without_a_peer_the_request_lies_beneath_its_node(scenario: str) -> None:
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed() as telemetry:
        with model(server) as chat:
            SCENARIOS[scenario](chat)
        telemetry.assert_sound()
        assert telemetry.tree() == ["invoke_workflow asking", "  invoke_node ask", f"    {NAME}"]
        root = dict(telemetry.one("invoke_workflow asking").attributes or {})
    assert (root[semconv.RUN_INPUT_TOKENS], root[semconv.RUN_OUTPUT_TOKENS]) == _expected(scenario)[1:3]
