from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf import semconv
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.reading import runs_of
from tests.reading.spans import operation

TOKENS = {semconv.USAGE_INPUT_TOKENS: 80, semconv.USAGE_OUTPUT_TOKENS: 20}
NO_TOKENS = {semconv.USAGE_INPUT_TOKENS: 0, semconv.USAGE_OUTPUT_TOKENS: 0}
MODEL = {semconv.REQUEST_MODEL: "gemma"}
TOOL = {semconv.TOOL_NAME: "search"}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({**MODEL, **TOKENS}, OperationKind.INFERENCE),
        ({**MODEL, **TOKENS, **TOOL}, OperationKind.INFERENCE),
        ({**MODEL, **NO_TOKENS, **TOOL}, OperationKind.TOOL),
        ({"tool.name": "search"}, OperationKind.TOOL),
        (TOKENS, OperationKind.OTHER),
        ({**MODEL, **NO_TOKENS}, OperationKind.OTHER),
        (MODEL, OperationKind.OTHER),
        ({}, OperationKind.OTHER),
    ],
)
def test_an_operation_of_a_name_that_nobody_knows_is_told_by_what_else_it_says(
    said: dict[str, object], kind: OperationKind
) -> None:
    assert operation("work", {semconv.OPERATION_NAME: "decompose_task", **said}).kind is kind


@pytest.mark.parametrize("name", ["plan", "create_agent", "fetch_response", "search_memory"])
def test_an_operation_that_the_conventions_know_is_no_request_for_its_tokens(name: str) -> None:
    assert operation("x", {semconv.OPERATION_NAME: name, **MODEL, **TOKENS}).usage is None


def test_an_agent_is_no_request_for_its_tokens() -> None:
    assert operation("x", {semconv.OPERATION_NAME: "invoke_agent", **MODEL, **TOKENS}).kind is OperationKind.AGENT


def work(span_id: str, parent: str | None, agent: str, **more: Any) -> Operation:
    said = {semconv.OPERATION_NAME: "decide", semconv.AGENT_NAME: agent, **MODEL, **more}
    return operation("work", said, span_id=span_id, parent_id=parent)


def test_it_ran_for_the_agent_that_it_names_where_no_agent_stands_above() -> None:
    root = operation("run", {}, span_id="1")
    (run,) = runs_of([root, work("2", "1", "planner", **TOKENS), work("3", "1", "critic", **TOKENS)])
    assert [(op.agent, op.is_agent) for op in run.operations] == [("planner", False), ("critic", False)]


def test_the_agent_above_has_the_word_over_the_one_that_it_names() -> None:
    above = operation("a", {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "boss"}, span_id="1")
    (run,) = runs_of([above, work("2", "1", "planner", **TOKENS)])
    assert {op.agent for op in run.operations} == {"boss"}


def test_a_tool_that_calls_itself_an_agent_is_none() -> None:
    (run,) = runs_of([operation("run", {}, span_id="1"), work("2", "1", "search", **NO_TOKENS, **TOOL)])
    assert [(op.name, op.agent) for op in run.operations] == [("search", "")]


def test_its_tokens_do_not_count_where_requests_stand_beneath_it() -> None:
    chat = operation("chat", {semconv.OPERATION_NAME: "chat", **MODEL, **TOKENS}, span_id="2", parent_id="1")
    (run,) = runs_of([work("1", None, "planner", **TOKENS), chat])
    assert [op.span_id for op in run.operations if op.counted] == ["2"]
