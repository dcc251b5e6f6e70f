"""What came of a program in metrics, in plain words; and a graph that asks Gemini on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langgraph.cache.memory import InMemoryCache  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import CachePolicy  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan

from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.live.metrics.backlog import Backlog
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry

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


def ids(span: ReadableSpan) -> tuple[int, int]:
    """The ids of a span's trace and of the span."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def backlog_of(telemetry: Telemetry) -> Backlog:
    """What the metrics of a pipeline have not counted yet."""
    metrics: Any = telemetry.pipeline._metrics  # pyright: ignore[reportPrivateUsage]
    return metrics._backlog


class State(TypedDict):
    text: str


def server(*, prompt_tokens: int = 100_000) -> GeminiServer:
    """Answers everything alike: at 100,000 tokens of gemini-2.5-flash for $0.03."""
    return GeminiServer(FixedResponder(tokens=Tokens(prompt=prompt_tokens, candidates=0)))


def idle(name: str, body: Any = None, *, cached: bool = False) -> Any:
    """A graph of one node that asks no model, both called `name`.

    Args:
        name: theirs.
        body: the node's function; one that does nothing when absent.
        cached: whether the node's results are kept.
    """
    made: Any = StateGraph(State)
    made.add_node(name, body or _done, cache_policy=CachePolicy() if cached else None)
    made.add_edge(START, name)
    return made.compile(name=name, cache=InMemoryCache() if cached else None)


def _done(_: State) -> State:
    return {"text": "done"}


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
