from __future__ import annotations

from decimal import Decimal
from math import isnan

import msgspec
import pytest

from otel_agentperf.analysis.columns import Columns, cost_of
from otel_agentperf.model import Cost, CostStatus, Inference, NodeStep, Operation, OperationKind, Usage
from otel_agentperf.rules.base import int_of, span_hex
from otel_agentperf.rules.traits import traits_of

FULL = Operation(
    OperationKind.INFERENCE,
    "gemini-2.5-pro",
    "00000000000000a1",
    5,
    9,
    "00000000000000b2",
    agent="planner",
    error_type="429",
    outcome="abandoned",
    usage=Usage(100, 20, cache_read_tokens=30, reasoning_tokens=4),
    cost=Cost(CostStatus.PRICED, Decimal("0.25")),
)


def columns(*operations: Operation, limit: int = 100) -> Columns:
    made = Columns(limit)
    for operation in operations:
        made.add(operation, traits_of(operation), cost_of(operation))
    return made


def test_a_row_says_what_its_operation_said() -> None:
    (row,) = columns(FULL).rows()
    assert (span_hex(row.span_id), span_hex(row.parent_id)) == (FULL.span_id, FULL.parent_id)
    assert (row.kind, row.name, row.agent, row.outcome) == (FULL.kind, FULL.name, FULL.agent, FULL.outcome)
    assert (row.start_ns, row.end_ns, row.duration_ns, row.cost_usd) == (5, 9, 4, 0.25)
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (100, 20, 30, 4)
    assert (row.is_error, row.is_agent, row.has_cost) == (True, False, True)


def test_an_unknown_cost_is_no_number_and_nothing_billed_is_told_apart() -> None:
    unpriced = msgspec.structs.replace(FULL, cost=Cost(CostStatus.UNPRICED))
    free = msgspec.structs.replace(FULL, cost=None, usage=None, error_type=None, is_agent=True, outcome=None)
    first, second = columns(unpriced, free).rows()
    assert isnan(first.cost_usd)
    assert isnan(second.cost_usd)
    assert (first.has_cost, second.has_cost) == (True, False)
    assert (second.is_error, second.is_agent, second.outcome) == (False, True, None)


def test_rows_come_in_order_of_start_and_the_longer_one_first() -> None:
    spans = [("1", 5, 6), ("2", 0, 3), ("3", 0, 9)]
    made = columns(*(msgspec.structs.replace(FULL, span_id=i, start_ns=s, end_ns=e) for i, s, e in spans))
    assert [row.span_id for row in made.rows()] == [3, 2, 1]


def test_what_is_beyond_the_limit_is_counted_and_left_out() -> None:
    made = columns(*[FULL] * 5, limit=3)
    assert (len(made), len(made.rows()), made.dropped) == (3, 3, 2)


def test_the_root_of_a_run_is_kept_beyond_the_limit() -> None:
    made = columns(*[FULL] * 3, limit=3)
    made.add(msgspec.structs.replace(FULL, span_id="00000000000000ff"), 0, is_root=True)
    assert (made.dropped, {row.span_id for row in made.rows()}) == (0, {0xA1, 0xFF})


@pytest.mark.parametrize("time_ns", [2**70, -(2**70)])
def test_a_time_that_no_clock_gives_is_left_out(time_ns: int) -> None:
    made = columns(msgspec.structs.replace(FULL, start_ns=time_ns))
    assert (len(made), made.dropped) == (0, 1)


def test_tokens_beyond_four_thousand_million_are_cut() -> None:
    (row,) = columns(msgspec.structs.replace(FULL, usage=Usage(2**40, 7))).rows()
    assert (row.input_tokens, row.output_tokens) == (2**32 - 1, 7)


def test_an_id_that_is_no_hexadecimal_number_still_tells_spans_apart() -> None:
    assert int_of("00000000000000ff") == 255
    assert 0 <= int_of("not hex") < 2**64
    assert int_of("not hex") != int_of("not hex either")
    assert int_of("-1") != int_of("1")
    assert 0 <= int_of("f" * 40) < 2**64


def test_what_is_let_go_of_is_gone() -> None:
    made = columns(FULL)
    made.clear()
    assert made.rows() == []


def test_a_row_tells_how_many_functions_an_answer_asked_for() -> None:
    asked = (None, 2, 5, 2**20)
    made = columns(
        *(msgspec.structs.replace(FULL, inference=Inference(function_calls=calls)) for calls in asked[:3]), FULL
    )
    assert ([row.function_calls for row in made.rows()], made.most_asked) == ([0, 2, 5, 0], 5)
    assert columns(msgspec.structs.replace(FULL, inference=Inference(function_calls=asked[3]))).most_asked == 2**16 - 1


def test_a_row_tells_what_a_request_or_a_node_was_given() -> None:
    asked = Inference(request_hash="00000000000000aa", prefix_hashes=("00000000000000bb", "00000000000000cc"))
    request = msgspec.structs.replace(FULL, inference=asked)
    node = Operation(OperationKind.NODE, "plan", "1", 0, 1, node=NodeStep("g", 3, "00000000000000dd"))
    unknown = Operation(OperationKind.NODE, "plan", "2", 2, 3, node=NodeStep("g"))
    told = [(row.given, row.head, row.step) for row in columns(request, node, unknown).ended()]
    assert told == [(0xAA, 0xBB, -1), (0xDD, 0, 3), (0, 0, -1)]


@pytest.mark.parametrize(
    ("names", "states", "again"),
    [
        (("plan", "plan"), ("a", "a"), True),
        (("plan", "plan"), ("a", "b"), False),
        (("plan", "act"), ("a", "a"), False),
        (("plan", "plan"), (None, None), False),
    ],
)
def test_a_node_is_given_the_same_again_where_it_is_the_same_node(
    names: tuple[str, str], states: tuple[str | None, str | None], again: bool
) -> None:
    nodes = [
        Operation(OperationKind.NODE, name, str(place), place, place + 1, node=NodeStep("g", place, state))
        for place, (name, state) in enumerate(zip(names, states, strict=True))
    ]
    assert columns(*nodes).given_again() == ({OperationKind.NODE} if again else set())


def test_whoever_asks_first_the_same_request_again_is_told() -> None:
    first, second = (
        msgspec.structs.replace(FULL, agent=agent, inference=Inference(request_hash="a")) for agent in ("a", "b")
    )
    assert columns(first).given_again() == set()
    assert columns(first, second).given_again() == {OperationKind.INFERENCE}


def test_the_earlier_answers_that_a_request_holds_are_told_by_its_span() -> None:
    made = columns(msgspec.structs.replace(FULL, inference=Inference(uses=("b1", "b2"))))
    assert (made.used_by(0xA1), made.used_by(0xA2)) == (("b1", "b2"), ())
