"""Figures as published, so that a change in a price list or in the overlay shows.

Source of all, unless a line says otherwise: https://ai.google.dev/gemini-api/docs/pricing
(tabs Standard, Batch, Flex, Priority), US dollars per million tokens.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from otel_agentperf.model import CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook
from tests.pricing.moments import NOW_NS, moment_ns

BOOK = PriceBook()
GEMINI = "gcp.gemini"
STANDARD, FLEX, BATCH, PRIORITY = ServiceTier.STANDARD, ServiceTier.FLEX, ServiceTier.BATCH, ServiceTier.PRIORITY
MILLION = 1_000_000
BEFORE_NS = moment_ns(2026, 8, 1)
LATER_NS = moment_ns(2027, 1, 1)

# model, tier, moment, input, cached input, output
TEXT = [
    ("gemini-2.5-flash", STANDARD, NOW_NS, "0.30", "0.03", "2.50"),
    ("gemini-2.5-flash", FLEX, NOW_NS, "0.15", "0.03", "1.25"),
    ("gemini-2.5-flash", BATCH, NOW_NS, "0.15", "0.03", "1.25"),
    ("gemini-2.5-flash", PRIORITY, NOW_NS, "0.54", "0.054", "4.50"),
    ("gemini-2.5-flash", FLEX, BEFORE_NS, "0.15", "0.03", "1.25"),
    ("gemini-2.5-flash", BATCH, BEFORE_NS, "0.15", "0.03", "1.25"),
    ("gemini-2.5-flash-lite", FLEX, NOW_NS, "0.05", "0.01", "0.20"),
    ("gemini-2.5-flash-lite", PRIORITY, NOW_NS, "0.18", "0.018", "0.72"),
    ("gemini-3-flash-preview", FLEX, NOW_NS, "0.25", "0.05", "1.50"),
    ("gemini-3-flash-preview", PRIORITY, NOW_NS, "0.90", "0.09", "5.40"),
    ("gemini-3.1-flash-lite", FLEX, NOW_NS, "0.125", "0.0125", "0.75"),
    ("gemini-3.1-flash-lite", PRIORITY, NOW_NS, "0.45", "0.045", "2.70"),
    ("gemini-3.5-flash", FLEX, NOW_NS, "0.75", "0.08", "4.50"),
    ("gemini-3.5-flash", PRIORITY, NOW_NS, "2.70", "0.27", "16.20"),
    ("gemini-3.5-flash-lite", BATCH, NOW_NS, "0.15", "0.02", "1.25"),
    ("gemini-3.5-flash-lite", FLEX, NOW_NS, "0.15", "0.02", "1.25"),
    ("gemini-3.5-flash-lite", PRIORITY, NOW_NS, "0.54", "0.05", "4.50"),
    ("gemini-3.8-flash", STANDARD, NOW_NS, "0.75", "0.075", "3.75"),
    ("gemini-3.8-flash", STANDARD, LATER_NS, "1.50", "0.15", "7.50"),
    ("gemini-3.8-flash", FLEX, NOW_NS, "0.375", "0.0375", "1.875"),
    ("gemini-3.8-flash", FLEX, LATER_NS, "0.75", "0.075", "3.75"),
    ("gemini-3.8-flash", FLEX, BEFORE_NS, "0.375", "0.0375", "1.875"),
    ("gemini-3.8-flash", BATCH, NOW_NS, "0.375", "0.0375", "1.875"),
    ("gemini-3.8-flash", PRIORITY, NOW_NS, "1.35", "0.135", "6.75"),
    ("gemini-3.7-flash", FLEX, NOW_NS, "0.375", "0.0375", "1.875"),
    ("gemini-4-argon", PRIORITY, NOW_NS, "3.60", "0.18", "18.00"),
]

# model, tier, input, cached input, output: at 200,000 input tokens, and above
CLIFF = [
    ("gemini-2.5-pro", STANDARD, ("1.25", "0.125", "10.00"), ("2.50", "0.25", "15.00")),
    ("gemini-2.5-pro", FLEX, ("0.625", "0.125", "5.00"), ("1.25", "0.25", "7.50")),
    ("gemini-2.5-pro", BATCH, ("0.625", "0.125", "5.00"), ("1.25", "0.25", "7.50")),
    ("gemini-2.5-pro", PRIORITY, ("2.25", "0.225", "18.00"), ("4.50", "0.45", "27.00")),
    ("gemini-3.1-pro-preview", STANDARD, ("2.00", "0.20", "12.00"), ("4.00", "0.40", "18.00")),
    ("gemini-3.1-pro-preview", FLEX, ("1.00", "0.20", "6.00"), ("2.00", "0.40", "9.00")),
    ("gemini-3.1-pro-preview", PRIORITY, ("3.60", "0.36", "21.60"), ("7.20", "0.72", "32.40")),
]


@pytest.mark.parametrize(("model", "tier", "when_ns", "fresh", "cached", "output"), TEXT)
def test_text_is_charged_at_the_published_rates(
    model: str, tier: ServiceTier, when_ns: int, fresh: str, cached: str, output: str
) -> None:
    usage = Usage(input_tokens=2 * MILLION, cache_read_tokens=MILLION, output_tokens=MILLION)
    cost = BOOK.price(GEMINI, model, usage, tier, when_ns=when_ns)
    assert cost.status is CostStatus.PRICED
    assert (cost.input_usd, cost.cache_read_usd, cost.output_usd) == (Decimal(fresh), Decimal(cached), Decimal(output))
    assert cost.tier is tier


@pytest.mark.parametrize(("model", "tier", "below", "above"), CLIFF)
def test_a_request_above_the_cliff_is_charged_as_a_whole_at_the_higher_rates(
    model: str, tier: ServiceTier, below: tuple[str, ...], above: tuple[str, ...]
) -> None:
    for tokens, rates in ((200_000, below), (200_001, above)):
        usage = Usage(input_tokens=tokens, cache_read_tokens=100_000, output_tokens=1_000)
        cost = BOOK.price(GEMINI, model, usage, tier, when_ns=NOW_NS)
        fresh, cached, output = (Decimal(rate) / MILLION for rate in rates)
        assert cost.input_usd == fresh * (tokens - 100_000)
        assert cost.cache_read_usd == cached * 100_000
        assert cost.output_usd == output * 1_000


# model, tier, usage, input, cached, output in US dollars for a million tokens each
MODALITIES = [
    # 2.5 Flash: audio $1.00, cached audio $0.10; priority audio $1.80 and $0.18; batch audio $0.50.
    ("gemini-2.5-flash", STANDARD, "audio", "1.00", "0.10"),
    ("gemini-2.5-flash", PRIORITY, "audio", "1.80", "0.18"),
    ("gemini-2.5-flash", FLEX, "audio", "0.50", "0.10"),
    ("gemini-2.5-flash", STANDARD, "image", "0.30", "0.03"),
    ("gemini-2.5-flash", STANDARD, "video", "0.30", "0.03"),
    ("gemini-2.5-flash", STANDARD, "document", "0.30", "0.03"),
]


@pytest.mark.parametrize(("model", "tier", "modality", "fresh", "cached"), MODALITIES)
def test_each_modality_is_charged_at_its_own_rate(
    model: str, tier: ServiceTier, modality: str, fresh: str, cached: str
) -> None:
    usage = Usage(
        input_tokens=2 * MILLION,
        cache_read_tokens=MILLION,
        input_modalities=ModalityTokens(**{modality: 2 * MILLION}),
        cache_modalities=ModalityTokens(**{modality: MILLION}),
    )
    cost = BOOK.price(GEMINI, model, usage, tier, when_ns=NOW_NS)
    assert (cost.input_usd, cost.cache_read_usd) == (Decimal(fresh), Decimal(cached))
    assert not cost.estimated


def test_an_image_is_charged_at_the_image_rate_and_the_rest_of_the_output_as_text() -> None:
    # Gemini 2.5 Flash Image: $30 per million image tokens, text output $2.50.
    usage = Usage(output_tokens=1_336, output_modalities=ModalityTokens(image=1_290))
    cost = BOOK.price(GEMINI, "gemini-2.5-flash-image", usage, when_ns=NOW_NS)
    assert cost.output_usd == (1_290 * Decimal(30) + 46 * Decimal("2.50")) / MILLION


def test_embeddings_are_charged_by_modality() -> None:
    # Gemini Embedding 2: text $0.20, image $0.45, audio $6.50, video $12.00.
    for modality, usd in (("text", "0.20"), ("image", "0.45"), ("audio", "6.50"), ("video", "12.00")):
        usage = Usage(input_tokens=MILLION, input_modalities=ModalityTokens(**{modality: MILLION}))
        cost = BOOK.price(GEMINI, "gemini-embedding-2", usage, when_ns=NOW_NS)
        assert cost.total_usd == Decimal(usd)


# Gemini 2.5 and older: $35 / 1,000 grounded prompts. Gemini 3: $14 / 1,000 search queries
# (https://ai.google.dev/gemini-api/docs/google-search), billed from 2026-01-05.
GROUNDING = [
    ("gemini-2.5-flash", 1, NOW_NS, "0.035"),
    ("gemini-2.5-flash", 3, NOW_NS, "0.035"),
    ("gemini-2.5-pro", 2, NOW_NS, "0.035"),
    ("gemini-2.0-flash", 2, NOW_NS, "0.035"),
    ("gemini-3-flash-preview", 1, NOW_NS, "0.014"),
    ("gemini-3-flash-preview", 3, NOW_NS, "0.042"),
    ("gemini-3-flash-preview", 3, moment_ns(2026, 1, 4), "0"),
    ("gemini-3.1-pro-preview", 2, NOW_NS, "0.028"),
    ("gemini-3.8-flash", 2, NOW_NS, "0.028"),
    ("gemini-3.8-flash", 0, NOW_NS, "0"),
]


@pytest.mark.parametrize(("model", "queries", "when_ns", "usd"), GROUNDING)
@pytest.mark.parametrize("tier", [STANDARD, FLEX, BATCH, PRIORITY])
def test_grounding_is_a_line_of_its_own_that_no_tier_discounts(
    model: str, queries: int, when_ns: int, usd: str, tier: ServiceTier
) -> None:
    usage = Usage(input_tokens=100, output_tokens=100, grounding_queries=queries)
    cost = BOOK.price(GEMINI, model, usage, tier, when_ns=when_ns)
    without = BOOK.price(GEMINI, model, Usage(input_tokens=100, output_tokens=100), tier, when_ns=when_ns)
    assert cost.grounding_usd == Decimal(usd)
    assert without.total_usd is not None
    assert cost.total_usd == without.total_usd + Decimal(usd)


def test_grounding_without_a_price_leaves_the_total_unknown_and_the_token_lines_known() -> None:
    usage = Usage(input_tokens=MILLION, output_tokens=0, grounding_queries=1)
    cost = BOOK.price(GEMINI, "gemini-2.0-flash-lite", usage, when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED
    assert cost.total_usd is None
    assert cost.grounding_usd is None
    assert cost.input_usd == Decimal("0.075")
    assert cost.reason is not None
    assert "grounding" in cost.reason


# Row "Context caching price", US dollars per million tokens per hour.
STORAGE = [
    ("gemini-2.5-pro", NOW_NS, "4.50"),
    ("gemini-3.1-pro-preview", NOW_NS, "4.50"),
    ("gemini-2.5-flash", NOW_NS, "1.00"),
    ("models/gemini-2.5-flash", NOW_NS, "1.00"),
    ("gemini-2.5-flash-lite", NOW_NS, "1.00"),
    ("gemini-3-flash-preview", NOW_NS, "1.00"),
    ("gemini-3.5-flash", NOW_NS, "1.00"),
    ("gemini-3.6-flash", NOW_NS, "0.50"),
    ("gemini-3.8-flash", NOW_NS, "0.50"),
    ("gemini-flash-latest", NOW_NS, "0.50"),
    ("gemini-3.8-flash", LATER_NS, "1.00"),
]


@pytest.mark.parametrize(("model", "when_ns", "usd"), STORAGE)
def test_a_kept_cache_costs_tokens_times_hours_and_is_an_estimate(model: str, when_ns: int, usd: str) -> None:
    cost = BOOK.cache_storage(model, 2 * MILLION, 1_800, when_ns=when_ns)
    assert cost.status is CostStatus.PRICED
    assert cost.total_usd == Decimal(usd)
    assert cost.estimated


@pytest.mark.parametrize("model", ["gemini-4-argon", "gpt-5", "tunedModels/mine", "", "gemini-2.5-flash-image"])
def test_a_cache_of_a_model_without_storage_price_is_unpriced(model: str) -> None:
    cost = BOOK.cache_storage(model, 1_000, 3_600.0, when_ns=NOW_NS)
    assert (cost.status, cost.total_usd) == (CostStatus.UNPRICED, None)
    assert cost.reason


@pytest.mark.parametrize(("tokens", "ttl_s"), [(-1, 60.0), (1, -60.0), (1, float("nan")), (1, float("inf"))])
def test_a_cache_that_cannot_be_is_unpriced(tokens: int, ttl_s: float) -> None:
    assert BOOK.cache_storage("gemini-2.5-pro", tokens, ttl_s, when_ns=NOW_NS).status is CostStatus.UNPRICED


def test_what_goes_into_a_cache_is_input_beside_its_storage() -> None:
    # 2.5 Flash: $0.30 per million in, $1.00 per million and hour kept.
    cost = BOOK.cache_creation("models/gemini-2.5-flash", 100_000, 3_600, when_ns=NOW_NS)
    assert (cost.input_usd, cost.storage_usd, cost.total_usd) == (Decimal("0.03"), Decimal("0.1"), Decimal("0.13"))
    assert cost.estimated
    assert cost.assumption


def test_a_cache_without_a_storage_price_is_unpriced_as_a_whole() -> None:
    cost = BOOK.cache_creation("gemini-4-argon", 100_000, 3_600, when_ns=NOW_NS)
    assert (cost.status, cost.total_usd) == (CostStatus.UNPRICED, None)
