"""Money beside the tokens: calls of the real SDK whose cost was checked by hand, and more of each kind.

`tests/cases/gemini.json` is one list of them; the variants here have other models, tools, tiers,
regions and ways of calling.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from otel_agentperf import semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply, sse
from otel_agentperf.pricing.book import PriceBook
from tests.instrumentation.google_genai import ways
from tests.pricing.moments import moment_ns
from tests.telemetry import Telemetry, observed

pytestmark = pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental", "ignore:The generate_")
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "cases" / "gemini.json").read_text())
NOW_NS = moment_ns(2026, 11, 30)
POLLS = 3
ABSENT: dict[str, frozenset[str]] = {
    "1": frozenset(
        {
            "interaction_in_the_background",
            "decision",
            "tier_in_the_header",
            "maps_per_prompt",
            "maps_with_queries_named",
        }
    ),
    "2": frozenset({"decision"}),
    "3": frozenset(),
}
"""The cases that a generation of google-genai has no method or no option for."""
HAS = frozenset(case["name"] for case in CASES) - ABSENT[genai.__version__.partition(".")[0]]


@dataclass
class Answers:
    """Gives the answers one after another, the last one again and again; a stream has them all."""

    bodies: list[Any]
    headers: dict[str, str] = field(default_factory=dict[str, str])
    given: int = 0

    def __call__(self, request: GeminiRequest) -> Reply:
        if request.call is Call.STREAM:
            return Reply(events=tuple(sse(body) for body in self.bodies), headers=self.headers)
        place = min(self.given, len(self.bodies) - 1)
        self.given += 1
        return Reply(self.bodies[place], headers=self.headers)


def _client(server: GeminiServer, location: str | None) -> Any:
    options = types.HttpOptions(base_url=server.base_url)
    if location is None:
        return genai.Client(vertexai=False, api_key="loopback", http_options=options)
    token = Credentials(token="loopback")
    return genai.Client(vertexai=True, project="demo", location=location, credentials=token, http_options=options)


def _call(client: Any, case: dict[str, Any]) -> None:
    model = case["model"]
    match case.get("call", "generate_content"):
        case "generate_content":
            asked = {"model": model, "contents": "hi", "config": case.get("config")}
            if case.get("stream"):
                list(client.models.generate_content_stream(**asked))
            else:
                client.models.generate_content(**asked)
        case "cache":
            client.caches.create(model=model, config={"contents": "long", "ttl": "3600s"})
        case "background":
            begun = client.interactions.create(model=model, input="hi", background=True)
            for _ in range(POLLS):
                client.interactions.get(begun.id)
        case "decision":
            questions = {"q": {"type": "noul", "instructions": "x"}}
            client.decisions.create(model=model, input="hi", questions=questions)
        case other:
            raise NotImplementedError(other)


async def _call_async(client: Any, case: dict[str, Any]) -> None:
    model = case["model"]
    match case.get("call", "generate_content"):
        case "generate_content":
            asked = {"model": model, "contents": "hi", "config": case.get("config")}
            if case.get("stream"):
                assert [chunk async for chunk in await client.models.generate_content_stream(**asked)]
            else:
                await client.models.generate_content(**asked)
        case "cache":
            await client.caches.create(model=model, config={"contents": "long", "ttl": "3600s"})
        case "background":
            begun = await client.interactions.create(model=model, input="hi", background=True)
            for _ in range(POLLS):
                await client.interactions.get(begun.id)
        case "decision":
            questions = {"q": {"type": "noul", "instructions": "x"}}
            await client.decisions.create(model=model, input="hi", questions=questions)
        case other:
            raise NotImplementedError(other)


def _called(client: Any, case: dict[str, Any]) -> None:
    async def run() -> None:
        try:
            await _call_async(client.aio, case)
        finally:
            await ways.close(client)

    asyncio.run(run())


WAYS: dict[str, Callable[[Any, dict[str, Any]], None]] = {"sync": _call, f"async on {ways.TRANSPORT}": _called}


@pytest.fixture(autouse=True)
def prices_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every price is that of the day for which the cases were reckoned."""
    for name in ("price", "cache_storage"):
        original = getattr(PriceBook, name)

        def on_that_day(self: PriceBook, *args: Any, when_ns: int, original: Any = original, **named: Any) -> Any:
            del when_ns
            return original(self, *args, when_ns=NOW_NS, **named)

        monkeypatch.setattr(PriceBook, name, on_that_day)


def _sums(telemetry: Telemetry) -> tuple[float, int, bool, bool]:
    """US dollars, input tokens, whether anything is estimated and whether anything has no price."""
    usd, tokens, estimated, unpriced = 0.0, 0, False, False
    for span in telemetry.spans:
        found: dict[str, Any] = dict(span.attributes or {})
        if found.get(semconv.COUNTED) is False:
            continue
        usd += found.get(semconv.USAGE_COST, 0.0)
        tokens += found.get(semconv.USAGE_INPUT_TOKENS, 0)
        estimated |= found.get(semconv.COST_ESTIMATED, False)
        unpriced |= found.get(semconv.COST_STATUS) == "unpriced"
    return usd, tokens, estimated, unpriced


def _run(case: dict[str, Any], way: str) -> tuple[float, int, bool, bool]:
    with GeminiServer(Answers(case["answers"], case.get("headers", {}))) as server, observed() as telemetry:
        client = _client(server, case.get("vertex"))
        WAYS[way](client, case)
        telemetry.assert_sound()
        return _sums(telemetry)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", [case for case in CASES if case["name"] in HAS], ids=lambda case: case["name"])
def test_all_spans_of_a_call_add_up_to_what_it_costs(case: dict[str, Any], way: str) -> None:
    usd, tokens, estimated, unpriced = _run(case, way)
    if "usd" in case:
        assert not unpriced
        assert usd == pytest.approx(case["usd"], abs=1e-9) or (case.get("or_estimated") and estimated)
    if "input_tokens" in case:
        assert tokens == case["input_tokens"]


def _answer(usage: dict[str, Any], *, model: str, parts: Any = None, **candidate: Any) -> dict[str, Any]:
    made = {"content": {"role": "model", "parts": parts or [{"text": "ok"}]}, "finishReason": "STOP", **candidate}
    return {"candidates": [made], "usageMetadata": usage, "modelVersion": model}


_PLACES = {"groundingChunks": [{"maps": {"uri": "u", "title": "t", "placeId": "places/b"}}]}
_SMALL = {"promptTokenCount": 1_000, "candidatesTokenCount": 100, "totalTokenCount": 1_100}
FLASH_38_USD = (1_000 * 0.75 + 100 * 3.75) / 1e6
FLASH_25_USD = (1_000 * 0.30 + 100 * 2.50) / 1e6
MAPS_TOOLS: dict[str, Any] = {
    "snake": {"google_maps": {}},
    "camel": {"googleMaps": {}},
    "typed": types.Tool(google_maps=types.GoogleMaps()),
}


def _variant(model: str, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": model, "answers": list(answers), **more}


@pytest.mark.skipif(
    "maps_per_prompt" not in HAS, reason=f"google-genai {genai.__version__} refuses Google Maps in the Gemini API"
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", MAPS_TOOLS)
def test_maps_cost_by_the_prompt_on_2_and_by_the_query_on_3(tool: str, way: str, stream: bool) -> None:
    config = {"tools": [MAPS_TOOLS[tool]]}
    places = {**_PLACES, "webSearchQueries": ["cafe", "ferry", "cafe"]}
    for model, usd in (("gemini-2.5-flash", FLASH_25_USD + 0.025), ("gemini-3.8-flash", FLASH_38_USD + 2 * 0.014)):
        answer = _answer(_SMALL, model=model, groundingMetadata=places)
        found = _run(_variant(model, answer, config=config, stream=stream), way)
        assert found[0] == pytest.approx(usd, abs=1e-9), model
        assert not found[3]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_search_context_is_free_and_with_url_context_beside_it_all_is_charged_and_estimated(
    way: str, stream: bool
) -> None:
    model = "gemini-2.5-flash"
    usage = {**_SMALL, "toolUsePromptTokenCount": 9_000, "totalTokenCount": 10_100}
    searched = {"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "u"}}]}
    read = {"urlMetadata": [{"retrievedUrl": "u", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
    alone = _variant(
        model,
        _answer(usage, model=model, groundingMetadata=searched),
        config={"tools": [{"googleSearch": {}}]},
        stream=stream,
    )
    both = _variant(
        model,
        _answer(usage, model=model, groundingMetadata=searched, urlContextMetadata=read),
        config={"tools": [{"google_search": {}}, {"url_context": {}}]},
        stream=stream,
    )
    usd, tokens, estimated, _ = _run(alone, way)
    assert (usd, tokens, estimated) == (pytest.approx(FLASH_25_USD + 0.035, abs=1e-9), 10_000, False)
    usd, tokens, estimated, _ = _run(both, way)
    assert (usd, tokens, estimated) == (pytest.approx(FLASH_25_USD + 9_000 * 0.3 / 1e6 + 0.035, abs=1e-9), 10_000, True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("headers", "named", "factor"),
    [
        ({"x-gemini-service-tier": "flex"}, None, 0.5),
        ({"X-Gemini-Service-Tier": "FLEX"}, None, 0.5),
        ({"x-gemini-service-tier": "standard"}, None, 1.0),
        ({"x-gemini-service-tier": "standard"}, "flex", 0.5),
        ({"x-gemini-service-tier": "flex"}, "standard", 1.0),
        ({}, None, 1.0),
    ],
)
def test_the_tier_in_the_header_counts_where_the_body_is_silent(
    headers: dict[str, str], named: str | None, factor: float, stream: bool, way: str
) -> None:
    model = "gemini-3.8-flash"
    usage = {**_SMALL, "serviceTier": named} if named else _SMALL
    found = _run(_variant(model, _answer(usage, model=model), headers=headers, stream=stream), way)
    assert found[0] == pytest.approx(FLASH_38_USD * factor, abs=1e-9)


REGIONS = {"europe-west4": 1.1, "us-east5": 1.1, "global": 1.0}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_regional_endpoints_cost_a_tenth_more_for_generation_3_alone(region: str, way: str, stream: bool) -> None:
    for model, usd in (("gemini-3.8-flash", FLASH_38_USD * REGIONS[region]), ("gemini-2.5-flash", FLASH_25_USD)):
        usage = {**_SMALL, "trafficType": "ON_DEMAND"}
        found = _run(_variant(model, _answer(usage, model=model), vertex=region, stream=stream), way)
        assert found[0] == pytest.approx(usd, abs=1e-9), model


def test_the_region_of_a_full_resource_name_counts_before_the_client_s() -> None:
    full = "projects/demo/locations/europe-west1/publishers/google/models/gemini-3.8-flash"
    case = _variant(full, _answer(_SMALL, model="gemini-3.8-flash"), vertex="global")
    with GeminiServer(Answers(case["answers"])) as server, observed() as telemetry:
        _call(_client(server, "global"), case)
        (span,) = telemetry.spans
    assert (span.attributes or {})[semconv.CLOUD_REGION] == "europe-west1"


def test_a_client_of_the_gemini_api_has_no_region() -> None:
    with GeminiServer() as server, observed() as telemetry:
        ways.generate(ways.client_of(server))
        (span,) = telemetry.spans
    assert semconv.CLOUD_REGION not in (span.attributes or {})


@pytest.mark.skipif(
    not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
)
@pytest.mark.parametrize("way", WAYS)
def test_an_interaction_counts_maps_and_searches_apart(way: str) -> None:
    usage: dict[str, Any] = {
        "total_input_tokens": 1_000,
        "total_output_tokens": 100,
        "total_tokens": 1_100,
        "grounding_tool_count": [{"type": "google_search", "count": 3}, {"type": "google_maps", "count": 2}],
    }
    goes_on: dict[str, Any] = {
        "id": "v1",
        "object": "interaction",
        "model": "gemini-3.8-flash",
        "status": "in_progress",
        "steps": [],
    }
    done = {**goes_on, "status": "completed", "usage": usage}
    found = _run(_variant("gemini-3.8-flash", goes_on, done, call="background"), way)
    assert found[0] == pytest.approx(FLASH_38_USD + 5 * 0.014, abs=1e-9)


def test_the_cases_that_do_not_apply_here_are_those_whose_method_is_absent() -> None:
    client = genai.Client(vertexai=False, api_key="loopback")
    assert ("interaction_in_the_background" in HAS) is hasattr(client, "interactions")
    assert ("decision" in HAS) is hasattr(client, "decisions")
    assert ("tier_in_the_header" in HAS) is ("service_tier" in types.GenerateContentConfig.model_fields)
    assert ("maps_per_prompt" in HAS) is ("maps_with_queries_named" in HAS) is _sends_maps()


def _sends_maps() -> bool:
    """Whether this SDK sends a request with Google Maps to the Gemini API."""
    with GeminiServer() as server:
        client = _client(server, None)
        try:
            client.models.generate_content(model=ways.MODEL, contents="hi", config={"tools": [{"google_maps": {}}]})
        except ValueError:
            return False
    return True
