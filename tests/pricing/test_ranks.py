from __future__ import annotations

import pytest

from otel_agentperf.pricing.ranks import is_cheap, rank


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash-lite", 0),
        ("gemini-2.5-flash", 1),
        ("models/gemini-3.5-flash", 1),
        ("publishers/google/models/gemini-2.5-pro", 2),
        ("google/gemini-3-pro-preview", 2),
        ("gpt-5-mini", 1),
        ("claude-opus-4", 3),
        ("my-tuned-model", None),
        ("", None),
        ("prospector", None),
    ],
)
def test_the_rank_of_a_model_is_told_by_the_words_in_its_name(model: str, expected: int | None) -> None:
    assert rank(model) == expected


def test_flash_and_below_are_the_cheaper_ones() -> None:
    names = ("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro", "x")
    assert [is_cheap(name) for name in names] == [True, True, False, None]
