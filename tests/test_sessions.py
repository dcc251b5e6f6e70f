"""`otel_agentperf.session(id)`, on runs of a real graph."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

import otel_agentperf
from otel_agentperf import SessionReport, Settings, UnknownSessionError
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.live import in_process
from otel_agentperf.model import Complexity, Operation, OperationKind, Suggestion
from otel_agentperf.report.document import to_json
from otel_agentperf.rules.base import Group, Rule, Scope, View
from tests.telemetry import observed


class State(TypedDict, total=False):
    fail: bool


def graph(name: str = "writing") -> Any:
    """A graph of two agents; the second one fails where it is told to."""

    def plan(state: State) -> State:
        del state
        otel_agentperf.record_model_usage("gemini-2.5-pro", input_tokens=1000, output_tokens=100)
        return {}

    def write(state: State) -> State:
        otel_agentperf.record_model_usage(
            "gemini-2.5-flash", input_tokens=2000, output_tokens=10, cache_read_tokens=1000
        )
        for _ in range(5):
            with otel_agentperf.action("click", arguments="#next") as click:
                click.result("nothing")
        if state.get("fail"):
            raise RuntimeError("canary")
        return {}

    builder: Any = StateGraph(State)
    builder.add_node("planner", plan)
    builder.add_node("writer", write)
    builder.add_edge(START, "planner")
    builder.add_edge("planner", "writer")
    builder.add_edge("writer", END)
    return builder.compile(name=name)


def run(session: str, *, fail: bool = False) -> None:
    made = graph()
    if fail:
        with pytest.raises(RuntimeError, match="canary"):
            made.invoke({"fail": True}, {"configurable": {"thread_id": session}})
    else:
        made.invoke({"fail": False}, {"configurable": {"thread_id": session}})


def test_a_session_sums_its_runs_up_by_agent_model_and_tool() -> None:
    with observed() as telemetry:
        for fail in (False, False, True):
            run("chat-1", fail=fail)
        run("chat-2")
        session = otel_agentperf.session("chat-1")
        spans = telemetry.spans
    assert isinstance(session, SessionReport)
    figures = session.figures
    assert (session.id, figures.runs, session.open_runs) == ("chat-1", 3, 0)
    assert figures.success_rate == pytest.approx(2 / 3)
    assert {part.name: (part.calls, part.errors) for part in figures.agents} == {"planner": (3, 0), "writer": (3, 1)}
    assert {part.name: part.calls for part in figures.models} == {"gemini-2.5-pro": 3, "gemini-2.5-flash": 3}
    assert {part.name: part.calls for part in figures.tools} == {"click": 15}
    assert figures.cheaper_models.share == pytest.approx(0.5)
    assert figures.costs.cached_usd
    assert figures.costs.total_usd is not None
    assert figures.costs.total_usd == sum(part.cost_usd or 0 for part in figures.models)
    spent = sum(float((span.attributes or {}).get("agentperf.run.cost_usd", 0)) for span in spans)  # pyright: ignore[reportArgumentType]
    assert spent == pytest.approx(float(figures.costs.total_usd) * 4 / 3)
    assert [line.status for line in session.runs] == ["ok", "ok", "failed"]


def test_a_pattern_in_every_run_is_one_suggestion_with_the_savings_of_all() -> None:
    with observed():
        for _ in range(3):
            run("chat-1")
        figures = otel_agentperf.session("chat-1").figures
    (repeated,) = [each for each in figures.suggestions if each.rule == "REP001"]
    assert repeated.runs == 3
    assert 0 < figures.savings.time_s <= figures.duration_s


def test_a_run_that_goes_on_is_counted_and_in_no_figure() -> None:
    with observed() as telemetry:
        run("chat-1")
        frame = telemetry.pipeline.engine.begin("another", "chat-1", 0)
        session = otel_agentperf.session("chat-1")
        telemetry.pipeline.engine.forget(frame)
    assert (session.figures.runs, session.open_runs) == (1, 1)


def test_a_session_without_a_finished_run_has_no_times() -> None:
    with observed() as telemetry:
        frame = telemetry.pipeline.engine.begin("first", "chat-1", 0)
        session = otel_agentperf.session("chat-1")
        telemetry.pipeline.engine.forget(frame)
    assert (session.start_time, session.figures.runs, session.figures.success_rate) == (None, 0, None)


def test_asking_changes_nothing_and_what_was_given_stays_as_it_was() -> None:
    with observed():
        run("chat-1")
        first = otel_agentperf.session("chat-1")
        again = otel_agentperf.session("chat-1")
        run("chat-1")
        later = otel_agentperf.session("chat-1")
    assert first == again
    assert (first.figures.runs, later.figures.runs) == (1, 2)


def test_it_gives_what_the_json_report_holds() -> None:
    with observed():
        run("chat-1")
        session = otel_agentperf.session("chat-1")
    assert session.to_dict() == json.loads(to_json(session))


def test_an_unknown_session_says_how_many_are_known_and_which_come_closest() -> None:
    with observed():
        run("chat-1")
        run("something else")
        with pytest.raises(UnknownSessionError) as caught:
            otel_agentperf.session("chat_1")
    assert str(caught.value) == (
        "otel-agentperf: no session 'chat_1' among the 2 that are remembered; the closest: 'chat-1'"
    )
    assert isinstance(caught.value, LookupError)


def test_where_nothing_is_switched_on_that_is_said() -> None:
    in_process.use(None)
    with pytest.raises(UnknownSessionError, match="not switched on"):
        otel_agentperf.session("chat-1")


def test_the_session_least_recently_used_is_forgotten_first() -> None:
    with observed(settings=Settings(max_sessions=2)):
        for session in ("one", "two", "one", "three"):
            run(session)
        assert otel_agentperf.session("one").figures.runs == 2
        assert otel_agentperf.session("three").figures.runs == 1
        with pytest.raises(UnknownSessionError):
            otel_agentperf.session("two")


def test_work_without_a_conversation_id_is_no_session() -> None:
    with observed() as telemetry:
        graph().invoke({"fail": False})
        assert telemetry.pipeline.engine.session_ids() == []


class Broken(Rule[list[int]]):
    """Judges nothing, ever."""

    code = "BRK001"
    name = "broken"
    group = Group.FAILURES
    scope = Scope.SESSION
    watches = frozenset({OperationKind.TOOL})
    complexity = Complexity.LOW

    def start(self) -> list[int]:
        return []

    def observe(self, state: list[int], operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def judge(self, state: list[int], view: View) -> Iterable[Suggestion]:
        raise ValueError("canary")


def test_a_rule_that_raises_when_asked_is_reported_and_the_session_is_given() -> None:
    reported: list[str] = []
    engine = Engine([Broken()], on_error=lambda site, _: reported.append(site))
    run = engine.begin("graph", "s1", 0)
    engine.observe(run, Operation(OperationKind.TOOL, "click", "a" * 16, 0, 1))
    engine.finish(run, Operation(OperationKind.WORKFLOW, "graph", "b" * 16, 0, 2))
    reported.clear()
    session = engine.session("s1")
    assert session is not None
    assert session.figures.calls.tool == 1
    assert reported == ["rule.BRK001"]
