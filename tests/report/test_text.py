from __future__ import annotations

import decimal
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.report.text import clean, counted, duration, tokens, usd


@pytest.mark.parametrize(
    ("nanoseconds", "said"),
    [
        (0, "0 ms"),
        (123_400_000, "123 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"),
        (12_340_000_000, "12.34 s"),
        (99_996_000_000, "1m 40s"),
        (3_599_600_000_000, "1h 00m"),
        (7_500_000_000_000, "2h 05m"),
    ],
)
def test_a_duration_has_the_unit_that_fits(nanoseconds: int, said: str) -> None:
    assert duration(nanoseconds) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "$0.0000"),
        ("0.00003", "<$0.0001"),
        ("0.0001", "$0.0001"),
        ("0.00125", "$0.0012"),
        ("1234.5", "$1,234.5000"),
    ],
)
def test_an_amount_that_is_not_zero_is_never_shown_as_zero(amount: str, said: str) -> None:
    assert usd(Decimal(amount)) == said


def test_an_amount_is_shown_whatever_decimal_context_the_program_has() -> None:
    with decimal.localcontext(prec=2):
        assert usd(Decimal("123.4567")) == "$123.4567"


def test_tokens_beyond_ten_million_are_told_in_millions() -> None:
    assert (tokens(9_999_999), tokens(12_345_678)) == ("9,999,999", "12.3M")


def test_a_number_agrees_with_its_noun() -> None:
    assert (counted(1, "error"), counted(2, "error")) == ("1 error", "2 errors")


@settings(deadline=None)
@given(st.text())
def test_clean_text_holds_nothing_that_steers_a_terminal(text: str) -> None:
    assert not {unicodedata.category(character) for character in clean(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_line_breaks_become_spaces_and_escapes_become_question_marks() -> None:
    assert clean("a\nb\x1b[31mc\u202ed") == "a b?[31mc?d"
