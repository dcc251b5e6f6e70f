from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.columns import Columns
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation, OperationKind, Suggestion
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.shape import Tree
from otel_agentperf.rules.time_spent import Spent, own_stretches, pieces, waits_for_person, without
from otel_agentperf.rules.traits import traits_of

S = 1_000_000_000
KINDS = st.sampled_from([kind for kind in OperationKind if kind is not OperationKind.WORKFLOW])
STRETCHES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


def operation(
    span: int, parent: int, start: int, end: int, kind: OperationKind, name: str = "", **facts: object
) -> Operation:
    return Operation(
        kind,
        name or f"n{span % 3}",
        f"{span:016x}",
        start * S,
        end * S,
        f"{parent:016x}",
        **{"is_agent": kind is OperationKind.AGENT, **facts},  # pyright: ignore[reportArgumentType]
    )


ANY_OPERATION = st.builds(
    operation,
    st.integers(1, 12),
    st.integers(0, 12),
    st.integers(-5, 40),
    st.integers(-5, 40),
    KINDS,
    outcome=st.sampled_from([None, None, "interrupted"]),
)


def root(end: int) -> Operation:
    return Operation(OperationKind.WORKFLOW, "graph", "f" * 16, 0, end * S)


def tree_of(operations: list[Operation], top: Operation) -> tuple[Tree, Columns]:
    columns = Columns(1_000)
    for each in (*operations, top):
        columns.add(each, traits_of(each))
    return columns.tree(top), columns


def suggestions(operations: list[Operation], top: Operation, code: str, **options: float) -> list[Suggestion]:
    engine = Engine(make_rules({code: options}, select=(code,)))
    run = engine.begin(top.name, None, top.start_ns)
    for each in sorted(operations, key=lambda each: each.end_ns):
        engine.observe(run, each)
    return list(engine.finish(run, top)[0].suggestions)


def union(stretches: list[tuple[int, int]]) -> set[int]:
    return {moment for start, end in stretches for moment in range(start, end)}


@given(st.lists(ANY_OPERATION, max_size=14))
def test_the_pieces_of_an_operation_never_overlap_and_add_up_to_its_time(operations: list[Operation]) -> None:
    top = root(30)
    tree, columns = tree_of(operations, top)
    for row in columns.rows():
        found = sorted(pieces(tree, row))
        assert sum(piece.end_ns - piece.start_ns for piece in found) == row.duration_ns
        assert all(before.end_ns <= after.start_ns for before, after in pairwise(found))


@given(STRETCHES, STRETCHES)
def test_what_is_left_of_stretches_is_what_the_others_do_not_cover(
    stretches: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    assert union(without(stretches, others)) == union(stretches) - union(others)


@given(st.lists(ANY_OPERATION, max_size=12))
def test_an_operation_runs_alone_where_nothing_beneath_it_does(operations: list[Operation]) -> None:
    tree, columns = tree_of(operations, root(30))
    for row in columns.rows():
        own = [(start, end) for start, end, _ in own_stretches(tree, [row])]
        below = [
            (child.start_ns, child.end_ns)
            for child in tree.children.get(row.span_id, ())
            if child.kind is not OperationKind.SERVICE
        ]
        if row.kind is not OperationKind.SERVICE:
            assert own == without([(row.start_ns, row.end_ns)], below)


@given(st.lists(ANY_OPERATION, max_size=14), st.integers(0, 6))
def test_a_slow_agent_saves_no_more_than_it_was_busy_and_the_run_lasted(
    operations: list[Operation], threshold: int
) -> None:
    top = root(30)
    for said in suggestions(operations, top, "LAT001", threshold_s=threshold, least_s=0, min_invocations=1):
        name = said.applies_to[0].partition(":")[2]
        mine = [(each.start_ns, each.end_ns) for each in operations if each.is_agent and each.name == name]
        busy_ns = sum(end - start for start, end in without([each for each in mine if each[0] < each[1]], []))
        assert said.savings is not None
        assert said.savings.time_s is not None
        assert 0 < said.savings.time_s <= min(30.0, busy_ns / S)
        claimed = without([(claim.start_ns, claim.end_ns) for claim in said.claims], [])
        assert sum(end - start for start, end in claimed) == pytest.approx(said.savings.time_s * S, rel=1e-6)


def agent(span: int, name: str, start: int, end: int, parent: int = 0, **facts: object) -> Operation:
    return operation(span, parent, start, end, OperationKind.AGENT, name, **facts)


def test_the_advice_fits_what_the_time_went_to() -> None:
    operations = [
        agent(1, "crawler", 0, 20),
        agent(2, "crawler", 20, 40),
        operation(3, 1, 1, 19, OperationKind.TOOL, "fetch"),
        operation(4, 2, 21, 39, OperationKind.TOOL, "fetch"),
        agent(5, "writer", 40, 60),
        agent(6, "writer", 60, 80),
        operation(7, 5, 41, 59, OperationKind.INFERENCE, "gemini-2.5-pro"),
        operation(8, 6, 61, 79, OperationKind.INFERENCE, "gemini-2.5-pro"),
    ]
    said = {each.applies_to[0]: each.description for each in suggestions(operations, root(80), "LAT001")}
    assert (
        "Of this, on average: 18.0 s in tool fetch, 2.0 s in its own code. Give fetch a time limit"
        in said["agent:crawler"]
    )
    assert "prompt" not in said["agent:crawler"]
    assert "18.0 s in requests to gemini-2.5-pro" in said["agent:writer"]
    assert "Shorten its prompt or its answer, or use a faster model." in said["agent:writer"]


def test_an_agent_that_waits_for_others_is_sent_to_them() -> None:
    operations = [
        agent(1, "lead", 0, 9),
        agent(2, "reader", 1, 4, parent=1),
        agent(3, "judge", 4, 8, parent=1),
        agent(4, "lead", 9, 18),
        agent(5, "reader", 10, 13, parent=4),
        agent(6, "judge", 13, 17, parent=4),
    ]
    (said,) = suggestions(operations, root(18), "LAT001")
    assert said.applies_to == ("agent:lead",)
    assert said.impact_score <= 0.5
    assert "4.0 s waiting for judge, there in its own code, 3.0 s waiting for reader" in said.description
    assert "Start with judge; start agents that do not need each other's results at the same time." in said.description
    assert "prompt" not in said.description


def test_an_agent_that_waits_for_one_that_is_slow_itself_is_left_alone() -> None:
    operations = [
        agent(1, "lead", 0, 22),
        agent(2, "reader", 1, 21, parent=1),
        agent(3, "lead", 22, 44),
        agent(4, "reader", 23, 43, parent=3),
    ]
    (said,) = suggestions(operations, root(44), "LAT001")
    assert said.applies_to == ("agent:reader",)


def test_what_another_agent_does_meanwhile_cannot_be_saved() -> None:
    operations = [agent(1, "a", 0, 20), agent(2, "a", 20, 40), agent(3, "b", 0, 19), agent(4, "b", 20, 38)]
    (said,) = suggestions(operations, root(40), "LAT001")
    assert said.applies_to == ("agent:a",)
    assert said.savings is not None
    assert said.savings.time_s == pytest.approx(1 + 2)


def test_time_in_which_a_person_is_waited_for_is_nobody_s_work() -> None:
    tree, columns = tree_of(
        [
            agent(1, "clerk", 0, 30),
            operation(2, 1, 0, 2, OperationKind.NODE, "ask", outcome="interrupted"),
            operation(3, 1, 20, 22, OperationKind.TOOL, "ask_human"),
            operation(4, 1, 22, 30, OperationKind.INFERENCE, "m"),
        ],
        root(30),
    )
    clerk = next(row for row in columns.rows() if row.name == "clerk")
    waited = sum(piece.end_ns - piece.start_ns for piece in pieces(tree, clerk) if piece.spent is Spent.PERSON)
    assert waited == 22 * S


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("ask_human", True),
        ("HumanApproval", True),
        ("human_in_the_loop", True),
        ("request_approval", True),
        ("AskUserQuestion", True),
        ("get_user_input", True),
        ("get_user_details", False),
        ("approve_refund", False),
        ("humanize_text", False),
        ("search", False),
    ],
)
def test_a_tool_that_a_person_answers_is_known_by_its_name(name: str, waits: bool) -> None:
    _, columns = tree_of([operation(1, 0, 0, 1, OperationKind.TOOL, name)], root(1))
    row = next(row for row in columns.rows() if row.name == name)
    assert waits_for_person(row) is waits
