from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_agentperf.cli.prices import dollars, prices
from otel_agentperf.model import ServiceTier
from otel_agentperf.pricing import PriceBook, catalog, explain
from tests.pricing.moments import NOW_NS

DAY = ["--date", "2026-11-23"]


def run(*args: str, **env: str) -> Result:
    return CliRunner().invoke(prices, args, env={"COLUMNS": "80", **env})


def test_a_model_s_rates_are_those_that_are_charged() -> None:
    found = explain.explain(PriceBook(), "models/gemini-2.5-pro", when_ns=NOW_NS)
    assert isinstance(found, explain.Explanation)
    assert found.model_id == "gemini-2.5-pro"
    rows = {(row.label, row.above_tokens): row.usd for row in found.rows}
    assert rows["input", 0][ServiceTier.STANDARD] == Decimal("1.25")
    assert rows["cached input", 200_000][ServiceTier.PRIORITY] == Decimal("0.45")
    assert rows["output", 200_000][ServiceTier.BATCH] == Decimal("7.50")
    assert (found.grounding_usd, found.grounding_per_request) == (Decimal(35), True)
    assert found.storage_usd == Decimal("4.50")
    assert found.sources[0] == f"genai-prices {catalog.version()}, google model gemini-2.5-pro"


def test_a_coming_change_of_price_is_named() -> None:
    found = explain.explain(PriceBook(), "gemini-3.8-flash", when_ns=NOW_NS)
    assert isinstance(found, explain.Explanation)
    assert found.changes == (date(2027, 1, 1),)


def test_an_unknown_model_names_what_is_close() -> None:
    found = explain.explain(PriceBook(), "gemini-2.5-flsh", when_ns=NOW_NS)
    assert isinstance(found, explain.UnknownModel)
    assert "gemini-2.5-flash" in found.close


def test_every_known_model_can_be_explained() -> None:
    book = PriceBook()
    lines = explain.known(book, when_ns=NOW_NS)
    assert len(lines) > 30
    for line in lines:
        assert isinstance(explain.explain(book, line.model, when_ns=NOW_NS), explain.Explanation), line.model


def test_the_command_shows_rates_tiers_cliff_grounding_storage_and_source() -> None:
    result = run("gemini-2.5-pro", *DAY)
    assert result.exit_code == 0
    for word in (
        "$1.25",
        "$18.00",
        "above 200,000",
        "$35.00 per 1,000",
        "$4.50 per million",
        "genai-prices",
        "2026-11-23",
    ):
        assert word in result.output


def test_the_command_lists_the_gemini_models() -> None:
    result = run(*DAY)
    assert result.exit_code == 0
    assert "gemini-3.8-flash" in result.output
    assert "claude" not in result.output


@pytest.mark.parametrize(
    "args", [(), ("gemini-2.5-pro",), ("gemini-2.5-flash",), ("gemini-3.8-flash",), ("gemini-embedding-2",)]
)
def test_the_command_fits_80_columns(args: tuple[str, ...]) -> None:
    result = run(*args, *DAY)
    assert max(map(len, result.output.splitlines())) <= 80


def test_an_unknown_model_ends_with_1_and_close_names() -> None:
    result = run("gemini-2.5-flsh")
    assert result.exit_code == 1
    assert "no price for gemini-2.5-flsh" in result.output
    assert "gemini-2.5-flash" in result.output


def test_the_user_s_own_prices_are_shown_as_such(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[prices.models."my-model"]\ninput_mtok = 1.5\noutput_mtok = 3\n', encoding="utf-8")
    shown = run("my-model", AGENTPERF_CONFIG=str(file))
    assert shown.exit_code == 0
    assert "$1.50" in shown.output
    assert "the settings file" in shown.output
    assert "my-model *" in run(AGENTPERF_CONFIG=str(file)).output


def test_a_wrong_settings_file_ends_with_1_and_names_the_key(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[prices.models."my-model"]\ninput_mtok = -1\n', encoding="utf-8")
    result = run("my-model", AGENTPERF_CONFIG=str(file))
    assert result.exit_code == 1
    assert "input_mtok" in result.output


@pytest.mark.parametrize(
    ("usd", "text"), [(None, "-"), ("0", "$0.00"), ("10", "$10.00"), ("0.0375", "$0.0375"), ("1E+1", "$10.00")]
)
def test_dollars_are_written_in_full(usd: str | None, text: str) -> None:
    assert dollars(None if usd is None else Decimal(usd)) == text
