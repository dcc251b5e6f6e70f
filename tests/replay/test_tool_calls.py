"""Fingerprints of tool calls on their way through a replay, also from spans of version 0.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import Operation, OperationKind, ToolCall
from otel_agentperf.replay.packing import Packed, records_in
from otel_agentperf.replay.records import Record
from tests.replay.forms import Request, as_lines
from tests.replay.replaying import put, replayed, request_of, told

QUESTIONS = (
    "population of the town of Ghent in Belgium",
    "town of Ghent Belgium population",
    "what is the population of the town of Ghent in Belgium",
    "please show the population of the town of Ghent, Belgium",
)
PRINTS = Fingerprinter("test")
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}


@pytest.mark.parametrize("is_sentence", [True, False, None])
def test_a_tool_call_is_carried_whole(is_sentence: bool | None) -> None:
    call = ToolCall("a", "b", "c", "d", no_arguments=False, result_size=3, argument_is_sentence=is_sentence)
    operation = Operation(OperationKind.TOOL, "search", "1", 0, 1, tool=call)
    packed = Packed()
    packed.add(Record(operation))
    assert records_in(packed.array()) == [Record(operation)]


def span(number: int, attributes: dict[str, Any]) -> Request:
    kinds = {str: "stringValue", bool: "boolValue"}
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{1:016x}" if number > 1 else "",
        "name": "span",
        "startTimeUnixNano": str(1_700_000_000_000_000_000 + number * 10**9),
        "endTimeUnixNano": str(1_700_000_000_500_000_000 + (number if number > 1 else 60) * 10**9),
        "attributes": [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()],
    }


def search(question: str, *, is_version_01: bool) -> dict[str, Any]:
    prints = PRINTS.arguments({"query": question})
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "agentperf.tool.no_arguments": False,
        "agentperf.tool.arguments_hash": prints.arguments_hash,
        "agentperf.tool.context_hash": prints.context_hash,
        "agentperf.tool.result_hash": "00000000000000a1",
    }
    if is_version_01:
        return {**attributes, "agentperf.tool.arguments_simhash": "00000000000000ff"}
    return {**attributes, "agentperf.tool.argument_is_sentence": prints.argument_is_sentence}


def repetitions(questions: tuple[str, ...], path: Path, *, is_version_01: bool) -> list[Any]:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "researcher"}
    calls = [search(question, is_version_01=is_version_01) for question in questions]
    spans = [span(number, attributes) for number, attributes in enumerate([agent, *calls], 1)]
    outcome = replayed(put(path / "a.jsonl", as_lines([request_of(RESOURCE, "otel_agentperf.langgraph", spans)])))
    return [each for each in told(outcome)["figures"]["suggestions"] if each["rule"] == "REP001"]


def test_a_question_in_other_words_is_found_where_it_is_known_to_be_a_sentence(tmp_path: Path) -> None:
    (found,) = repetitions(QUESTIONS, tmp_path, is_version_01=False)
    assert found["evidence"]["wasted_near"] == 3
    assert repetitions(QUESTIONS, tmp_path, is_version_01=True) == []


@pytest.mark.parametrize("is_version_01", [True, False])
def test_the_same_call_again_is_found_in_spans_of_every_version(is_version_01: bool, tmp_path: Path) -> None:
    (found,) = repetitions(QUESTIONS[:1] * 4, tmp_path, is_version_01=is_version_01)
    assert found["evidence"]["wasted_exact"] == 3
