"""What flex, batch and priority cost, where genai-prices does not say.

genai-prices carries batch prices for most Gemini models and flex and priority for a few; where
it does, they are used. For the rest this module applies the rules that Google publishes at
https://ai.google.dev/gemini-api/docs/pricing and /docs/optimization: the flex table of a model
equals its batch table; flex and batch halve input and output; priority costs 1.8 times
standard. Search and maps are never discounted.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from otel_agentperf.model import ServiceTier
from otel_agentperf.pricing.rates import Price, PriceTable

SOURCE = "ai.google.dev/gemini-api/docs/pricing"
FACTORS = {
    ServiceTier.FLEX: Decimal("0.5"),
    ServiceTier.BATCH: Decimal("0.5"),
    ServiceTier.PRIORITY: Decimal("1.8"),
}
PRICE_CONTEXTS = {
    ServiceTier.FLEX: {"service_tier": "flex"},
    ServiceTier.BATCH: {"processing": "batch"},
    ServiceTier.PRIORITY: {"service_tier": "priority"},
}
UNPRICED_TIERS = {
    ServiceTier.PROVISIONED: "provisioned throughput is paid by commitment, not by token",
    ServiceTier.OTHER: "the service tier of the response is not known here",
}

_NAMES: dict[str | int, ServiceTier] = {
    "": ServiceTier.STANDARD,
    "standard": ServiceTier.STANDARD,
    "default": ServiceTier.STANDARD,
    "auto": ServiceTier.STANDARD,
    "unspecified": ServiceTier.STANDARD,
    "service_tier_unspecified": ServiceTier.STANDARD,
    "flex": ServiceTier.FLEX,
    "batch": ServiceTier.BATCH,
    "priority": ServiceTier.PRIORITY,
    "fast": ServiceTier.PRIORITY,  # OpenAI's newer name of the same prices
    "traffic_type_unspecified": ServiceTier.STANDARD,
    "on_demand": ServiceTier.STANDARD,
    "on_demand_flex": ServiceTier.FLEX,
    "on_demand_priority": ServiceTier.PRIORITY,
    "provisioned_throughput": ServiceTier.PROVISIONED,
    # Numbers of google.cloud.aiplatform UsageMetadata.TrafficType.
    0: ServiceTier.STANDARD,
    1: ServiceTier.STANDARD,
    2: ServiceTier.PROVISIONED,
    3: ServiceTier.PRIORITY,
    4: ServiceTier.FLEX,
}

# Rounded to whole cents, away from the factor, in LiteLLM's price table (1.109.1), which agrees with the factors on
# every other model. US dollars per million tokens.
ROUNDED: dict[tuple[str, ServiceTier], dict[str, Decimal]] = {
    ("gemini-3.5-flash", ServiceTier.FLEX): {"cache_read_mtok": Decimal("0.08")},
    ("gemini-3.5-flash-lite", ServiceTier.PRIORITY): {"cache_read_mtok": Decimal("0.05")},
}


REGIONAL_FACTOR = Decimal("1.1")
"""What regional endpoints of Vertex AI charge, times the list price; `global` charges the list price."""
_REGIONAL_FROM = date(2026, 7, 1)
_COSTS_MORE_IN_A_REGION = re.compile(r"gemini-(?:[3-9]|\d\d)(?:[.-]|$)")


def costs_more_in_a_region(provider: str, model_id: str, day: date) -> bool:
    """Return whether a regional endpoint charges more: Vertex AI does for Gemini 3 and newer, since 2026-07-01.

    Source: https://cloud.google.com/vertex-ai/generative-ai/pricing.

    Args:
        provider: as the request or the span names it.
        model_id: the model's id in the price list.
        day: of the request, in UTC.
    """
    vertex = "vertex" in provider.lower()
    return vertex and day >= _REGIONAL_FROM and _COSTS_MORE_IN_A_REGION.match(model_id) is not None


def tokens_times(table: PriceTable, factor: Decimal) -> dict[str, Price]:
    """Return the prices with those of tokens multiplied; what is billed by the piece stays as it is."""
    return {key: price.scaled(factor) if key.endswith("_mtok") else price for key, price in table.items()}


def scaled(table: PriceTable, tier: ServiceTier, model_id: str = "") -> PriceTable:
    """Return the standard prices at another tier.

    Args:
        table: standard prices.
        tier: flex, batch or priority.
        model_id: the model's id in genai-prices, for the prices that the page rounds.
    """
    factor = FACTORS[tier]
    result = tokens_times(table, factor)
    for key, usd in ROUNDED.get((model_id, tier), {}).items():
        result[key] = Price(usd)
    return result


def tier_named(value: str | int) -> ServiceTier:
    """Return the tier that a response names, in a field or a header; `OTHER` for one not known here."""
    tier = _NAMES.get(value)
    if tier is None:
        tier = _NAMES.get(value.lower(), ServiceTier.OTHER) if isinstance(value, str) else ServiceTier.OTHER
    return tier
