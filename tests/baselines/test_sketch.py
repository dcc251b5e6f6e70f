from __future__ import annotations

import math
from itertools import permutations

import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.baselines.known import Table
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.baselines.sketch import MOST, MOST_BINS, RELATIVE_ERROR, ZERO_KEY, Sketch

VALUES = st.lists(st.integers(0, MOST), min_size=1, max_size=200)
SHARES = st.floats(0, 1)


def sketch_of(values: list[int]) -> Sketch:
    sketch = Sketch()
    sketch.add(values)
    return sketch


def table_of(values: list[int]) -> Table:
    return Table(Measure.INPUT_TOKENS, [(1.0, sketch_of(values))])


@given(VALUES, SHARES)
def test_a_quantile_is_within_one_percent_of_the_exact_one(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, math.ceil(share * len(values) * (1 - 1e-12)) - 1)]
    assert table_of(values).quantile(share) == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9), abs=0)


@given(VALUES, st.integers(0, 199))
def test_it_answers_as_the_library_does(values: list[int], place: int) -> None:
    library = DDSketch(RELATIVE_ERROR)
    for value in values:
        library.add(value)
    rank = min(place, len(values) - 1)
    theirs = library.get_quantile_value(rank / (len(values) - 1) if len(values) > 1 else 0.0)
    assert theirs is not None
    ours = table_of(values).quantile((rank + 1) / len(values))
    if len(values) == 1 or (rank / (len(values) - 1)) * (len(values) - 1) == rank:
        assert ours == pytest.approx(theirs, rel=2.1 * RELATIVE_ERROR)  # an edge of a bin may lie between the two


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_merged_in_any_order_it_is_the_same_to_the_last_bit(parts: list[list[int]]) -> None:
    seen: set[tuple[tuple[int, ...], int]] = set()
    for order in permutations(parts):
        whole = Sketch()
        for part in order:
            whole.merge(sketch_of(part))
        seen.add((tuple(whole.packed()), whole.total))
    assert len(seen) == 1


@given(VALUES)
def test_packed_and_unpacked_it_is_the_same(values: list[int]) -> None:
    sketch = sketch_of(values)
    again = Sketch.unpacked(sketch.packed(), sketch.total)
    assert again.bins == sketch.bins
    assert again.total == sketch.total


@given(st.lists(st.integers(-(10**30), 10**30), min_size=1, max_size=100))
def test_its_size_is_bounded_whatever_the_values(values: list[int]) -> None:
    sketch = sketch_of(values)
    assert all(ZERO_KEY <= key < ZERO_KEY + MOST_BINS for key in sketch.bins)
    assert table_of(values).quantile(1) <= MOST * (1 + RELATIVE_ERROR)


@given(VALUES, st.integers(1, MOST))
def test_the_share_below_counts_what_is_smaller_and_half_of_what_is_equal(values: list[int], value: int) -> None:
    share = table_of(values).share_below(value)
    margin = 1 + 2.1 * RELATIVE_ERROR
    assert share >= sum(v < value / margin for v in values) / len(values) - 1e-9
    assert share <= sum(v <= value * margin for v in values) / len(values) + 1e-9


def test_half_of_equal_values_lie_below_them() -> None:
    assert table_of([2, 2, 2, 2]).share_below(2) == 0.5


@pytest.mark.parametrize("packed", [[1], [1, 0], [5, 1, 0, 1], [10**6, 1], [-2, 1]])
def test_a_list_that_is_no_sketch_is_refused(packed: list[int]) -> None:
    with pytest.raises(ValueError, match=r"bin|zip"):
        Sketch.unpacked(packed, 0)


def test_a_day_of_a_service_takes_few_bins() -> None:
    values = [round(2.5e9 * math.exp(0.5 * math.sin(number) + 0.3 * math.cos(7 * number))) for number in range(10_000)]
    assert len(sketch_of(values).bins) < 100
