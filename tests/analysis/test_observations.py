"""What a run teaches, live and from its exported spans."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from otel_agentperf.analysis.columns import Columns
from otel_agentperf.analysis.observations import observations
from otel_agentperf.analysis.runs import Run
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines import portable
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.tally import Tally, Values, named
from otel_agentperf.demo.recording_agents import RemoteBrowser, connect, record
from otel_agentperf.demo.script import RecordingScript
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.model import (
    Cost,
    CostStatus,
    Inference,
    Operation,
    OperationKind,
    Totals,
    Usage,
)
from otel_agentperf.rules.traits import traits_of
from tests.analysis.programs import Writer, play
from tests.replay.replaying import put, replayed
from tests.replay.test_live_and_replayed import SETTINGS, encoded
from tests.telemetry import Telemetry, observed


def taught(telemetry: Telemetry) -> Tally:
    """What the live learner has learned."""
    learner = telemetry.pipeline.learner
    assert learner is not None
    learner.settle()
    return learner._keeper._fresh  # pyright: ignore[reportPrivateUsage]


def learned_from(spans: list[ReadableSpan], folder: Path) -> bytes:
    """What `learn` makes of the same spans."""
    path = put(folder / "spans.jsonl", encoded(spans, "jsonl"))
    return portable.written(replayed(path, settings=SETTINGS, learns=True).sums.lessons.tally.all())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
@example(seed=1)
def test_a_program_teaches_the_same_live_and_from_its_exported_spans(tmp_path: Path, seed: int) -> None:
    with observed(settings=SETTINGS, instrument=False) as telemetry:
        play(telemetry, Writer(seed).program())
        live = portable.written(taught(telemetry).all())
        spans = telemetry.spans
    Random(seed).shuffle(spans)  # noqa: S311 - an order
    assert learned_from(spans, tmp_path) == live


def test_four_agents_on_langgraph_and_gemini_teach_the_same_live_and_from_their_exported_spans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GeminiServer(RecordingScript()) as server, observed(settings=SETTINGS) as telemetry:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.base_url)
        monkeypatch.setenv("GOOGLE_API_KEY", "loopback")
        record(connect(retry_delay_s=0.001), RemoteBrowser(latency_s=0), lambda _: None)
        tally = taught(telemetry)
        live = portable.written(tally.all())
        spans = telemetry.spans
    assert {subject.kind for subject in tally.subjects} == set(SubjectKind)
    assert learned_from(spans, tmp_path) == live


# -- by hand -------------------------------------------------------------------------------

ROOT, NODE, CALL = "00000000000000a1", "00000000000000b1", "00000000000000c1"
MODEL = "gemini-2.5-flash"


def operation(kind: OperationKind, name: str, span: str, parent: str | None, **facts: object) -> Operation:
    """Takes a second."""
    return Operation(kind, name, span, 0, 1_000_000_000, parent, **facts)  # pyright: ignore[reportArgumentType]


def call(parent: str, usd: str | None = "0.25", span: str = CALL, **facts: object) -> Operation:
    from decimal import Decimal

    cost = Cost(CostStatus.PRICED, Decimal(usd)) if usd is not None else Cost(CostStatus.UNPRICED)
    return operation(
        OperationKind.INFERENCE, MODEL, span, parent, usage=Usage(100, 10), cost=cost, inference=Inference(), **facts
    )


def learned(*operations: Operation, went_well: bool = True, **how: bool) -> dict[object, list[Values]]:
    """What a run of these teaches, by subject."""
    columns = Columns(100)
    totals = Totals()
    for each in operations:
        cost = each.cost
        usd = float(cost.total_usd) if cost is not None and cost.total_usd is not None else float("nan")
        columns.add(each, traits_of(each), usd)
        totals.unpriced_calls += cost is not None and cost.total_usd is None
    summary = RunSummary("flow", None, 0, 1, totals, (), 100, None, went_well, None, (), columns=columns)
    found: dict[object, list[Values]] = {}
    for subject, values in observations(summary, ROOT, **how):
        found.setdefault(subject, []).append(values)
    return found


def run(*operations: Operation) -> tuple[Operation, ...]:
    """These, in a node of a graph."""
    return (
        *operations,
        operation(OperationKind.NODE, "plan", NODE, ROOT),
        operation(OperationKind.WORKFLOW, "flow", ROOT, None),
    )


AT_PLAN = named(SubjectKind.NODE, "plan", "flow")
ASKED_AT_PLAN = named(SubjectKind.NODE_MODEL, MODEL, "flow", "plan")


def test_a_node_costs_what_was_billed_beneath_it() -> None:
    found = learned(*run(call(NODE), call(NODE, span="00000000000000c2")))
    assert found[AT_PLAN] == [Values(True, 1_000_000_000, 500_000_000_000, 200, 20)]
    assert len(found[ASKED_AT_PLAN]) == 2


def test_a_node_beneath_which_something_has_no_price_has_no_cost_and_neither_has_its_graph() -> None:
    found = learned(*run(call(NODE), call(NODE, None, span="00000000000000c2")))
    assert found[AT_PLAN][0].cost_pico is None
    assert found[AT_PLAN][0].input_tokens == 200
    assert found[named(SubjectKind.GRAPH, "flow")][0].cost_pico is None


def test_what_was_interrupted_cancelled_or_failed_has_no_duration() -> None:
    for facts, succeeded in (({"outcome": "interrupted"}, None), ({"error_type": "ValueError"}, False)):
        found = learned(
            operation(OperationKind.NODE, "plan", NODE, ROOT, **facts),
            operation(OperationKind.WORKFLOW, "flow", ROOT, None),
        )
        assert found[AT_PLAN][0][:2] == (succeeded, None)


def test_a_model_did_not_serve_a_node_well_whose_run_came_to_nothing() -> None:
    """As `outcome` tells it: the request itself raised nothing, and the model is no worse elsewhere."""
    found = learned(*run(call(NODE)), went_well=False)
    assert found[ASKED_AT_PLAN] == [Values(False, None, 250_000_000_000, 100, 10)]
    assert found[named(SubjectKind.MODEL, MODEL)] == [Values(True, 1_000_000_000, 250_000_000_000, 100, 10)]


def test_in_whatever_order_operations_ended_they_teach_the_same() -> None:
    whole = run(call(NODE), call(NODE, "0.5", span="00000000000000c2"))
    expected = learned(*whole)
    for seed in range(20):
        shuffled = list(whole)
        Random(seed).shuffle(shuffled)  # noqa: S311 - an order
        assert {k: sorted(v) for k, v in learned(*shuffled).items()} == {k: sorted(v) for k, v in expected.items()}


def test_where_something_billed_hangs_in_the_air_nodes_have_no_cost() -> None:
    found = learned(*run(call("00000000000000ff")))
    assert found[AT_PLAN] == [Values(True, 1_000_000_000)]
    assert found[named(SubjectKind.MODEL, MODEL)][0].cost_pico == 250_000_000_000
    assert ASKED_AT_PLAN not in found


def test_a_circle_of_parents_ends() -> None:
    other = "00000000000000b2"
    circle = (
        operation(OperationKind.NODE, "one", NODE, other),
        operation(OperationKind.NODE, "two", other, NODE),
        call(NODE),
        operation(OperationKind.WORKFLOW, "flow", ROOT, None),
    )
    assert learned(*circle)[named(SubjectKind.NODE, "one", "flow")][0].cost_pico is None


def test_a_root_that_was_lost_teaches_neither_its_time_nor_its_nodes() -> None:
    found = learned(*run(call(NODE)), root_seen=False)
    assert set(found) == {named(SubjectKind.MODEL, MODEL)}


def test_a_run_of_which_calls_are_missing_teaches_no_sums() -> None:
    found = learned(*run(call(NODE)), is_whole=False)
    assert found[AT_PLAN] == [Values(True, 1_000_000_000)]
    assert found[named(SubjectKind.GRAPH, "flow")] == [Values(True, 1_000_000_000)]


def test_a_node_belongs_to_the_nearest_graph_and_a_request_to_the_nearest_node() -> None:
    inner, inner_node = "00000000000000a2", "00000000000000b2"
    found = learned(
        call(inner_node),
        operation(OperationKind.NODE, "deep", inner_node, inner),
        operation(OperationKind.AGENT, "helper", inner, NODE),
        *run(),
    )
    assert named(SubjectKind.NODE, "deep", "helper") in found
    assert named(SubjectKind.NODE_MODEL, MODEL, "helper", "deep") in found
    assert ASKED_AT_PLAN not in found
    assert found[AT_PLAN][0].cost_pico == found[named(SubjectKind.GRAPH, "helper")][0].cost_pico == 250_000_000_000


def test_of_a_run_that_was_evicted_only_its_totals_are_learned() -> None:
    with observed(settings=SETTINGS, instrument=False) as telemetry:
        engine = telemetry.pipeline.engine
        live: Run = engine.begin("flow", None, 0)
        engine.observe(live, call(NODE))
        live.evicted = True
        live.columns.clear()
        engine.observe(live, call(NODE, span="00000000000000c2"))
        engine.observe(live, operation(OperationKind.NODE, "plan", NODE, ROOT))
        summary, _ = engine.finish(live, operation(OperationKind.WORKFLOW, "flow", ROOT, None))
    found = dict(observations(summary, ROOT))
    assert found[AT_PLAN].cost_pico is None
    assert found[named(SubjectKind.GRAPH, "flow")].cost_pico == 500_000_000_000
