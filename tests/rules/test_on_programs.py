"""Rules over the shape of a run, on spans of real LangGraph and google-genai programs."""

# No `from __future__ import annotations` here: early versions of google-genai cannot read annotations that are strings.
import json
from typing import Any, TypedDict

from google.genai import types
from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from otel_agentperf import semconv
from otel_agentperf.config import Settings
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder, InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry, observed

TOKENS = Tokens(prompt=100, candidates=10)


class State(TypedDict):
    text: str


def settings(**options: dict[str, float]) -> Settings:
    return Settings(fingerprint_key="test", optimization_threshold=0.0, rules=options)


def said(telemetry: Telemetry, rule: str) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """Targets and evidence of what a rule says in the end."""
    final: dict[tuple[str, ...], dict[str, float]] = {}
    for event in telemetry.suggestions(rule):
        attributes: Any = event.attributes
        final[attributes[semconv.SUGGESTION_APPLIES_TO]] = json.loads(attributes[semconv.SUGGESTION_EVIDENCE])
    return list(final.items())


def test_a_graph_that_goes_round_with_its_state_unchanged_is_told_so() -> None:
    reviews = iter((False, False, False, True))
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed(settings=settings()) as telemetry:
        client = ways.client_of(server)

        def draft(state: State) -> State:
            client.models.generate_content(model=ways.MODEL, contents=state["text"])
            return {"text": state["text"]}

        def review(state: State) -> State:
            return {"text": state["text"]}

        def after_review(_: State) -> str:
            return "__end__" if next(reviews) else "draft"

        graph: Any = StateGraph(State)
        graph.add_node("draft", draft)
        graph.add_node("review", review)
        graph.add_edge(START, "draft")
        graph.add_edge("draft", "review")
        graph.add_conditional_edges("review", after_review)
        graph.compile().invoke({"text": "Write a poem about rounds."})
        cycles, prompts = said(telemetry, "REP003"), said(telemetry, "REP002")
    ((targets, evidence),) = cycles
    assert targets == ("node:draft", "node:review")
    assert (evidence["idle_rounds"], evidence["steps"], evidence["model_requests"]) == (3, 2, 3)
    assert prompts == []  # the same requests, in the same rounds


def test_functions_that_one_answer_asks_for_and_that_run_one_by_one_are_told_of() -> None:
    cities = ("Bonn", "Ghent", "Oslo", "Turin")

    def asking(request: GeminiRequest) -> Reply:
        return replies.content(request, [replies.function_call("weather", {"city": city}) for city in cities], TOKENS)

    def answer(request: GeminiRequest) -> Reply:
        return replies.content(request, replies.text("Rain in all of them."), TOKENS)

    def weather(city: str) -> str:
        """The weather in a city."""
        return f"Rain in {city}."

    eager = settings(PAR001={"saving_s": 0})
    with GeminiServer(InOrder([asking, answer])) as server, observed(settings=eager) as telemetry:
        client = ways.client_of(server)

        def report(state: State) -> State:
            config = types.GenerateContentConfig(tools=[weather])
            client.models.generate_content(model=ways.MODEL, contents=state["text"], config=config)
            return {"text": "done"}

        graph: Any = StateGraph(State)
        graph.add_node("report", report)
        graph.add_edge(START, "report")
        graph.compile().invoke({"text": "How is the weather?"})
        batchable, serial = said(telemetry, "REP004"), said(telemetry, "PAR001")
    assert [(targets, evidence["calls"]) for targets, evidence in batchable] == [(("tool:weather",), 4)]
    assert [(targets, evidence["tool_calls"]) for targets, evidence in serial] == [(("agent:report",), 4)]


def test_requests_that_do_not_need_each_other_and_run_one_by_one_are_told_of() -> None:
    texts = ("The rooms were clean.", "The breakfast was cold.", "The street was loud all night.")
    words = ("This guest was neither glad nor sorry.",)
    eager = settings(PAR001={"saving_s": 0})
    with GeminiServer(FixedResponder(words)) as server, observed(settings=eager) as telemetry:
        client = ways.client_of(server)

        def rate(state: State) -> State:
            config = types.GenerateContentConfig(system_instruction="How content is this guest?")
            for text in texts:
                client.models.generate_content(model=ways.MODEL, contents=text, config=config)
            return {"text": state["text"]}

        graph: Any = StateGraph(State)
        graph.add_node("rate", rate)
        graph.add_edge(START, "rate")
        graph.compile().invoke({"text": ""})
        serial = said(telemetry, "PAR001")
    assert [(targets, evidence["model_requests"]) for targets, evidence in serial] == [(("agent:rate",), 3)]
