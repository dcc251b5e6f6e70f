from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation, OperationKind, ToolCall
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.repetition.wasted import MAX_ARGUMENTS_REMEMBERED, Calls, Waste


def take(calls: Calls, error: str | None = None, changes: int = 0, **prints: Any) -> Waste | None:
    call = ToolCall(**prints)
    return calls.take(call, Operation(OperationKind.TOOL, "t", "1", 0, 1, error_type=error, tool=call), changes)


QUESTION: dict[str, Any] = {"context_hash": "c", "result_hash": "1"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Waste.NEAR),
        ({"argument_is_sentence": False}, Waste.NEAR),
        ({"argument_is_sentence": None}, None),
        ({"context_hash": "d"}, None),
        ({"context_hash": None}, None),
        ({"result_hash": "2"}, None),
        ({"result_hash": None}, None),
    ],
)
def test_the_same_question_in_other_words_needs_a_sentence_and_the_same_result(
    changed: dict[str, Any], expected: Waste | None
) -> None:
    calls = Calls()
    take(calls, arguments_hash="a", argument_is_sentence=True, **QUESTION)
    again: dict[str, Any] = {"arguments_hash": "b", "argument_is_sentence": True, **QUESTION, **changed}
    assert take(calls, **again) is expected


def test_two_lists_of_words_are_no_question() -> None:
    calls = Calls()
    take(calls, arguments_hash="a", argument_is_sentence=False, **QUESTION)
    assert take(calls, arguments_hash="b", argument_is_sentence=False, **QUESTION) is None


def test_a_question_is_not_the_same_again_where_something_has_changed_meanwhile() -> None:
    calls = Calls()
    take(calls, arguments_hash="a", argument_is_sentence=True, **QUESTION)
    assert take(calls, changes=1, arguments_hash="b", argument_is_sentence=True, **QUESTION) is None


@pytest.mark.parametrize(("between", "expected"), [(15, Waste.NEAR), (16, None)])
def test_only_the_last_sixteen_calls_of_a_tool_are_compared(between: int, expected: Waste | None) -> None:
    calls = Calls()
    take(calls, arguments_hash="a", argument_is_sentence=True, **QUESTION)
    for number in range(between):
        take(calls, arguments_hash=f"short {number}", result_hash="1")
    assert take(calls, arguments_hash="b", argument_is_sentence=True, **QUESTION) is expected


def test_a_failure_of_which_nothing_is_known_is_neither_a_repeat_nor_a_success() -> None:
    calls = Calls()
    take(calls, "ToolError", arguments_hash="a", error_hash="e")
    assert take(calls, "ToolError", arguments_hash="a") is None
    assert take(calls, "ToolError", arguments_hash="a") is None
    assert take(calls, "ToolError", arguments_hash="a", error_hash="e") is Waste.FAIL


def test_memory_of_a_tool_is_bounded() -> None:
    calls = Calls()
    for number in range(2 * MAX_ARGUMENTS_REMEMBERED):
        take(calls, arguments_hash=str(number), result_hash="1")
    for number in range(2 * MAX_ARGUMENTS_REMEMBERED):
        take(calls, "ToolError", arguments_hash=str(number), error_hash=str(number))
    assert len(calls.results) == MAX_ARGUMENTS_REMEMBERED
    assert len(calls.errors) == 16


def test_a_loop_is_told_again_only_when_it_has_doubled() -> None:
    engine = Engine(make_rules({}, select=("REP001",)))
    run = engine.begin("graph", None, 0)
    told: list[float] = []
    for number in range(33):
        call = ToolCall("a", result_hash="1")
        operation = Operation(OperationKind.TOOL, "click", f"{number:016x}", number, number + 1, tool=call)
        told += [suggestion.evidence["wasted_calls"] for suggestion in engine.observe(run, operation)]
    assert told == [2, 3, 6, 12, 24]
    summary, news = engine.finish(run, Operation(OperationKind.WORKFLOW, "graph", "f" * 16, 0, 40))
    (final,) = summary.suggestions
    assert final.evidence["wasted_calls"] == 32
    assert news == []
