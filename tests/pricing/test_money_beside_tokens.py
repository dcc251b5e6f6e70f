"""What is charged beside tokens, or not charged for them: grounding, retrieved context, regions, pieces, cache writes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_agentperf.model import CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook, builtin, catalog, charging, rates
from tests.pricing.moments import NOW_NS, moment_ns

BOOK = PriceBook()
GEMINI, VERTEX = "gcp.gemini", "gcp.vertex_ai"
MILLION = 1_000_000


# model, Maps queries, searches, US dollars of grounding
GROUNDED = [
    ("gemini-2.5-flash", 1, 0, "0.025"),
    ("gemini-2.5-flash", 4, 0, "0.025"),
    ("gemini-2.0-flash", 1, 0, "0.025"),
    ("gemini-2.5-flash", 1, 2, "0.060"),
    ("gemini-3-flash-preview", 1, 0, "0.014"),
    ("gemini-3-flash-preview", 3, 0, "0.042"),
    ("gemini-3.8-flash", 2, 3, "0.070"),
]


@pytest.mark.parametrize(("model", "maps", "searches", "usd"), GROUNDED)
@pytest.mark.parametrize("tier", [ServiceTier.STANDARD, ServiceTier.FLEX, ServiceTier.PRIORITY])
def test_google_maps_costs_by_prompt_on_2_and_by_query_on_3(
    model: str, maps: int, searches: int, usd: str, tier: ServiceTier
) -> None:
    plain = Usage(100, 50)
    grounded = replace(plain, maps_queries=maps, grounding_queries=searches)
    cost = BOOK.price(GEMINI, model, grounded, tier, when_ns=NOW_NS)
    without = BOOK.price(GEMINI, model, plain, tier, when_ns=NOW_NS)
    assert cost.grounding_usd == Decimal(usd)
    assert without.total_usd is not None
    assert cost.total_usd == without.total_usd + Decimal(usd)
    assert not cost.estimated


def test_maps_with_a_model_whose_maps_price_is_not_known_leaves_the_total_unknown() -> None:
    cost = BOOK.price(GEMINI, "gemini-4-argon", Usage(MILLION, 0, maps_queries=1), when_ns=NOW_NS)
    assert (cost.status, cost.total_usd, cost.input_usd) == (CostStatus.UNPRICED, None, Decimal(2))
    assert cost.reason is not None
    assert "Google Maps" in cost.reason


def test_web_grounding_for_enterprise_rests_on_a_third_party() -> None:
    cost = BOOK.price(VERTEX, "gemini-2.5-flash", Usage(100, 50, enterprise_queries=3), when_ns=NOW_NS)
    assert (cost.grounding_usd, cost.estimated, cost.assumption) == (
        Decimal("0.045"),
        True,
        charging.THIRD_PARTY_ENTERPRISE,
    )


SOME = st.integers(0, 500_000)


@given(
    prompt=SOME,
    free=SOME,
    cached=st.integers(0, 1_000),
    output=st.integers(0, 1_000),
    model=st.sampled_from(["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.8-flash", "claude-sonnet-4-5"]),
    audio=st.integers(0, 500),
)
def test_what_google_search_retrieved_costs_nothing(
    prompt: int, free: int, cached: int, output: int, model: str, audio: int
) -> None:
    audio = min(audio, prompt)
    media = ModalityTokens(text=prompt - audio, audio=audio) if audio else None
    cached = min(cached, prompt)
    usage = Usage(prompt, output, cached, input_modalities=media)
    more = replace(usage, input_tokens=prompt + free, tool_use_tokens=free, search_context_tokens=free)
    with_it, without = (BOOK.price("", model, one, when_ns=NOW_NS) for one in (more, usage))
    assert replace(with_it, estimated=False) == replace(without, estimated=False)


@pytest.mark.parametrize(
    ("provider", "model", "location", "when_ns", "times"),
    [
        (VERTEX, "gemini-3.8-flash", "us-central1", NOW_NS, "1.1"),
        (VERTEX, "publishers/google/models/gemini-3.8-flash", "europe-west4", NOW_NS, "1.1"),
        (VERTEX, "gemini-3.1-pro-preview", "eu", NOW_NS, "1.1"),
        (VERTEX, "gemini-4-argon", "us-east5", NOW_NS, "1.1"),
        (VERTEX, "gemini-4-hydrogen", "us-east5", NOW_NS, "1.1"),
        ("vertex_ai", "gemini-3.8-flash", "us-east5", NOW_NS, "1.1"),
        (VERTEX, "gemini-3.8-flash", "us-east5", moment_ns(2026, 6, 30), "1"),
        (VERTEX, "gemini-3.8-flash", "us-east5", moment_ns(2026, 7, 1), "1.1"),
        (VERTEX, "gemini-3.8-flash", "global", NOW_NS, "1"),
        (VERTEX, "gemini-3.8-flash", "", NOW_NS, "1"),
        (VERTEX, "gemini-2.5-flash", "us-central1", NOW_NS, "1"),
        (VERTEX, "claude-sonnet-4-5@20250929", "us-east5", NOW_NS, "1"),
        (GEMINI, "gemini-3.8-flash", "us-central1", NOW_NS, "1"),
        ("", "gemini-3.8-flash", "us-central1", NOW_NS, "1"),
    ],
)
def test_a_regional_endpoint_of_vertex_ai_costs_more_for_gemini_3_and_newer(
    provider: str, model: str, location: str, when_ns: int, times: str
) -> None:
    usage = Usage(10_000, 1_000, 500)
    here = BOOK.price(provider, model, usage, when_ns=when_ns, location=location)
    listed = BOOK.price(provider, model, usage, when_ns=when_ns)
    assert listed.total_usd is not None
    assert here.total_usd == listed.total_usd * Decimal(times)
    assert not here.estimated


def test_a_region_makes_no_search_more_expensive_and_multiplies_tiers() -> None:
    usage = Usage(MILLION, 0, grounding_queries=1)
    cost = BOOK.price(VERTEX, "gemini-3.8-flash", usage, ServiceTier.FLEX, when_ns=NOW_NS, location="us-east5")
    assert (cost.input_usd, cost.grounding_usd) == (Decimal("0.4125"), Decimal("0.014"))


def test_your_own_prices_are_the_same_in_every_region() -> None:
    book = PriceBook({"models": {"gemini-3.8-flash": {"input_mtok": 1}}})
    assert book.price(VERTEX, "gemini-3.8-flash", Usage(MILLION), when_ns=NOW_NS, location="us-east5").total_usd == 1


# -- cache writes ---------------------------------------------------------------------------


@given(
    fresh=st.integers(0, 50_000),
    read=st.integers(0, 50_000),
    five_minutes=st.integers(0, 50_000),
    an_hour=st.integers(0, 50_000),
    model=st.sampled_from(
        [("anthropic", "claude-opus-4-5", 5), ("aws.bedrock", "global.anthropic.claude-opus-4-5-v1:0", 5)]
    ),
)
def test_anthropic_charges_a_cache_write_more_than_input(
    fresh: int, read: int, five_minutes: int, an_hour: int, model: tuple[str, str, int]
) -> None:
    provider, name, usd = model
    written = five_minutes + an_hour
    usage = Usage(
        fresh + read + written,
        0,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=an_hour,
    )
    cost = BOOK.price(provider, name, usage, when_ns=NOW_NS)
    rate = Decimal(usd) / MILLION
    written_usd = rate * five_minutes * Decimal("1.25") + rate * an_hour * 2
    assert (cost.input_usd, cost.cache_read_usd, cost.cache_write_usd) == (rate * fresh, rate * read / 10, written_usd)
    assert cost.total_usd == rate * fresh + rate * read / 10 + written_usd
    assert not cost.estimated


def test_a_cache_write_is_input_where_nothing_else_is_listed() -> None:
    cost = BOOK.price("openai", "gpt-4o", Usage(MILLION, 0, cache_write_tokens=400_000), when_ns=NOW_NS)
    assert (cost.input_usd, cost.cache_write_usd) == (Decimal("1.5"), Decimal("1.0"))


def test_claude_s_cache_writes_are_known_where_the_list_has_none() -> None:
    table: rates.PriceTable = {"input_mtok": rates.Price(Decimal(3), ((200_000, Decimal(6)),))}
    full = catalog._with_cache_writes(table, "anthropic/claude-9")  # pyright: ignore[reportPrivateUsage]
    assert full["cache_write_mtok"] == rates.Price(Decimal("3.75"), ((200_000, Decimal("7.5")),))
    assert full["cache_write_1h_mtok"] == rates.Price(Decimal(6), ((200_000, Decimal(12)),))


def test_more_cached_tokens_than_input_are_an_assumption() -> None:
    cost = BOOK.price("anthropic", "claude-opus-4-5", Usage(100, 0, 80, cache_write_tokens=50), when_ns=NOW_NS)
    assert (cost.estimated, cost.assumption) == (True, charging.MORE_CACHED_THAN_INPUT)


# -- lines ---------------------------------------------------------------------------------------


@given(
    prompt=SOME,
    cached=SOME,
    output=SOME,
    thoughts=SOME,
    queries=st.integers(0, 3),
    maps=st.integers(0, 3),
    written=SOME,
    free=SOME,
    model=st.sampled_from(["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.8-flash"]),
)
def test_the_lines_add_up_to_the_total_and_thoughts_are_part_of_the_output(
    prompt: int,
    cached: int,
    output: int,
    thoughts: int,
    queries: int,
    maps: int,
    written: int,
    free: int,
    model: str,
) -> None:
    usage = Usage(
        prompt,
        output,
        cached,
        thoughts,
        grounding_queries=queries,
        maps_queries=maps,
        cache_write_tokens=written,
        search_context_tokens=free,
    )
    cost = BOOK.price(GEMINI, model, usage, when_ns=NOW_NS)
    lines = (cost.input_usd, cost.cache_read_usd, cost.cache_write_usd, cost.output_usd)
    known = [line for line in (*lines, cost.grounding_usd, cost.storage_usd) if line is not None]
    assert len(known) == 6
    assert sum(known) == cost.total_usd
    assert cost.reasoning_usd is not None
    assert cost.output_usd is not None
    assert 0 <= cost.reasoning_usd <= cost.output_usd
    if 0 < thoughts <= output:
        assert cost.reasoning_usd == cost.output_usd * thoughts / output
    assert cost.estimated == (cost.assumption is not None)


def test_what_the_counts_rest_on_marks_the_cost() -> None:
    usage = Usage(100, 10, assumption="somebody counted by hand")
    cost = BOOK.price(GEMINI, "gemini-2.5-flash", usage, when_ns=NOW_NS)
    plain = BOOK.price(GEMINI, "gemini-2.5-flash", replace(usage, assumption=None), when_ns=NOW_NS)
    assert (cost.total_usd, cost.estimated, cost.assumption) == (plain.total_usd, True, "somebody counted by hand")
    assert (plain.estimated, plain.assumption) == (False, None)


# -- models that genai-prices lacks, and models sold by the piece ----------------------------------


def test_every_row_of_the_list_of_our_own_is_a_model_that_genai_prices_has_no_price_for() -> None:
    for (model, provider), row in builtin.rows().items():
        usage = Usage(MILLION, 0, images=1, media_s=1.0, media_resolution="720p")
        cost = BOOK.price(provider, model, usage, when_ns=NOW_NS)
        assert cost.status is CostStatus.PRICED, model
        assert BOOK.quote(provider, model, when_ns=NOW_NS).source.startswith("built in, as of 2026-11-30"), model
        assert cost.estimated == (row.assumption is not None), model
        assert row.source


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("gemini-4-hydrogen", Usage(2 * MILLION, MILLION, MILLION), "9.075"),
        ("models/gemini-4-hydrogen-001", Usage(MILLION), "1.5"),
        ("gemini-2.5-computer-use-preview-10-2025", Usage(MILLION, MILLION), "11.25"),
        ("gemini-3.5-transcribe", Usage(MILLION, 0, input_modalities=ModalityTokens(audio=MILLION)), "2"),
        ("imagen-3.0-generate-001", Usage(images=3), "0.12"),
        ("vertex_ai/imagen-3.0-fast-generate-001", Usage(images=1), "0.02"),
        ("lyria-3-pro-preview", Usage(20, 400, images=1), "0.08"),
        ("veo-3.1-generate-preview", Usage(media_s=8.0, media_resolution="720p"), "3.2"),
        ("veo-3.1-generate-preview", Usage(media_s=8.0, media_resolution="4k"), "4.8"),
        ("veo-3.1-fast-generate-001", Usage(media_s=4.5, media_resolution="1080p"), "0.54"),
        ("veo-2.0-generate-001", Usage(media_s=5.0), "2.5"),
        ("gemini-4-chlorine", Usage(MILLION), None),
        ("imagen-9.0-generate-001", Usage(images=1), None),
        ("imagen-3.0-generate-001", Usage(100, 100), None),
        ("veo-2.0-generate-001", Usage(), None),
    ],
)
def test_models_that_genai_prices_lacks_have_the_prices_of_our_own_list_or_none(
    model: str, usage: Usage, usd: str | None
) -> None:
    cost = BOOK.price(GEMINI, model, usage, when_ns=NOW_NS)
    assert cost.total_usd == (None if usd is None else Decimal(usd))
    assert not cost.estimated


def test_a_video_of_an_unknown_resolution_costs_the_base_price_as_an_estimate() -> None:
    cost = BOOK.price(GEMINI, "veo-3.1-generate-preview", Usage(media_s=8.0), when_ns=NOW_NS)
    assert (cost.total_usd, cost.assumption) == (Decimal("3.2"), charging.BASE_RESOLUTION)


def test_a_price_that_google_has_not_confirmed_is_an_estimate() -> None:
    cost = BOOK.price(GEMINI, "gemini-4-neon", Usage(MILLION), when_ns=NOW_NS)
    assert (cost.total_usd, cost.estimated) == (Decimal(3), True)
    assert cost.assumption is not None
    assert "release notes" in cost.assumption


@pytest.mark.parametrize(
    ("key", "usage", "usd"),
    [
        ("per_image_usd", Usage(images=3), "0.3"),
        ("per_second_usd", Usage(media_s=2.5), "0.25"),
        ("per_second_usd", Usage(media_s=2.5, media_resolution="4k"), "0.25"),
    ],
)
def test_your_own_prices_may_be_by_the_image_or_the_second(key: str, usage: Usage, usd: str) -> None:
    book = PriceBook({"models": {"my-media": {key: 0.1}}})
    cost = book.price("somebody", "my-media", usage, when_ns=NOW_NS)
    assert (cost.total_usd, cost.output_usd, cost.estimated) == (Decimal(usd), Decimal(usd), False)
    assert book.price("somebody", "my-media", Usage(10, 10), when_ns=NOW_NS).status is CostStatus.UNPRICED
