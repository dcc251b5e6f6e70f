"""Spans of other instrumentations: priced, counted once, and made runs of where nothing of ours is."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, TypedDict, cast

import pytest
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.trace import Span, StatusCode, Tracer

from otel_agentperf import config, semconv
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.reading.sdk import read_span
from tests.telemetry import Telemetry, counted, observed

OPENAI = {semconv.OPERATION_NAME: "chat", semconv.PROVIDER_NAME: "openai", semconv.REQUEST_MODEL: "gpt-4o"}
USED = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}
COST = (1000 * 2.5 + 100 * 10) / 1e6
CLAUDE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "anthropic",
    "llm.model_name": "claude-sonnet-4-5",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 100,
}


def tracer(telemetry: Telemetry, scope: str = "somebody.else") -> Tracer:
    return telemetry.provider.get_tracer(scope)


def ask(telemetry: Telemetry, scope: str = "somebody.else") -> Span:
    """One request to another provider, reported as the conventions ask."""
    with tracer(telemetry, scope).start_as_current_span("chat gpt-4o", attributes=OPENAI) as span:
        span.set_attributes(USED)
    return span


def attributes_of(telemetry: Telemetry, name: str) -> dict[str, Any]:
    return dict(telemetry.one(name).attributes or {})


def test_another_provider_s_request_is_priced_on_its_own_span_and_is_a_run_by_itself() -> None:
    with observed() as telemetry:
        ask(telemetry)
        telemetry.assert_sound()
        attributes = attributes_of(telemetry, "chat gpt-4o")
        points = telemetry.collected()
    assert attributes[semconv.USAGE_COST] == pytest.approx(COST)
    assert attributes[semconv.COST_STATUS] == "priced"
    assert attributes[semconv.RUN_INPUT_TOKENS] == 1000
    assert attributes[semconv.RUN_COST] == pytest.approx(COST)
    (duration,) = points[semconv.METRIC_OPERATION_DURATION]
    assert isinstance(duration, HistogramDataPoint)
    assert duration.count == 1


def test_a_span_that_names_its_model_only_at_its_end_is_priced_too() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("LLM") as span:
            span.set_attributes(CLAUDE)
        telemetry.assert_sound()
        attributes = attributes_of(telemetry, "LLM")
    assert attributes[semconv.USAGE_COST] == pytest.approx((1000 * 3 + 100 * 15) / 1e6)
    assert attributes[semconv.RUN_INFERENCE_CALLS] == 1


def test_an_unknown_model_is_unpriced_and_says_why() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span(
            "chat x", attributes={**OPENAI, semconv.REQUEST_MODEL: "x-1"}
        ) as s:
            s.set_attributes(USED)
        attributes = attributes_of(telemetry, "chat x")
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert attributes[semconv.COST_REASON]
    assert semconv.USAGE_COST not in attributes
    assert attributes[semconv.RUN_UNPRICED_CALLS] == 1


def test_a_cost_that_is_there_already_is_kept() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("chat gpt-4o", attributes=OPENAI) as span:
            span.set_attributes({**USED, semconv.USAGE_COST: 0.5})
        attributes = attributes_of(telemetry, "chat gpt-4o")
    assert attributes[semconv.USAGE_COST] == 0.5
    assert attributes[semconv.RUN_COST] == 0.5


def test_the_metrics_of_an_instrumentation_that_records_them_are_not_recorded_again() -> None:
    with observed() as telemetry:
        ask(telemetry, "opentelemetry.instrumentation.openai_v2")
        assert semconv.METRIC_OPERATION_DURATION not in telemetry.collected()
        assert attributes_of(telemetry, "chat gpt-4o")[semconv.USAGE_COST] == pytest.approx(COST)


@pytest.mark.parametrize(
    "attributes",
    [
        {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "clerk"},
        {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "clerk"},
        {"openinference.span.kind": "AGENT", "agent.name": "clerk"},
    ],
    ids=["invoke_agent", "invoke_workflow", "OpenInference agent"],
)
def test_an_agent_of_another_framework_is_a_run(attributes: dict[str, Any]) -> None:
    with observed() as telemetry:
        for _ in range(2):
            with tracer(telemetry).start_as_current_span("agent", attributes=attributes):
                ask(telemetry)
                with tracer(telemetry).start_as_current_span(
                    "execute_tool look", attributes={semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "look"}
                ):
                    ask(telemetry)
        telemetry.assert_sound()
        roots = [dict(span.attributes or {}) for span in telemetry.named("agent")]
    for root in roots:
        assert root[semconv.RUN_INFERENCE_CALLS] == 2
        assert root[semconv.RUN_TOOL_CALLS] == 1
        assert root[semconv.RUN_COST] == pytest.approx(2 * COST)


def test_an_agent_of_another_framework_inside_one_is_part_of_its_run() -> None:
    agent = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "inner"}
    with observed() as telemetry:
        start = tracer(telemetry).start_as_current_span
        with start("outer", attributes={**agent, semconv.AGENT_NAME: "outer"}), start("inner", attributes=agent):
            ask(telemetry)
        telemetry.assert_sound()
        assert attributes_of(telemetry, "outer")[semconv.RUN_INPUT_TOKENS] == 1000
        assert semconv.RUN_INPUT_TOKENS not in attributes_of(telemetry, "inner")


class State(TypedDict):
    text: str


def graph(telemetry: Telemetry) -> Any:
    def node(_: State) -> State:
        ask(telemetry)
        return {"text": ""}

    builder: Any = cast("Any", StateGraph)(State)
    builder.add_node("ask", node)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    return builder.compile(name="asking")


def test_two_graph_runs_beneath_one_http_request_are_two_runs() -> None:
    with observed() as telemetry:
        asking = graph(telemetry)
        with tracer(telemetry).start_as_current_span("GET /", kind=trace.SpanKind.SERVER):
            asking.invoke({"text": ""})
            asking.invoke({"text": ""})
        telemetry.assert_sound()
        runs = [dict(span.attributes or {}) for span in telemetry.named("invoke_workflow asking")]
        http = attributes_of(telemetry, "GET /")
        nodes = telemetry.named("invoke_node ask")
    assert [run[semconv.RUN_INPUT_TOKENS] for run in runs] == [1000, 1000]
    assert not [key for key in http if key.startswith("agentperf.")]
    assert [(node.attributes or {})[semconv.NODE_COST] for node in nodes] == [pytest.approx(COST)] * 2


def test_requests_beneath_one_http_request_and_no_graph_are_one_run_of_it() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("GET /"):
            ask(telemetry)
            ask(telemetry)
        telemetry.assert_sound()
        assert attributes_of(telemetry, "GET /")[semconv.RUN_INPUT_TOKENS] == 2000


def test_requests_that_overlap_beneath_one_span_are_one_run() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("GET /"):
            long = tracer(telemetry).start_span("chat gpt-4o", attributes=OPENAI)
            ask(telemetry)
            ask(telemetry)
            long.set_attributes(USED)
            long.end()
        telemetry.assert_sound()
        assert attributes_of(telemetry, "GET /")[semconv.RUN_INPUT_TOKENS] == 3000


def test_parallel_requests_of_one_instrumentation_all_count() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("GET /"):
            started = [tracer(telemetry).start_span("chat gpt-4o", attributes=OPENAI) for _ in range(3)]
            for span in reversed(started):
                span.set_attributes(USED)
                span.end()
        telemetry.assert_sound()
        assert attributes_of(telemetry, "GET /")[semconv.RUN_INFERENCE_CALLS] == 3


def test_parallel_requests_that_are_roots_all_count() -> None:
    with observed() as telemetry:
        started = [tracer(telemetry).start_span("chat gpt-4o", attributes=OPENAI) for _ in range(3)]
        for span in reversed(started):
            span.set_attributes(USED)
            span.end()
        spans = telemetry.named("chat gpt-4o")
    assert [(span.attributes or {}).get(semconv.RUN_INPUT_TOKENS) for span in spans] == [1000] * 3


def test_two_instrumentations_of_one_request_count_it_once() -> None:
    with observed() as telemetry:
        with (
            tracer(telemetry).start_as_current_span("GET /"),
            tracer(telemetry, "one").start_as_current_span("ChatOpenAI", attributes=OPENAI) as outer,
        ):
            ask(telemetry, "other")
            outer.set_attributes(USED)
        telemetry.assert_sound()
        assert attributes_of(telemetry, "GET /")[semconv.RUN_INPUT_TOKENS] == 1000
        assert attributes_of(telemetry, "ChatOpenAI")[semconv.COUNTED] is False


def test_a_request_that_outlives_the_span_around_it_still_counts() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("GET /"):
            late = tracer(telemetry).start_span("chat gpt-4o", attributes=OPENAI)
        late.set_attributes(USED)
        late.end()
        telemetry.assert_sound()
        assert attributes_of(telemetry, "chat gpt-4o")[semconv.RUN_INPUT_TOKENS] == 1000


def test_a_context_that_somebody_left_attached_does_not_swallow_what_comes_after() -> None:
    from opentelemetry import context as context_api

    with observed() as telemetry:
        stale = trace.set_span_in_context(tracer(telemetry).start_span("GET /"))
        trace.get_current_span(stale).end()
        token = context_api.attach(stale)
        try:
            ask(telemetry)
        finally:
            context_api.detach(token)
        telemetry.assert_sound()
        assert attributes_of(telemetry, "chat gpt-4o")[semconv.RUN_INPUT_TOKENS] == 1000


def test_a_request_that_failed_is_an_error_of_its_run() -> None:
    with observed() as telemetry:
        start = tracer(telemetry).start_as_current_span
        with start("GET /"), start("chat gpt-4o", attributes=OPENAI) as span:
            span.set_status(StatusCode.ERROR)
        assert attributes_of(telemetry, "GET /")[semconv.RUN_ERRORS] == 1


SERVICES = {
    "services": {
        "browser": {"per_minute_usd": 6.0, "spans": ["steel.session"]},
        "maps": {"per_call_usd": 0.25, "hosts": ["maps.example.com"]},
    }
}


@pytest.mark.parametrize(
    ("name", "attributes", "service"),
    [
        ("steel.session", {}, "browser"),
        ("GET", {"server.address": "maps.example.com"}, "maps"),
        ("GET", {"url.full": "https://user@maps.example.com:443/v1?key=x"}, "maps"),
        ("GET", {"http.url": "https://maps.example.com/v1"}, "maps"),
        ("GET", {"net.peer.name": "MAPS.example.com"}, "maps"),
        ("GET", {"server.address": "example.com"}, None),
    ],
)
def test_a_billed_service_is_known_by_the_span_s_name_or_its_host(
    name: str, attributes: dict[str, str], service: str | None
) -> None:
    settings = config.Settings(fingerprint_key="test", prices=SERVICES)
    with observed(settings=settings) as telemetry:
        with tracer(telemetry).start_as_current_span("program"):
            start_ns = 1_700_000_000_000_000_000
            span = tracer(telemetry).start_span(name, attributes=attributes, start_time=start_ns)
            span.end(start_ns + 30_000_000_000)
        telemetry.assert_sound()
        root = attributes_of(telemetry, "program")
        if service is None:
            assert semconv.RUN_COST not in root
            return
        used = telemetry.one(f"use_service {service}")
    cost = {"browser": Decimal(3), "maps": Decimal("0.25")}[service]
    assert (used.attributes or {})[semconv.USAGE_COST] == float(cost)
    assert (used.attributes or {})[semconv.SERVICE_NAME] == service
    assert root[semconv.RUN_COST] == float(cost)


def test_spans_of_many_threads_are_counted_in_their_own_runs() -> None:
    agent = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "clerk"}

    def work(telemetry: Telemetry) -> None:
        for _ in range(10):
            with tracer(telemetry).start_as_current_span("agent", attributes=agent):
                ask(telemetry)

    with observed() as telemetry:
        threads = [threading.Thread(target=work, args=(telemetry,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        telemetry.assert_sound()
        runs = [(span.attributes or {})[semconv.RUN_INPUT_TOKENS] for span in telemetry.named("agent")]
    assert runs == [1000] * 80


def test_what_a_peer_recorded_of_its_tools_is_compared_by_its_hashes() -> None:
    graph = {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "shop"}
    call = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "search"}
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("invoke_workflow shop", attributes=graph):
            for _ in range(5):
                with tracer(telemetry).start_as_current_span("execute_tool search", attributes=call) as span:
                    span.set_attribute(semconv.TOOL_CALL_ARGUMENTS, '{"query": "red shoes"}')
                    span.set_attribute(semconv.TOOL_CALL_RESULT, "nothing found")
        telemetry.assert_sound()
        repeated = telemetry.suggestions("REP001")
    assert repeated
    assert "red shoes" not in str([event.attributes for event in repeated])


def test_a_peer_s_request_belongs_to_the_agent_that_it_names_where_no_other_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = {**OPENAI, **USED, semconv.AGENT_NAME: "clerk"}
    with observed() as telemetry:
        seen = counted(telemetry, monkeypatch)
        with tracer(telemetry).start_as_current_span("chat gpt-4o", attributes=named):
            pass
        telemetry.assert_sound()
    assert {operation.agent for operation in seen} == {"clerk"}


def test_content_of_a_peer_gives_the_same_fingerprints_live_as_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = '[{"role": "user", "parts": [{"type": "text", "content": "Which shoes are red?"}]}]'
    said = {**OPENAI, **USED, semconv.INPUT_MESSAGES: messages, semconv.OUTPUT_MESSAGES: messages}
    with observed() as telemetry:
        seen = counted(telemetry, monkeypatch)
        with tracer(telemetry).start_as_current_span("chat gpt-4o", attributes=said):
            pass
        telemetry.assert_sound()
        record = read_span(telemetry.one("chat gpt-4o"), Fingerprinter("test"))
    assert record is not None
    read_back, (live,) = record.operation.inference, seen
    assert live.inference is not None
    assert live.inference == read_back
    assert live.inference.prefix_hashes
    assert live.inference.response_kind == "text"
