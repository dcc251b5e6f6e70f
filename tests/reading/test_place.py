from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.reading import TracedRun, runs_of
from tests.reading.spans import operation

WORKFLOW = "invoke_workflow", semconv.WORKFLOW_NAME
AGENT = "invoke_agent", semconv.AGENT_NAME
NODE = "invoke_node", semconv.NODE_NAME
MODEL = "chat", semconv.REQUEST_MODEL
TOOL = "execute_tool", semconv.TOOL_NAME


def span(
    kind: tuple[str, str] | None,
    name: str,
    span_id: str,
    parent: str | None,
    start: float = 0,
    end: float = 1,
    session: str = "",
) -> Operation:
    said = {} if kind is None else {semconv.OPERATION_NAME: kind[0], kind[1]: name, semconv.CONVERSATION_ID: session}
    return operation(name, said, span_id=span_id, parent_id=parent, start=start, end=end)


def told(run: TracedRun) -> dict[str, str]:
    """The agent of each operation by its span's id; an agent itself has a star."""
    return {op.span_id: op.agent + ("*" if op.is_agent else "") for op in run.operations}


def test_the_top_level_nodes_of_a_graph_are_its_agents() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None),
            span(NODE, "a", "2", "1"),
            span(MODEL, "m", "3", "2"),
            span(NODE, "b", "4", "1"),
        ]
    )
    assert told(run) == {"1": "", "2": "a*", "3": "a", "4": "b*"}
    assert run.root.name == "g"


def test_the_innermost_agent_counts_and_its_own_nodes_are_no_agents() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None),
            span(NODE, "a", "2", "1"),
            span(AGENT, "bob", "3", "2"),
            span(NODE, "model", "4", "3"),
            span(MODEL, "m", "5", "4"),
        ]
    )
    assert told(run) == {"1": "", "2": "a*", "3": "bob*", "4": "bob", "5": "bob"}


def test_the_nodes_of_a_subgraph_work_for_the_node_that_holds_it() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None),
            span(NODE, "a", "2", "1"),
            span(WORKFLOW, "sub", "3", "2"),
            span(NODE, "inner", "4", "3"),
        ]
    )
    assert told(run) == {"1": "", "2": "a*", "3": "a", "4": "a"}


def test_an_agent_as_root_is_the_agent_of_everything_beneath() -> None:
    (run,) = runs_of([span(AGENT, "bob", "1", None), span(NODE, "model", "2", "1"), span(TOOL, "t", "3", "2")])
    assert told(run) == {"1": "bob*", "2": "bob", "3": "bob"}


def test_two_graphs_beneath_one_request_are_two_runs() -> None:
    runs = runs_of(
        [
            span(None, "POST /", "1", None, 0, 10),
            span(WORKFLOW, "first", "2", "1", 1, 2),
            span(WORKFLOW, "second", "3", "1", 3, 4),
            span(NODE, "a", "4", "3", 3, 4),
        ]
    )
    assert [(run.root.name, len(run.operations)) for run in runs] == [("first", 1), ("second", 2)]


def test_work_outside_any_graph_belongs_to_its_topmost_span() -> None:
    (run,) = runs_of(
        [span(None, "POST /", "1", None), span(None, "http", "2", "1"), span(MODEL, "m", "3", "2", 0, 0.5)]
    )
    assert (run.root.name, run.root.kind) == ("POST /", OperationKind.OTHER)
    assert [(op.name, op.parent_id) for op in run.operations] == [("m", "1")]


def test_a_trace_without_agent_work_has_no_runs() -> None:
    assert runs_of([span(None, "POST /", "1", None), span(None, "SELECT", "2", "1")]) == []


def test_spans_of_other_libraries_in_between_stand_aside() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None),
            span(None, "lock", "2", "1"),
            span(NODE, "a", "3", "2"),
            span(None, "HTTP", "4", "3"),
            span(MODEL, "m", "5", "4"),
        ]
    )
    assert {op.span_id: op.parent_id for op in run.operations} == {"1": None, "3": "1", "5": "3"}
    assert told(run)["5"] == "a"
    assert next(op.node.graph for op in run.operations if op.node is not None) == "g"


def test_a_graph_that_two_instrumentations_report_counts_once() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None),
            span(WORKFLOW, "g", "2", "1"),
            span(NODE, "a", "3", "2"),
            span(TOOL, "t", "4", "3"),
            span(TOOL, "t", "5", "4"),
        ]
    )
    assert {op.span_id for op in run.operations if not op.counted} == {"2", "5"}
    assert told(run)["3"] == "a*"


def test_the_session_of_the_root_is_that_of_all_its_work() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None, session="s1"),
            span(MODEL, "m", "2", "1", session="other"),
        ]
    )
    assert {op.session_id for op in run.operations} == {"s1"}


def test_operations_stand_in_order_of_end_with_children_before_their_parents() -> None:
    (run,) = runs_of(
        [
            span(WORKFLOW, "g", "1", None, 0, 9),
            span(NODE, "b", "4", "1", 5, 9),
            span(NODE, "a", "2", "1", 0, 5),
            span(MODEL, "m", "3", "2", 0, 5),
        ]
    )
    assert [op.span_id for op in run.operations] == ["3", "2", "4", "1"]


def test_spans_that_are_each_others_parents_do_no_harm() -> None:
    runs = runs_of([span(NODE, "a", "1", "2"), span(NODE, "b", "2", "1"), span(MODEL, "m", "3", "3")])
    assert sum(len(run.operations) for run in runs) == 3


def test_ten_thousand_nested_spans_are_placed_without_recursion() -> None:
    (run,) = runs_of([span(NODE, "n", str(i), str(i - 1) if i else None) for i in range(10_000)])
    assert len(run.operations) == 10_000


def test_an_agent_in_another_framework_s_graph_of_its_name_is_an_agent() -> None:
    (run,) = runs_of([span(WORKFLOW, "bob", "1", None), span(AGENT, "bob", "2", "1"), span(NODE, "model", "3", "2")])
    assert told(run) == {"1": "", "2": "bob*", "3": "bob"}


def test_another_framework_s_agent_in_a_graph_of_ours_is_the_graph_said_again() -> None:
    said = {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "bob"}
    ours = operation("invoke_workflow bob", said, span_id="1", scope=semconv.SCOPE_LANGGRAPH)
    (run,) = runs_of([ours, span(AGENT, "bob", "2", "1"), span(NODE, "a", "3", "2")])
    assert {op.span_id for op in run.operations if not op.counted} == {"2"}
    assert told(run)["3"] == "a*"
