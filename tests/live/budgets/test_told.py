# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""What telemetry says of a budget that is used up."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

import otel_agentperf
from otel_agentperf import BudgetExceeded, config, guard, semconv
from otel_agentperf.live import budgets, in_process
from otel_agentperf.live.pipeline import Pipeline
from tests.live.budgets.loop import COST_USD, FOR_EVER, State, ask, asking, endless, gemini
from tests.telemetry import Telemetry, observed

LIMITED = config.Settings(budget_run_usd=float(COST_USD * 2))


def broken(*_: object) -> None:
    raise LookupError


def events(telemetry: Telemetry) -> dict[str, dict[str, Any]]:
    """The events by the name of their span."""
    return {
        span.name: dict(event.attributes or {})
        for span in telemetry.spans
        for event in span.events
        if event.name == semconv.EVENT_BUDGET_EXCEEDED
    }


def counted(telemetry: Telemetry) -> dict[tuple[Any, Any], Any]:
    """The metric by limit and scope."""
    return {
        ((p.attributes or {})[semconv.BUDGET_LIMIT], (p.attributes or {})[semconv.BUDGET_SCOPE]): p.value  # pyright: ignore[reportAttributeAccessIssue]
        for p in telemetry.points(semconv.METRIC_BUDGET_EXCEEDED)
    }


def test_the_event_stands_once_on_the_nearest_span_and_on_the_run_and_is_counted_once() -> None:
    def work(_state: State) -> State:
        for _ in range(3):
            ask(client)
        return {}

    with observed(settings=LIMITED) as telemetry, gemini() as (client, _):
        with pytest.raises(BudgetExceeded):
            endless(work).invoke({}, FOR_EVER)
        told = events(telemetry)
        assert set(told) == {"invoke_workflow loop", "invoke_node work"}
        assert told["invoke_node work"] == told["invoke_workflow loop"]
        assert told["invoke_node work"] == {
            semconv.BUDGET_LIMIT: "usd",
            semconv.BUDGET_SCOPE: "run",
            semconv.BUDGET_NAME: "loop",
            semconv.BUDGET_ALLOWED: 0.065,
            semconv.BUDGET_SPENT: 0.065,
            semconv.BUDGET_COST: 0.065,
            semconv.BUDGET_TOKENS: 202_000,
            semconv.BUDGET_TIME: told["invoke_node work"][semconv.BUDGET_TIME],
            semconv.BUDGET_STEPS: 1,
            semconv.BUDGET_ALARMS: 0,
            semconv.BUDGET_UNPRICED: 0,
        }
        assert counted(telemetry) == {("usd", "run"): 1}


def test_a_run_that_it_ended_has_that_for_its_outcome() -> None:
    with observed(settings=LIMITED) as telemetry, gemini() as (client, _):
        with pytest.raises(BudgetExceeded):
            asking(client).invoke({}, FOR_EVER)
        attributes = dict(telemetry.one("invoke_workflow loop").attributes or {})
        assert attributes[semconv.LANGGRAPH_OUTCOME] == "budget_exceeded"
        assert attributes[semconv.ERROR_TYPE] == "BudgetExceeded"
        assert attributes[semconv.RUN_SUCCESS] is False
        outcomes = {str((p.attributes or {})[semconv.RUN_OUTCOME]) for p in telemetry.points(semconv.METRIC_RUNS)}
        assert outcomes == {"budget_exceeded"}
        assert telemetry.pipeline.outcomes.since(0).failed == 0


def test_a_run_that_copes_with_it_ends_as_it_ends() -> None:
    def work(_state: State) -> State:
        try:
            while True:
                ask(client)
        except BudgetExceeded:
            return {"rounds": 1}

    with observed(settings=LIMITED) as telemetry, gemini() as (client, _):
        graph = endless(work)
        with pytest.raises(BudgetExceeded):
            graph.invoke({}, FOR_EVER)
        nodes = telemetry.named("invoke_node work")
        assert [node.status.status_code for node in nodes] == [trace.StatusCode.UNSET]


def test_it_is_counted_where_nothing_is_sampled_and_told_to_a_span_of_the_program_outside_of_all() -> None:
    with observed() as telemetry, gemini() as (client, _), otel_agentperf.budget(usd=COST_USD, name="job"):
        ask(client)
        with telemetry.provider.get_tracer("app").start_as_current_span("mine"), pytest.raises(BudgetExceeded):
            ask(client)
        assert set(events(telemetry)) == {"mine"}
        assert counted(telemetry) == {("usd", "block"): 1}


def test_it_is_told_as_a_log_event_where_suggestions_are() -> None:
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with observed() as telemetry, gemini() as (client, _):
        settings = config.Settings(emit="log_event", budget_run_usd=float(COST_USD))
        in_process.use(Pipeline(settings, logger_provider=logs))
        with pytest.raises(BudgetExceeded):
            asking(client).invoke({}, FOR_EVER)
        assert not events(telemetry)
    found = [each.log_record for each in exporter.get_finished_logs()]
    told = [record for record in found if record.event_name == semconv.EVENT_BUDGET_EXCEEDED]
    assert len(told) == 1
    assert "is used up" in str(told[0].body)
    assert (told[0].attributes or {})[semconv.BUDGET_LIMIT] == "usd"
    logs.shutdown()


def test_report_only_says_it_once_a_run_and_lets_it_go_on(caplog: pytest.LogCaptureFixture) -> None:
    settings = config.Settings(budget_run_usd=float(COST_USD), budget_action="report")

    def work(_state: State) -> State:
        for _ in range(5):
            ask(client)
        return {}

    with observed(settings=settings) as telemetry, gemini() as (client, server), caplog.at_level(logging.WARNING):
        with pytest.raises(Exception, match="Recursion limit"):
            endless(work).invoke({}, {"recursion_limit": 2})
        assert len(server.requests) == 10
        assert counted(telemetry) == {("usd", "run"): 1}
    assert sum("it goes on" in record.getMessage() for record in caplog.records) == 1


def test_an_error_of_ours_in_the_check_stops_nothing_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry, gemini() as (client, server), otel_agentperf.budget(usd=COST_USD):
        monkeypatch.setattr(budgets.frames, "place", broken)
        budgets.check(telemetry.pipeline)
        monkeypatch.undo()
        assert not server.requests
    assert client is not None
    assert guard.error_counts() == {"budgets.check": 1}


def test_an_error_while_it_is_told_does_not_keep_it_from_holding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed() as telemetry, gemini() as (client, _), otel_agentperf.budget(usd=COST_USD):
        monkeypatch.setattr(telemetry.pipeline.teller, "budget_reached", broken)
        ask(client)
        with pytest.raises(BudgetExceeded):
            ask(client)
    assert guard.error_counts() == {"budgets.tell": 1}
