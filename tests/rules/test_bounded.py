from __future__ import annotations

import pickle
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.rules.bounded import Claims, Table, dollars, part_of, weighed, weighed_usd


@dataclass(slots=True)
class Sum:
    value: int = 0

    def merge(self, other: Sum) -> None:
        self.value += other.value


def filled(seen: list[tuple[str, int]], most: int) -> Table[Sum]:
    table = Table(Sum, most)
    for name, value in seen:
        entry = table.of(name)
        if entry is not None:
            entry.value += value
    return table


NAMES = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(1, 5)), max_size=40)


@given(NAMES, st.integers(1, 6), st.integers(1, 5), st.randoms(use_true_random=False))
def test_a_full_table_keeps_the_same_whole_entries_in_whatever_order_it_was_filled_and_merged(
    seen: list[tuple[str, int]], most: int, parts: int, random: Random
) -> None:
    whole = filled(seen, most)
    shuffled = random.sample(seen, len(seen))
    tables = [filled(shuffled[index::parts], most) for index in range(parts)]
    joined = pickle.loads(pickle.dumps(tables[0]))  # noqa: S301 - our own
    for table in tables[1:]:
        joined.merge(table)
    assert joined.entries == whole.entries
    assert len(whole.entries) == min(most, len({name for name, _ in seen}))
    for name, entry in whole.entries.items():
        assert entry.value == sum(value for other, value in seen if other == name)


def test_a_name_that_was_let_go_does_not_come_back() -> None:
    names = [str(number) for number in range(50)]
    table = filled([(name, 1) for name in names + names], 5)
    assert [entry.value for entry in table.entries.values()] == [2] * 5


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=30), st.integers(1, 5))
def test_the_largest_claims_are_kept_in_whatever_order_they_come(seen: list[tuple[int, int]], most: int) -> None:
    whole, halves = Claims(most), (Claims(most), Claims(most))
    for index, (cents, length) in enumerate(seen):
        for claims in (whole, halves[index % 2]):
            claims.add(format(index, "016x"), Decimal(cents) / 100, 0, length)
    halves[1].merge(halves[0])
    assert halves[1].largest() == whole.largest()
    kept = [claim.cost_usd for claim in whole.largest()]
    assert kept == sorted((Decimal(cents) / 100 for cents, _ in seen), reverse=True)[:most]


def test_a_span_is_named_once() -> None:
    claims = Claims()
    claims.add("a", Decimal(1))
    claims.add("b", Decimal(3))
    claims.add("a", Decimal(2))
    assert claims.spans() == ("b", "a")


@pytest.mark.parametrize(
    ("part", "whole", "impact"), [(1, 1, 0.8), (1, 2, 0.8), (1, 4, 0.4), (0, 4, 0.0), (0, 0, 0.8), (5, 4, 0.8)]
)
def test_an_impact_is_in_proportion_to_what_is_at_stake(part: int, whole: int, impact: float) -> None:
    assert weighed(0.8, part, whole) == impact


def test_a_part_of_a_cost_has_so_many_digits_that_sums_are_exact() -> None:
    assert part_of(Decimal("0.01"), 1, 3) == Decimal("0.003333333333")


@pytest.mark.parametrize(("usd", "impact"), [("0.005", 0.8), ("1", 0.8), ("0.0025", 0.4), ("0.001", 0.16), ("0", 0.0)])
def test_an_impact_in_money_is_small_where_the_money_is(usd: str, impact: float) -> None:
    assert weighed_usd(0.8, Decimal(usd), Decimal(usd)) == impact


@pytest.mark.parametrize(
    ("usd", "shown"), [("0", "$0.0000"), ("1.23456", "$1.2346"), ("0.0001", "$0.0001"), ("0.00002", "$0.00002")]
)
def test_dollars_show_small_amounts(usd: str, shown: str) -> None:
    assert dollars(Decimal(usd)) == shown


def test_claims_with_numbers_and_names_that_no_clock_and_no_tracer_gives_are_kept_all_the_same() -> None:
    claims = Claims()
    claims.add("\ud800 no hexadecimal", Decimal(-1), -5, 2**70)
    claims.add("", Decimal("0.1"), 9, 3)
    first, second = claims.largest()
    assert (first.span_id, first.cost_usd, first.start_ns, first.end_ns) == ("", Decimal("0.1"), 9, 9)
    assert (second.span_id, second.cost_usd, second.start_ns) == ("\ud800 no hexadecimal", 0, 0)
