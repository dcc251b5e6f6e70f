"""A service's root that holds agents is no run; what ran beside the agents counts in the totals."""

from __future__ import annotations

import io
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, Tracer

from otel_agentperf import config, semconv
from otel_agentperf.exporter import AgentPerfSpanExporter
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.sdk import read_span
from tests.telemetry import Telemetry, observed

ASKED = {
    semconv.OPERATION_NAME: "chat",
    semconv.PROVIDER_NAME: "openai",
    semconv.REQUEST_MODEL: "gpt-4o",
    semconv.USAGE_INPUT_TOKENS: 1000,
    semconv.USAGE_OUTPUT_TOKENS: 100,
}
COST = (1000 * 2.5 + 100 * 10) / 1e6


def agent(name: str = "clerk") -> dict[str, Any]:
    return {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: name}


def tracer(telemetry: Telemetry) -> Tracer:
    return telemetry.provider.get_tracer("somebody.else")


def ask(telemetry: Telemetry) -> None:
    tracer(telemetry).start_span("chat gpt-4o", attributes=ASKED).end()


def attributes_of(telemetry: Telemetry, name: str) -> dict[str, Any]:
    return dict(telemetry.one(name).attributes or {})


def counts(telemetry: Telemetry, metric: str) -> float:
    total = 0.0
    for point in telemetry.points(metric):
        assert isinstance(point, (NumberDataPoint, HistogramDataPoint))
        total += point.count if isinstance(point, HistogramDataPoint) else point.value
    return total


def serve(telemetry: Telemetry, *steps: str) -> None:
    """One request of a service: model calls and agents, as the steps say."""
    with tracer(telemetry).start_as_current_span("POST /ask"):
        for step in steps:
            if step == "call":
                ask(telemetry)
            else:
                with tracer(telemetry).start_as_current_span(step, attributes=agent(step)):
                    ask(telemetry)


@pytest.mark.parametrize("steps", [("call", "clerk"), ("clerk", "call"), ("call", "clerk", "call")])
def test_a_call_beside_an_agent_counts_and_is_no_run(steps: tuple[str, ...]) -> None:
    with observed() as telemetry:
        serve(telemetry, *steps)
        telemetry.assert_sound()
        root, run = attributes_of(telemetry, "POST /ask"), attributes_of(telemetry, "clerk")
        runs, cost = counts(telemetry, semconv.METRIC_RUNS), counts(telemetry, semconv.METRIC_COST)
        finished = telemetry.pipeline.outcomes
    assert not any(key.startswith("agentperf.run.") for key in root)
    assert run[semconv.RUN_INFERENCE_CALLS] == 1
    assert (runs, cost) == (1, pytest.approx(COST * len(steps)))
    assert finished is not None


def test_a_root_without_an_agent_is_a_run_as_before() -> None:
    with observed() as telemetry:
        serve(telemetry, "call", "call")
        telemetry.assert_sound()
        assert attributes_of(telemetry, "POST /ask")[semconv.RUN_INFERENCE_CALLS] == 2
        assert counts(telemetry, semconv.METRIC_RUNS) == 1


def test_two_agents_of_one_request_are_two_runs() -> None:
    with observed() as telemetry:
        serve(telemetry, "clerk", "call", "critic")
        telemetry.assert_sound()
        assert counts(telemetry, semconv.METRIC_RUNS) == 2
        assert not any(key.startswith("agentperf.run.") for key in attributes_of(telemetry, "POST /ask"))


def test_what_is_set_aside_is_no_open_run_while_the_request_goes_on() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("POST /ask"):
            ask(telemetry)
            assert telemetry.pipeline.engine.live_runs == 1
            with tracer(telemetry).start_as_current_span("clerk", attributes=agent()):
                ask(telemetry)
                assert telemetry.pipeline.engine.live_runs == 1
            assert telemetry.pipeline.engine.live_runs == 0
            ask(telemetry)
            assert telemetry.pipeline.engine.live_runs == 0
        telemetry.assert_sound()


@pytest.mark.parametrize("at_once", [True, False])
def test_the_console_prints_the_agents_run_and_one_line_on_the_call_beside_it(at_once: bool) -> None:
    out = io.StringIO()
    with observed() as telemetry:
        console = AgentPerfSpanExporter(config.Settings(fingerprint_key="test"), out)
        processor = BatchSpanProcessor(console, schedule_delay_millis=1_000_000)
        telemetry.provider.add_span_processor(processor)
        with tracer(telemetry).start_as_current_span("POST /ask"):
            with tracer(telemetry).start_as_current_span("clerk", attributes=agent()):
                ask(telemetry)
            if not at_once:
                processor.force_flush()
            ask(telemetry)
        telemetry.provider.force_flush()
    text = out.getvalue()
    assert text.count("trace ") == 1
    assert "clerk" in text
    assert "otel-agentperf: beneath POST /ask, in no agent's run: 1 model call ($0.0035)" in text


# -- errors -------------------------------------------------------------------------------


def _fail_in_a_tool(telemetry: Telemetry, tool: dict[str, Any]) -> None:
    with tracer(telemetry).start_as_current_span("clerk", attributes=agent()):
        ask(telemetry)
        with tracer(telemetry).start_as_current_span("t", attributes=tool):
            raise ValueError("no")


def test_one_exception_that_a_tool_an_agent_and_the_root_pass_on_is_one_error() -> None:
    tool = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "t"}
    with observed() as telemetry:
        with pytest.raises(ValueError, match="no"):
            _fail_in_a_tool(telemetry, tool)
        telemetry.assert_sound()
        run = attributes_of(telemetry, "clerk")
    assert (run[semconv.RUN_ERRORS], run[semconv.RUN_SUCCESS]) == (1, False)


def test_an_error_that_was_dealt_with_and_one_of_the_agent_are_two() -> None:
    tool = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "t"}
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("clerk", attributes=agent()) as span:
            tracer(telemetry).start_span("t", attributes={**tool, semconv.ERROR_TYPE: "KeyError"}).end()
            ask(telemetry)
            span.set_status(Status(StatusCode.ERROR))
        run = attributes_of(telemetry, "clerk")
    assert run[semconv.RUN_ERRORS] == 2


# -- usage on the agent's span alone --------------------------------------------------------


def test_usage_that_only_the_agents_span_reports_is_priced_and_counted() -> None:
    said = {semconv.REQUEST_MODEL: "gpt-4o", semconv.PROVIDER_NAME: "openai"}
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("clerk", attributes={**agent(), **said}) as span:
            span.set_attributes({semconv.USAGE_INPUT_TOKENS: 100_000, semconv.USAGE_OUTPUT_TOKENS: 1000})
        telemetry.assert_sound()
        run = attributes_of(telemetry, "clerk")
        cost = counts(telemetry, semconv.METRIC_COST)
    assert (run[semconv.RUN_INPUT_TOKENS], run[semconv.RUN_INFERENCE_CALLS]) == (100_000, 0)
    assert run[semconv.RUN_COST] == cost == pytest.approx(0.26)
    assert run[semconv.RUN_RATING] == "D"


@pytest.mark.parametrize(("fresh", "left"), [(1000, 0), (1600, 600), (400, 0)])
def test_what_requests_beneath_the_agent_cover_is_not_counted_again(fresh: int, left: int) -> None:
    said = {semconv.REQUEST_MODEL: "gpt-4o", semconv.PROVIDER_NAME: "openai", semconv.USAGE_INPUT_TOKENS: fresh}
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("clerk", attributes={**agent(), **said}):
            ask(telemetry)
        telemetry.assert_sound()
        run = attributes_of(telemetry, "clerk")
    assert (run[semconv.RUN_INPUT_TOKENS], run[semconv.RUN_INFERENCE_CALLS]) == (1000 + left, 1)
    assert run[semconv.RUN_COST] == pytest.approx(COST + left * 2.5 / 1e6)


@pytest.mark.parametrize(("beneath", "before", "left"), [(False, False, 1600), (True, False, 600), (False, True, 1600)])
def test_usage_on_the_span_of_an_agent_within_a_workflow_counts_as_far_as_nothing_covers_it(
    beneath: bool, before: bool, left: int
) -> None:
    workflow = {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "team"}
    said = {semconv.REQUEST_MODEL: "gpt-4o", semconv.PROVIDER_NAME: "openai", semconv.USAGE_INPUT_TOKENS: 1600}
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("team", attributes=workflow):
            if before:
                ask(telemetry)
            with tracer(telemetry).start_as_current_span("clerk", attributes={**agent(), **said}):
                if beneath:
                    ask(telemetry)
        telemetry.assert_sound()
        run = attributes_of(telemetry, "team")
        (replayed,) = runs_of([record.operation for span in telemetry.spans if (record := read_span(span)) is not None])
    asked = beneath + before
    assert run[semconv.RUN_INPUT_TOKENS] == 1000 * asked + left
    assert run[semconv.RUN_COST] == pytest.approx(COST * asked + left * 2.5 / 1e6)
    used = [one.usage.input_tokens for one in replayed.operations if one.counted and one.usage is not None]
    assert sum(used) == run[semconv.RUN_INPUT_TOKENS]


# -- nothing seen --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (None, "no model call was seen"),
        ({semconv.REQUEST_MODEL: "x-1"}, "no price is known"),
        (
            {semconv.ERROR_TYPE: "500", semconv.USAGE_INPUT_TOKENS: "x", semconv.USAGE_OUTPUT_TOKENS: "x"},
            "no model call was billed",
        ),
    ],
)
def test_a_run_of_which_nothing_could_be_measured_has_no_rating_and_no_score(
    more: dict[str, Any] | None, reason: str
) -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("clerk", attributes=agent()):
            if more is not None:
                tracer(telemetry).start_span("chat", attributes={**ASKED, **more}).end()
        telemetry.assert_sound()
        run = attributes_of(telemetry, "clerk")
        points = telemetry.collected()
    assert run[semconv.RUN_NOT_SCORED] == reason
    assert run.keys().isdisjoint({semconv.RUN_RATING, semconv.RUN_EFFICIENCY_SCORE, semconv.RUN_COST})
    assert points.keys().isdisjoint({semconv.METRIC_RUN_EFFICIENCY, semconv.METRIC_RUN_COST})
    assert semconv.METRIC_RUN_DURATION in points


def test_a_run_that_is_priced_in_part_has_a_score_and_no_rating() -> None:
    with observed() as telemetry:
        with tracer(telemetry).start_as_current_span("clerk", attributes=agent()):
            ask(telemetry)
            tracer(telemetry).start_span("chat", attributes={**ASKED, semconv.REQUEST_MODEL: "x-1"}).end()
        run = attributes_of(telemetry, "clerk")
    assert run[semconv.RUN_EFFICIENCY_SCORE] == 100
    assert run[semconv.RUN_COST] == pytest.approx(COST)
    assert run.keys().isdisjoint({semconv.RUN_RATING, semconv.RUN_NOT_SCORED})
