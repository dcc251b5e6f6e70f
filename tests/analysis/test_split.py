from __future__ import annotations

from decimal import Context, Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.analysis.runs import add_to_totals
from otel_agentperf.analysis.split import CostSplit, copy_split, estimated_of, split_of
from otel_agentperf.model import (
    MAX_ASSUMPTIONS,
    ZERO_USD,
    Cost,
    CostStatus,
    Operation,
    OperationKind,
    Totals,
    Usage,
)

EXACT = Context(prec=60)
PARTS = CostSplit.__struct_fields__


def spent(kind: OperationKind = OperationKind.INFERENCE, thoughts: int = 0, **cost: Any) -> Operation:
    """An operation with these parts of a cost; `total_usd` is their sum unless it is given."""
    facts = {name: Decimal(value) if name.endswith("_usd") and value else value for name, value in cost.items()}
    parts = [value for name, value in facts.items() if name.endswith("_usd") and name != "reasoning_usd" and value]
    facts.setdefault("total_usd", sum(parts, ZERO_USD))
    made = msgspec.structs.replace(Cost(CostStatus.PRICED), **facts)
    return Operation(kind, "m", "1" * 16, 0, 1, usage=Usage(10, 10, reasoning_tokens=thoughts), cost=made)


def summed(*operations: Operation) -> Totals:
    totals = Totals()
    for operation in operations:
        add_to_totals((totals,), operation)
    return totals


def total(split: CostSplit) -> Decimal:
    """The exact sum of the parts."""
    whole = ZERO_USD
    for name in PARTS:
        whole = EXACT.add(whole, getattr(split, name) or ZERO_USD)
    return whole


def shown(split: CostSplit) -> dict[str, str]:
    """The parts that are not zero."""
    return {name: str(value.normalize()) for name in PARTS if (value := getattr(split, name))}


def test_each_part_of_a_cost_is_summed_by_itself() -> None:
    totals = summed(
        spent(
            input_usd="0.01", cache_read_usd="0.002", cache_write_usd="0.003", output_usd="0.02", grounding_usd=ZERO_USD
        ),
        spent(thoughts=8, input_usd="0.01", output_usd="0.09", reasoning_usd="0.08", grounding_usd="0.035"),
        spent(OperationKind.SERVICE, input_usd="0.05", storage_usd="0.4"),
        spent(OperationKind.SERVICE, total_usd="0.7"),
        spent(total_usd="0.6"),
    )
    assert shown(split_of(totals)) == {
        "input_usd": "0.07",
        "cached_input_usd": "0.002",
        "cache_write_usd": "0.003",
        "output_usd": "0.03",
        "thoughts_usd": "0.08",
        "grounding_usd": "0.035",
        "storage_usd": "0.4",
        "services_usd": "0.7",
        "not_split_usd": "0.6",
    }
    assert total(split_of(totals)) == totals.cost_usd == Decimal("1.92")


def test_thoughts_whose_price_is_unknown_stay_within_the_output() -> None:
    split = split_of(
        summed(
            spent(thoughts=8, input_usd="0.01", output_usd="0.09", reasoning_usd="0.08"),
            spent(thoughts=8, input_usd="0.01", output_usd="0.05"),
        )
    )
    assert split.thoughts_usd is None
    assert split.output_usd == Decimal("0.14")


def test_a_cost_of_which_a_part_is_missing_is_not_split_where_it_is() -> None:
    assert shown(split_of(summed(spent(input_usd="0.01", total_usd="0.03")))) == {
        "input_usd": "0.01",
        "not_split_usd": "0.02",
    }
    assert shown(split_of(summed(spent(output_usd="0.02", grounding_usd="0.035")))) == {
        "grounding_usd": "0.035",
        "not_split_usd": "0.02",
    }


def test_parts_that_say_more_than_their_total_are_not_believed() -> None:
    totals = summed(
        spent(input_usd="0.5", output_usd="0.5", total_usd="0.1"), spent(input_usd="0.1", output_usd=ZERO_USD)
    )
    assert shown(split_of(totals)) == {"not_split_usd": "0.2"}


def test_calls_without_a_price_are_in_no_part() -> None:
    unpriced = Operation(OperationKind.INFERENCE, "m", "2" * 16, 0, 1, cost=Cost(CostStatus.UNPRICED))
    known = Cost(CostStatus.UNPRICED, input_usd=Decimal(1), output_usd=Decimal(1))
    totals = summed(unpriced, msgspec.structs.replace(unpriced, cost=known), spent(input_usd="0.1", output_usd="0.2"))
    assert shown(split_of(totals)) == {"input_usd": "0.1", "output_usd": "0.2"}
    assert totals.unpriced_calls == 2


def test_what_is_estimated_is_summed_with_what_it_rests_on() -> None:
    totals = summed(
        spent(input_usd="0.1", output_usd="0.2", estimated=True, assumption="text alone is priced"),
        spent(input_usd="0.1", output_usd="0.2", estimated=True),
        spent(input_usd="0.4", output_usd="0.4"),
    )
    estimated = estimated_of(totals)
    assert estimated is not None
    assert (estimated.usd, estimated.assumptions) == (Decimal("0.6"), ("text alone is priced",))
    assert estimated_of(summed(spent(input_usd="0.4", output_usd="0.4"))) is None


def with_parts(output: Decimal, share: Decimal, **parts: Any) -> Operation:
    return spent(thoughts=5, output_usd=output, reasoning_usd=EXACT.multiply(output, share), **parts)


def as_one_total(kind: OperationKind, given_usd: Decimal) -> Operation:
    return spent(kind, total_usd=given_usd)


def stored(storage: Decimal, fresh: Decimal) -> Operation:
    return spent(OperationKind.SERVICE, storage_usd=storage, input_usd=fresh)


usd = st.decimals(0, 1000, places=6) | st.just(ZERO_USD)
any_cost = (
    st.builds(
        with_parts,
        output=usd,
        share=st.sampled_from([Decimal(0), Decimal("0.25"), Decimal(1)]),
        input_usd=usd,
        cache_read_usd=st.none() | usd,
        cache_write_usd=st.none() | usd,
        grounding_usd=st.none() | usd,
        storage_usd=st.none() | usd,
        estimated=st.booleans(),
        assumption=st.none() | st.sampled_from("abcdefg"),
    )
    | st.builds(
        as_one_total,
        kind=st.sampled_from([OperationKind.INFERENCE, OperationKind.SERVICE, OperationKind.TOOL]),
        given_usd=usd,
    )
    | st.builds(stored, storage=usd, fresh=usd)
)
operations = st.lists(any_cost, max_size=12)


@settings(deadline=None)
@given(operations)
def test_the_parts_of_any_work_add_up_to_its_total(work: list[Operation]) -> None:
    totals = summed(*work)
    split = split_of(totals)
    assert total(split) == totals.cost_usd
    assert all((getattr(split, name) or 0) >= 0 for name in PARTS)
    costs = [operation.cost for operation in work if operation.cost is not None]
    assert split.grounding_usd == sum((cost.grounding_usd or ZERO_USD for cost in costs), ZERO_USD)
    assert split.storage_usd == sum((cost.storage_usd or ZERO_USD for cost in costs), ZERO_USD)
    assert split.input_usd == sum((cost.input_usd or ZERO_USD for cost in costs), ZERO_USD)


@settings(deadline=None)
@given(operations, st.randoms(use_true_random=False))
def test_sums_of_parts_do_not_depend_on_how_runs_are_merged(work: list[Operation], random: Random) -> None:
    parts = [summed(operation) for operation in work]
    random.shuffle(parts)
    while len(parts) > 1:
        other = parts.pop()
        parts[random.randrange(len(parts))].merge(other)
    assert (parts or [Totals()])[0] == summed(*work)


def test_an_assumption_among_several_of_one_cost_is_named_once() -> None:
    totals = summed(
        spent(input_usd="1", output_usd="1", estimated=True, assumption="no region is known; all of it is text"),
        spent(input_usd="1", output_usd="1", estimated=True, assumption="all of it is text"),
    )
    assert totals.assumptions == ("all of it is text", "no region is known")


def test_assumptions_are_bounded_and_the_same_in_any_order() -> None:
    work = [spent(input_usd="1", output_usd="1", estimated=True, assumption=f"a{n}") for n in range(20)]
    one, other = summed(*work), summed(*reversed(work))
    assert one.assumptions == other.assumptions
    assert len(one.assumptions) == MAX_ASSUMPTIONS


@settings(deadline=None)
@given(parts=st.lists(st.decimals(0, 1, places=15), min_size=3, max_size=3))
def test_a_total_and_parts_that_were_read_back_as_floats_add_up_still(parts: list[Decimal]) -> None:
    """Attributes are floats, so that parts and total may differ by a little of the last digit."""
    fresh, output, grounding = (Decimal(repr(float(part))) for part in parts)
    whole = Decimal(repr(float(sum(parts, ZERO_USD))))
    operation = spent(input_usd=fresh, output_usd=output, grounding_usd=grounding, total_usd=whole)
    split = split_of(summed(operation))
    assert total(split) == whole
    assert split.not_split_usd == 0


def test_storage_that_was_read_back_as_floats_leaves_nothing_that_is_not_split() -> None:
    fresh, storage = Decimal("0.0123456789012345678"), Decimal("0.4987654321098765432")
    floats = [Decimal(repr(float(usd))) for usd in (fresh, storage, fresh + storage)]
    assert floats[2] != floats[0] + floats[1]
    totals = summed(spent(OperationKind.SERVICE, input_usd=floats[0], storage_usd=floats[1], total_usd=floats[2]))
    assert (totals.unsplit_usd, totals.storage_usd) == (0, floats[1])
    assert total(split_of(totals)) == floats[2]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("0.3", {"input_usd": "0.1", "output_usd": "0.2"}),
        ("0.30000000000000004", {"input_usd": "0.10000000000000004", "output_usd": "0.2"}),
        ("0.5", {"input_usd": "0.1", "output_usd": "0.2", "not_split_usd": "0.2"}),
        ("0.2", {"not_split_usd": "0.2"}),
    ],
)
def test_of_a_recorded_total_only_what_the_spans_account_for_is_split(recorded: str, expected: dict[str, str]) -> None:
    totals = Totals(cost_usd=Decimal(recorded))
    copy_split(totals, summed(spent(input_usd="0.1", output_usd="0.2")))
    assert shown(split_of(totals)) == expected


def test_a_recorded_total_without_a_span_is_not_split() -> None:
    totals = Totals(cost_usd=Decimal("0.5"))
    copy_split(totals, Totals())
    assert shown(split_of(totals)) == {"not_split_usd": "0.5"}
