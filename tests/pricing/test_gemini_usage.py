from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.model import ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import counting, gemini_usage, interaction_usage, metering


def response(**fields: Any) -> gemini_usage.Response:
    return gemini_usage.decode_response(json.dumps(fields))


def answer(*parts: dict[str, Any], **candidate: Any) -> gemini_usage.Response:
    return response(candidates=[{"content": {"role": "model", "parts": list(parts)}, **candidate}])


def test_input_counts_tool_use_and_output_counts_thoughts() -> None:
    usage = metering.usage_of(
        response(
            usageMetadata={
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 20,
                "cachedContentTokenCount": 30,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 7,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
            }
        )
    )
    assert usage == Usage(
        input_tokens=120, output_tokens=12, cache_read_tokens=30, reasoning_tokens=7, tool_use_tokens=20
    )


def test_modalities_of_prompt_and_tool_use_are_added_up() -> None:
    usage = metering.usage_of(
        response(
            usageMetadata={
                "promptTokenCount": 30,
                "toolUsePromptTokenCount": 5,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}, {"modality": 1, "tokenCount": 20}],
                "toolUsePromptTokensDetails": [{"modality": 2, "tokenCount": 5}, {"modality": "VIDEO"}],
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
                "candidatesTokensDetails": [{"modality": "HOLOGRAM", "tokenCount": 4}],
            }
        )
    )
    assert usage is not None
    assert usage.input_modalities == ModalityTokens(text=20, image=5, audio=10)
    assert usage.cache_modalities == ModalityTokens(audio=4)


def test_an_answer_without_usage_has_unknown_usage() -> None:
    assert metering.usage_of(response(candidates=[])) is None


def test_embeddings_through_predict_count_their_statistics() -> None:
    found = response(predictions=[{"embeddings": {"statistics": {"token_count": 4.0}, "values": [0.1]}}] * 2)
    assert metering.usage_of(found) == Usage(input_tokens=8)


@pytest.mark.parametrize(
    ("metadata", "tier"),
    [
        ({}, ServiceTier.STANDARD),
        ({"serviceTier": "standard"}, ServiceTier.STANDARD),
        ({"serviceTier": "unspecified"}, ServiceTier.STANDARD),
        ({"serviceTier": "FLEX"}, ServiceTier.FLEX),
        ({"serviceTier": "priority"}, ServiceTier.PRIORITY),
        ({"serviceTier": "deferred"}, ServiceTier.OTHER),
        ({"trafficType": "ON_DEMAND"}, ServiceTier.STANDARD),
        ({"trafficType": 1}, ServiceTier.STANDARD),
        ({"trafficType": "ON_DEMAND_FLEX"}, ServiceTier.FLEX),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, ServiceTier.PRIORITY),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, ServiceTier.PROVISIONED),
        ({"trafficType": 2}, ServiceTier.PROVISIONED),
        ({"trafficType": "ON_DEMAND_OFFPEAK"}, ServiceTier.OTHER),
        ({"trafficType": "ON_DEMAND", "serviceTier": "flex"}, ServiceTier.FLEX),
    ],
)
def test_the_tier_comes_from_the_response(metadata: dict[str, Any], tier: ServiceTier) -> None:
    assert gemini_usage.service_tier(response(usageMetadata=metadata).usage_metadata) is tier


KINDS: list[tuple[list[dict[str, Any]], str]] = [
    ([{"text": "hello"}], "text"),
    ([{"text": ""}], "empty"),
    ([], "empty"),
    ([{"text": "let me see", "thought": True}], "empty"),
    ([{"functionCall": {"name": "f", "args": {}}}], "function_call"),
    ([{"text": "so"}, {"functionCall": {"name": "f"}}], "mixed"),
    ([{"text": "see"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], "media"),
]


@pytest.mark.parametrize(("parts", "kind"), KINDS)
def test_the_kind_of_an_answer(parts: list[dict[str, Any]], kind: str) -> None:
    assert gemini_usage.response_kind([answer(*parts)]) == kind


@pytest.mark.parametrize(
    "refused",
    [response(promptFeedback={"blockReason": "SAFETY"}), answer(finishReason="SAFETY"), answer(finishReason=3)],
)
def test_a_refusal_is_blocked(refused: gemini_usage.Response) -> None:
    assert gemini_usage.response_kind([refused]) == "blocked"


def test_finish_reasons_have_names_also_where_numbers_were_sent() -> None:
    found = response(candidates=[{"finishReason": "STOP"}, {"finishReason": 2}, {}, {"finishReason": 77}])
    assert gemini_usage.finish_reasons(found) == ("STOP", "MAX_TOKENS", "77")


def test_text_and_arguments_stay_undecoded() -> None:
    parts = answer({"text": "h\u00e9"}, {"functionCall": {"name": "f", "args": {"a": [1]}}}).candidates[0].content
    assert parts is not None
    call = parts.parts[1].function_call
    assert call is not None
    assert json.loads(bytes(parts.parts[0].text)) == "h\u00e9"
    assert json.loads(bytes(call.args)) == {"a": [1]}


def test_searches_are_counted_once_over_all_chunks_and_empty_ones_not_at_all() -> None:
    chunks = [
        answer(groundingMetadata={"webSearchQueries": ["", "weather", "news"]}),
        answer(groundingMetadata={"webSearchQueries": ["weather"], "imageSearchQueries": ["a cat"]}),
        answer(groundingMetadata={"groundingChunks": [{"retrievedContext": {}}]}),
    ]
    chunks.append(response(usageMetadata={"promptTokenCount": 1}))
    assert metering.usage_of(chunks) == Usage(input_tokens=1, grounding_queries=3)


def test_a_body_that_is_an_array_of_chunks_gives_them_merged() -> None:
    body = json.dumps(
        [
            {"responseId": "r", "candidates": [{"content": {"parts": [{"text": "a"}]}}]},
            {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}, "modelVersion": "m"},
        ]
    )
    found = gemini_usage.decode_response(body)
    assert (found.response_id, found.model_version, len(found.candidates)) == ("r", "m", 1)
    assert metering.usage_of(found) == Usage(input_tokens=3, output_tokens=1)


def test_a_field_of_the_wrong_type_counts_as_absent_and_spoils_nothing_else() -> None:
    found = response(
        modelVersion=7,
        candidates=[{"content": {"parts": [{"functionCall": "x"}, 5, {"text": "hi"}]}, "finishReason": None}, "y"],
        usageMetadata={
            "promptTokenCount": "12",
            "candidatesTokenCount": True,
            "thoughtsTokenCount": None,
            "cachedContentTokenCount": -4,
            "promptTokensDetails": [
                {"modality": "AUDIO", "tokenCount": None},
                5,
                {"modality": "AUDIO", "tokenCount": 3},
            ],
            "trafficType": ["ON_DEMAND"],
        },
    )
    usage = metering.usage_of(found)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (12, 0, 0)
    assert usage.input_modalities == ModalityTokens(audio=3)
    assert found.model_version == ""
    assert gemini_usage.response_kind([found]) == "text"


@pytest.mark.parametrize("body", ["", "null", "5", "[]", "{", '"a"', b"\xff", "[1, 2]", "[" * 100_000, '{"a":' * 5_000])
def test_what_is_no_response_gives_an_empty_one(body: bytes | str) -> None:
    assert gemini_usage.decode_response(body) == gemini_usage.Response()
    assert interaction_usage.decode_interaction(body) == interaction_usage.Interaction()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "functionCall",
                    "usageMetadata",
                    "promptTokenCount",
                    "finishReason",
                    "promptTokensDetails",
                    "modality",
                    "tokenCount",
                    "groundingMetadata",
                    "webSearchQueries",
                    "serviceTier",
                    "trafficType",
                    "predictions",
                    "embeddings",
                    "statistics",
                    "token_count",
                    "error",
                    "code",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=JSON)
def test_no_json_raises(value: object) -> None:
    found = gemini_usage.decode_response(
        json.dumps({"usageMetadata": value, "candidates": [value], "predictions": [value]})
    )
    metering.usage_of(found)
    gemini_usage.service_tier(found.usage_metadata)
    gemini_usage.finish_reasons(found)
    assert gemini_usage.response_kind([found]) in {"text", "function_call", "mixed", "media", "blocked", "empty"}


def test_an_interaction_s_usage_has_its_own_spelling() -> None:
    event = interaction_usage.decode_event(
        json.dumps(
            {
                "event_type": "interaction.completed",
                "interaction": {
                    "id": "i",
                    "model": "gemini-3-flash-preview",
                    "service_tier": "flex",
                    "usage": {
                        "total_input_tokens": 100,
                        "total_cached_tokens": 40,
                        "total_output_tokens": 7,
                        "total_thought_tokens": 3,
                        "total_tool_use_tokens": 5,
                        "input_tokens_by_modality": [
                            {"modality": "text", "tokens": 60},
                            {"modality": "audio", "tokens": 40},
                        ],
                        "grounding_tool_count": [
                            {"type": "google_search", "count": 2},
                            {"type": "retrieval", "count": 9},
                        ],
                    },
                },
            }
        )
    )
    assert event.interaction is not None
    assert event.usage is not None
    assert interaction_usage.interaction_tier(event.interaction) is ServiceTier.FLEX
    assert interaction_usage.to_usage(event.usage) == Usage(
        input_tokens=105,
        output_tokens=10,
        cache_read_tokens=40,
        reasoning_tokens=3,
        tool_use_tokens=5,
        input_modalities=ModalityTokens(text=60, audio=40),
        grounding_queries=2,
        assumption=counting.RETRIEVED_IS_BILLED,
    )


def test_a_stream_left_early_has_the_usage_of_its_last_event() -> None:
    event = interaction_usage.decode_event(
        '{"event_type": "step.delta", "metadata": {"usage": {"total_input_tokens": 4}}}'
    )
    assert event.usage is not None
    assert interaction_usage.to_usage(event.usage).input_tokens == 4
