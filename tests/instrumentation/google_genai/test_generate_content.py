from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from otel_agentperf import semconv
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

TOKENS = Tokens(prompt=100, candidates=50, cached=30, thoughts=20, tool_use=5)
NAME = f"generate_content {ways.MODEL}"


@pytest.mark.parametrize("way", ways.ALL)
def test_each_way_of_asking_makes_one_priced_client_span(way: str) -> None:
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed() as telemetry:
        ways.ALL[way](ways.client_of(server))
        telemetry.assert_sound()
        assert telemetry.tree() == [NAME]
        span = telemetry.one(NAME)
    attributes = dict(span.attributes or {})
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    expected = {
        semconv.OPERATION_NAME: "generate_content",
        semconv.PROVIDER_NAME: "gcp.gemini",
        semconv.REQUEST_MODEL: ways.MODEL,
        semconv.RESPONSE_MODEL: ways.MODEL,
        semconv.RESPONSE_FINISH_REASONS: ("STOP",),
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.USAGE_INPUT_TOKENS: 105,
        semconv.USAGE_OUTPUT_TOKENS: 70,
        semconv.USAGE_CACHE_READ_TOKENS: 30,
        semconv.USAGE_REASONING_TOKENS: 20,
        semconv.USAGE_TOOL_USE_TOKENS: 5,
        semconv.COST_STATUS: "priced",
        semconv.COST_TIER: "standard",
        semconv.RESPONSE_KIND: "text",
        semconv.RUN_INFERENCE_CALLS: 1,
    }
    assert {key: attributes.get(key) for key in expected} == expected
    assert attributes[semconv.USAGE_COST] == pytest.approx((75 * 0.3 + 30 * 0.03 + 70 * 2.5) / 1e6, abs=1e-12)
    assert attributes[semconv.SERVER_PORT] == int(server.base_url.rpartition(":")[2])
    streamed = way in ways.STREAMED
    assert attributes.get(semconv.REQUEST_STREAM, False) is streamed
    assert (semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes) is streamed
