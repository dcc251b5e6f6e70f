from __future__ import annotations

import tomllib
from decimal import Decimal

import pytest

from otel_agentperf.config import SettingsError
from otel_agentperf.model import CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook
from tests.pricing.moments import NOW_NS

GOOD = """
[models."my-model"]
input_mtok = 1
cache_read_mtok = 0.1
output_mtok = 4.0
input_audio_mtok = 2.5
cliff_tokens = 1000
input_above_cliff_mtok = 2
web_searches_kcount = 10
cache_storage_mtok_hour = 3

[models."gemini-2.5-flash"]
input_mtok = 0.2
output_mtok = 1

[models."tunedModels/mine"]
input_mtok = 7
output_mtok = 7

[services.steel_browser]
per_minute_usd = 0.001
nodes = ["browse"]
"""
BOOK = PriceBook(tomllib.loads(GOOD))
MILLION = Decimal(1_000_000)


def test_a_model_of_the_file_is_charged_at_the_file_s_rates() -> None:
    usage = Usage(
        input_tokens=1_000,
        cache_read_tokens=100,
        output_tokens=10,
        input_modalities=ModalityTokens(audio=200),
        cache_modalities=ModalityTokens(text=100),
        grounding_queries=2,
    )
    cost = BOOK.price("somebody", "my-model", usage, when_ns=NOW_NS)
    assert cost.input_usd == (700 + 200 * Decimal("2.5")) / MILLION
    assert cost.cache_read_usd == 100 * Decimal("0.1") / MILLION
    assert cost.output_usd == 40 / MILLION
    assert cost.grounding_usd == Decimal("0.02")


def test_above_the_cliff_the_whole_request_costs_the_higher_rate() -> None:
    cost = BOOK.price("somebody", "my-model", Usage(input_tokens=1_001, output_tokens=1), when_ns=NOW_NS)
    assert cost.input_usd == 2_002 / MILLION
    assert cost.output_usd == 4 / MILLION


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-flash"])
def test_the_file_wins_over_the_list(model: str) -> None:
    cost = BOOK.price("gcp.gemini", model, Usage(input_tokens=1_000_000), when_ns=NOW_NS)
    assert cost.total_usd == Decimal("0.2")


def test_the_file_can_price_a_tuned_model() -> None:
    cost = BOOK.price("gcp.gemini", "tunedModels/mine", Usage(input_tokens=1_000_000), when_ns=NOW_NS)
    assert cost.total_usd == 7


@pytest.mark.parametrize(
    ("tier", "factor"), [(ServiceTier.FLEX, "0.5"), (ServiceTier.BATCH, "0.5"), (ServiceTier.PRIORITY, "1.8")]
)
def test_a_tier_scales_the_file_s_rates(tier: ServiceTier, factor: str) -> None:
    cost = BOOK.price("gcp.gemini", "gemini-2.5-flash", Usage(output_tokens=1_000_000), tier, when_ns=NOW_NS)
    assert cost.total_usd == Decimal(factor)


def test_the_file_can_price_a_kept_cache() -> None:
    assert BOOK.cache_storage("my-model", 1_000_000, 7_200, when_ns=NOW_NS).total_usd == 6


def test_a_model_of_the_file_without_an_output_rate_leaves_output_unknown() -> None:
    book = PriceBook({"models": {"m": {"input_mtok": 1}}})
    assert book.price("", "m", Usage(input_tokens=5), when_ns=NOW_NS).status is CostStatus.PRICED
    assert book.price("", "m", Usage(input_tokens=5, output_tokens=5), when_ns=NOW_NS).status is CostStatus.UNPRICED


# TOML, and what the message must name
WRONG = [
    ("models = 5", ["[prices.models]", "5", "a table"]),
    ("colour = 1", ["[prices] colour", "1", "models, services"]),
    ("[models]\nm = 3", ['[prices.models."m"]', "3", "a table"]),
    ('[models.""]\ninput_mtok = 1', ["a model's name"]),
    ("[models.m]\noutput_mtok = 1", ["input_mtok", "required"]),
    ("[models.m]\ninput_mtok = -1", ['[prices.models."m"] input_mtok', "-1", "0 or more"]),
    ("[models.m]\ninput_mtok = nan", ['[prices.models."m"] input_mtok', "nan", "0 or more"]),
    ("[models.m]\ninput_mtok = inf", ['[prices.models."m"] input_mtok', "inf", "0 or more"]),
    ("[models.m]\ninput_mtok = true", ['[prices.models."m"] input_mtok', "True", "0 or more"]),
    ('[models.m]\ninput_mtok = "1"', ['[prices.models."m"] input_mtok', "'1'", "0 or more"]),
    ("[models.m]\ninput_mtok = 1\ninput_mtoks = 1", ['[prices.models."m"] input_mtoks', "1", "cache_read_mtok"]),
    ("[models.m]\ninput_mtok = 1\ncliff_tokens = 5", ["cliff_tokens", "5", "input_above_cliff_mtok"]),
    ("[models.m]\ninput_mtok = 1\ninput_above_cliff_mtok = 2", ["input_above_cliff_mtok", "2", "cliff_tokens"]),
    (
        "[models.m]\ninput_mtok = 1\ncliff_tokens = 0\ninput_above_cliff_mtok = 2",
        ["cliff_tokens", "0", "whole number"],
    ),
    (
        "[models.m]\ninput_mtok = 1\ncliff_tokens = 1.5\ninput_above_cliff_mtok = 2",
        ["cliff_tokens", "1.5", "whole number"],
    ),
    (
        "[models.m]\ninput_mtok = 1\ncliff_tokens = 5\noutput_above_cliff_mtok = 2",
        ["output_above_cliff_mtok", "2", "output_mtok"],
    ),
    ("[models.m]\nper_image_usd = -1", ['[prices.models."m"] per_image_usd', "-1", "0 or more"]),
    ('[models.m]\nper_second_usd = "1"', ['[prices.models."m"] per_second_usd', "'1'", "0 or more"]),
    (
        "[models.m]\nper_image_usd = 1\nper_second_usd = 2",
        ['[prices.models."m"] per_second_usd', "2", "per_image_usd alone"],
    ),
    ("[models.m]\nper_image_usd = 1\ninput_mtok = 2", ['[prices.models."m"] input_mtok', "2", "per_image_usd alone"]),
    ("[models.m]\nper_minute_usd = 1", ['[prices.models."m"] per_minute_usd', "per_image_usd", "per_second_usd"]),
    ("[services]\ns = 1", ["[prices.services.s]", "1", "a table"]),
    ("[services.s]\nnodes = ['n']", ["[prices.services.s]", "per_minute_usd"]),
    ("[services.s]\nper_call_usd = -0.1", ["[prices.services.s] per_call_usd", "-0.1", "0 or more"]),
    ("[services.s]\nper_minute_usd = nan", ["[prices.services.s] per_minute_usd", "nan", "0 or more"]),
    ("[services.s]\nper_hour_usd = 1", ["[prices.services.s] per_hour_usd", "1", "per_minute_usd"]),
    ("[services.s]\nper_call_usd = 1\nnodes = 'n'", ["[prices.services.s] nodes", "'n'", "list of names"]),
    ("[services.s]\nper_call_usd = 1\nnodes = []", ["[prices.services.s] nodes", "[]", "list of names"]),
    ("[services.s]\nper_call_usd = 1\nhosts = [1]", ["[prices.services.s] hosts", "[1]", "list of names"]),
    (
        "[services.a]\nper_call_usd = 1\ntools = ['t']\n[services.b]\nper_call_usd = 1\ntools = ['t']",
        ["[prices.services.b] tools", "'t'", "no other service claims"],
    ),
]


@pytest.mark.parametrize(("text", "named"), WRONG)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(text: str, named: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        PriceBook(tomllib.loads(text))
    assert all(word in str(caught.value) for word in named), str(caught.value)
