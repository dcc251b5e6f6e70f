from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.model import NodeStep, OperationKind, Usage
from tests.reading.spans import operation

KIND = "traceloop.span.kind"
NAME = "traceloop.entity.name"
METADATA = "traceloop.association.properties."
NODE = {METADATA + "langgraph_node": "n1", METADATA + "langgraph_step": 2}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({KIND: "workflow", NAME: "n1"}, OperationKind.WORKFLOW),
        ({KIND: "workflow", NAME: "n1", METADATA + "ls_integration": "langchain_create_agent"}, OperationKind.AGENT),
        ({KIND: "agent", NAME: "n1"}, OperationKind.AGENT),
        ({KIND: "tool", NAME: "n1"}, OperationKind.TOOL),
        ({KIND: "task", NAME: "n1"}, OperationKind.OTHER),
        ({KIND: "task", NAME: "n1", **NODE}, OperationKind.NODE),
        ({KIND: "something", NAME: "n1"}, OperationKind.OTHER),
        ({KIND: "task", NAME: "n1", "gen_ai.operation.name": "execute_task", **NODE}, OperationKind.NODE),
        ({KIND: "workflow", NAME: "n1", "gen_ai.operation.name": "invoke_agent"}, OperationKind.WORKFLOW),
    ],
)
def test_each_kind_of_span_is_told_apart(attributes: dict[str, object], kind: OperationKind) -> None:
    read = operation("n1.workflow", attributes, parent_id="1")
    assert read.kind is kind


def test_a_node_keeps_its_step_and_another_runnable_is_none() -> None:
    assert operation("x", {KIND: "task", NAME: "n1", **NODE}).node == NodeStep(step=2)
    assert operation("x", {KIND: "task", NAME: "condition", **NODE}).kind is OperationKind.OTHER


@pytest.mark.parametrize("key", ["thread_id", "session_id", "conversation_id"])
def test_the_conversation_is_found_in_the_metadata(key: str) -> None:
    said = {KIND: "workflow", NAME: "g", "traceloop.workflow.name": "g", METADATA + key: "T"}
    assert operation("g.workflow", said).session_id == "T"


OLD: dict[str, Any] = {
    "gen_ai.system": "Google",
    "llm.request.type": "chat",
    "gen_ai.request.model": "models/gemini-2.5-flash",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 10,
    "gen_ai.usage.cache_read_input_tokens": 40,
    "llm.is_streaming": True,
}


def test_a_model_request_of_an_older_version_is_read() -> None:
    read = operation("gemini.generate_content", OLD)
    assert (read.kind, read.name) == (OperationKind.INFERENCE, "models/gemini-2.5-flash")
    assert read.usage == Usage(100, 10, cache_read_tokens=40)
    assert read.inference is not None
    assert (read.inference.provider, read.inference.streamed) == ("gcp.gemini", True)


def test_a_model_request_that_names_no_type_is_told_by_its_system_and_model() -> None:
    without = {key: value for key, value in OLD.items() if key != "llm.request.type"}
    assert operation("chat", without).kind is OperationKind.INFERENCE
    assert operation("chat", {"gen_ai.system": "Google"}).kind is OperationKind.OTHER


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("embedding", OperationKind.EMBEDDINGS),
        ("completion", OperationKind.INFERENCE),
        ("rerank", OperationKind.OTHER),
        ("unknown", OperationKind.OTHER),
    ],
)
def test_the_type_of_an_older_request_says_what_it_is(said: str, kind: OperationKind) -> None:
    assert operation("x", {**OLD, "llm.request.type": said}).kind is kind


def test_reasoning_that_only_the_total_holds_is_output() -> None:
    said = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.total_tokens": 150,
    }
    scope = "opentelemetry.instrumentation.google_generativeai"
    assert operation("x", said, scope=scope).usage == Usage(100, 50, reasoning_tokens=30)
    assert operation("x", said, scope="another").usage == Usage(100, 20)
