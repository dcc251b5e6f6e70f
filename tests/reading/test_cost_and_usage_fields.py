"""What spans of any instrumentation report of caches, tiers and regions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.model import Operation, ServiceTier, Usage
from otel_agentperf.reading import read


def span(attributes: dict[str, Any]) -> Operation:
    place: dict[str, Any] = {"span_id": "1", "parent_id": None, "trace_id": "1", "start_ns": 0, "end_ns": 1}
    return read("x", attributes, scope="somebody", is_error=False, with_content=False, **place)


def chat(**usage: Any) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-5",
        "gen_ai.usage.output_tokens": 7,
        **usage,
    }


def openinference(**usage: Any) -> dict[str, Any]:
    return {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-opus-4-5",
        "llm.token_count.completion": 7,
        **usage,
    }


def usage_of(attributes: dict[str, Any]) -> Usage:
    usage = span(attributes).usage
    assert usage is not None
    return usage


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_what_was_written_to_a_cache_is_read_under_every_name(key: str, *, named: bool) -> None:
    attributes = chat(**{"gen_ai.usage.input_tokens": 1_000, key: 600})
    if not named:
        del attributes["gen_ai.operation.name"]
        attributes["gen_ai.system"] = "anthropic"
    assert usage_of(attributes) == Usage(1_000, 7, cache_write_tokens=600)


def test_openinference_reports_what_was_written_to_a_cache() -> None:
    details = {"cache_read": 100, "cache_write": 600}
    attributes = openinference(
        **{"llm.token_count.prompt": 1_000}, **{f"llm.token_count.prompt_details.{k}": v for k, v in details.items()}
    )
    assert usage_of(attributes) == Usage(1_000, 7, cache_read_tokens=100, cache_write_tokens=600)


def test_what_is_kept_for_an_hour_is_read() -> None:
    attributes = chat(
        **{
            "gen_ai.usage.input_tokens": 1_000,
            "gen_ai.usage.cache_write.input_tokens": 600,
            "agentperf.usage.cache_write_1h.input_tokens": 500,
        }
    )
    assert usage_of(attributes).cache_write_1h_tokens == 500


TOKENS = st.integers(0, 100_000)


@given(fresh=TOKENS, read_=st.integers(1, 100_000), written=TOKENS, output=st.integers(1, 1_000))
@pytest.mark.parametrize("form", ["conventions", "openinference"])
def test_an_input_without_its_cached_part_is_completed_where_the_total_shows_it(
    form: str, fresh: int, read_: int, written: int, output: int
) -> None:
    total = fresh + read_ + written + output
    if form == "openinference":
        keys = ("llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total")
        parts = ("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_write")
        make = openinference
    else:
        keys = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.total_tokens")
        parts = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens")
        make = chat
    cache = dict(zip(parts, (read_, written), strict=True))
    whole = Usage(fresh + read_ + written, output, cache_read_tokens=read_, cache_write_tokens=written)
    without = dict(zip(keys, (fresh, output, total), strict=True))
    complete = dict(zip(keys, (fresh + read_ + written, output, total), strict=True))
    assert usage_of(make(**cache, **without)) == whole
    assert usage_of(make(**cache, **complete)) == whole


def test_an_input_smaller_than_its_cached_part_is_completed() -> None:
    # Anthropic's own counts, copied: 12 tokens beside 4,000 from the cache and 2,000 written to it.
    counts = {"input_tokens": 12, "cache_read.input_tokens": 4_000, "cache_creation.input_tokens": 2_000}
    usage = usage_of(chat(**{f"gen_ai.usage.{key}": tokens for key, tokens in counts.items()}))
    assert usage == Usage(6_012, 7, cache_read_tokens=4_000, cache_write_tokens=2_000)


def test_gemini_counts_what_is_cached_as_input_always() -> None:
    counts = {"input_tokens": 12, "cache_read.input_tokens": 4_000}
    attributes = chat(**{f"gen_ai.usage.{key}": tokens for key, tokens in counts.items()})
    attributes["gen_ai.request.model"] = "gemini-2.5-flash"
    assert usage_of(attributes).input_tokens == 12


@pytest.mark.parametrize("key", ["openai.response.service_tier", "gen_ai.openai.response.service_tier"])
@pytest.mark.parametrize(
    ("named", "tier"),
    [
        ("default", ServiceTier.STANDARD),
        ("auto", ServiceTier.STANDARD),
        ("flex", ServiceTier.FLEX),
        ("priority", ServiceTier.PRIORITY),
        ("fast", ServiceTier.PRIORITY),
        ("scale", ServiceTier.OTHER),
    ],
)
def test_the_tier_that_served_a_request_is_read(key: str, named: str, tier: ServiceTier) -> None:
    inference = span(chat(**{"gen_ai.usage.input_tokens": 1, key: named})).inference
    assert inference is not None
    assert inference.tier is tier


def test_the_tier_that_was_asked_for_decides_nothing() -> None:
    inference = span(chat(**{"gen_ai.usage.input_tokens": 1, "openai.request.service_tier": "flex"})).inference
    assert inference is not None
    assert inference.tier is ServiceTier.STANDARD


@pytest.mark.parametrize(
    ("attributes", "location"),
    [
        ({}, ""),
        ({"server.address": "generativelanguage.googleapis.com"}, ""),
        ({"server.address": "proxy.example"}, ""),
        ({"server.address": "aiplatform.googleapis.com"}, "global"),
        ({"server.address": "us-central1-aiplatform.googleapis.com"}, "us-central1"),
        ({"server.address": "https://europe-west4-aiplatform.googleapis.com"}, "europe-west4"),
        ({"server.address": "aiplatform.eu.rep.googleapis.com"}, "eu"),
        ({"server.address": "aiplatform.googleapis.com", "cloud.region": "us-east5"}, "us-east5"),
    ],
)
@pytest.mark.parametrize("make", [chat, openinference])
def test_the_region_of_the_endpoint_is_read(make: Any, attributes: dict[str, str], location: str) -> None:
    inference = span(make(**attributes)).inference
    assert inference is not None
    assert inference.location == location
