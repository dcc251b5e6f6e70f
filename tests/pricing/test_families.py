from __future__ import annotations

import genai_prices.data
import pytest

from otel_agentperf.model import ServiceTier, Usage
from otel_agentperf.pricing import PriceBook, catalog, families
from otel_agentperf.pricing.book import LEAST_CLIFF
from otel_agentperf.pricing.families import Size
from tests.pricing.moments import NOW_NS

GEMINI = "gcp.gemini"
BOOK = PriceBook()


@pytest.mark.parametrize(
    ("model", "smaller"),
    [
        ("gemini-2.5-pro", "gemini-2.5-flash"),
        ("models/gemini-2.5-pro-preview-03-25", "gemini-2.5-flash"),
        ("publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("google/gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("gemini-3-pro-preview", "gemini-3-flash-preview"),
        ("gemini-3.1-pro-preview", "gemini-3-flash-preview"),
        ("gemini-3-flash-preview", "gemini-3.1-flash-lite"),
        ("gemini-3.6-flash", "gemini-3.5-flash-lite"),
    ],
)
def test_the_next_smaller_model_of_the_closest_release_is_found_in_the_real_list(model: str, smaller: str) -> None:
    assert BOOK.cheaper_model(GEMINI, model, when_ns=NOW_NS) == smaller


@pytest.mark.parametrize(
    "model",
    [
        "gemini-2.5-flash-lite",
        "gemini-2.0-flash",  # the list calls its Flash-Lite deprecated, and 2.5's is not cheaper
        "gemini-2.5-flash-image",
        "gemini-2.5-pro-tts",
        "gemini-3.1-pro-preview-customtools",
        "gemini-live-2.5-flash",
        "gemini-embedding-001",
        "gemini-4-argon",
        "gemini-99-pro",
        "projects/p/locations/l/endpoints/1",
        "tunedModels/gemini-2.5-pro",
        "gpt-5",
        "",
    ],
)
def test_no_smaller_model_is_made_up(model: str) -> None:
    assert BOOK.cheaper_model(GEMINI, model, when_ns=NOW_NS) is None


def test_other_providers_models_are_not_understood() -> None:
    assert BOOK.cheaper_model("openrouter", "gemini-2.5-pro", when_ns=NOW_NS) is None


def test_every_smaller_model_of_the_list_is_one_size_below_and_cheaper() -> None:
    found = {
        model: smaller
        for model in catalog.known_models()
        if (smaller := BOOK.cheaper_model(GEMINI, model, when_ns=NOW_NS)) is not None
    }
    assert len(found) >= 10
    tokens = Usage(1_000, 1_000)
    for model, smaller in found.items():
        larger_size, smaller_size = families.rank(model), families.rank(smaller)
        assert larger_size is not None
        assert larger_size - 1 == smaller_size, model
        larger_usd = BOOK.price(GEMINI, model, tokens, when_ns=NOW_NS).total_usd
        smaller_usd = BOOK.price(GEMINI, smaller, tokens, when_ns=NOW_NS).total_usd
        assert larger_usd is not None
        assert smaller_usd is not None
        assert smaller_usd < larger_usd, model
        assert smaller in catalog.current_models()


def test_a_model_of_the_users_own_price_is_chosen_too() -> None:
    book = PriceBook({"models": {"gemini-3.8-flash-lite": {"input_mtok": 0.1, "output_mtok": 0.4}}})
    assert book.cheaper_model(GEMINI, "gemini-3.8-flash", when_ns=NOW_NS) == "gemini-3.8-flash-lite"


def test_a_smaller_model_that_costs_as_much_is_no_help() -> None:
    dear = {"input_mtok": 0.3, "output_mtok": 2.5}
    book = PriceBook({"models": {"gemini-2.5-flash-lite": dear}})
    assert book.cheaper_model(GEMINI, "gemini-2.5-flash", when_ns=NOW_NS) is None


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("models/gemini-2.5-pro", Size.PRO),
        ("gemini-3.1-flash-image-preview", Size.FLASH),
        ("gemini-live-2.5-flash", Size.FLASH),
        ("gemini-pro-latest", Size.PRO),
        ("gemini-flash-lite-latest", Size.FLASH_LITE),
        ("gemini-2.5-flash-lite-preview-tts", Size.FLASH_LITE),
        ("gemini-embedding-001", None),
        ("gpt-4o", None),
    ],
)
def test_the_rank_is_the_size_that_a_name_tells(model: str, size: Size | None) -> None:
    assert families.rank(model) is size


def test_the_sizes_stand_in_order_of_price() -> None:
    assert Size.FLASH_LITE < Size.FLASH < Size.PRO


@pytest.mark.parametrize("tier", [ServiceTier.STANDARD, ServiceTier.FLEX])
@pytest.mark.parametrize(("tokens", "cliff"), [(200_000, None), (200_001, 200_000), (1_000_000, 200_000)])
def test_a_request_passes_a_cliff_above_its_tokens(tokens: int, cliff: int | None, tier: ServiceTier) -> None:
    assert BOOK.cliff(GEMINI, "gemini-2.5-pro", tokens, tier, when_ns=NOW_NS) == cliff


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "no-such-model"])
def test_a_model_without_a_cliff_has_none(model: str) -> None:
    assert BOOK.cliff(GEMINI, model, 10_000_000, when_ns=NOW_NS) is None


def test_no_price_list_has_a_cliff_below_the_least_one() -> None:
    moment = catalog.moment(NOW_NS)
    starts = [
        start
        for provider in genai_prices.data.providers
        for model in provider.models
        for price in catalog.table_of(model.get_prices(moment)).values()
        for start, _ in price.steps
    ]
    assert min(starts) >= LEAST_CLIFF
    assert BOOK.least_cliff == LEAST_CLIFF


def test_a_cliff_of_the_users_own_may_be_lower() -> None:
    own = {"input_mtok": 1.0, "input_above_cliff_mtok": 2.0, "cliff_tokens": 1_000}
    book = PriceBook({"models": {"m": own}})
    assert book.least_cliff == 1_000
    assert book.cliff("", "m", 1_001, when_ns=NOW_NS) == 1_000
