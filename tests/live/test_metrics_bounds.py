"""However many names a program makes up, series stay few, and what loses its name is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.live.metrics import bounds
from otel_agentperf.live.metrics.bounds import MAX_REDUCED, MAX_SERIES, MAX_VALUES, OTHER, Bounded, Names
from tests.live.measured import graph, histograms, server, sums
from tests.telemetry import observed


def test_beyond_the_bound_further_values_of_an_attribute_are_one_called_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_VALUES", 2)
    with observed() as telemetry:
        for number in range(5):
            otel_agentperf.record_model_usage(f"unknown-{number}", input_tokens=1, output_tokens=1)
        collected = telemetry.collected()
    assert sums(collected[semconv.METRIC_UNPRICED]) == {
        "gcp.gemini unknown-0": 1,
        "gcp.gemini unknown-1": 1,
        "gcp.gemini other": 3,
    }
    capped = sums(collected[semconv.METRIC_CAPPED])
    assert capped[semconv.METRIC_UNPRICED] == 3
    assert capped[semconv.METRIC_TOKEN_USAGE] == 6


def test_a_node_that_loses_its_name_keeps_its_model_and_its_money(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_VALUES", 1)
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan", "read", "write").invoke({"text": "hello"})
        collected = telemetry.collected()
    assert sums(collected[semconv.METRIC_COST]) == {
        "standard plan gcp.gemini gemini-2.5-flash": pytest.approx(0.03),
        "standard other gcp.gemini gemini-2.5-flash": pytest.approx(0.06),
    }
    counts = {name: point.count for name, point in histograms(collected[semconv.METRIC_NODE_DURATION]).items()}
    assert counts == {"plan researcher": 1, "other researcher": 2}
    capped = sums(collected[semconv.METRIC_CAPPED])
    assert (capped[semconv.METRIC_COST], capped[semconv.METRIC_NODE_DURATION]) == (2, 2)
    assert semconv.METRIC_RUNS not in capped


def test_an_exploding_name_leaves_as_few_series_as_are_allowed() -> None:
    with observed() as telemetry:
        for number in range(2 * MAX_VALUES):
            otel_agentperf.record_model_usage(f"model-{number}", input_tokens=1, output_tokens=1)
        collected = telemetry.collected()
    assert len(collected[semconv.METRIC_UNPRICED]) == MAX_VALUES + 1
    assert sum(sums(collected[semconv.METRIC_UNPRICED]).values()) == 2 * MAX_VALUES


def test_where_combinations_explode_the_first_attribute_gives_way_first() -> None:
    capped: Counter[str] = Counter()
    bounded = Bounded("metric", ("node", "model"), Names(), capped)
    values = [(f"n{node}", f"m{model}") for node in range(MAX_VALUES) for model in range(MAX_VALUES)]
    places = [bounded.place(each) for each in values]
    assert places[:MAX_SERIES] == values[:MAX_SERIES]
    assert set(places[MAX_SERIES:]) == {(OTHER, f"m{model}") for model in range(MAX_VALUES)}
    assert capped == {"metric": len(values) - MAX_SERIES}


@given(st.lists(st.tuples(*[st.integers(0, 400).map(str)] * 3), max_size=3_000))
def test_no_metric_has_more_series_than_the_bounds_allow_and_each_value_has_one_place(series: list[Any]) -> None:
    bounded = Bounded("metric", ("a", "b", "c"), Names(), Counter())
    places = {each: bounded.place(each) for each in series}
    assert len(set(places.values())) <= MAX_SERIES + MAX_REDUCED + 1
    assert {each: bounded.place(each) for each in series} == places
