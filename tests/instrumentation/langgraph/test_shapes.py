"""Graphs of every shape, run in every way, fully read: the whole span tree of each."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from otel_agentperf import semconv
from tests.instrumentation.langgraph.graphs import SHAPES, expected_tree, line, map_reduce, parallel
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes, trace_id
from tests.instrumentation.langgraph.ways import WAYS, Way, ainvoke, astream_events, invoke, since
from tests.telemetry import observed


def lacking(shape: str, way: Way) -> list[pytest.MarkDecorator]:
    """What a version cannot do, with or without us."""
    if shape == "functional API" and way.run is astream_events:
        return [since("1.2", "result of a task while its events are streamed")]
    return []


CELLS = [
    pytest.param(shape, way, id=f"{shape}-{way.run.__name__}", marks=[way.available, *lacking(shape, way)])
    for shape in SHAPES
    for way in WAYS
]
ASYNC_CELLS = [cell for cell, way in zip(CELLS, WAYS * len(SHAPES), strict=True) if way.aio]


@pytest.mark.parametrize(("shape", "way"), CELLS)
def test_a_graph_of_every_shape_run_in_every_way_is_one_whole_tree(shape: str, way: Way) -> None:
    graph = SHAPES[shape].build(aio=way.aio)
    with observed() as telemetry:
        ended = way.run(graph, {"seen": ["-"]})
    assert len(ended["seen"]) == SHAPES[shape].seen
    assert_tree(telemetry, expected_tree(SHAPES[shape], aio=way.aio))
    if shape != "Command(graph=PARENT)":
        assert not outcomes(telemetry)


@pytest.mark.parametrize(("shape", "way"), ASYNC_CELLS)
def test_plain_nodes_in_an_asynchronous_run_are_in_its_tree(shape: str, way: Way) -> None:
    graph = SHAPES[shape].build(aio=False)
    with observed() as telemetry:
        ended = way.run(graph, {"seen": ["-"]})
    assert len(ended["seen"]) == SHAPES[shape].seen
    assert_tree(telemetry, expected_tree(SHAPES[shape], aio=False))


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_node_that_sends_the_parent_on_is_no_error(aio: bool) -> None:
    graph = SHAPES["Command(graph=PARENT)"].build(aio=aio)
    with observed() as telemetry:
        (ainvoke if aio else invoke)(graph, {"seen": []})
    assert outcomes(telemetry) == {
        "invoke_workflow inner_graph": "parent_command",
        "invoke_node x": "parent_command",
    }
    assert all(span.status.status_code is StatusCode.UNSET for span in telemetry.spans)


def test_a_node_says_where_it_runs() -> None:
    with observed() as telemetry:
        line().invoke({"seen": []})
    node = telemetry.one("invoke_node b")
    said = attributes(node)
    task_id, state = said.pop(semconv.LANGGRAPH_TASK_ID), said.pop(semconv.STATE_HASH)
    assert isinstance(task_id, str)
    assert isinstance(state, str)
    assert len(state) == 16
    assert said == {
        semconv.OPERATION_NAME: "invoke_node",
        semconv.NODE_NAME: "b",
        semconv.LANGGRAPH_STEP: 2,
        semconv.LANGGRAPH_TRIGGERS: ("branch:to:b",),
        semconv.NODE_COST: 0.0,
        semconv.NODE_INPUT_TOKENS: 0,
        semconv.NODE_OUTPUT_TOKENS: 0,
    }
    assert {span.kind for span in telemetry.spans} == {SpanKind.INTERNAL}
    root = telemetry.one("invoke_workflow graph")
    assert attributes(root)[semconv.WORKFLOW_NAME] == "graph"
    assert attributes(root)[semconv.OPERATION_NAME] == "invoke_workflow"


def test_the_same_state_has_the_same_hash_and_another_another() -> None:
    with observed() as telemetry:
        map_reduce().invoke({"seen": ["x"]})
        line("a").invoke({"seen": ["y"]})
    work = {attributes(span)[semconv.STATE_HASH] for span in telemetry.named("invoke_node work")}
    assert len(work) == 1
    assert attributes(telemetry.one("invoke_node a"))[semconv.STATE_HASH] not in work


def test_a_graph_without_a_name_goes_by_the_one_langgraph_gives_it() -> None:
    with observed() as telemetry:
        line(name=None).invoke({"seen": []})
    assert_tree(telemetry, ["invoke_workflow LangGraph", "  invoke_node a", "  invoke_node b"])


def test_graphs_that_run_under_a_span_of_the_caller_are_in_its_trace() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        with tracer.start_as_current_span("request"):
            line().invoke({"seen": []})
            assert [*line("c").stream({"seen": []})]
    assert_tree(
        telemetry,
        """
        request
          invoke_workflow graph
            invoke_node a
            invoke_node b
          invoke_workflow graph
            invoke_node c
        """,
    )
    for root in telemetry.named("invoke_workflow graph"):
        assert semconv.RUN_SUCCESS in attributes(root), "each graph is a run of its own"


def test_what_a_node_does_lies_beneath_it() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        graph = parallel()

        def work(state: object) -> dict[str, list[str]]:
            del state
            with tracer.start_as_current_span("work"):
                return {"seen": ["a"]}

        for name in "abc":
            graph.nodes[name].bound.func = work
        graph.invoke({"seen": []})
    assert_tree(
        telemetry,
        """
        invoke_workflow graph
          invoke_node a
            work
          invoke_node b
            work
          invoke_node c
            work
          invoke_node d
        """,
    )


def test_a_batch_is_one_run_and_one_trace_each() -> None:
    with observed() as telemetry:
        line().batch([{"seen": [str(number)]} for number in range(5)])
    assert_tree(telemetry, ["invoke_workflow graph", "  invoke_node a", "  invoke_node b"] * 5)
    assert len({trace_id(span) for span in telemetry.spans}) == 5
