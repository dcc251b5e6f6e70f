from __future__ import annotations

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation, OperationKind, ToolCall
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.repetition.wasted import MAX_ARGUMENTS_REMEMBERED, Calls, Waste


def take(calls: Calls, error: str | None = None, **prints: str | None) -> Waste | None:
    call = ToolCall(**prints)  # pyright: ignore[reportArgumentType]
    return calls.take(call, Operation(OperationKind.TOOL, "t", "1", 0, 1, error_type=error, tool=call))


def bits(number: int) -> str:
    return f"{(1 << number) - 1:016x}"


@pytest.mark.parametrize(("distance", "expected"), [(13, Waste.NEAR), (14, Waste.NEAR), (15, None)])
def test_fourteen_bits_apart_is_nearly_the_same(distance: int, expected: Waste | None) -> None:
    calls = Calls()
    take(calls, arguments_hash="a", arguments_simhash=bits(0), context_hash="c", result_hash="1")
    said = take(calls, arguments_hash="b", arguments_simhash=bits(distance), context_hash="c", result_hash="2")
    assert said is expected


@pytest.mark.parametrize(("between", "expected"), [(15, Waste.NEAR), (16, None)])
def test_only_the_last_sixteen_calls_of_a_tool_are_compared(between: int, expected: Waste | None) -> None:
    calls = Calls()
    take(calls, arguments_hash="a", arguments_simhash=bits(0), context_hash="c", result_hash="1")
    for number in range(between):
        take(calls, arguments_hash=f"short {number}", result_hash="1")
    said = take(calls, arguments_hash="b", arguments_simhash=bits(1), context_hash="c", result_hash="2")
    assert said is expected


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
    summary, _ = engine.finish(run, Operation(OperationKind.WORKFLOW, "graph", "f" * 16, 0, 40))
    (final,) = summary.suggestions
    assert final.evidence["wasted_calls"] == 32
    assert summary.restated == (final,)
