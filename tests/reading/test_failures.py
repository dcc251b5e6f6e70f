"""One exception that ends several operations is one error, at the deepest of them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.judge import observe
from tests.reading.spans import operation

KEYS = {
    "invoke_workflow": semconv.WORKFLOW_NAME,
    "invoke_agent": semconv.AGENT_NAME,
    "invoke_node": semconv.NODE_NAME,
    "execute_tool": semconv.TOOL_NAME,
    "chat": semconv.REQUEST_MODEL,
}


def step(
    kind: str,
    span_id: str,
    parent: str | None,
    start: float,
    end: float,
    error: str | None = None,
    scope: str = "somebody",
) -> Operation:
    said = {semconv.OPERATION_NAME: kind, KEYS[kind]: f"n{span_id}", **({semconv.ERROR_TYPE: error} if error else {})}
    return operation(
        kind, said, span_id=span_id, parent_id=parent, start=start, end=end, is_error=error is not None, scope=scope
    )


def errors(operations: Iterable[Operation]) -> tuple[int, bool]:
    """How many errors the only run has, and whether it succeeded."""
    (run,) = runs_of(operations)
    summary = observe(Engine(()), run)
    return summary.totals.errors, summary.success


GRAPH = step("invoke_workflow", "1", None, 0, 100, "ValueError")
NODE = step("invoke_node", "2", "1", 1, 99, "ValueError")
TOOL = step("execute_tool", "3", "2", 2, 98, "ValueError")


def test_a_tool_that_ends_its_node_and_the_run_is_one_error_of_a_run_that_failed() -> None:
    assert errors([GRAPH, NODE, TOOL]) == (1, False)
    assert errors([TOOL, NODE, GRAPH]) == (1, False)


def test_an_exception_that_is_wrapped_on_its_way_is_one_error() -> None:
    request = step("chat", "3", "2", 2, 98, "429")
    agent = step("invoke_agent", "1", None, 0, 100, "AgentError")
    assert errors([agent, step("invoke_node", "2", "1", 1, 99, "ClientError"), request]) == (1, False)


def test_a_run_that_fails_by_itself_has_one_error() -> None:
    assert errors([GRAPH, step("invoke_node", "2", "1", 1, 50)]) == (1, False)
    assert errors([step("invoke_agent", "1", None, 0, 100, "Late"), step("chat", "2", "1", 1, 50)]) == (1, False)


def test_a_failure_that_was_dealt_with_is_an_error_and_the_run_is_none() -> None:
    graph = step("invoke_workflow", "1", None, 0, 100)
    node = step("invoke_node", "2", "1", 1, 99)
    again = step("execute_tool", "4", "2", 60, 90)
    assert errors([graph, node, step("execute_tool", "3", "2", 2, 50, "ValueError"), again]) == (1, True)


def test_an_error_after_one_that_was_dealt_with_is_an_error_of_its_own() -> None:
    handled = step("execute_tool", "3", "2", 2, 50, "ValueError")
    assert errors([GRAPH, NODE, handled, step("chat", "4", "2", 60, 90)]) == (2, False)


def test_each_attempt_that_failed_is_an_error_and_what_gave_up_after_the_last_is_none() -> None:
    attempts = [step("chat", str(n), "2", 10 * n, 10 * n + 5, "503") for n in range(3, 6)]
    assert errors([GRAPH, NODE, *attempts]) == (3, False)


def test_an_operation_at_once_with_the_one_that_failed_changes_nothing() -> None:
    beside = step("execute_tool", "4", "2", 2, 97)
    assert errors([GRAPH, NODE, step("execute_tool", "3", "2", 2, 50, "ValueError"), beside]) == (1, False)


def test_two_that_failed_at_once_are_two_errors() -> None:
    beside = step("execute_tool", "4", "2", 2, 97, "KeyError")
    assert errors([GRAPH, NODE, TOOL, beside]) == (2, False)


def test_a_request_that_two_spans_report_fails_once() -> None:
    outer = step("chat", "3", "2", 2, 98, "RateLimitError", scope="framework")
    inner = step("chat", "4", "3", 3, 97, "429", scope="sdk")
    assert errors([GRAPH, NODE, outer, inner]) == (1, False)


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_an_exception_through_any_number_of_operations_is_one_error(depth: int, random: object) -> None:
    kinds = ["invoke_workflow", *["invoke_node", "invoke_agent"] * depth][:depth]
    spans = [
        step(kind, f"{n + 1:x}", f"{n:x}" if n else None, n, 100 - n, "ValueError") for n, kind in enumerate(kinds)
    ]
    getattr(random, "shuffle")(spans)  # noqa: B009 - hypothesis gives it no type
    assert errors(spans) == (1, False)
