from __future__ import annotations

import pytest

from otel_agentperf.pricing import PriceBook
from tests.pricing.moments import NOW_NS, moment_ns

BOOK = PriceBook()


@pytest.mark.parametrize(
    ("provider", "model", "day", "tokens"),
    [
        ("gcp.gemini", "gemini-2.5-flash", (2025, 6, 1), 1_024),
        ("gcp.gemini", "gemini-2.5-flash", (2026, 6, 26), 2_048),
        ("gcp.gemini", "models/gemini-2.5-pro", (2026, 5, 7), 4_096),
        ("gcp.gemini", "gemini-2.5-pro", (2026, 6, 26), 2_048),
        ("gcp.gemini", "gemini-3-flash-preview", (2026, 5, 7), 1_024),
        ("gcp.gemini", "gemini-3.6-flash", (2026, 11, 20), 4_096),
        ("gcp.gemini", "gemini-2.5-flash-lite", (2026, 11, 20), 4_096),
        ("gcp.gemini", "gemini-flash-latest", (2026, 11, 20), 4_096),
        ("gcp.vertex_ai", "google/gemini-2.5-pro", (2026, 5, 7), 2_048),
        ("vertex_ai", "publishers/google/models/gemini-3.6-flash", (2026, 11, 20), 2_048),
        ("gcp.gemini", "gemini-2.0-flash", (2026, 11, 20), None),
        ("gcp.gemini", "gemini-1.5-pro", (2026, 11, 20), None),
        ("gcp.gemini", "gemini-2.5-flash-image", (2026, 11, 20), None),
        ("gcp.gemini", "gemini-embedding-2", (2026, 11, 20), None),
        ("gcp.gemini", "gemma-3-27b-it", (2026, 11, 20), None),
        ("gcp.gemini", "tunedModels/gemini-2.5-flash", (2026, 11, 20), None),
        ("openai", "gpt-4o", (2026, 11, 20), None),
        ("", "gemini-2.5-flash", (2026, 11, 20), 2_048),
    ],
)
def test_the_least_cached_tokens_are_those_that_were_published_for_model_and_day(
    provider: str, model: str, day: tuple[int, int, int], tokens: int | None
) -> None:
    assert BOOK.cache_minimum(provider, model, when_ns=moment_ns(*day)) == tokens
    assert BOOK.cache_minimum(provider, model, when_ns=moment_ns(*day)) == tokens


def test_a_time_that_no_clock_gives_has_no_minimum() -> None:
    assert BOOK.cache_minimum("gcp.gemini", "gemini-2.5-flash", when_ns=2**75) is None


def test_many_models_are_not_all_remembered() -> None:
    book = PriceBook()
    for number in range(2_100):
        book.cache_minimum("gcp.gemini", f"gemini-{number}", when_ns=NOW_NS)
    assert len(book._minimums) <= 2_000  # pyright: ignore[reportPrivateUsage]
