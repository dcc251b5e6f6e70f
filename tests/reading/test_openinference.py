from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.model import NodeStep, OperationKind, Usage
from tests.reading.spans import operation
from tests.reading.test_genai import ANYTHING

KIND = "openinference.span.kind"


def test_an_llm_span_is_a_model_request_with_its_tokens() -> None:
    read = operation(
        "ChatGoogleGenerativeAI",
        {
            KIND: "LLM",
            "llm.provider": "google",
            "llm.system": "vertexai",
            "llm.model_name": "gemini-2.5-flash",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 15,
            "llm.token_count.prompt_details.cache_read": 40,
            "llm.token_count.completion_details.reasoning": 5,
            "llm.finish_reason": "STOP",
            "llm.cost.total": 0.5,
            "session.id": "T",
        },
    )
    assert (read.kind, read.name, read.session_id) == (OperationKind.INFERENCE, "gemini-2.5-flash", "T")
    assert read.usage == Usage(100, 15, cache_read_tokens=40, reasoning_tokens=5)
    assert read.cost is not None
    assert read.cost.total_usd == Decimal("0.5")
    assert read.inference is not None
    assert (read.inference.provider, read.inference.finish_reasons) == ("gcp.gemini", ("STOP",))


def test_exact_tokens_that_our_processor_added_win_over_the_peers() -> None:
    read = operation("GenerateContent", {KIND: "LLM", "llm.token_count.prompt": 60, "gen_ai.usage.input_tokens": 100})
    assert read.usage == Usage(100, 0)


@pytest.mark.parametrize(
    ("name", "attributes", "parent", "kind"),
    [
        ("embed", {KIND: "EMBEDDING"}, "1", OperationKind.EMBEDDINGS),
        ("tt", {KIND: "TOOL", "tool.name": "tt"}, "1", OperationKind.TOOL),
        ("bob", {KIND: "AGENT"}, "1", OperationKind.AGENT),
        ("search", {KIND: "RETRIEVER"}, "1", OperationKind.RETRIEVAL),
        ("check", {KIND: "GUARDRAIL"}, "1", OperationKind.OTHER),
        ("mygraph", {KIND: "CHAIN"}, None, OperationKind.WORKFLOW),
        ("mygraph", {KIND: "CHAIN", "metadata": '{"ls_integration": "langgraph"}'}, "1", OperationKind.WORKFLOW),
        ("bob", {KIND: "CHAIN", "metadata": '{"ls_integration": "langchain_create_agent"}'}, "1", OperationKind.AGENT),
        ("n1", {KIND: "CHAIN", "metadata": '{"langgraph_node": "n1", "langgraph_step": 2}'}, "1", OperationKind.NODE),
        ("RunnableSequence", {KIND: "CHAIN", "metadata": '{"langgraph_node": "n1"}'}, "1", OperationKind.OTHER),
        ("RunnableSequence", {KIND: "CHAIN", "metadata": "not json"}, "1", OperationKind.OTHER),
    ],
)
def test_each_kind_of_span_is_told_apart(
    name: str, attributes: dict[str, object], parent: str | None, kind: OperationKind
) -> None:
    read = operation(name, attributes, parent_id=parent)
    assert (read.kind, read.name) == (kind, name)


def test_a_node_keeps_its_step() -> None:
    said = {KIND: "CHAIN", "metadata": '{"langgraph_node": "n1", "langgraph_step": 2}'}
    assert operation("n1", said, parent_id="1").node == NodeStep(step=2)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["LLM", "EMBEDDING", "TOOL", "AGENT", "CHAIN", "RETRIEVER", 7, None]),
    attributes=st.dictionaries(
        st.sampled_from(
            [
                "metadata",
                "llm.model_name",
                "llm.provider",
                "llm.token_count.prompt",
                "llm.token_count.completion",
                "llm.cost.total",
                "llm.finish_reason",
                "tool.name",
            ]
        ),
        ANYTHING,
    ),
)
def test_wrong_types_never_raise(kind: object, attributes: dict[str, object]) -> None:
    assert operation("x", {**attributes, KIND: kind}).name
