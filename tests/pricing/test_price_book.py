from __future__ import annotations

import decimal
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from otel_agentperf import guard
from otel_agentperf.model import Cost, CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook, catalog, quotes
from tests.pricing.moments import NOW_NS, moment_ns

BOOK = PriceBook()
USAGE = Usage(input_tokens=1_000, output_tokens=100)
FLASH_USD = Decimal("0.00055")


@pytest.mark.parametrize(
    "model",
    [
        "gemini-2.5-flash",
        "Gemini-2.5-Flash",
        " models/gemini-2.5-flash",
        "publishers/google/models/gemini-2.5-flash",
        "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash",
        "google/gemini-2.5-flash",
    ],
)
@pytest.mark.parametrize("provider", ["gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai", "google", ""])
def test_every_way_of_naming_a_model_finds_its_price(provider: str, model: str) -> None:
    assert BOOK.price(provider, model, USAGE, when_ns=NOW_NS).total_usd == FLASH_USD


@pytest.mark.parametrize(
    ("provider", "model", "word"),
    [
        ("gcp.gemini", "gemini-99-ultra", "gemini-99-ultra"),
        ("gcp.gemini", "", "no model"),
        ("gcp.gemini", "models/", "no model"),
        ("gcp.gemini", "tunedModels/gemini-2.5-flash-mine-x1", "tuned"),
        ("gcp.vertex_ai", "projects/1/locations/us/endpoints/42", "tuned"),
        ("gcp.vertex_ai", "projects/1/locations/us/models/42", "tuned"),
        ("gcp.vertex_ai", "gemma-3-27b-it", "no price by token"),
        ("ollama", "gemma-3-27b-it", "your own machines"),
        ("", "model-of-nobody", "model-of-nobody"),
    ],
)
def test_an_unknown_price_is_none_with_a_reason_and_never_0(provider: str, model: str, word: str) -> None:
    cost = BOOK.price(provider, model, USAGE, when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED
    assert (cost.total_usd, cost.input_usd, cost.cache_read_usd, cost.output_usd) == (None, None, None, None)
    assert cost.reason is not None
    assert word in cost.reason


@pytest.mark.parametrize("tier", [ServiceTier.PROVISIONED, ServiceTier.OTHER])
@pytest.mark.parametrize("prices", [{}, {"models": {"gemini-2.5-flash": {"input_mtok": 1, "output_mtok": 1}}}])
def test_a_tier_that_is_not_billed_by_token_is_unpriced(tier: ServiceTier, prices: dict[str, object]) -> None:
    cost = PriceBook(prices).price("gcp.vertex_ai", "gemini-2.5-flash", USAGE, tier, when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED
    assert cost.total_usd is None
    assert cost.tier is tier
    assert cost.reason


def test_a_model_that_google_gives_away_costs_nothing_and_is_priced() -> None:
    cost = BOOK.price("gcp.gemini", "gemma-3-27b-it", USAGE, when_ns=NOW_NS)
    assert (cost.status, cost.total_usd) == (CostStatus.PRICED, 0)


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        # $2.50 and $10; $3 and $15 per million: openai.com/api/pricing, claude.com/pricing.
        ("openai", "gpt-4o", "0.0035"),
        ("anthropic", "claude-sonnet-4-5", "0.0045"),
        ("gcp.vertex_ai", "publishers/anthropic/models/claude-sonnet-4-5@20250929", "0.0045"),
    ],
)
def test_other_providers_are_priced_by_genai_prices(provider: str, model: str, usd: str) -> None:
    assert BOOK.price(provider, model, USAGE, when_ns=NOW_NS).total_usd == Decimal(usd)


def test_a_tier_of_another_provider_is_not_guessed() -> None:
    cost = BOOK.price("anthropic", "claude-sonnet-4-5", USAGE, ServiceTier.FLEX, when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED


def test_a_price_that_depends_on_the_hour_is_not_kept_for_the_day() -> None:
    # DeepSeek V4 Flash costs more from 01:00 to 04:00 and 06:00 to 10:00 UTC.
    fresh = PriceBook()
    day, night = (
        fresh.price("deepseek", "deepseek-v4-flash", USAGE, when_ns=moment_ns(2026, 11, 23, hour)).total_usd
        for hour in (2, 20)
    )
    again = fresh.price("deepseek", "deepseek-v4-flash", USAGE, when_ns=moment_ns(2026, 11, 23, 2)).total_usd
    assert day == again
    assert day is not None
    assert night is not None
    assert day > night


def test_a_price_changes_at_midnight_utc() -> None:
    last, first = moment_ns(2027, 1, 1, 0) - 1, moment_ns(2027, 1, 1, 0)
    usage = Usage(input_tokens=1_000_000)
    assert BOOK.price("gcp.gemini", "gemini-3.8-flash", usage, when_ns=last).total_usd == Decimal("0.75")
    assert BOOK.price("gcp.gemini", "gemini-3.8-flash", usage, when_ns=first).total_usd == Decimal("1.50")


def test_rates_are_resolved_once_for_a_model_tier_and_day(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    look_up = catalog.look_up

    def counted(provider: str, model: str, *rest: Any, **more: Any) -> catalog.Listing:
        asked.append(model)
        return look_up(provider, model, *rest, **more)

    monkeypatch.setattr(catalog, "look_up", counted)
    fresh = PriceBook()
    for _ in range(3):
        for tier in (ServiceTier.STANDARD, ServiceTier.FLEX):
            fresh.price("gcp.gemini", "gemini-2.5-flash", USAGE, tier, when_ns=NOW_NS)
            fresh.price("gcp.gemini", "unknown-model", USAGE, tier, when_ns=NOW_NS)
    assert sorted(asked) == ["gemini-2.5-flash"] * 2 + ["unknown-model"] * 2


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "MAX_QUOTES", 10)
    fresh = PriceBook()
    for number in range(50):
        fresh.price("gcp.gemini", f"unknown-{number}", USAGE, when_ns=NOW_NS)
    assert len(fresh._quotes._standard) <= 10  # pyright: ignore[reportPrivateUsage]


def test_genai_prices_is_imported_at_the_first_price_only() -> None:
    program = (
        "import sys; from otel_agentperf.pricing import PriceBook; book = PriceBook(); "
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_failing_look_up_is_counted_and_gives_an_unpriced_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> catalog.Listing:
        raise RuntimeError("prompt text that must not leak")

    monkeypatch.setattr(catalog, "look_up", broken)
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    cost = PriceBook().price("gcp.gemini", "gemini-2.5-flash", USAGE, when_ns=NOW_NS)
    assert cost == Cost(status=CostStatus.UNPRICED, reason="internal error (RuntimeError)")
    assert guard.error_counts() == {"pricing.price": 1}


def test_the_application_s_decimal_context_changes_no_price() -> None:
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact])):
        cost = BOOK.price("gcp.gemini", "gemini-2.5-flash", Usage(input_tokens=123_457), when_ns=NOW_NS)
    assert cost.total_usd == Decimal("0.0370371")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=-1),
        Usage(output_tokens=-5),
        Usage(input_tokens=10, cache_read_tokens=-1),
    ],
)
def test_a_negative_count_is_unpriced(usage: Usage) -> None:
    assert BOOK.price("gcp.gemini", "gemini-2.5-flash", usage, when_ns=NOW_NS).status is CostStatus.UNPRICED


def test_cached_audio_without_detail_is_spread_as_the_prompt_and_marked_estimated() -> None:
    usage = Usage(input_tokens=1_000, cache_read_tokens=500, input_modalities=ModalityTokens(text=600, audio=400))
    cost = BOOK.price("gcp.gemini", "gemini-2.5-flash", usage, when_ns=NOW_NS)
    # Half of the prompt is cached, so half of the text ($0.30, cached $0.03) and of the audio ($1.00, $0.10).
    assert cost.input_usd == (300 * Decimal("0.30") + 200 * Decimal(1)) / 1_000_000
    assert cost.cache_read_usd == (300 * Decimal("0.03") + 200 * Decimal("0.10")) / 1_000_000
    assert cost.estimated


def test_cached_images_without_detail_are_exact_where_images_cost_what_text_costs() -> None:
    usage = Usage(input_tokens=1_000, cache_read_tokens=500, input_modalities=ModalityTokens(text=600, image=400))
    assert not BOOK.price("gcp.gemini", "gemini-2.5-flash", usage, when_ns=NOW_NS).estimated


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=10, cache_read_tokens=20),
        Usage(input_tokens=10, input_modalities=ModalityTokens(audio=50)),
        Usage(input_tokens=10, cache_read_tokens=5, cache_modalities=ModalityTokens(audio=50)),
        Usage(input_tokens=100, cache_read_tokens=90, input_modalities=ModalityTokens(audio=50)),
    ],
)
def test_counts_that_contradict_each_other_give_an_estimate(usage: Usage) -> None:
    cost = BOOK.price("gcp.gemini", "gemini-2.5-flash", usage, when_ns=NOW_NS)
    assert cost.status is CostStatus.PRICED
    assert cost.estimated


def test_output_without_an_output_price_is_unpriced() -> None:
    cost = BOOK.price("gcp.gemini", "gemini-embedding-001", Usage(input_tokens=5, output_tokens=5), when_ns=NOW_NS)
    assert cost.status is CostStatus.UNPRICED
