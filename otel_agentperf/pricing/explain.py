"""What would be charged for a model, and where each figure comes from, as plain data.

It asks the price book that prices requests, so that what is shown is what is charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches

import msgspec

from otel_agentperf.model import ServiceTier
from otel_agentperf.pricing import builtin, catalog, tiers
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.pricing.names import grounding_per_request, plain_name
from otel_agentperf.pricing.quotes import Quote
from otel_agentperf.pricing.rates import MAPS_KEY, SEARCH_KEY, PriceTable
from otel_agentperf.pricing.settings import TOKEN_KEYS

TIERS = (ServiceTier.STANDARD, ServiceTier.FLEX, ServiceTier.BATCH, ServiceTier.PRIORITY)
ANY = ""
"""No provider: a model is found by its name alone."""


class RateRow(msgspec.Struct, frozen=True):
    """One kind of token: US dollars per million tokens by tier; `None` is unknown."""

    label: str
    usd: Mapping[ServiceTier, Decimal | None]
    above_tokens: int = 0
    """Input tokens that a request must exceed for this row; 0 for every request."""


class Explanation(msgspec.Struct, frozen=True):
    """All prices of one model on one day."""

    model: str
    model_id: str
    """The model in the list whose prices apply."""
    provider: str
    day: date
    rows: tuple[RateRow, ...]
    sources: tuple[str, ...]
    """Where the prices of each tier come from, in the order of `TIERS`."""
    grounding_usd: Decimal | None = None
    """US dollars per thousand searches."""
    grounding_per_request: bool = False
    storage_usd: Decimal | None = None
    """US dollars per million cached tokens per hour."""
    changes: tuple[date, ...] = ()
    """Later days on which the list price changes."""
    maps_usd: Decimal | None = None
    """US dollars per thousand Google Maps queries, or per thousand requests grounded with Google Maps."""
    image_usd: Decimal | None = None
    """US dollars for each image (or song), where the model is sold by them."""
    second_usd: Mapping[str, Decimal] = {}
    """US dollars for each second by resolution, where the model is sold by them; `""` is the base price."""
    regional_times: Decimal | None = None
    """What a regional endpoint of Vertex AI charges, times these prices; `None` where it charges the same."""
    assumption: str | None = None
    """What the prices rest on, where that is not certain."""


class UnknownModel(msgspec.Struct, frozen=True):
    """A model without a price, why, and what may have been meant."""

    model: str
    reason: str
    close: tuple[str, ...] = ()


class ModelLine(msgspec.Struct, frozen=True):
    """One known model: its standard prices in US dollars per million tokens."""

    model: str
    input_usd: Decimal | None
    cache_read_usd: Decimal | None
    output_usd: Decimal | None
    own: bool
    """True where the price is the user's."""


def explain(book: PriceBook, model: str, *, when_ns: int, provider: str = ANY) -> Explanation | UnknownModel:
    """Return the prices of a model by kind of token, tier and threshold.

    Args:
        book: the book whose prices are shown.
        model: the model as a request names it.
        when_ns: the day, as any of its moments in Unix nanoseconds.
        provider: who sells it; empty to find it by its name alone, as a span without a provider is priced.
    """
    standard = book.quote(provider, model, when_ns=when_ns)
    if standard.rates is None:
        reason = standard.unpriced.reason if standard.unpriced is not None else None
        return UnknownModel(model, reason or "no price is known", _close(book, model))
    quotes = {tier: book.quote(provider, model, tier, when_ns=when_ns) for tier in TIERS}
    when = catalog.moment(when_ns)
    info = None if standard.own else catalog.find_model(provider, standard.model_id, when)
    regional = not standard.own and tiers.costs_more_in_a_region("gcp.vertex_ai", standard.model_id, when.date())
    return Explanation(
        model=model,
        model_id=standard.model_id,
        provider=provider,
        day=when.date(),
        rows=tuple(_rows(quotes)),
        sources=tuple(_source(quote) for quote in quotes.values()),
        grounding_usd=_base(standard.table, SEARCH_KEY),
        grounding_per_request=grounding_per_request(standard.model_id),
        storage_usd=book.storage_usd(model, when_ns=when_ns, provider=provider),
        changes=() if info is None else tuple(start for start in catalog.change_dates(info) if start > when.date()),
        maps_usd=_base(standard.table, MAPS_KEY),
        image_usd=standard.rates.image,
        second_usd=standard.rates.second or {},
        regional_times=tiers.REGIONAL_FACTOR if regional else None,
        assumption=standard.rates.assumption,
    )


def known(book: PriceBook, *, when_ns: int) -> tuple[ModelLine, ...]:
    """Return the Gemini models that have a price on a day, and all of the user's, by name."""
    names = dict.fromkeys((*catalog.known_models(), *builtin.names(), *book.own_models))
    lines: list[ModelLine] = []
    for name in sorted(names):
        quote = book.quote(ANY, name, when_ns=when_ns)
        if quote.rates is not None:
            lines.append(
                ModelLine(
                    name,
                    _base(quote.table, "input_mtok"),
                    _base(quote.table, "cache_read_mtok"),
                    _base(quote.table, "output_mtok"),
                    own=quote.own,
                )
            )
    return tuple(lines)


def _close(book: PriceBook, model: str) -> tuple[str, ...]:
    names = [*catalog.known_models(), *builtin.names(), *book.own_models]
    return tuple(get_close_matches(plain_name(model), names, n=5, cutoff=0.5))


def _base(table: PriceTable, key: str) -> Decimal | None:
    return table[key].base if key in table else None


def _source(quote: Quote) -> str:
    if quote.rates is None:
        return (quote.unpriced.reason if quote.unpriced is not None else None) or "no price is known"
    return quote.source


def _rows(quotes: Mapping[ServiceTier, Quote]) -> list[RateRow]:
    """Return base rates first, then those above each threshold."""
    standard = quotes[ServiceTier.STANDARD].table
    keys = [key for key in TOKEN_KEYS if key in standard]
    starts = sorted({start for price in standard.values() for start, _ in price.steps})
    return [
        RateRow(
            label=label_of(key),
            usd={tier: quote.table[key].at(start) if key in quote.table else None for tier, quote in quotes.items()},
            above_tokens=start,
        )
        for start in (0, *starts)
        for key in keys
        if start == 0 or any(step == start for step, _ in standard[key].steps)
    ]


def label_of(key: str) -> str:
    """Return the words for a price key: `cache_audio_read_mtok` gives `cached input, audio`."""
    words = key.removesuffix("_mtok").split("_")
    if words[:2] == ["cache", "write"]:
        return "written to a cache" + (", for an hour" if words[2:] else "")
    side = "cached input" if words[0] == "cache" else words[0]
    kind = " ".join(word for word in words[1:] if word != "read")
    return f"{side}, {kind}" if kind else side
