from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.model import Cost, CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook
from tests.pricing.moments import NOW_NS

BOOK = PriceBook()
MODELS = st.sampled_from(
    [
        "gemini-2.0-flash-lite",
        "gemini-2.5-flash",
        "gemini-2.5-pro",
        "gemini-2.5-flash-image",
        "gemini-3.1-flash-live-preview",
        "gemini-3.8-flash",
        "gemini-embedding-2",
        "gemini-unknown",
        "tunedModels/mine",
    ]
)
TIERS = st.sampled_from(list(ServiceTier))
TOKENS = st.integers(0, 2_000_000)
PARTS = st.none() | st.builds(ModalityTokens, text=TOKENS, image=TOKENS, audio=TOKENS, video=TOKENS, document=TOKENS)
USAGES = st.builds(
    Usage,
    input_tokens=TOKENS,
    output_tokens=TOKENS,
    cache_read_tokens=TOKENS,
    reasoning_tokens=TOKENS,
    input_modalities=PARTS,
    cache_modalities=PARTS,
    output_modalities=PARTS,
    grounding_queries=st.integers(0, 20),
)
TEXT_USAGES = st.builds(Usage, input_tokens=TOKENS, output_tokens=TOKENS, grounding_queries=st.integers(0, 20))


def price(model: str, usage: Usage, tier: ServiceTier) -> Cost:
    return BOOK.price("gcp.gemini", model, usage, tier, when_ns=NOW_NS)


def lines(cost: Cost) -> list[Decimal | None]:
    return [cost.input_usd, cost.cache_read_usd, cost.output_usd, cost.grounding_usd]


@settings(deadline=None)
@given(model=MODELS, usage=USAGES, tier=TIERS)
def test_a_priced_cost_is_the_sum_of_its_lines_and_an_unpriced_one_has_no_total(
    model: str, usage: Usage, tier: ServiceTier
) -> None:
    cost = price(model, usage, tier)
    if cost.status is CostStatus.PRICED:
        known = [line for line in lines(cost) if line is not None]
        assert len(known) == 4
        assert all(line >= 0 for line in known)
        assert sum(known, Decimal(0)) == cost.total_usd
        assert cost.reason is None
    else:
        assert cost.total_usd is None
        assert cost.reason
        assert None in lines(cost)


@settings(deadline=None)
@given(model=MODELS, usage=TEXT_USAGES, tier=TIERS)
def test_tokens_that_are_charged_are_never_free(model: str, usage: Usage, tier: ServiceTier) -> None:
    cost = price(model, usage, tier)
    if cost.status is CostStatus.PRICED:
        assert (cost.input_usd == 0) == (usage.input_tokens == 0)
        assert (cost.output_usd == 0) == (usage.output_tokens == 0)
        assert (cost.grounding_usd == 0) == (usage.grounding_queries == 0)


@settings(deadline=None)
@given(
    model=MODELS,
    usage=TEXT_USAGES,
    tier=TIERS,
    more_input=TOKENS,
    more_output=TOKENS,
)
def test_more_tokens_never_cost_less(
    model: str, usage: Usage, tier: ServiceTier, more_input: int, more_output: int
) -> None:
    more = Usage(
        input_tokens=usage.input_tokens + more_input,
        output_tokens=usage.output_tokens + more_output,
        grounding_queries=usage.grounding_queries,
    )
    less_usd, more_usd = price(model, usage, tier).total_usd, price(model, more, tier).total_usd
    if less_usd is not None and more_usd is not None:
        assert more_usd >= less_usd


@settings(deadline=None)
@given(model=MODELS, tokens=TOKENS, cached=TOKENS, tier=TIERS)
def test_cached_tokens_never_cost_more_than_fresh_ones(model: str, tokens: int, cached: int, tier: ServiceTier) -> None:
    cached = min(cached, tokens)
    fresh_usd = price(model, Usage(input_tokens=tokens), tier).total_usd
    cached_usd = price(model, Usage(input_tokens=tokens, cache_read_tokens=cached), tier).total_usd
    if fresh_usd is not None:
        assert cached_usd is not None
        assert cached_usd <= fresh_usd
