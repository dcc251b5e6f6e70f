from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry.trace import SpanKind

from otel_agentperf import config, semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import PIXEL_PNG, Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply
from otel_agentperf.instrumentation.google_genai.endpoints import classify
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

BILLED = {
    ("post", "models/gemini-2.5-pro:generateContent"): "generate_content gemini-2.5-pro",
    ("POST", "models/gemini-2.5-pro:streamGenerateContent?alt=sse"): "generate_content gemini-2.5-pro",
    ("post", "publishers/google/models/gemini-2.5-pro:generateContent"): "generate_content gemini-2.5-pro",
    ("post", "tunedModels/mine:generateContent"): "generate_content mine",
    ("post", "projects/p/locations/l/endpoints/123:generateContent"): "generate_content 123",
    ("post", "models/gemini-embedding-001:batchEmbedContents"): "embeddings gemini-embedding-001",
    ("post", "models/gemini-embedding-2:embedContent"): "embeddings gemini-embedding-2",
    ("post", "models/imagen-4.0-generate-001:predict"): "generate_content imagen-4.0-generate-001",
    ("post", "models/veo-3.0:predictLongRunning"): "generate_content veo-3.0",
}
NOT_BILLED = [
    ("get", "models/gemini-2.5-pro:generateContent"),
    ("post", "models/gemini-2.5-pro:countTokens"),
    ("post", "models/gemini-2.5-pro:computeTokens"),
    ("post", "models/gemini-2.5-pro:batchGenerateContent"),
    ("post", "models/gemini-embedding-2:asyncBatchEmbedContent"),
    ("post", "models/veo-3.0:fetchPredictOperation"),
    ("post", "cachedContents"),
    ("patch", "cachedContents/abc"),
    ("post", "batchPredictionJobs"),
    ("post", "tuningJobs"),
    ("post", "files:register"),
    ("post", "batches/123:cancel"),
    ("post", ""),
]


@pytest.mark.parametrize(("request_line", "name"), BILLED.items(), ids=[path for _, path in BILLED])
def test_the_path_tells_what_is_billed(request_line: tuple[str, str], name: str) -> None:
    endpoint = classify(*request_line, {})
    assert endpoint is not None
    assert endpoint.span_name == name


@pytest.mark.parametrize("request_line", NOT_BILLED, ids=lambda line: f"{line[0]} {line[1]}")
def test_other_requests_are_no_inferences(request_line: tuple[str, str]) -> None:
    assert classify(*request_line, {}) is None


def test_vertex_predicts_embeddings_and_images_alike_and_the_body_tells() -> None:
    path = "publishers/google/models/text-embedding-005:predict"
    embeddings = classify("post", path, {"instances": [{"content": "words"}]})
    assert embeddings is not None
    assert embeddings.span_name == "embeddings text-embedding-005"
    image = classify("post", path, {"instances": [{"prompt": "words"}]})
    assert image is not None
    assert image.output_type == "image"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", f"async on {ways.TRANSPORT}"])
@pytest.mark.parametrize("vertex", [False, True], ids=["gemini", "vertex"])
@pytest.mark.parametrize("model", ["gemini-embedding-2", "gemini-embedding-001"])
def test_embeddings_report_the_tokens_that_the_response_does(model: str, vertex: bool, is_async: bool) -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server, vertex=vertex)
        wanted = types.EmbedContentConfig(output_dimensionality=8)
        if is_async:

            async def embed() -> None:
                await client.aio.models.embed_content(model=model, contents="x" * 400, config=wanted)
                await ways.close(client)

            asyncio.run(embed())
        else:
            client.models.embed_content(model=model, contents="x" * 400, config=wanted)
        telemetry.assert_sound()
        span = telemetry.one(f"embeddings {model}")
        answer = server.requests[-1]
    attributes = dict(span.attributes or {})
    assert span.kind is SpanKind.CLIENT
    assert attributes[semconv.OPERATION_NAME] == "embeddings"
    assert attributes[semconv.PROVIDER_NAME] == ("gcp.vertex_ai" if vertex else "gcp.gemini")
    if answer.call is Call.PREDICT or model != "gemini-embedding-001":
        assert attributes[semconv.USAGE_INPUT_TOKENS] == 100
        assert attributes[semconv.COST_STATUS] == "priced"
        assert float(str(attributes[semconv.USAGE_COST])) > 0
    else:
        assert attributes[semconv.COST_STATUS] == "unpriced"
        assert attributes[semconv.COST_REASON] == "the response reports no usage"
        assert semconv.USAGE_INPUT_TOKENS not in attributes
    assert attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] == 8
    assert attributes[semconv.RUN_INFERENCE_CALLS] == 0


def _picture(request: GeminiRequest) -> Reply:
    body = replies.content(request, [{"inlineData": {"mimeType": "image/png", "data": PIXEL_PNG}}]).body
    usage: dict[str, Any] = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 1290,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    }
    assert isinstance(body, dict)
    return Reply({**body, "usageMetadata": usage})


def test_an_image_model_reports_image_tokens_and_is_priced_by_them() -> None:
    with GeminiServer(_picture) as server, observed() as telemetry:
        client = ways.client_of(server)
        client.models.generate_content(
            model="gemini-2.5-flash-image",
            contents="a dot",
            config=types.GenerateContentConfig(response_modalities=["IMAGE"]),
        )
        span = telemetry.one("generate_content gemini-2.5-flash-image")
    attributes = dict(span.attributes or {})
    assert attributes[semconv.OUTPUT_TYPE] == "image"
    assert attributes[semconv.RESPONSE_KIND] == "media"
    assert attributes["gen_ai.usage.image.output_tokens"] == 1290
    assert attributes[semconv.COST_OUTPUT] == pytest.approx(1290 * 30 / 1e6)


@pytest.mark.filterwarnings("ignore:The generate_images method is deprecated")
def test_a_model_whose_images_have_no_known_price_is_unpriced_and_named() -> None:
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server, vertex=True)
        client.models.generate_images(model="imagen-4.0-generate-001", prompt="a dot")
        telemetry.assert_sound()
        span = telemetry.one("generate_content imagen-4.0-generate-001")
    attributes = dict(span.attributes or {})
    assert attributes[semconv.OUTPUT_TYPE] == "image"
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert "imagen-4.0-generate-001" in str(attributes[semconv.COST_REASON])
    assert semconv.USAGE_COST not in attributes
    assert semconv.RUN_COST not in attributes
    assert attributes[semconv.RUN_UNPRICED_CALLS] == 1


@pytest.mark.parametrize("way", ways.ALL)
def test_vertex_is_told_by_its_provider(way: str) -> None:
    with GeminiServer() as server, observed() as telemetry:
        ways.ALL[way](ways.client_of(server, vertex=True))
        telemetry.assert_sound()
        span = telemetry.one(f"generate_content {ways.MODEL}")
    assert (span.attributes or {})[semconv.PROVIDER_NAME] == "gcp.vertex_ai"
    assert (span.attributes or {})[semconv.COST_STATUS] == "priced"


def test_vertex_in_express_mode_is_told_by_its_provider() -> None:
    with GeminiServer() as server, observed() as telemetry:
        options = types.HttpOptions(base_url=server.base_url)
        client = genai.Client(vertexai=True, api_key="loopback", http_options=options)
        ways.generate(client)
        span = telemetry.one(f"generate_content {ways.MODEL}")
    assert (span.attributes or {})[semconv.PROVIDER_NAME] == "gcp.vertex_ai"


def _list_models(client: Any) -> object:
    return client.models.get(model=ways.MODEL)


UNBILLED: dict[str, Callable[[Any], object]] = {
    "count_tokens": lambda client: client.models.count_tokens(model=ways.MODEL, contents=ways.PROMPT),
    "get a model": _list_models,
}


def _any(request: GeminiRequest) -> Reply:
    return Reply({"totalTokens": 5, "name": "models/x"}) if request.verb else FixedResponder()(request)


@pytest.mark.parametrize("what", UNBILLED)
def test_what_is_not_billed_leaves_no_span(what: str) -> None:
    with GeminiServer(_any) as server, observed() as telemetry:
        UNBILLED[what](ways.client_of(server))
        assert server.requests
        assert telemetry.spans == []
        assert telemetry.points(semconv.METRIC_OPERATION_DURATION) == []


def test_generation_settings_stand_on_the_span() -> None:
    wanted = types.GenerateContentConfig(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_output_tokens=100,
        seed=7,
        candidate_count=2,
        response_mime_type="application/json",
        thinking_config=types.ThinkingConfig(thinking_budget=128),
    )
    with GeminiServer() as server, observed() as telemetry:
        client = ways.client_of(server)
        client.models.generate_content(model=ways.MODEL, contents=ways.PROMPT, config=wanted)
        attributes = dict(telemetry.one(f"generate_content {ways.MODEL}").attributes or {})
    expected = {
        semconv.REQUEST_TEMPERATURE: 0.5,
        semconv.REQUEST_TOP_P: 0.9,
        semconv.REQUEST_TOP_K: 40,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_SEED: 7,
        semconv.REQUEST_CHOICE_COUNT: 2,
        semconv.OUTPUT_TYPE: "json",
        semconv.REQUEST_REASONING_LEVEL: "128",
    }
    assert {key: attributes.get(key) for key in expected} == expected
    assert isinstance(attributes[semconv.REQUEST_TOP_K], int)


def _tuned(request: GeminiRequest) -> Reply:
    return FixedResponder(tokens=Tokens(prompt=1000, candidates=0))(request)


def test_a_tuned_model_has_the_user_s_price_or_none() -> None:
    endpoint = "projects/p/locations/l/endpoints/123"
    own = {"models": {"123": {"input_mtok": 7.0, "output_mtok": 1.0}}}
    for prices, cost in (({}, None), (own, 0.007)):
        settings = config.Settings(fingerprint_key="test", prices=prices)
        with GeminiServer(_tuned) as server, observed(settings=settings) as telemetry:
            client = ways.client_of(server, vertex=True)
            client.models.generate_content(model=endpoint, contents=ways.PROMPT)
            attributes = dict(telemetry.one("generate_content 123").attributes or {})
        assert attributes.get(semconv.USAGE_COST) == (pytest.approx(cost) if cost is not None else None)


def test_the_user_s_price_of_the_model_asked_for_comes_before_the_list_price_of_the_one_that_answered() -> None:
    prices = {"models": {ways.MODEL: {"input_mtok": 1.0, "output_mtok": 1.0}}}

    def answer(request: GeminiRequest) -> Reply:
        body = replies.content(request, replies.text("x"), Tokens(prompt=1000, candidates=0)).body
        assert isinstance(body, dict)
        return Reply({**body, "modelVersion": "gemini-2.5-pro"})

    settings = config.Settings(fingerprint_key="test", prices=prices)
    with GeminiServer(answer) as server, observed(settings=settings) as telemetry:
        ways.generate(ways.client_of(server))
        attributes = dict(telemetry.one(f"generate_content {ways.MODEL}").attributes or {})
    assert attributes[semconv.USAGE_COST] == pytest.approx(0.001)
