"""A model has one price, however it is spelled; and a longer name is another model."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.cli.group import group
from otel_agentperf.cli.prices import prices
from otel_agentperf.model import CostStatus, Inference, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook
from otel_agentperf.reading.facts import provider as provider_of
from tests.pricing.moments import NOW_NS, moment_ns

BOOK = PriceBook()
USAGE = Usage(input_tokens=1_000, output_tokens=100)

# plain name, its maker, prefixes that routers put before it, US dollars for `USAGE`
MODELS = [
    ("gemini-2.5-flash", "google", ("gemini/", "vertex_ai/", "google/", "models/", "openai/"), "0.00055"),
    ("gemini-3.8-flash", "google", ("gemini/", "vertex_ai/", "google/", "models/", "openrouter/google/"), "0.001125"),
    ("claude-3-7-sonnet-latest", "anthropic", ("anthropic/", "litellm_proxy/anthropic/"), "0.0045"),
    ("claude-3-7-sonnet@20250219", "gcp.vertex_ai", ("vertex_ai/",), "0.0045"),
    ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "aws.bedrock", ("bedrock/", "bedrock/converse/"), "0.0045"),
    ("gpt-4o", "openai", ("openai/", "azure/", "openrouter/openai/", "openai/responses/"), "0.0035"),
    ("gpt-4.1-mini", "openai", ("openai/", "azure/"), "0.00056"),
    ("mistral-large-latest", "mistral_ai", ("mistral/",), "0.0026"),
    ("grok-4.5", "xai", ("xai/",), "0.0026"),
]
SPELLINGS = ["google-gla", "google-vertex", "google.generative-ai", "Vertex_AI", "gemini"]
FRAMEWORKS = ["", "langchain", "gcp.vertex.agent", "litellm", "openinference", "LangGraph", "_OTHER"]


@pytest.mark.parametrize(("model", "maker", "prefixes", "usd"), MODELS)
def test_no_prefix_and_no_framework_hides_a_price(model: str, maker: str, prefixes: tuple[str, ...], usd: str) -> None:
    for prefix in ("", *prefixes):
        for provider in (*FRAMEWORKS, maker):
            cost = BOOK.price(provider, prefix + model, USAGE, when_ns=NOW_NS)
            assert (cost.total_usd, cost.estimated) == (Decimal(usd), False), (provider, prefix, cost)


@given(
    spelling=st.sampled_from(
        [(prefix + model, usd) for model, _, prefixes, usd in MODELS for prefix in ("", *prefixes)]
    ),
    provider=st.sampled_from(FRAMEWORKS),
    letters=st.sampled_from([str, str.upper, str.title, " {} ".format]),
)
def test_the_command_and_a_span_give_the_same_answer_for_any_spelling(
    spelling: tuple[str, str], provider: str, letters: type[str]
) -> None:
    name = letters(spelling[0])
    span = BOOK.price_call(Inference(provider_of(provider), name), USAGE, when_ns=NOW_NS)
    shown = CliRunner().invoke(prices, [name, "--date", "2026-11-23"])
    assert shown.exit_code == 0, shown.output
    assert span.total_usd == Decimal(spelling[1])
    assert BOOK.quote("", name, when_ns=NOW_NS).source == BOOK.quote(provider, name, when_ns=NOW_NS).source


def test_a_gemini_model_at_its_openai_compatible_endpoint_is_gemini() -> None:
    for model in ("gemini-2.5-flash", "models/gemini-2.5-flash", "openai/gemini-2.5-flash"):
        cost = BOOK.price("openai", model, USAGE, when_ns=NOW_NS)
        assert (cost.total_usd, cost.estimated) == (Decimal("0.00055"), False)


@pytest.mark.parametrize("provider", SPELLINGS)
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "google/gemini-4-hydrogen"])
def test_google_has_many_names(provider: str, model: str) -> None:
    cost = BOOK.price(provider, model, USAGE, when_ns=NOW_NS)
    assert cost == BOOK.price("gcp.gemini", model, USAGE, when_ns=NOW_NS)
    assert cost.status is CostStatus.PRICED


def test_what_answered_under_a_name_of_nobody_is_priced_as_what_was_asked_for() -> None:
    call = Inference("openai", "gpt-4o", response_model="my-deployment-7")
    assert BOOK.price_call(call, USAGE, when_ns=NOW_NS).total_usd == Decimal("0.0035")
    call = Inference("openai", "my-alias", response_model="gpt-4o-2024-08-06")
    assert BOOK.price_call(call, USAGE, when_ns=NOW_NS).total_usd == Decimal("0.0035")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("some-gateway", "gpt-4o"),
        ("", "some-team/gpt-4o"),
        ("openai", "deepseek-chat"),
        ("openrouter", "google/gemini-3.5-flash-002"),
    ],
)
def test_the_maker_s_price_at_an_unknown_seller_is_an_estimate(provider: str, model: str) -> None:
    cost = BOOK.price(provider, model, USAGE, when_ns=NOW_NS)
    assert cost.status is CostStatus.PRICED
    assert cost.estimated
    assert cost.assumption is not None
    assert "the price of" in cost.assumption


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("groq", "openai/gpt-4o"),
        ("aws.bedrock", "gpt-4o"),
        ("bedrock", "application-inference-profile/abc123"),
        ("ollama", "gemma-3-27b-it"),
        ("vllm", "deepseek-chat"),
        ("", "azure/my-deployment"),
        ("", "anthropic/claude-99"),
    ],
)
def test_a_reseller_or_a_machine_of_your_own_gets_no_other_seller_s_price(provider: str, model: str) -> None:
    cost = BOOK.price(provider, model, USAGE, when_ns=NOW_NS)
    assert (cost.status, cost.total_usd) == (CostStatus.UNPRICED, None)


# Names that genai-prices itself takes for a model of its list which they begin with or contain.
OTHERS = [
    "gemini-3.8-flash-cyber",
    "gemini-3.8-flash-lite",
    "gemini-3.6-flash-image",
    "gemini-2.5-pro-deep-think",
    "gemini-1.5-flash-8b",
    "gemini-2.0-flash-exp-image-generation",
    "my-gemini-1.5-pro",
    "claude-opus-4-8-fast",
    "claude-haiku-4-5:batch",
    "claude-opus-4-15",
    "gpt-5-nano-cyber",
    "deepseek-r1-distill-qwen-32b",
    "kimi-k2.6-fast",
]


@pytest.mark.parametrize("model", OTHERS)
def test_a_longer_name_is_another_model_and_unpriced(model: str) -> None:
    cost = BOOK.price("", model, USAGE, when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED
    assert cost.reason is not None
    assert repr(model) in cost.reason
    assert "another model" in cost.reason


KNOWN = [
    ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
    ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
    ("gemini-2.5-pro-exp-03-25", "gemini-2.5-pro"),
    ("gemini-2.0-flash-001", "gemini-2.0-flash"),
    ("gemini-2.0-flash-thinking-exp-01-21", "gemini-2.0-flash"),
    ("gemini-3.1-pro-preview-customtools", "gemini-3.1-pro-preview"),
    ("gemini-3.5-flash-001", "gemini-3.5-flash"),
    ("gemini-3.8-flash-preview-10-2026", "gemini-3.8-flash"),
    ("gemini-flash-latest", "gemini-3.8-flash"),
    ("gemma-3n-e4b-it", "gemma-3n"),
    ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
    ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
    ("claude-sonnet-4@20250514", "claude-sonnet-4-0"),
    ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ("gpt-5.2-20251211", "gpt-5.2"),
    ("ft:gpt-4o-2024-08-06:acme::abc", "ft:gpt-4o"),
]


@pytest.mark.parametrize(("model", "model_id"), KNOWN)
def test_versions_dates_and_stages_are_the_model_itself(model: str, model_id: str) -> None:
    seller = {"ft:": "openai", "gem": "gcp.gemini"}.get(model[:3], "")
    assert BOOK.quote(seller, model, when_ns=NOW_NS).model_id == model_id


SUFFIXES = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwyz"), min_size=2, max_size=8).map("".join)


@given(model=st.sampled_from(["gemini-3.8-flash", "gemini-2.5-pro", "claude-opus-4-5", "gpt-4o"]), word=SUFFIXES)
def test_no_word_behind_a_name_is_taken_for_nothing(model: str, word: str) -> None:
    if word in ("preview", "exp", "latest", "stable", "beta", "default", "thinking", "tts", "lite"):
        return
    found = BOOK.quote("", f"{model}-{word}", when_ns=NOW_NS)
    assert found.rates is None or found.model_id != model


# Tiers, US dollars for a million tokens in and out.
TIERS = [
    ("gpt-5", ServiceTier.FLEX, "5.625"),
    ("gpt-5", ServiceTier.PRIORITY, "22.5"),
    ("gpt-5", ServiceTier.BATCH, "5.625"),
    ("o3", ServiceTier.PRIORITY, "17.5"),
    ("gpt-4o", ServiceTier.FLEX, None),
    ("gpt-4o", ServiceTier.PRIORITY, "21.25"),
    ("gpt-4o", ServiceTier.OTHER, None),
]


@pytest.mark.parametrize(("model", "tier", "usd"), TIERS)
@pytest.mark.parametrize("when_ns", [NOW_NS, moment_ns(2026, 3, 1)])
def test_openai_s_tiers_have_their_own_prices_or_none(
    model: str, tier: ServiceTier, usd: str | None, when_ns: int
) -> None:
    # The list dates these prices by the day they were read; the standard price was the same before.
    call = Inference("openai", model, tier=tier)
    cost = BOOK.price_call(call, Usage(1_000_000, 1_000_000), when_ns=when_ns)
    assert cost.total_usd == (None if usd is None else Decimal(usd))
    assert cost.tier is tier


def test_a_file_is_priced_by_the_names_that_its_spans_have(tmp_path: Path) -> None:
    span = {
        "traceId": "a1" * 16,
        "spanId": "b2" * 8,
        "name": "chat",
        "startTimeUnixNano": str(NOW_NS),
        "endTimeUnixNano": str(NOW_NS + 1),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.system", "value": {"stringValue": "litellm"}},
            {
                "key": "gen_ai.request.model",
                "value": {"stringValue": "bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0"},
            },
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "100"}},
        ],
    }
    file = tmp_path / "spans.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]}))
    result = CliRunner().invoke(group, ["analyze", str(file), "--format", "json"])
    assert result.exit_code == 0
    # Bedrock's regional price: 10 % above $5 and $25 per million.
    assert json.loads(result.stdout)["figures"]["costs"]["total_usd"] == pytest.approx(0.00825)
