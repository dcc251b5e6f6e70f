"""Decisions: questions put to a model, which only google-genai from 3.0 on has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry.trace import StatusCode

from otel_agentperf import config, semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Reply
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

pytestmark = pytest.mark.skipif(
    not hasattr(genai.Client, "decisions"), reason=f"google-genai {genai.__version__} has no decisions"
)
MODEL = "gemini-decision-9"
NAME = f"generate_content {MODEL}"
ANSWERS = {"q": {"type": "noul", "noul": 0.9, "confidence": 0.8}}
USAGE = {"total_input_tokens": 700, "total_output_tokens": 5, "total_tokens": 705}
DECIDED = Reply({"answers": ANSWERS, "usage": USAGE})


def _decide(client: Any, ask: str = "x") -> Any:
    questions = {"q": {"type": "noul", "instructions": ask}}
    return client.decisions.create(model=MODEL, input="hi", questions=questions)


def _decide_async(client: Any) -> Any:
    async def run() -> Any:
        try:
            return await _decide(client.aio)
        finally:
            await ways.close(client)

    return asyncio.run(run())


@pytest.mark.parametrize("decide", [_decide, _decide_async])
def test_a_decision_is_one_span_with_its_tokens_also_where_its_price_is_unknown(decide: Any) -> None:
    with GeminiServer(lambda _: DECIDED) as server, observed() as telemetry:
        decide(ways.client_of(server))
        telemetry.assert_sound()
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert (attributes[semconv.USAGE_INPUT_TOKENS], attributes[semconv.USAGE_OUTPUT_TOKENS]) == (700, 5)
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert MODEL in str(attributes[semconv.COST_REASON])
    assert attributes[semconv.RESPONSE_KIND] == "text"
    assert attributes[semconv.RUN_INFERENCE_CALLS] == 1


def test_a_price_of_the_user_s_own_holds() -> None:
    settings = config.Settings(fingerprint_key="test", prices={"models": {MODEL: {"input_mtok": 2, "output_mtok": 4}}})
    with GeminiServer(lambda _: DECIDED) as server, observed(settings=settings) as telemetry:
        _decide(ways.client_of(server))
        assert (telemetry.one(NAME).attributes or {})[semconv.USAGE_COST] == pytest.approx(0.00142)


def test_other_questions_are_another_request() -> None:
    with GeminiServer(lambda _: DECIDED) as server, observed() as telemetry:
        client = ways.client_of(server)
        for ask in ("x", "y", "x"):
            _decide(client, ask)
        hashes = [(span.attributes or {})[semconv.REQUEST_HASH] for span in telemetry.named(NAME)]
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize("status", [400, 429])
def test_a_refused_decision_is_an_error(status: int) -> None:
    error = {"error": {"code": status, "message": "no", "status": "X"}}
    with GeminiServer(lambda _: Reply(error, status=status)) as server, observed() as telemetry:
        client = ways.client_of(server, retry_options=types.HttpRetryOptions(attempts=1))
        with pytest.raises(Exception, match=str(status)):
            _decide(client)
        telemetry.assert_sound()
        span = telemetry.one(NAME)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == str(status)


def test_a_blocked_decision_is_no_answer() -> None:
    blocked = Reply({"prompt_feedback": {"block_reason": "safety"}, "usage": USAGE})
    with GeminiServer(lambda _: blocked) as server, observed() as telemetry:
        _decide(ways.client_of(server))
        assert (telemetry.one(NAME).attributes or {})[semconv.RESPONSE_KIND] == "blocked"
