from __future__ import annotations

from collections.abc import Mapping

import pytest

from otel_agentperf import semconv
from otel_agentperf.model import Operation
from otel_agentperf.reading import runs_of
from tests.reading.spans import operation

MODEL = "gemini-2.5-flash"


def request(
    span_id: str,
    parent: str | None,
    start: float,
    end: float,
    tokens: tuple[int, int] | None = (100, 10),
    *,
    scope: str = "sdk",
    extra: Mapping[str, object] | None = None,
) -> Operation:
    said: dict[str, object] = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: MODEL, **(extra or {})}
    if tokens is not None:
        said |= {semconv.USAGE_INPUT_TOKENS: tokens[0], semconv.USAGE_OUTPUT_TOKENS: tokens[1]}
    return operation("chat", said, span_id=span_id, parent_id=parent, start=start, end=end, scope=scope)


def work(name: str, span_id: str, parent: str | None, start: float = 0, end: float = 100) -> Operation:
    said: Mapping[str, object] = {
        "graph": {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "g"},
        "node": {semconv.OPERATION_NAME: "invoke_node", semconv.NODE_NAME: "n"},
        "tool": {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "t"},
        "http": {},
    }[name]
    return operation(name, said, span_id=span_id, parent_id=parent, start=start, end=end)


def counted(*operations: Operation) -> list[str]:
    """The spans of the requests that count."""
    found = [op.span_id for run in runs_of(operations) for op in run.operations if op.counted and op.inference]
    return sorted(found)


def test_a_framework_around_the_sdk_is_not_counted() -> None:
    assert counted(request("1", None, 0, 9, scope="framework"), request("2", "1", 1, 8)) == ["2"]


def test_what_lies_between_the_two_makes_no_difference() -> None:
    spans = [request("1", None, 0, 9, scope="framework"), work("http", "2", "1", 1, 8), request("3", "2", 2, 7)]
    assert counted(*spans) == ["3"]


def test_a_request_around_several_is_not_counted_and_they_are() -> None:
    outer = request("1", None, 0, 9, (300, 30), scope="framework")
    assert counted(outer, request("2", "1", 1, 3), request("3", "1", 4, 6), request("4", "1", 7, 8)) == ["2", "3", "4"]


def test_of_three_the_innermost_counts() -> None:
    spans = [request("1", None, 0, 9, scope="a"), request("2", "1", 1, 8, scope="b"), request("3", "2", 2, 7)]
    assert counted(*spans) == ["3"]


def test_the_outer_one_counts_where_only_it_knows_the_tokens() -> None:
    assert counted(request("1", None, 0, 9), request("2", "1", 1, 8, None), request("3", "2", 2, 7, None)) == ["1"]
    assert counted(request("1", None, 0, 9, None), request("2", "1", 1, 8), request("3", "2", 2, 7, None)) == ["2"]


def test_a_request_in_a_tool_that_is_called_automatically_is_one_of_its_own() -> None:
    assert counted(request("1", None, 0, 9), work("tool", "2", "1", 1, 8), request("3", "2", 2, 7)) == ["1", "3"]


def test_an_embedding_beneath_a_request_is_one_of_its_own() -> None:
    said = {semconv.OPERATION_NAME: "embeddings", semconv.REQUEST_MODEL: "e"}
    embedding = operation("embeddings", said, span_id="2", parent_id="1")
    assert counted(request("1", None, 0, 9), embedding) == ["1", "2"]


def test_a_request_that_is_marked_already_covers_nothing() -> None:
    marked = request("2", "1", 1, 8, scope="peer", extra={semconv.COUNTED: False})
    assert counted(request("1", None, 0, 9), marked) == ["1"]


def test_a_request_around_others_that_is_marked_already_takes_nothing_from_them() -> None:
    marked = request("1", None, 0, 9, scope="peer", extra={semconv.COUNTED: False})
    assert counted(marked, request("2", "1", 1, 8, None), request("3", None, 20, 21)) == ["2", "3"]


GRAPH, NODE = work("graph", "1", None), work("node", "2", "1")


def test_the_sdk_beside_a_framework_that_is_never_current_counts() -> None:
    assert counted(GRAPH, NODE, request("3", "2", 0, 9, scope="framework"), request("4", "2", 1, 8)) == ["4"]


def test_the_framework_counts_where_the_sdk_hangs_above_its_place() -> None:
    assert counted(GRAPH, NODE, request("3", "2", 0, 9, scope="framework"), request("4", "1", 1, 8)) == ["3"]


def test_the_one_that_knows_of_reasoning_counts() -> None:
    more = {semconv.USAGE_REASONING_TOKENS: 30}
    knows = request("3", "2", 0, 9, (100, 40), scope="framework", extra=more)
    assert counted(GRAPH, NODE, knows, request("4", "2", 1, 8, (100, 10))) == ["3"]
    assert counted(
        GRAPH, NODE, request("3", "2", 0, 9, (100, 10), scope="f"), request("4", "2", 1, 8, (100, 40), extra=more)
    ) == ["4"]


DIFFERENT = {
    "the same instrumentation": request("4", "2", 1, 8, scope="framework"),
    "other input": request("4", "2", 1, 8, (101, 10)),
    "other output": request("4", "2", 1, 8, (100, 11)),
    "no tokens": request("4", "2", 1, 8, None),
    "a longer time": request("4", "2", 1, 10),
    "another time": request("4", "2", 10, 11),
    "another model": request("4", "2", 1, 8, extra={semconv.REQUEST_MODEL: "gemini-3-pro"}),
    "another branch": request("4", "5", 1, 8),
}


@pytest.mark.parametrize("how", DIFFERENT)
def test_neighbours_that_differ_are_two_requests(how: str) -> None:
    outer = request("3", "2", 0, 9, scope="framework")
    assert counted(GRAPH, NODE, work("node", "5", "1"), outer, DIFFERENT[how]) == ["3", "4"]


CONTENT = {semconv.INPUT_MESSAGES: '[{"role": "user", "content": "hi"}]', semconv.OUTPUT_MESSAGES: '["yes"]'}
PLACES = {"around it": ("3", 1, 8), "beside it": ("2", 1, 8)}


@pytest.mark.parametrize("place", PLACES)
def test_the_one_that_counts_has_the_fingerprints_of_the_other(place: str) -> None:
    parent, start, end = PLACES[place]
    outer = request("3", "2", 0, 9, scope="framework", extra=CONTENT)
    (run,) = runs_of([GRAPH, NODE, outer, request("4", parent, start, end)])
    (kept,) = [op.inference for op in run.operations if op.counted and op.inference]
    assert outer.inference is not None
    assert kept.request_hash == outer.inference.request_hash
    assert (kept.prefix_sizes, kept.request_size) == (outer.inference.prefix_sizes, outer.inference.request_size)
    assert (kept.response_hash, kept.response_kind) == (outer.inference.response_hash, "text")
    assert kept.request_hash is not None


def test_of_three_around_each_other_the_innermost_has_the_fingerprints_of_the_outermost() -> None:
    outer = request("3", "2", 0, 9, scope="framework", extra=CONTENT)
    (run,) = runs_of([GRAPH, NODE, outer, request("4", "3", 1, 8, scope="router"), request("5", "4", 2, 7)])
    (kept,) = [op.inference for op in run.operations if op.counted and op.inference]
    assert outer.inference is not None
    assert (kept.request_hash, kept.response_kind) == (outer.inference.request_hash, "text")


def test_fingerprints_of_its_own_are_kept() -> None:
    own = {semconv.REQUEST_HASH: "a" * 16, semconv.RESPONSE_HASH: "b" * 16, semconv.RESPONSE_KIND: "mixed"}
    outer = request("3", "2", 0, 9, scope="framework", extra=CONTENT)
    (run,) = runs_of([GRAPH, NODE, outer, request("4", "3", 1, 8, extra=own)])
    (kept,) = [op.inference for op in run.operations if op.counted and op.inference]
    assert (kept.request_hash, kept.response_hash, kept.response_kind) == ("a" * 16, "b" * 16, "mixed")


def test_a_request_around_several_lends_its_fingerprints_to_none() -> None:
    outer = request("3", "2", 0, 9, scope="framework", extra=CONTENT)
    (run,) = runs_of([GRAPH, NODE, outer, request("4", "3", 1, 3), request("5", "3", 4, 8)])
    assert [op.inference.request_hash for op in run.operations if op.counted and op.inference] == [None, None]


def test_one_request_covers_one_other_only() -> None:
    outer = request("3", "2", 0, 9, scope="framework")
    assert counted(GRAPH, NODE, outer, request("4", "2", 1, 4), request("5", "2", 5, 8)) == ["4", "5"]


def test_a_run_of_which_another_run_has_all_is_none() -> None:
    web = work("http", "0", None)
    spans = [web, work("graph", "1", "0"), NODE, request("3", "2", 0, 9, scope="framework"), request("4", "0", 1, 8)]
    assert [run.root.name for run in runs_of(spans)] == ["g"]


def test_ten_thousand_nested_requests_are_told_without_delay() -> None:
    nested = [request(str(i), str(i - 1) if i else None, i, 30_000 - i, scope=str(i % 2)) for i in range(10_000)]
    assert counted(*nested) == ["9999"]


def test_requests_that_are_each_others_parents_do_no_harm() -> None:
    assert len(counted(request("1", "2", 0, 9), request("2", "1", 0, 9), request("3", "3", 0, 9))) <= 3


# -- where the file does not name the instrumentations ---------------------------------------

OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": MODEL,
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 10,
}


def unnamed(span_id: str, parent: str | None, start: float, end: float, **more: object) -> Operation:
    return request(span_id, parent, start, end, scope="", extra=more)


def openinference(span_id: str, parent: str | None, start: float, end: float) -> Operation:
    return operation("ChatModel", OPENINFERENCE, span_id=span_id, parent_id=parent, start=start, end=end, scope="")


def test_without_names_nesting_tells_that_two_or_three_spans_are_one_request() -> None:
    assert counted(unnamed("1", None, 0, 9), unnamed("2", "1", 1, 8)) == ["2"]
    assert counted(unnamed("3", "2", 2, 7), unnamed("1", None, 0, 9), unnamed("2", "1", 1, 8)) == ["3"]
    assert counted(unnamed("1", None, 0, 9), work("http", "2", "1", 1, 8), unnamed("3", "2", 2, 7)) == ["3"]


def test_without_names_the_requests_of_automatic_function_calling_count_and_what_is_around_them_does_not() -> None:
    spans = [
        unnamed("1", None, 0, 20),
        unnamed("2", "1", 1, 5),
        work("tool", "3", "1", 6, 12),
        unnamed("4", "3", 7, 11),
        unnamed("5", "4", 8, 10),
        unnamed("6", "1", 13, 19),
    ]
    assert counted(*spans) == ["2", "5", "6"]


def test_without_names_siblings_of_two_conventions_are_one_request() -> None:
    assert counted(GRAPH, NODE, openinference("3", "2", 0, 9), unnamed("4", "2", 1, 8)) == ["4"]


def test_without_names_siblings_that_two_operations_name_are_one_request() -> None:
    inner = unnamed("4", "2", 1, 8, **{semconv.OPERATION_NAME: "generate_content"})
    assert counted(GRAPH, NODE, unnamed("3", "2", 0, 9), inner) == ["4"]


def test_without_names_siblings_that_look_alike_are_two_requests_at_once() -> None:
    assert counted(GRAPH, NODE, unnamed("3", "2", 0, 9), unnamed("4", "2", 1, 8)) == ["3", "4"]
    assert counted(GRAPH, NODE, openinference("3", "2", 0, 9), openinference("4", "2", 1, 8)) == ["3", "4"]


def test_requests_one_after_another_are_two_with_and_without_names() -> None:
    assert counted(GRAPH, NODE, openinference("3", "2", 0, 4), unnamed("4", "2", 5, 9)) == ["3", "4"]
    assert counted(GRAPH, NODE, request("3", "2", 0, 4, scope="a"), request("4", "2", 5, 9, scope="b")) == ["3", "4"]


def test_our_own_requests_are_made_once_and_never_left_out() -> None:
    spans = [request("1", None, 0, 9, scope=semconv.SCOPE_API), request("2", "1", 1, 8, scope=semconv.SCOPE_API)]
    assert counted(*spans) == ["1", "2"]
