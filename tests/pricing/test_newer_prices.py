"""Prices that `genai_prices.UpdatePrices` fetches while the program runs."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice

from otel_agentperf.model import CostStatus, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook
from tests.pricing.moments import NOW_NS

GEMINI = "gcp.gemini"
USAGE = Usage(1_000_000)


@pytest.fixture(autouse=True)
def bundled() -> Iterator[None]:
    yield
    set_custom_snapshot(None)


def snapshot_with(*models: ModelInfo) -> DataSnapshot:
    providers = deepcopy(get_snapshot().providers)
    google = next(provider for provider in providers if provider.id == "google")
    google.models[:0] = list(models)
    return DataSnapshot(providers, from_auto_update=True)


def sold_at(name: str, usd: str) -> ModelInfo:
    return ModelInfo(name, ClauseEquals(name), prices=ModelPrice(input_mtok=Decimal(usd), output_mtok=Decimal(usd)))


def test_a_newer_list_is_used_by_the_next_request() -> None:
    book = PriceBook()
    for tier in (ServiceTier.STANDARD, ServiceTier.FLEX):
        book.price(GEMINI, "gemini-2.5-flash", USAGE, tier, when_ns=NOW_NS)
    assert book.price(GEMINI, "gemini-9-flash", USAGE, when_ns=NOW_NS).status is CostStatus.UNPRICED
    set_custom_snapshot(snapshot_with(sold_at("gemini-2.5-flash", "8"), sold_at("gemini-9-flash", "9")))
    assert book.price(GEMINI, "gemini-2.5-flash", USAGE, when_ns=NOW_NS).total_usd == 8
    assert book.price(GEMINI, "gemini-2.5-flash", USAGE, ServiceTier.FLEX, when_ns=NOW_NS).total_usd == 4
    assert book.price(GEMINI, "gemini-9-flash", USAGE, when_ns=NOW_NS).total_usd == 9
    set_custom_snapshot(None)
    assert book.price(GEMINI, "gemini-2.5-flash", USAGE, when_ns=NOW_NS).total_usd == Decimal("0.3")


def test_a_newer_list_comes_before_the_prices_that_are_built_in() -> None:
    book = PriceBook()
    assert book.price(GEMINI, "gemini-4-neon", USAGE, when_ns=NOW_NS).estimated
    set_custom_snapshot(snapshot_with(sold_at("gemini-4-neon", "2.5")))
    cost = book.price(GEMINI, "gemini-4-neon", USAGE, when_ns=NOW_NS)
    assert (cost.total_usd, cost.estimated) == (Decimal("2.5"), False)


def test_the_next_smaller_model_is_that_of_the_newer_list() -> None:
    book = PriceBook()
    assert book.cheaper_model(GEMINI, "gemini-3.8-flash", when_ns=NOW_NS) != "gemini-3.8-flash-lite"
    set_custom_snapshot(snapshot_with(sold_at("gemini-3.8-flash-lite", "0.1"), sold_at("gemini-3.8-flash", "3")))
    assert book.cheaper_model(GEMINI, "gemini-3.8-flash", when_ns=NOW_NS) == "gemini-3.8-flash-lite"
