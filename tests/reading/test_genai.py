from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.model import CostStatus, ModalityTokens, OperationKind, ServiceTier, Usage
from tests.reading.spans import operation

KINDS = {
    "chat": OperationKind.INFERENCE,
    "generate_content": OperationKind.INFERENCE,
    "text_completion": OperationKind.INFERENCE,
    "interactions.create": OperationKind.INFERENCE,
    "embeddings": OperationKind.EMBEDDINGS,
    "execute_tool": OperationKind.TOOL,
    "execute_action": OperationKind.TOOL,
    "invoke_agent": OperationKind.AGENT,
    "invoke_workflow": OperationKind.WORKFLOW,
    "invoke_node": OperationKind.NODE,
    "retrieval": OperationKind.RETRIEVAL,
    "use_service": OperationKind.SERVICE,
    "create_agent": OperationKind.OTHER,
    "plan": OperationKind.OTHER,
    "fetch_response": OperationKind.OTHER,
    "something_new": OperationKind.OTHER,
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_an_operation_name_says_what_kind_of_work_a_span_is(name: str, kind: OperationKind) -> None:
    assert operation(f"{name} x", {semconv.OPERATION_NAME: name}).kind is kind


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("gemini", "gcp.gemini"),
        ("gcp.gemini", "gcp.gemini"),
        ("gcp.gen_ai", "gcp.gemini"),
        ("google_genai", "gcp.gemini"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("gcp.vertex_ai", "gcp.vertex_ai"),
        ("openai", "openai"),
    ],
)
def test_a_provider_has_one_name_whatever_an_instrumentation_calls_it(said: str, meant: str) -> None:
    read = operation("chat m", {semconv.OPERATION_NAME: "chat", semconv.PROVIDER_NAME: said})
    assert read.inference is not None
    assert read.inference.provider == meant


def test_a_span_without_any_known_key_is_no_agent_work() -> None:
    read = operation("GET /", {"http.request.method": "GET"}, is_error=True)
    assert (read.kind, read.name, read.error_type) == (OperationKind.OTHER, "GET /", "_OTHER")


def test_what_the_official_langchain_instrumentation_writes_is_read_in_full() -> None:
    read = operation(
        "chat gemini-2.5-flash",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "gcp.gen_ai",
            "gen_ai.request.model": "gemini-2.5-flash",
            "gen_ai.conversation.id": "T",
            "gen_ai.request.stream": True,
            "gen_ai.response.finish_reasons": ("STOP",),
            "gen_ai.response.model": "gemini-2.5-flash-001",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.response.time_to_first_chunk": 0.045,
        },
    )
    assert read.name == "gemini-2.5-flash"
    assert read.session_id == "T"
    assert read.usage == Usage(100, 10)
    assert read.cost is None
    inference = read.inference
    assert inference is not None
    assert inference.streamed
    assert inference.time_to_first_chunk_ns == 45_000_000
    assert inference.response_model == "gemini-2.5-flash-001"
    assert inference.finish_reasons == ("STOP",)


def test_reasoning_that_the_official_instrumentation_leaves_out_of_interactions_is_added() -> None:
    said = {
        "gen_ai.operation.name": "interactions.create",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
    }
    assert operation("interactions.create m", said).usage == Usage(100, 15, reasoning_tokens=5)
    corrected = {**said, "gen_ai.usage.output_tokens": 15, semconv.COST_STATUS: "priced"}
    assert operation("interactions.create m", corrected).usage == Usage(100, 15, reasoning_tokens=5)


def test_tokens_by_modality_are_read_as_subsets() -> None:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.image.input_tokens": 60,
        "gen_ai.usage.audio.cache_read.input_tokens": 7,
    }
    assert operation("chat m", said).usage == Usage(
        100, input_modalities=ModalityTokens(image=60), cache_modalities=ModalityTokens(audio=7)
    )


def test_usage_on_an_agent_span_is_read_and_whether_it_counts_depends_on_what_lies_beneath() -> None:
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bob", "gen_ai.usage.input_tokens": 9}
    read = operation("invoke_agent bob", said)
    assert (read.name, read.usage) == ("bob", Usage(9))


def test_a_cost_that_another_instrumentation_wrote_is_taken_as_the_total_exactly() -> None:
    cost = operation("chat m", {"gen_ai.operation.name": "chat", "gen_ai.usage.cost": 0.0001234}).cost
    assert cost is not None
    assert (cost.status, cost.total_usd, cost.input_usd) == (CostStatus.PRICED, Decimal("0.0001234"), None)


@pytest.mark.parametrize(
    ("said", "usd"),
    [
        ({"gen_ai.usage.cost": 0}, None),
        ({"gen_ai.usage.cost": 0.0, "operation.cost": 0.25}, "0.25"),
        ({"operation.cost": 0.25}, "0.25"),
        ({"operation.cost": 0.0}, None),
        ({"gen_ai.usage.cost.amount": 0.25, "gen_ai.usage.cost.currency": "USD"}, "0.25"),
        ({"gen_ai.usage.cost.amount": 0.25, "gen_ai.usage.cost.currency": "EUR"}, None),
        ({"gen_ai.usage.cost.amount": 0.25}, None),
        ({semconv.COST_STATUS: "priced", "gen_ai.usage.cost": 0.0}, "0.0"),
    ],
)
def test_a_cost_is_taken_from_those_who_know_it_and_nothing_is_no_price(
    said: dict[str, object], usd: str | None
) -> None:
    cost = operation("chat m", {"gen_ai.operation.name": "chat", **said}).cost
    assert (None if cost is None else str(cost.total_usd)) == usd


def test_the_spans_of_an_older_pydantic_ai_are_told_by_what_they_name() -> None:
    agent = {"agent_name": "clerk", "model_name": "gemini-2.5-flash", "gen_ai.usage.input_tokens": 9}
    read = operation("agent run", agent, scope="pydantic-ai")
    assert (read.kind, read.name, read.usage) == (OperationKind.AGENT, "clerk", Usage(9))
    assert operation("agent run", agent, scope="another").kind is OperationKind.OTHER
    called = operation("running tool", {semconv.TOOL_NAME: "search", "tool_arguments": "{}"}, scope="pydantic-ai")
    assert (called.kind, called.name) == (OperationKind.TOOL, "search")
    assert called.tool is not None
    assert called.tool.no_arguments


def test_what_openlit_says_in_its_own_way_is_read() -> None:
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.stream": True,
        "gen_ai.server.time_to_first_token": 0.25,
        "gen_ai.response.finish_reasons": ["FinishReason.MAX_TOKENS"],
    }
    read = operation("chat m", said).inference
    assert read is not None
    assert (read.finish_reasons, read.time_to_first_chunk_ns) == (("MAX_TOKENS",), 250_000_000)
    whole = operation("chat m", {**said, "gen_ai.request.stream": False}).inference
    assert whole is not None
    assert whole.time_to_first_chunk_ns is None


def test_a_failed_graph_that_openlit_left_without_an_operation_is_a_workflow() -> None:
    read = operation("invoke_workflow shop", {semconv.WORKFLOW_NAME: "shop"}, is_error=True)
    assert (read.kind, read.name) == (OperationKind.WORKFLOW, "shop")


def test_an_unpriced_cost_stays_unknown_and_keeps_its_reason() -> None:
    said = {
        "gen_ai.operation.name": "chat",
        semconv.COST_STATUS: "unpriced",
        semconv.COST_REASON: "nobody knows",
        semconv.COST_TIER: "provisioned_throughput",
    }
    cost = operation("chat m", said).cost
    assert cost is not None
    assert (cost.total_usd, cost.reason, cost.tier) == (None, "nobody knows", ServiceTier.PROVISIONED)


def test_a_span_marked_as_not_counted_is_not() -> None:
    assert not operation("chat m", {"gen_ai.operation.name": "chat", semconv.COUNTED: False}).counted
    assert operation("chat m", {"gen_ai.operation.name": "chat"}).counted


def test_numbers_that_became_text_on_the_way_still_count() -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "100", "gen_ai.usage.output_tokens": 10.0}
    assert operation("chat m", said).usage == Usage(100, 10)


KEYS = sorted(value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    name=st.text(max_size=12),
    kind=st.sampled_from([*KINDS, 3, None]),
    attributes=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=12),
)
def test_wrong_types_never_raise_and_leave_sane_numbers(name: str, kind: object, attributes: dict[str, object]) -> None:
    read = operation(name, {**attributes, semconv.OPERATION_NAME: kind})
    if read.usage is not None:
        assert read.usage.input_tokens >= 0
        assert read.usage.output_tokens >= 0
    if read.cost is not None and read.cost.total_usd is not None:
        assert read.cost.total_usd.is_finite()
        assert read.cost.total_usd >= 0
