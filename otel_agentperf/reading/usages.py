"""The tokens of a model request, by the names of today and by those that others used before.

Corrections, each measured on the version that it names:
- the official google-genai instrumentation (1.3b0) leaves reasoning out of the output of
  `interactions.create`;
- OpenLIT (1.45) leaves it out of the output of google-genai;
- OpenLLMetry's google-generativeai (0.62) leaves it out too, and says it only in the total.
It is added back there, unless we corrected the span already. What no attribute says is not
guessed: automatic function calling that one span reports shows its last request only.

The conventions count what was read from a cache and written to one as input. Anthropic and Bedrock
report both beside the input, and some instrumentations copy that. The input is without them where
the reported total says so, or where it is smaller than they are; else the convention is trusted.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import ModalityTokens, Usage
from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

_MODALITIES = ("text", "image", "audio", "video", "document")
_DIRECTIONS = (semconv.USAGE_MODALITY_INPUT, semconv.USAGE_MODALITY_CACHE_READ, semconv.USAGE_MODALITY_OUTPUT)
_BY_MODALITY = {
    key.format(modality=modality): (place, modality)
    for place, key in enumerate(_DIRECTIONS)
    for modality in _MODALITIES
}
_MODALITY_KEYS = frozenset(_BY_MODALITY)
_NO_MODALITIES: tuple[ModalityTokens | None, ...] = (None, None, None)
_INPUT = (semconv.USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
_OUTPUT = (semconv.USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
_OLDER_CACHE = (
    "gen_ai.usage.cache_read_input_tokens",
    "llm.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
)
_OLDER_CACHE_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.usage.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens",
)
_WRITTEN_FOR_AN_HOUR = (
    semconv.USAGE_CACHE_WRITE_1H_TOKENS,
    "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
)
_OLDER_REASONING = (
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.thoughts_tokens",
    "gen_ai.usage.details.reasoning_tokens",
)
_REASONING_LEFT_OUT = frozenset({"openlit.instrumentation.google_ai_studio"})
_REASONING_IN_TOTAL = frozenset({"opentelemetry.instrumentation.google_generativeai"})
_USAGE, _AGGREGATED = "gen_ai.usage.", "gen_ai.aggregated_usage."
"""Pydantic AI renames the sum of a run, so that nobody adds it to its parts."""
_AGGREGATED_KEYS = frozenset({f"{_AGGREGATED}input_tokens", f"{_AGGREGATED}output_tokens"})
_TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_MODELS = (semconv.RESPONSE_MODEL, semconv.REQUEST_MODEL, "llm.model_name")


def usage(attributes: Attributes, operation: str = "", scope: str = "") -> Usage | None:
    """The tokens of a model request, or `None` where it says nothing of them."""
    fresh = values.whole(attributes, *_INPUT)
    output = values.whole(attributes, *_OUTPUT)
    if fresh is None and output is None:
        return None
    cached = values.whole(attributes, semconv.USAGE_CACHE_READ_TOKENS)
    written = values.whole(attributes, semconv.USAGE_CACHE_WRITE_TOKENS)
    reasoning = values.whole(attributes, semconv.USAGE_REASONING_TOKENS)
    if semconv.COST_STATUS not in attributes:
        if cached is None:
            cached = values.whole(attributes, *_OLDER_CACHE)
        if written is None:
            written = values.whole(attributes, *_OLDER_CACHE_WRITE)
        if cached or written:
            fresh = with_cache(fresh or 0, output or 0, cached or 0, written or 0, attributes)
        if reasoning is None:
            reasoning = values.whole(attributes, *_OLDER_REASONING)
        if reasoning is None and scope in _REASONING_IN_TOTAL:
            total = values.whole(attributes, *_TOTAL) or 0
            reasoning = max(0, total - (fresh or 0) - (output or 0))
            output = (output or 0) + reasoning
        elif operation == "interactions.create" or scope in _REASONING_LEFT_OUT:
            output = (output or 0) + (reasoning or 0)
    by_input, by_cache, by_output = modalities(attributes)
    return Usage(
        fresh or 0,
        output or 0,
        cached or 0,
        reasoning or 0,
        values.whole(attributes, semconv.USAGE_TOOL_USE_TOKENS) or 0,
        by_input,
        by_cache,
        by_output,
        values.whole(attributes, semconv.GROUNDING_QUERIES) or 0,
        values.whole(attributes, semconv.MAPS_QUERIES) or 0,
        values.whole(attributes, semconv.SEARCH_CONTEXT_TOKENS) or 0,
        written or 0,
        values.whole(attributes, *_WRITTEN_FOR_AN_HOUR) or 0,
        values.whole(attributes, semconv.USAGE_IMAGES) or 0,
        values.number(attributes, semconv.USAGE_MEDIA_S) or 0.0,
        values.text(attributes, semconv.USAGE_ASSUMPTION),
        values.whole(attributes, semconv.ENTERPRISE_QUERIES) or 0,
        values.text(attributes, semconv.USAGE_MEDIA_RESOLUTION) or "",
    )


def of_agent(attributes: Attributes, scope: str = "") -> Usage | None:
    """The tokens that the span of an agent or graph reports for all of its requests; `None` where it reports none."""
    found = usage(attributes, scope=scope)
    if found is None and not _AGGREGATED_KEYS.isdisjoint(attributes):
        renamed = {key.replace(_AGGREGATED, _USAGE, 1): value for key, value in attributes.items()}
        found = usage(renamed, scope=scope)
    return found


def with_cache(fresh: int, output: int, cached: int, written: int, attributes: Attributes) -> int:
    """The input with what was read from a cache and written to one, as the conventions count it.

    Args:
        fresh: the input as it is reported.
        output: the output.
        cached: what was read from a cache.
        written: what was written to a cache.
        attributes: of the span, where a total and the model are found.
    """
    beside = cached + written
    model = values.text(attributes, *_MODELS)
    if model is not None and "gemini" in model:  # it counts both as input, always
        return fresh
    if fresh < beside or values.whole(attributes, *_TOTAL) == fresh + output + beside:
        return fresh + beside
    return fresh


def modalities(attributes: Attributes) -> tuple[ModalityTokens | None, ...]:
    """The tokens by modality of the input, of what was cached of it, and of the output."""
    present = _MODALITY_KEYS.intersection(attributes)
    if not present:
        return _NO_MODALITIES
    found: tuple[dict[str, int], ...] = ({}, {}, {})
    for key in present:
        tokens = values.whole(attributes, key)
        if tokens:
            place, modality = _BY_MODALITY[key]
            found[place][modality] = tokens
    return tuple([ModalityTokens(**tokens) if tokens else None for tokens in found])
