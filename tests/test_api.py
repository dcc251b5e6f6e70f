from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

import otel_agentperf
from otel_agentperf import config, semconv
from otel_agentperf.api import refusals as refused_calls
from tests.telemetry import observed

SERVICES = config.Settings(
    fingerprint_key="test",
    prices={"services": {"steel_browser": {"per_minute_usd": 0.001}, "maps": {"per_call_usd": 0.5}}},
)


def test_an_action_as_a_context_manager_is_a_span_with_fingerprints_only() -> None:
    with observed() as telemetry:
        with otel_agentperf.action("click", arguments={"selector": "#canary"}) as click:
            click.result("canary result")
        span = telemetry.one("execute_action click")
    attributes = span.attributes or {}
    assert attributes[semconv.TOOL_NAME] == "click"
    assert len(str(attributes[semconv.TOOL_ARGUMENTS_HASH])) == 16
    assert len(str(attributes[semconv.TOOL_RESULT_HASH])) == 16
    assert "canary" not in span.to_json()


def test_the_same_decorated_action_four_times_in_a_run_is_a_repetition() -> None:
    @otel_agentperf.action("click")
    def click(selector: str) -> str:
        return f"nothing at {selector}"

    with observed() as telemetry:
        with telemetry.provider.get_tracer("app").start_as_current_span("job"):
            for _ in range(4):
                click("#next")
        events = telemetry.suggestions("REP001")
    assert len(events) == 1
    assert (events[0].attributes or {})[semconv.SUGGESTION_LEVEL] == "alarm"


async def test_a_decorated_coroutine_keeps_its_result_and_its_error() -> None:
    @otel_agentperf.action("fetch")
    async def fetch(*, fail: bool) -> int:
        await asyncio.sleep(0)
        if fail:
            raise KeyError("canary")
        return 7

    with observed() as telemetry:
        assert await fetch(fail=False) == 7
        with pytest.raises(KeyError, match="canary"):
            await fetch(fail=True)
        first, second = telemetry.named("execute_action fetch")
    assert first.status.status_code is trace.StatusCode.UNSET
    assert (second.attributes or {})[semconv.ERROR_TYPE] == "KeyError"
    assert "canary" not in second.to_json()


def test_one_action_object_decorates_overlapping_calls() -> None:
    @otel_agentperf.action("outer")
    def nest(depth: int) -> int:
        return depth if depth == 0 else nest(depth - 1)

    with observed() as telemetry:
        nest(2)
        assert telemetry.tree() == [
            "execute_action outer",
            "  execute_action outer",
            "    execute_action outer",
        ]


def test_a_service_bills_the_time_inside_or_what_was_measured_elsewhere() -> None:
    with observed(settings=SERVICES) as telemetry:
        otel_agentperf.service("steel_browser").record(minutes=3)
        otel_agentperf.service("maps").record(calls=2)
        with otel_agentperf.service("steel_browser"):
            pass
        browser, maps, timed = telemetry.spans
    assert (browser.attributes or {})[semconv.USAGE_COST] == pytest.approx(0.003)
    assert (maps.attributes or {})[semconv.USAGE_COST] == pytest.approx(1.0)
    assert 0 <= float(str((timed.attributes or {})[semconv.USAGE_COST])) < 0.001
    assert browser.kind is trace.SpanKind.CLIENT


def test_a_service_without_a_price_is_unknown_and_not_free() -> None:
    with observed(settings=SERVICES) as telemetry:
        otel_agentperf.service("unheard_of").record(minutes=1)
        attributes = telemetry.one("use_service unheard_of").attributes or {}
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert semconv.USAGE_COST not in attributes
    assert "unheard_of" in str(attributes[semconv.COST_REASON])


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    refused_calls._refused.clear()  # pyright: ignore[reportPrivateUsage]
    return caplog


@pytest.mark.parametrize("wrong", [{"minutes": -1}, {"calls": -1}, {"minutes": float("nan")}, {"minutes": "long"}])
def test_impossible_time_or_calls_are_said_and_not_billed(
    wrong: dict[str, Any], refusals: pytest.LogCaptureFixture
) -> None:
    with observed(settings=SERVICES) as telemetry:
        otel_agentperf.service("maps").record(**wrong)
        assert telemetry.spans == []
    assert "numbers from 0 up" in refusals.text


def test_a_service_within_a_node_that_is_billed_for_it_is_not_billed_twice() -> None:
    settings = config.Settings(prices={"services": {"web": {"per_call_usd": 1, "spans": ["job"], "tools": ["look"]}}})
    with observed(settings=settings) as telemetry:
        with telemetry.provider.get_tracer("app").start_as_current_span("job"):
            with otel_agentperf.service("web"):
                pass
            with otel_agentperf.action("look"), otel_agentperf.service("web"):
                pass
        assert len(telemetry.named("use_service web")) == 1


def test_a_generator_is_not_marked_and_works_as_before(refusals: pytest.LogCaptureFixture) -> None:
    @otel_agentperf.action("walk")
    def walk() -> Iterator[int]:
        yield 1

    with observed() as telemetry:
        assert list(walk()) == [1]
        assert telemetry.spans == []
    assert "generator" in refusals.text


def test_model_usage_reported_by_hand_is_a_priced_inference() -> None:
    with observed() as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1_000_000, output_tokens=100_000)
        span = telemetry.one("generate_content gemini-2.5-flash")
    attributes = span.attributes or {}
    assert attributes[semconv.USAGE_COST] == pytest.approx(0.30 + 0.25)
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 1_000_000


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1, "output_tokens": 0},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 2},
        {"input_tokens": 1, "output_tokens": 1, "reasoning_tokens": 2},
    ],
)
def test_impossible_usage_is_said_and_not_recorded(usage: dict[str, Any], refusals: pytest.LogCaptureFixture) -> None:
    with observed() as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", **usage)
        assert telemetry.spans == []
    assert "record_model_usage" in refusals.text


def test_unknown_usage_is_a_request_of_unknown_cost() -> None:
    with observed() as telemetry:
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=None, output_tokens=None)
        attributes = telemetry.one("generate_content gemini-2.5-flash").attributes or {}
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert semconv.USAGE_INPUT_TOKENS not in attributes


def test_a_score_that_is_no_number_does_not_reach_the_program(refusals: pytest.LogCaptureFixture) -> None:
    with observed() as telemetry, telemetry.provider.get_tracer("app").start_as_current_span("job"):
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
        otel_agentperf.outcome(score="canary")  # pyright: ignore[reportArgumentType]
    assert "outcome(score=a str)" in refusals.text
    assert "canary" not in refusals.text


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1e305, 10**400])
def test_a_score_that_cannot_be_summed_up_is_refused(score: float, refusals: pytest.LogCaptureFixture) -> None:
    with observed() as telemetry:
        with telemetry.provider.get_tracer("app").start_as_current_span("job"):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
            otel_agentperf.outcome(score=score)
        attributes = telemetry.one("job").attributes or {}
    assert "allowed: a number from -1e+12 to 1e+12" in refusals.text
    assert semconv.RUN_SCORE not in attributes


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1e305])
def test_an_evaluation_that_cannot_be_summed_up_is_no_score(score: float) -> None:
    with observed() as telemetry:
        with telemetry.provider.get_tracer("app").start_as_current_span("job") as span:
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
            span.add_event(
                semconv.EVENT_EVALUATION, {semconv.EVALUATION_SCORE: score, "gen_ai.evaluation.score.label": "pass"}
            )
        attributes = telemetry.one("job").attributes or {}
    assert semconv.RUN_SCORE not in attributes
    assert semconv.RUN_RATING in attributes


def test_the_program_says_how_its_run_went() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        with tracer.start_as_current_span("job"):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
            otel_agentperf.outcome(success=False, score=0.25)
        attributes = telemetry.one("job").attributes or {}
    assert attributes[semconv.RUN_SUCCESS] is False
    assert attributes[semconv.RUN_SCORE] == 0.25


def test_an_evaluation_event_says_how_a_run_went() -> None:
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("app")
        with tracer.start_as_current_span("job") as span:
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
            span.add_event(semconv.EVENT_EVALUATION, {semconv.EVALUATION_LABEL: "fail", semconv.EVALUATION_SCORE: 0.1})
        attributes = telemetry.one("job").attributes or {}
    assert attributes[semconv.RUN_SUCCESS] is False
    assert attributes[semconv.RUN_SCORE] == 0.1


def test_without_any_telemetry_everything_is_harmless() -> None:
    with otel_agentperf.action("click"), otel_agentperf.service("maps"):
        otel_agentperf.outcome(success=True)
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
