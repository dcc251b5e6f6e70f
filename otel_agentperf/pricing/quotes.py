"""What is charged for a model on one tier and day, and where that comes from; resolved once and kept.

The user's file comes first, then genai-prices, then the list that is built in. Kept rates are
dropped as soon as genai-prices has newer prices, which its `UpdatePrices` fetches where the
program starts it: each look-up compares the list in use, which costs a function call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from otel_agentperf.model import Cost, ServiceTier
from otel_agentperf.pricing import tiers
from otel_agentperf.pricing.names import (
    TUNED_REASON,
    grounding_per_request,
    is_tuned,
    plain_name,
    sold_by_google,
    without_vendor,
)
from otel_agentperf.pricing.rates import PriceTable, Rates, flatten, unpriced

STANDARD = ServiceTier.STANDARD
MAX_QUOTES = 2_000
"""Rates kept at once; all are dropped and resolved again beyond it, which a day's models never reach."""
DAY_NS = 86_400_000_000_000


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
    if tier is not STANDARD:
        table = tiers.scaled(table, tier)
        source += f", times {tiers.FACTORS[tier]} for {tier}"
    rates = flatten(table, grounding_per_request=grounding_per_request(name))
    return Quote(rates=rates, source=source, model_id=name, table=table, own=True)


def is_regional(location: str) -> bool:
    """Return whether a location is that of a regional endpoint; an unknown one (empty) is taken as `global`."""
    return location not in ("", "global")


def list_name(provider: str, model: str) -> str:
    """Return a model's plain name; a Gemini model's without the vendor that routers put before it."""
    name = plain_name(model)
    return without_vendor(name) if sold_by_google(provider, name) else name


class Quotes:
    """The rates of all models, resolved once for each (provider, model, tier, endpoint, UTC day).

    Args:
        models: the user's own prices by model.
    """

    __slots__ = ("_current", "_editions", "_list", "_models", "_standard", "_tiered")

    def __init__(self, models: Mapping[str, PriceTable]) -> None:
        self._models = {plain_name(name): table for name, table in models.items()} | dict(models)
        self._standard: dict[tuple[str, str, int], Quote] = {}
        self._tiered: dict[tuple[str, str, ServiceTier, bool, int], Quote] = {}
        self._current: Callable[[], object] | None = None
        self._list: object = None
        self._editions = 0

    def get(self, provider: str, model: str, tier: ServiceTier, when_ns: int, location: str = "") -> Quote:
        """Return the rates that apply, kept ones where there are any."""
        if self._current is not None and self._current() is not self._list:
            self._drop()
        if tier is STANDARD and (not location or location == "global"):
            quote = self._standard.get((provider, model, when_ns // DAY_NS))
        else:
            quote = self._tiered.get((provider, model, tier, is_regional(location), when_ns // DAY_NS))
        return quote if quote is not None else self._resolve(provider, model, ServiceTier(tier), when_ns, location)

    def _resolve(self, provider: str, model: str, tier: ServiceTier, when_ns: int, location: str) -> Quote:
        edition = self._editions
        quote = self.quote(provider, model, tier, when_ns=when_ns, location=location)
        if quote.lasting and edition == self._editions:  # else another thread has dropped what this one was made of
            day, regional = when_ns // DAY_NS, is_regional(location)
            if len(self._standard) + len(self._tiered) >= MAX_QUOTES:
                self._standard.clear()
                self._tiered.clear()
            if tier is STANDARD and not regional:
                self._standard[provider, model, day] = quote
            else:
                self._tiered[provider, model, tier, regional, day] = quote
        return quote

    def _drop(self) -> None:
        """Forget the rates that an older price list gave."""
        if self._current is not None:
            self._list = self._current()
        self._editions += 1
        self._standard.clear()
        self._tiered.clear()

    def edition(self) -> int:
        """Return a number that is another one once genai-prices has newer prices."""
        if self._current is not None and self._current() is not self._list:
            self._drop()
        return self._editions

    def quote(self, provider: str, model: str, tier: ServiceTier, *, when_ns: int, location: str = "") -> Quote:
        """Return the rates of a model; slow and not kept. Arguments are those of `PriceBook.price`."""
        name = list_name(provider, model)
        own = self.own(model, name)
        if own is not None:
            return own_quote(own, name, tier)
        if is_tuned(model):
            return Quote(unpriced=unpriced(TUNED_REASON.format(name=model), tier))
        if not name:
            return Quote(unpriced=unpriced("no model is named", tier))
        from otel_agentperf.pricing import catalog  # noqa: PLC0415 - imports genai-prices, which is slow

        if self._current is None:
            self._list = catalog.snapshot()
            self._current = catalog.snapshot
        listing = catalog.look_up(provider, model, tier, catalog.moment(when_ns), regional=is_regional(location))
        if listing.reason is not None:
            return Quote(unpriced=unpriced(listing.reason, tier), model_id=listing.model_id)
        per_request = grounding_per_request(listing.model_id)
        return Quote(
            rates=flatten(listing.table, grounding_per_request=per_request, assumption=listing.assumption),
            source=listing.source,
            model_id=listing.model_id,
            table=listing.table,
            lasting=not listing.time_of_day,
        )

    def own(self, model: str, name: str) -> PriceTable | None:
        """Return the user's own prices of a model, by any of its names."""
        return self._models.get(model) or self._models.get(name) or self._models.get(plain_name(model))
