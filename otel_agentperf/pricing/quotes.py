"""What is charged for a model on one tier and day, and where that comes from."""

from __future__ import annotations

import msgspec

from otel_agentperf.model import Cost, ServiceTier
from otel_agentperf.pricing import tiers
from otel_agentperf.pricing.names import grounding_per_request
from otel_agentperf.pricing.rates import PriceTable, Rates, flatten, unpriced


class Quote(msgspec.Struct, frozen=True):
    """The rates of a model on one tier and day, or the cost that says why there are none."""

    rates: Rates | None = None
    unpriced: Cost | None = None
    source: str = ""
    model_id: str = ""
    table: PriceTable = {}
    own: bool = False
    """True where the rates are the user's."""
    lasting: bool = True
    """False where the price depends on the hour and must be resolved each time."""


def own_quote(table: PriceTable, name: str, tier: ServiceTier) -> Quote:
    """Return the user's own rates; other tiers are scaled as Google scales its own."""
    if tier in tiers.UNPRICED_TIERS:
        return Quote(unpriced=unpriced(tiers.UNPRICED_TIERS[tier], tier))
    source = "the settings file"
    if tier is not ServiceTier.STANDARD:
        table = tiers.scaled(table, tier)
        source += f", times {tiers.FACTORS[tier]} for {tier}"
    rates = flatten(table, grounding_per_request=grounding_per_request(name))
    return Quote(rates=rates, source=source, model_id=name, table=table, own=True)
