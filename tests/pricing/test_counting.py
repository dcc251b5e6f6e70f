"""What counts mean where they leave something open: totals, forgotten counts, tools, media."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.model import ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import counting, gemini_usage, interaction_usage, metering
from otel_agentperf.pricing.gemini_usage import Response
from otel_agentperf.pricing.interaction_usage import InteractionUsage
from otel_agentperf.pricing.metering import Meter

SOME = st.integers(1, 10_000)
ANY = st.integers(0, 10_000)
PNG = {"inlineData": {"mimeType": "image/png", "data": "AAAA" * 400}}
SONG = {"inlineData": {"data": "AAAA" * 400, "mimeType": "audio/mp3"}}


def chunk(*parts: dict[str, Any], grounding: dict[str, Any] | None = None, model: str = "", **usage: Any) -> Response:
    candidate: dict[str, Any] = {"content": {"parts": list(parts)}}
    if grounding is not None:
        candidate["groundingMetadata"] = grounding
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": model}
    if usage:
        body["usageMetadata"] = usage
    return gemini_usage.decode_response(json.dumps(body))


def counts(prompt: int, candidates: int, thoughts: int = 0, total: int = 0, **more: int) -> dict[str, Any]:
    named = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": total,
        "toolUsePromptTokenCount": more.get("tool_use", 0),
        "cachedContentTokenCount": more.get("cached", 0),
    }
    return {name: tokens for name, tokens in named.items() if tokens}


def metered(*chunks: Response, tools: tuple[str, ...] = ()) -> Usage:
    usage = metering.usage_of(chunks, tools)
    assert usage is not None
    return usage


# -- the total ----------------------------------------------------------------------------


@given(prompt=SOME, tool_use=ANY, candidates=SOME, thoughts=ANY)
def test_the_output_is_what_the_total_leaves_beside_the_input(
    prompt: int, tool_use: int, candidates: int, thoughts: int
) -> None:
    total = prompt + tool_use + candidates + thoughts
    exact = Usage(prompt + tool_use, candidates + thoughts, reasoning_tokens=thoughts, tool_use_tokens=tool_use)
    assert metered(chunk(**counts(prompt, candidates, thoughts, total, tool_use=tool_use))) == exact
    # The thoughts are left out, and follow from the total.
    assert metered(chunk(**counts(prompt, candidates, 0, total, tool_use=tool_use))) == exact


@given(prompt=SOME, tool_use=ANY, visible=SOME, thoughts=SOME)
def test_candidates_that_hold_the_thoughts_are_not_counted_with_them_again(
    prompt: int, tool_use: int, visible: int, thoughts: int
) -> None:
    held = visible + thoughts
    usage = metered(chunk(**counts(prompt, held, thoughts, prompt + tool_use + held, tool_use=tool_use)))
    assert (usage.output_tokens, usage.reasoning_tokens, usage.assumption) == (held, thoughts, None)


def test_without_a_total_the_counts_are_taken_as_they_are() -> None:
    assert metered(chunk(**counts(10, 20, 5))) == Usage(10, 25, reasoning_tokens=5)


def test_a_total_alone_is_input_and_an_assumption() -> None:
    usage = metered(chunk(totalTokenCount=12))
    assert (usage.input_tokens, usage.output_tokens) == (12, 0)
    assert usage.assumption == counting.TOTAL_ALONE


def test_a_sum_that_no_reading_explains_is_an_assumption() -> None:
    assert metered(chunk(**counts(10, 20, 5, 12))).assumption == counting.SUM_DIFFERS
    more = metered(chunk(**counts(10, 20, 5, 40)))
    assert (more.output_tokens, more.reasoning_tokens, more.assumption) == (30, 10, counting.REST_IS_THOUGHTS)


# -- chunks of a stream --------------------------------------------------------------------


@given(prompt=SOME, cached=ANY, candidates=SOME, later=SOME, thoughts=SOME, more=ANY, tool_use=ANY)
def test_what_a_last_chunk_forgets_still_holds(
    prompt: int, cached: int, candidates: int, later: int, thoughts: int, more: int, tool_use: int
) -> None:
    cached = min(cached, prompt)
    first = chunk(
        **counts(
            prompt, candidates, thoughts, prompt + tool_use + candidates + thoughts, cached=cached, tool_use=tool_use
        ),
        trafficType="ON_DEMAND_FLEX",
    )
    ended = candidates + later
    total = prompt + tool_use + ended + thoughts + more
    last = chunk(**counts(prompt, ended, 0, total))
    meter = Meter()
    meter.add(first)
    meter.add(last)
    usage = meter.usage()
    assert usage == Usage(
        prompt + tool_use,
        ended + thoughts + more,
        cache_read_tokens=cached,
        reasoning_tokens=thoughts + more,
        tool_use_tokens=tool_use,
    )
    assert meter.tier is ServiceTier.FLEX


def test_a_last_chunk_whose_candidates_hold_the_thoughts_forgets_them_too() -> None:
    usage = metered(chunk(**counts(1_000, 60, 50, 1_110)), chunk(**counts(1_000, 170, 0, 1_170)))
    assert (usage.output_tokens, usage.reasoning_tokens) == (170, 50)


def test_a_chunk_without_counts_changes_nothing() -> None:
    first = chunk(**counts(1_000, 60, 50, 1_110, cached=800))
    assert metered(first, chunk(trafficType="ON_DEMAND")) == metered(first)


def test_cached_tokens_of_another_prompt_are_not_carried_over() -> None:
    assert metered(chunk(**counts(1_000, 60, cached=800)), chunk(**counts(1_200, 70))).cache_read_tokens == 0


def test_a_meter_and_merged_chunks_find_the_same() -> None:
    chunks = [
        chunk({"text": "a"}, **counts(1_000, 60, 50, 1_110, cached=800)),
        chunk({"text": "b"}, **counts(1_000, 120, 0, 1_170)),
        chunk({"text": "c"}, grounding={"webSearchQueries": ["x", "y"]}),
    ]
    usage = metered(*chunks)
    assert usage.grounding_queries == 2
    assert metering.usage_of(gemini_usage.merge(chunks)) == usage


# -- Google Maps and Google Search ----------------------------------------------------------

WEB = {"web": {"uri": "u"}}
PLACE = {"maps": {"placeId": "places/a"}}
SEARCH, MAPS, BOTH = ("google_search",), ("google_maps",), ("google_search", "google_maps")


@pytest.mark.parametrize(
    ("tools", "chunks", "queries", "search", "maps", "certain"),
    [
        (MAPS, [PLACE], [], 0, 1, True),
        (MAPS, [PLACE, PLACE], ["q"], 0, 1, True),
        (MAPS, [PLACE], ["q", "r", "q", ""], 0, 2, True),
        (MAPS, [], [], 0, 0, True),
        (SEARCH, [WEB], ["q"], 1, 0, True),
        (SEARCH, [], ["q", "r"], 2, 0, True),
        ((), [PLACE], [], 0, 1, True),
        ((), [PLACE], ["q"], 0, 1, False),
        ((), [WEB], ["q"], 1, 0, True),
        (BOTH, [WEB], ["q", "r"], 2, 0, True),
        (BOTH, [PLACE], ["q", "r"], 0, 2, False),
        (BOTH, [WEB, PLACE], ["q", "r", "s"], 2, 1, False),
        (BOTH, [WEB, PLACE], ["q"], 1, 1, False),
        (("functions", "google_maps"), [PLACE], ["q"], 0, 1, True),
    ],
)
def test_queries_belong_to_the_tool_that_was_asked_for_or_whose_sources_are_shown(
    tools: tuple[str, ...], chunks: list[dict[str, Any]], queries: list[str], search: int, maps: int, *, certain: bool
) -> None:
    grounding = {"groundingChunks": chunks, "webSearchQueries": queries}
    usage = metered(chunk({"text": "ok"}, grounding=grounding, **counts(5, 5)), tools=tools)
    assert (usage.grounding_queries, usage.maps_queries) == (search, maps)
    assert (usage.assumption is None) is certain


def test_web_grounding_for_enterprise_is_counted_apart() -> None:
    one = chunk({"text": "ok"}, grounding={"webSearchQueries": ["q", "r"]}, **counts(5, 5, tool_use=100))
    usage = metered(one, tools=("enterprise_web_search",))
    assert (usage.grounding_queries, usage.enterprise_queries, usage.search_context_tokens) == (0, 2, 100)


# -- what tools retrieved --------------------------------------------------------------------

CODE = {"executableCode": {"code": "1"}}
URLS = {"urlMetadata": [{"retrievedUrl": "u"}]}


def retrieved(
    tools: tuple[str, ...], parts: list[dict[str, Any]], queries: list[str], urls: dict[str, Any] | None = None
) -> Usage:
    candidate = {"content": {"parts": parts}, "groundingMetadata": {"webSearchQueries": queries}}
    body = {
        "candidates": [{**candidate, "urlContextMetadata": urls}],
        "usageMetadata": {"promptTokenCount": 10, "toolUsePromptTokenCount": 500},
    }
    return metered(gemini_usage.decode_response(json.dumps(body)), tools=tools)


@pytest.mark.parametrize(
    ("tools", "parts", "queries", "urls", "free"),
    [
        (SEARCH, [], ["q"], None, 500),
        (SEARCH, [], [], None, 500),
        (("google_search", "functions"), [], ["q"], None, 500),
        ((), [], ["q"], None, 500),
        (("google_search", "code_execution"), [], ["q"], None, 500),
        (("url_context",), [], [], URLS, 0),
        (("url_context",), [], [], None, 0),
        ((), [], [], URLS, 0),
        ((), [], [], None, 0),
        (("code_execution",), [CODE], [], None, 0),
        (("google_search", "url_context"), [], [], URLS, 0),
        (MAPS, [], ["q"], None, 0),
    ],
)
def test_only_what_google_search_retrieved_is_not_billed(
    tools: tuple[str, ...], parts: list[dict[str, Any]], queries: list[str], urls: dict[str, Any] | None, free: int
) -> None:
    usage = retrieved(tools, parts, queries, urls)
    assert (usage.input_tokens, usage.tool_use_tokens) == (510, 500)
    assert usage.search_context_tokens == free
    assert usage.assumption is None


@pytest.mark.parametrize(
    ("tools", "parts", "queries", "urls"),
    [
        (("google_search", "url_context"), [], ["q"], URLS),
        (("google_search", "url_context"), [], ["q"], None),
        (("google_search", "url_context"), [], [], None),
        (("google_search", "code_execution"), [CODE], ["q"], None),
        ((), [CODE], ["q"], None),
        ((), [], ["q"], URLS),
    ],
)
def test_where_other_tools_may_have_retrieved_too_all_of_it_is_billed_and_that_is_an_assumption(
    tools: tuple[str, ...], parts: list[dict[str, Any]], queries: list[str], urls: dict[str, Any] | None
) -> None:
    usage = retrieved(tools, parts, queries, urls)
    assert usage.search_context_tokens == 0
    assert usage.assumption == counting.RETRIEVED_IS_BILLED


TOOLS: list[tuple[object, set[str]]] = [
    ([{"googleSearch": {}}, {"googleMaps": {}}], {"google_search", "google_maps"}),
    ([{"google_search": {}, "url_context": None}], {"google_search"}),
    ([{"urlContext": {}}, {"functionDeclarations": [{"name": "f"}]}], {"url_context", "functions"}),
    ([{"enterpriseWebSearch": {}}, {"codeExecution": {}}], {"enterprise_web_search", "code_execution"}),
    ([{"type": "google_maps"}, {"type": "function", "name": "f"}], {"google_maps", "functions"}),
    (None, set()),
    (["google_search", 5], set()),
    ({"googleSearch": {}}, set()),
]


@pytest.mark.parametrize(("tools", "names"), TOOLS)
def test_tools_are_named_as_the_sdk_names_them(tools: object, names: set[str]) -> None:
    assert counting.tool_names(tools) == names


# -- media ----------------------------------------------------------------------------------


def test_an_answer_that_is_an_image_has_the_tokens_of_an_image() -> None:
    for pieces, tokens in ((1, 1_290), (2, 2_580), (1, 1_120)):
        usage = metered(chunk(*[PNG] * pieces, **counts(10, tokens)))
        assert usage.output_modalities == ModalityTokens(image=tokens)
        assert (usage.images, usage.assumption) == (pieces, None)


def test_other_media_without_a_breakdown_are_an_assumption() -> None:
    alone = metered(chunk(PNG, **counts(10, 2_000, 300)))
    assert alone.output_modalities == ModalityTokens(image=2_000)
    assert alone.assumption is not None
    with_text = metered(chunk({"text": "here"}, PNG, **counts(10, 1_400)))
    assert with_text.output_modalities == ModalityTokens(image=1_290)
    assert with_text.assumption is not None
    sound = metered(chunk(SONG, **counts(10, 500)))
    assert sound.output_modalities == ModalityTokens(audio=500)
    assert sound.assumption is not None
    assert sound.images == 0


def test_a_breakdown_is_taken_as_it_is() -> None:
    details = [{"modality": "IMAGE", "tokenCount": 1_120}]
    usage = metered(chunk({"text": "see"}, PNG, **counts(10, 1_200), candidatesTokensDetails=details))
    assert (usage.output_modalities, usage.assumption) == (ModalityTokens(image=1_120), None)


def test_thoughts_that_are_images_are_no_answer() -> None:
    assert metered(chunk({**PNG, "thought": True}, {"text": "see"}, **counts(10, 50))).images == 0


def test_songs_are_counted_where_the_model_is_sold_by_the_song() -> None:
    assert metered(chunk(SONG, model="lyria-3-pro-preview")).images == 1
    assert metered(chunk(SONG, {"text": "la"}, model="lyria-3.5", **counts(10, 500))).images == 1
    assert metering.usage_of(chunk(SONG, model="gemini-2.5-flash-tts")) is None


def test_images_of_predict_are_counted_without_those_that_were_filtered_out() -> None:
    image = {"mimeType": "image/png", "bytesBase64Encoded": "AAAA"}
    body = {"predictions": [image, image, {"raiFilteredReason": "no"}]}
    assert metering.usage_of(gemini_usage.decode_response(json.dumps(body))) == Usage(images=2)


# -- Interactions -----------------------------------------------------------------------------


def interaction(**fields: Any) -> InteractionUsage:
    found = interaction_usage.decode_interaction(json.dumps({"usage": fields})).usage
    assert found is not None
    return found


def test_an_interaction_counts_maps_and_searches_apart() -> None:
    tools = [{"type": "google_search", "count": 2}, {"type": "google_maps", "count": 3}]
    usage = interaction_usage.to_usage(interaction(total_input_tokens=5, grounding_tool_count=tools))
    assert (usage.grounding_queries, usage.maps_queries) == (2, 3)


@pytest.mark.parametrize(
    ("tools", "counted", "steps", "free", "certain"),
    [
        ((), ["google_search"], [], 400, True),
        (("google_search",), [], [], 400, True),
        ((), [], ["google_search_call", "google_search_result"], 400, True),
        ((), ["google_search"], ["url_context_call"], 0, False),
        ((), ["google_search", "google_maps"], [], 0, False),
        ((), [], ["url_context_call"], 0, True),
        ((), ["google_search"], ["function_call", "model_output"], 400, True),
    ],
)
def test_what_search_retrieved_for_an_interaction_is_not_billed(
    tools: tuple[str, ...], counted: list[str], steps: list[str], free: int, *, certain: bool
) -> None:
    body = interaction(
        total_input_tokens=5,
        total_tool_use_tokens=400,
        grounding_tool_count=[{"type": tool, "count": 1} for tool in counted],
    )
    usage = interaction_usage.to_usage(body, tools=tools, used=interaction_usage.tools_used(steps))
    assert (usage.search_context_tokens, usage.assumption is None) == (free, certain)


@given(prompt=SOME, output=SOME, thoughts=SOME)
def test_the_total_of_an_interaction_checks_its_sum(prompt: int, output: int, thoughts: int) -> None:
    body = interaction(total_input_tokens=prompt, total_output_tokens=output, total_tokens=prompt + output + thoughts)
    usage = interaction_usage.to_usage(body)
    assert (usage.output_tokens, usage.reasoning_tokens) == (output + thoughts, thoughts)


def test_a_later_usage_of_an_interaction_keeps_what_it_forgets() -> None:
    first = interaction(
        total_input_tokens=9, total_cached_tokens=4, total_output_tokens=5, total_thought_tokens=2, total_tokens=16
    )
    last = interaction(total_input_tokens=9, total_output_tokens=8, total_tokens=20)
    usage = interaction_usage.to_usage(interaction_usage.merged(first, last))
    assert usage == Usage(9, 11, cache_read_tokens=4, reasoning_tokens=3)
    assert interaction_usage.merged(None, last) is last
