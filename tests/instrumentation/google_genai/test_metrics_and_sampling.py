from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, TraceIdRatioBased

from otel_agentperf import semconv
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.functions import look_up
from tests.instrumentation.google_genai.test_function_calling import generate, rounds
from tests.telemetry import TIMES, Telemetry, observed

TOKENS = Tokens(prompt=100, candidates=50, thoughts=20)


def tokens_by_type(telemetry: Telemetry) -> dict[str, tuple[int, int]]:
    """Count and sum of the token histogram, by input and output."""
    found: dict[str, tuple[int, int]] = {}
    for point in telemetry.points(semconv.METRIC_TOKEN_USAGE):
        assert isinstance(point, HistogramDataPoint)
        kind = str((point.attributes or {})[semconv.TOKEN_TYPE])
        count, total = found.get(kind, (0, 0))
        found[kind] = (count + point.count, total + int(point.sum))
    return found


@pytest.mark.parametrize("way", ways.ALL)
def test_each_request_is_measured_once_with_an_exemplar_of_its_span(way: str) -> None:
    with GeminiServer(FixedResponder(tokens=TOKENS)) as server, observed() as telemetry:
        client = ways.client_of(server)
        ways.ALL[way](client)
        all_points = telemetry.collected()
        span = telemetry.one(f"generate_content {ways.MODEL}")
    (duration,) = all_points[semconv.METRIC_OPERATION_DURATION]
    assert isinstance(duration, HistogramDataPoint)
    assert duration.count == 1
    assert dict(duration.attributes or {}) == {
        semconv.OPERATION_NAME: "generate_content",
        semconv.PROVIDER_NAME: "gcp.gemini",
        semconv.REQUEST_MODEL: ways.MODEL,
    }
    assert duration.sum == pytest.approx(((span.end_time or 0) - (span.start_time or 0)) / 1e9)
    sums: dict[Any, Any] = {}
    for point in (duration, *all_points[semconv.METRIC_TOKEN_USAGE]):
        assert isinstance(point, HistogramDataPoint)
        assert span.context is not None
        assert [exemplar.span_id for exemplar in point.exemplars] == [span.context.span_id]
        sums[(point.attributes or {}).get(semconv.TOKEN_TYPE)] = (point.count, point.sum)
    assert sums["input"] == (1, 100)
    assert sums["output"] == (1, 70)


def test_an_error_is_measured_with_its_type_and_no_tokens() -> None:
    from google.genai import errors

    from otel_agentperf.demo.responders import FailFirst

    with GeminiServer(FailFirst([503], FixedResponder())) as server, observed() as telemetry:
        client = ways.client_of(server)
        with pytest.raises(errors.ServerError):
            ways.generate(client)
        all_points = telemetry.collected()
    (duration,) = all_points[semconv.METRIC_OPERATION_DURATION]
    assert (duration.attributes or {})[semconv.ERROR_TYPE] == "503"
    assert semconv.METRIC_TOKEN_USAGE not in all_points


def _totals(sampler: Sampler) -> dict[str, Any]:
    with GeminiServer(rounds()) as server, observed(sampler=sampler) as telemetry:
        client = ways.client_of(server)
        generate(client, look_up)
        server.responder = FixedResponder(tokens=TOKENS)
        for way in ways.ALL:
            ways.ALL[way](ways.client_of(server))
        client.models.embed_content(model="gemini-embedding-2", contents="x" * 400)
        points = telemetry.collected()
        sampled = len(telemetry.spans)
    kept = {
        name: sorted(
            (
                sorted((point.attributes or {}).items()),
                (point.count, name in TIMES or point.sum)
                if isinstance(point, HistogramDataPoint)
                else name in TIMES or point.value,
            )
            for point in found
        )
        for name, found in points.items()
    }
    return {"sampled": sampled, **kept}


def test_totals_metrics_and_costs_are_the_same_whatever_is_sampled() -> None:
    everything = _totals(ALWAYS_ON)
    assert everything.pop("sampled") == 4 + 3 + len(ways.ALL) + 1
    assert semconv.METRIC_COST in everything
    for sampler in (ALWAYS_OFF, TraceIdRatioBased(0.0)):
        nothing = _totals(sampler)
        assert nothing.pop("sampled") == 0
        assert nothing == everything
    assert _totals(TraceIdRatioBased(0.5)) | {"sampled": 0} == everything | {"sampled": 0}


def test_an_unsampled_request_has_no_exemplar() -> None:
    with GeminiServer() as server, observed(sampler=ALWAYS_OFF) as telemetry:
        client = ways.client_of(server)
        ways.generate(client)
        (duration,) = telemetry.points(semconv.METRIC_OPERATION_DURATION)
    assert isinstance(duration, HistogramDataPoint)
    assert list(duration.exemplars) == []


@pytest.mark.parametrize("way", ways.ALL)
def test_suppressed_instrumentation_is_left_alone(way: str) -> None:
    with GeminiServer() as server, observed() as telemetry:
        with suppress_instrumentation():
            assert ways.ALL[way](ways.client_of(server))
        assert telemetry.spans == []
        assert telemetry.collected().get(semconv.METRIC_OPERATION_DURATION) is None
        assert not context_api.get_current()


def test_nothing_is_recorded_after_uninstrument() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server)
        ways.generate(client)
        assert len(telemetry.spans) == 1
        from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor

        GoogleGenAIInstrumentor().uninstrument()
        ways.generate(client)
        assert len(telemetry.spans) == 1
        GoogleGenAIInstrumentor().instrument(tracer_provider=telemetry.provider)
        ways.generate(client)
        assert len(telemetry.spans) == 2


def test_a_request_counts_once_where_ours_was_left_beneath_another_s_wrapper_and_put_on_again() -> None:
    from functools import wraps

    from google.genai._api_client import BaseApiClient

    from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor

    originals = {
        name: getattr(BaseApiClient, name)
        for name in ("request", "request_streamed", "async_request", "async_request_streamed")
    }
    try:
        with GeminiServer() as server, observed() as telemetry:
            for name in originals:
                ours = getattr(BaseApiClient, name)

                @wraps(ours)
                def theirs(*args: Any, _ours: Any = ours, **kwargs: Any) -> Any:
                    return _ours(*args, **kwargs)

                setattr(BaseApiClient, name, theirs)
            GoogleGenAIInstrumentor().uninstrument()
            GoogleGenAIInstrumentor().instrument(tracer_provider=telemetry.provider)
            for way in ways.ALL:
                ways.ALL[way](ways.client_of(server))
            assert len(telemetry.spans) == len(ways.ALL)
            telemetry.assert_sound()
    finally:
        for name, original in originals.items():
            setattr(BaseApiClient, name, original)
