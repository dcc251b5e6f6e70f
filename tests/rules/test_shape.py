from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.columns import Columns
from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.model import Inference, NodeStep, Operation, OperationKind, ToolCall
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.base import Row
from otel_agentperf.rules.shape import Tree, spared
from otel_agentperf.rules.traits import traits_of

S = 1_000_000_000
KINDS = st.sampled_from(list(OperationKind))
RULES = make_rules({}, select=("latency", "repetition", "parallelism"))


def operation(span: int, parent: int, start: int, end: int, kind: OperationKind = OperationKind.NODE) -> Operation:
    return Operation(
        kind,
        f"n{span % 5}",
        f"{span:016x}",
        start * S,
        end * S,
        f"{parent:016x}",
        inference=Inference(function_calls=2, request_hash="1", uses=()) if kind is OperationKind.INFERENCE else None,
        tool=ToolCall(f"{span % 7:x}", result_hash="1") if kind is OperationKind.TOOL else None,
        node=NodeStep("g", span % 9, "1") if kind is OperationKind.NODE else None,
    )


def root(end: int) -> Operation:
    return Operation(OperationKind.WORKFLOW, "graph", "f" * 16, 0, end * S)


def rows_of(*operations: Operation) -> list[Row]:
    columns = Columns(100_000)
    for each in operations:
        columns.add(each, traits_of(each))
    return columns.rows()


SPANS = st.integers(0, 12)
ANY_OPERATION = st.builds(operation, SPANS, SPANS, st.integers(-5, 40), st.integers(-5, 40), KINDS)


@given(st.lists(ANY_OPERATION, max_size=14))
def test_the_critical_path_covers_the_run_once_whatever_clocks_and_parents_say(operations: list[Operation]) -> None:
    top = root(30)
    tree = Tree(rows_of(*operations, top), top).walk()
    stretches = sorted((stretch.start_ns, stretch.end_ns) for stretch in tree.path)
    assert sum(end - start for start, end in stretches) == 30 * S
    assert all(before[1] == after[0] for before, after in pairwise(stretches))
    assert (stretches[0][0], stretches[-1][1]) == (0, 30 * S)


@given(st.lists(ANY_OPERATION, max_size=20))
def test_what_is_spared_lies_within_the_run_and_counts_no_moment_twice(operations: list[Operation]) -> None:
    top = root(30)
    rows = rows_of(*operations, top)
    tree = Tree(rows, top).walk()
    stretches = sorted((start, end) for _, start, end in spared(rows, tree))
    assert all(0 <= start < end <= 30 * S for start, end in stretches)
    assert all(before[1] <= after[0] for before, after in pairwise(stretches))


@given(st.lists(ANY_OPERATION, max_size=30))
def test_no_rule_fails_on_a_run_without_sense(operations: list[Operation]) -> None:
    errors: list[str] = []
    engine = Engine(RULES, on_error=lambda site, error: errors.append(f"{site}: {error!r}"))
    run = engine.begin("graph", None, 0)
    for each in operations:
        engine.observe(run, each)
    engine.finish(run, root(30))
    assert errors == []


def test_what_ended_last_is_on_the_path_and_before_it_what_ended_last_before_it_began() -> None:
    top = root(10)
    tree = Tree(
        rows_of(
            operation(1, 0, 0, 4),
            operation(2, 0, 0, 3),
            operation(3, 0, 5, 9),
            operation(4, 3, 6, 8),
            operation(5, 3, 6, 7),
            top,
        ),
        top,
    ).walk()
    path = sorted((stretch.start_ns // S, stretch.end_ns // S, stretch.row.span_id) for stretch in tree.path)
    root_id = int("f" * 16, 16)
    assert path == [(0, 4, 1), (4, 5, root_id), (5, 6, 3), (6, 8, 4), (8, 9, 3), (9, 10, root_id)]


CHAIN = [operation(span, span - 1, 0, 100) for span in range(1, 20_000)]
FAN = [operation(span, 0, span % 50, span % 50 + 40, OperationKind.TOOL) for span in range(1, 20_000)]
CIRCLE = [operation(span, span % 1_000 + 1, 0, 100) for span in range(1, 1_001)]


@pytest.mark.parametrize("operations", [CHAIN, FAN, CIRCLE], ids=["a chain", "a fan", "a circle of parents"])
def test_a_run_of_an_odd_shape_is_judged_in_moderate_time(operations: list[Operation]) -> None:
    errors: list[str] = []
    engine = Engine(RULES, Limits(run_operations=20_000), lambda site, error: errors.append(f"{site}: {error!r}"))
    run = engine.begin("graph", None, 0)
    for each in operations:
        engine.observe(run, each)
    begun = perf_counter()
    engine.finish(run, root(100))
    assert errors == []
    assert perf_counter() - begun < 10


@given(st.lists(ANY_OPERATION, max_size=20, unique_by=lambda each: each.span_id))
def test_from_below_each_operation_comes_after_all_that_is_beneath_it(operations: list[Operation]) -> None:
    whole = root(20)
    tree = Tree(rows_of(*operations, whole), whole)
    order = [row.span_id for row in tree.from_below()]
    assert order[-1] == int(whole.span_id, 16)
    for parent, children in tree.children.items():
        for child in children:
            if child.span_id in order and parent in order:
                assert order.index(child.span_id) < order.index(parent) or child.span_id == parent
