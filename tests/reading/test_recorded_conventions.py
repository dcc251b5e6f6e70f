from __future__ import annotations

import msgspec
import pytest

from otel_agentperf.model import Operation, OperationKind, Usage
from otel_agentperf.reading import TracedRun
from tests.reading.recorded import WHO, counted, operations, runs, scenarios

CALLS, SAYS = Usage(100, 50, reasoning_tokens=30), Usage(150, 10, cache_read_tokens=40)
SAYS_NO_REASONING = {"openllmetry"}
"""Its LangChain counts reasoning in the output and does not tell it apart."""
HAS_FAILING = [who for who in WHO if "failing" in scenarios(who)]
GRAPH, AGENT = OperationKind.WORKFLOW, OperationKind.AGENT


def agent_run(who: str, scenario: str = "agent") -> TracedRun:
    """The run of the agent; what an SDK reports in traces of its own is left aside."""
    return next(run for run in runs(who, scenario) if run.root.kind in (GRAPH, AGENT))


def tokens(one: Operation) -> Usage | None:
    """Its tokens without their modalities, which only some tell."""
    if one.usage is None:
        return None
    return msgspec.structs.replace(one.usage, input_modalities=None, cache_modalities=None, output_modalities=None)


def only(run: TracedRun, kind: OperationKind) -> Operation:
    (one,) = counted(run, kind)
    return one


@pytest.mark.parametrize("who", WHO)
def test_a_run_of_an_agent_has_its_two_requests_whoever_recorded_it(who: str) -> None:
    requests = counted(agent_run(who))
    calls = Usage(100, 50) if who in SAYS_NO_REASONING else CALLS
    assert [tokens(one) for one in requests] == [calls, SAYS]
    for one in requests:
        assert one.name == "gemini-2.5-flash"
        assert one.inference is not None
        assert one.inference.provider == "gcp.gemini"


@pytest.mark.parametrize("who", WHO)
def test_the_call_of_its_tool_fingerprints_alike_whoever_recorded_it(who: str) -> None:
    assert only(agent_run(who), OperationKind.TOOL).tool == only(agent_run("opentelemetry"), OperationKind.TOOL).tool
    assert only(agent_run(who), OperationKind.TOOL).name == "weather"


@pytest.mark.parametrize("who", WHO)
def test_its_answers_fingerprint_alike_whoever_recorded_them(who: str) -> None:
    expected = [one.inference for one in counted(agent_run("opentelemetry"))]
    for one, other in zip(counted(agent_run(who)), expected, strict=True):
        mine = one.inference
        assert mine is not None
        assert other is not None
        assert mine.response_hash == other.response_hash
        assert (mine.response_kind, mine.function_calls) == (other.response_kind, other.function_calls)
    kinds = [one.inference.response_kind for one in counted(agent_run(who)) if one.inference is not None]
    assert kinds == ["function_call", "text"]


@pytest.mark.parametrize("who", WHO)
def test_its_second_request_goes_on_from_the_first(who: str) -> None:
    first, second = [one.inference for one in counted(agent_run(who))]
    assert first is not None
    assert second is not None
    assert len(first.prefix_hashes) == 2  # instructions and question
    assert second.prefix_hashes[:2] == first.prefix_hashes
    assert len(second.prefix_hashes) == 4  # call and answer on top
    assert second.prefix_sizes[:2] == first.prefix_sizes
    assert second.request_size is not None
    assert second.request_size >= second.prefix_sizes[-1]


@pytest.mark.parametrize("who", HAS_FAILING)
def test_the_error_of_a_tool_fingerprints_alike_whoever_recorded_it(who: str) -> None:
    failed = only(failing_run(who), OperationKind.TOOL)
    expected = only(failing_run("opentelemetry"), OperationKind.TOOL)
    assert failed.error_type == "ValueError"
    assert failed.tool == expected.tool
    assert failed.tool is not None
    assert failed.tool.error_hash is not None
    assert failed.tool.result_hash is None


def failing_run(who: str) -> TracedRun:
    return next(run for run in runs(who, "failing") if counted(run, OperationKind.TOOL))


@pytest.mark.parametrize("who", WHO)
def test_a_session_is_known_by_the_id_of_the_conversation(who: str) -> None:
    session_id = agent_run(who).root.session_id
    assert session_id is not None
    assert session_id == "T1" or who.startswith("pydantic")


AGENTS = {
    "openllmetry": {"forecaster"},
    "openinference": {"forecaster"},
    "opentelemetry": {"forecaster"},
    "openlit": {"model"},  # it calls each node an agent
    "pydantic_ai": {"forecaster"},
    "pydantic_ai_v2": {"forecaster"},
}


@pytest.mark.parametrize(("who", "agents"), AGENTS.items())
def test_requests_belong_to_the_agent_that_the_instrumentation_names(who: str, agents: set[str]) -> None:
    assert {one.agent for one in counted(agent_run(who))} == agents


@pytest.mark.parametrize("who", ["openllmetry", "openinference"])
def test_the_nodes_of_a_graph_are_told_from_other_runnables(who: str) -> None:
    run = agent_run(who, "graph")
    nodes = [(one.name, one.node.step, one.node.graph) for one in counted(run, OperationKind.NODE) if one.node]
    assert nodes == [("planner", 1, "trip"), ("tools", 2, "trip"), ("planner", 3, "trip")]
    assert run.root.kind is GRAPH
    assert {one.agent for one in counted(run)} == {"planner"}


@pytest.mark.parametrize("who", ["openllmetry", "openinference", "opentelemetry"])
def test_plain_calls_of_the_sdk_are_read_streamed_or_not(who: str) -> None:
    whole, streamed = operations(who, "direct")[:2]
    assert whole.usage is not None
    assert streamed.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.usage.cache_read_tokens) == (150, 10, 40)
    assert (streamed.usage.input_tokens, streamed.usage.output_tokens) == (150, 10)
    assert whole.inference is not None
    assert streamed.inference is not None
    assert whole.inference.request_hash != streamed.inference.request_hash  # only the first has instructions


def test_a_price_of_nothing_that_openlit_writes_is_no_price() -> None:
    assert [one.cost for one in counted(agent_run("openlit"))] == [None, None]


def test_the_cost_that_logfire_reckoned_is_taken() -> None:
    costs = [one.cost.total_usd for one in counted(agent_run("pydantic_ai")) if one.cost is not None]
    assert [str(cost) for cost in costs] == ["0.000155", "0.0000592"]


TWO_AT_ONCE = scenarios("beside")


@pytest.mark.parametrize("scenario", [one for one in TWO_AT_ONCE if " beside " in one])
def test_two_instrumentations_of_one_graph_count_each_request_once(scenario: str) -> None:
    found = runs("beside", scenario)
    assert [run.root.name for run in found] == ["trip"]
    usages = [tokens(one) for one in counted(found[0])]
    assert usages == [CALLS, SAYS]
    assert [one.agent for one in counted(found[0])] == ["planner", "planner"]


def test_two_instrumentations_of_the_sdk_count_each_request_once() -> None:
    found = runs("beside", "openinference in opentelemetry")
    assert [len(counted(run)) for run in found] == [1, 1, 1, 1]


def test_all_recordings_hold_something_to_read() -> None:
    for who in (*WHO, "beside"):
        for scenario in scenarios(who):
            assert any(counted(run) for run in runs(who, scenario)), (who, scenario)
