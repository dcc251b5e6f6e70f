"""What came of a program in metrics, in plain words; and a graph that asks Gemini on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.google_genai import ways

Points = Mapping[str, Sequence[NumberDataPoint | HistogramDataPoint]]


def words(point: NumberDataPoint | HistogramDataPoint) -> str:
    """The values of a point's attributes, in the order of their names."""
    return " ".join(str(value) for _, value in sorted((point.attributes or {}).items()))


def sums(points: Sequence[object]) -> dict[str, float]:
    """The points of a sum by the values of their attributes."""
    return {words(point): float(point.value) for point in points if isinstance(point, NumberDataPoint)}


def histograms(points: Sequence[object]) -> dict[str, HistogramDataPoint]:
    """The points of a histogram by the values of their attributes."""
    return {words(point): point for point in points if isinstance(point, HistogramDataPoint)}


class State(TypedDict):
    text: str


def server(*, prompt_tokens: int = 100_000) -> GeminiServer:
    """Answers everything alike: at 100,000 tokens of gemini-2.5-flash for $0.03."""
    return GeminiServer(FixedResponder(tokens=Tokens(prompt=prompt_tokens, candidates=0)))


def graph(gemini: GeminiServer, *nodes: str, name: str = "researcher", failing: str = "") -> Any:
    """A graph whose nodes run in turn, each asking the model the same thing.

    Args:
        gemini: whom they ask.
        nodes: their names.
        name: the graph's.
        failing: the node that raises instead.
    """
    client = ways.client_of(gemini)

    def ask(node: str) -> Any:
        def run(state: State) -> State:
            if node == failing:
                raise LookupError(node)
            client.models.generate_content(model=ways.MODEL, contents=state["text"])
            return {"text": state["text"]}

        return run

    made: Any = StateGraph(State)
    for node in nodes:
        made.add_node(node, ask(node))
    for before, after in zip((START, *nodes), nodes, strict=False):
        made.add_edge(before, after)
    return made.compile(name=name)
