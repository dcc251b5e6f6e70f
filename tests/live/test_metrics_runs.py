"""Metrics of real graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint

import otel_agentperf
from otel_agentperf import semconv
from tests.instrumentation.google_genai import ways
from tests.live.measured import State, graph, histograms, idle, ids, server, sums
from tests.telemetry import Telemetry, observed


def _leads_to(point: HistogramDataPoint) -> set[tuple[int | None, int | None]]:
    return {(exemplar.trace_id, exemplar.span_id) for exemplar in point.exemplars}


def _ids(telemetry: Telemetry, *names: str) -> set[tuple[int, int]]:
    return {ids(telemetry.one(name)) for name in names}


def test_a_run_and_its_nodes_are_measured_with_exemplars_that_lead_to_their_spans() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan", "write").invoke({"text": "hello"})
        collected = telemetry.collected()
    root = telemetry.one("invoke_workflow researcher")
    (duration,) = histograms(collected[semconv.METRIC_RUN_DURATION]).values()
    (cost,) = histograms(collected[semconv.METRIC_RUN_COST]).values()
    (score,) = histograms(collected[semconv.METRIC_RUN_EFFICIENCY]).values()
    nodes = histograms(collected[semconv.METRIC_NODE_DURATION])
    attributes: Any = root.attributes
    assert dict(duration.attributes or {}) == {semconv.WORKFLOW_NAME: "researcher", semconv.RUN_OUTCOME: "success"}
    assert dict(cost.attributes or {}) == dict(score.attributes or {}) == {semconv.WORKFLOW_NAME: "researcher"}
    assert duration.sum == pytest.approx(((root.end_time or 0) - (root.start_time or 0)) / 1e9)
    assert cost.sum == attributes[semconv.RUN_COST] == pytest.approx(0.06)
    assert score.sum == attributes[semconv.RUN_EFFICIENCY_SCORE]
    for point in (duration, cost, score):
        assert _leads_to(point) == _ids(telemetry, root.name)
    assert set(nodes) == {"plan researcher", "write researcher"}
    for name in ("plan", "write"):
        node = telemetry.one(f"invoke_node {name}")
        point = nodes[f"{name} researcher"]
        assert dict(point.attributes or {}) == {semconv.WORKFLOW_NAME: "researcher", semconv.NODE_NAME: name}
        assert point.sum == pytest.approx(((node.end_time or 0) - (node.start_time or 0)) / 1e9)
        assert _leads_to(point) == _ids(telemetry, node.name)


def test_cost_is_told_by_the_node_that_it_ran_for() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan", "write").invoke({"text": "hello"})
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=100_000, output_tokens=0)
        points = telemetry.points(semconv.METRIC_COST)
    assert sums(points) == {
        "standard plan gcp.gemini gemini-2.5-flash": pytest.approx(0.03),
        "standard write gcp.gemini gemini-2.5-flash": pytest.approx(0.03),
        "standard gcp.gemini gemini-2.5-flash": pytest.approx(0.03),
    }
    assert {key for point in points for key in point.attributes or {}} == {
        semconv.COST_TIER,
        semconv.NODE_NAME,
        semconv.PROVIDER_NAME,
        semconv.REQUEST_MODEL,
    }


def test_runs_are_told_by_how_they_ended() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan").invoke({"text": "hello"})
        with pytest.raises(LookupError):
            graph(gemini, "plan", failing="plan").invoke({"text": "hello"})
        stream = graph(gemini, "plan", "write").stream({"text": "hello"})
        next(stream)
        stream.close()
        collected = telemetry.collected()
    expected = {"success researcher": 1, "failure researcher": 1, "abandoned researcher": 1}
    assert sums(collected[semconv.METRIC_RUNS]) == expected
    assert {name: point.count for name, point in histograms(collected[semconv.METRIC_RUN_DURATION]).items()} == expected


def test_a_run_of_which_nothing_could_be_priced_has_no_cost_rather_than_none() -> None:
    with observed() as telemetry:
        otel_agentperf.record_model_usage("no-such-model", input_tokens=1, output_tokens=1)
        assert telemetry.points(semconv.METRIC_RUN_COST) == []
        assert len(telemetry.points(semconv.METRIC_RUN_DURATION)) == 1


def test_a_node_whose_result_was_cached_did_not_run_and_is_not_measured() -> None:
    cached = idle("slow", cached=True)
    with observed() as telemetry:
        for _ in range(3):
            cached.invoke({"text": "the same"})
        (point,) = histograms(telemetry.points(semconv.METRIC_NODE_DURATION)).values()
        assert len(telemetry.named("invoke_node slow")) == 3
    assert point.count == 1


# -- waste -----------------------------------------------------------------------------------


def _wasted(telemetry: Telemetry) -> dict[str, float]:
    return sums(telemetry.points(semconv.METRIC_WASTED_COST))


def test_what_was_measurably_wasted_is_told_by_rule() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan", "read", "write").invoke({"text": "thrice the same"})
        # Three requests alike for $0.03 each: two of them were paid for nothing.
        assert _wasted(telemetry) == {"REP002 researcher": pytest.approx(0.06)}


def test_money_that_two_rules_say_was_wasted_counts_once() -> None:
    """The same action again and again, each time with the same request: two rules see the same loop."""
    with server() as gemini, observed() as telemetry:
        client = ways.client_of(gemini)

        def search(state: State) -> State:
            for _ in range(5):
                with otel_agentperf.action("search", arguments={"query": "x"}) as search:
                    ways.generate(client)
                    search.result("nothing")
            return state

        idle("search", search).invoke({"text": "x"})
        wasted = _wasted(telemetry)
        claimed = {str((event.attributes or {})[semconv.SUGGESTION_RULE]) for event in telemetry.suggestions()}
    assert claimed & {"REP001", "REP002"} == {"REP001"}  # one loop is one suggestion
    assert sum(wasted.values()) == pytest.approx(0.12)


def test_a_run_without_waste_has_none() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan").invoke({"text": "once"})
        assert _wasted(telemetry) == {}


# -- odd names -------------------------------------------------------------------------------

ODD: Sequence[str] = ("n" * 5_000, "zwölf Größen ❄", 'quote"d \\ {name}', "two\nlines", "other")


def test_nodes_with_odd_names_are_measured_under_names_that_can_be_exported() -> None:
    with observed() as telemetry:
        for name in ODD:
            idle(name).invoke({"text": "x"})
        otel_agentperf.record_model_usage("half \ud800 a pair", input_tokens=1, output_tokens=1)
        names = [
            str(value)
            for points in telemetry.collected().values()
            for point in points
            for value in (point.attributes or {}).values()
        ]
    assert {name.encode().decode() for name in names} == set(names)
    assert max(map(len, names)) <= 200
    assert "zwölf Größen ❄" in names
