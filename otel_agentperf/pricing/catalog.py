"""Looks a model's prices up in genai-prices: once for each model, tier and UTC day.

genai-prices is slow to import and a look-up costs tens of microseconds, so `PriceBook` imports
this module at its first look-up and keeps the answers. `calc_price` on an empty usage hands back the
model and the price table that it would apply; `matching` decides whether it is the model that was named.
What genai-prices has no price for is looked up in `builtin`.

Limits: the list prices of the Gemini Developer API stand for Vertex AI too, since genai-prices
keeps one list for both; free tiers, free daily allowances and contracts are not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, cast

import genai_prices
import msgspec
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceCalculation,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from otel_agentperf.model import ServiceTier
from otel_agentperf.pricing import builtin, names, tiers
from otel_agentperf.pricing.matching import is_named
from otel_agentperf.pricing.names import GOOGLE
from otel_agentperf.pricing.rates import ENTERPRISE_KEY, MAPS_KEY, Price, PriceTable

_FREE_ON_GEMINI_API = re.compile(r"gemma-")
_GEMINI_2 = re.compile(r"gemini-(?:live-)?2\.")
_GEMINI_3 = re.compile(r"gemini-3(?:[.-]|$)")


class Listing(msgspec.Struct, frozen=True):
    """The prices found for one model, tier and time, or why there are none."""

    reason: str | None = None
    table: PriceTable = {}
    provider_id: str = ""
    model_id: str = ""
    source: str = ""
    time_of_day: bool = False
    """True where the price depends on the hour, so that it must not be kept for the day."""
    assumption: str | None = None
    """What the prices rest on, where that is not certain."""
    tiered: bool = False
    """True where there are prices, and none for the tier."""


def version() -> str:
    """The installed version of genai-prices."""
    return genai_prices.__version__


def load() -> None:
    """Read the list now, with all that is imported for it, and not when it is first asked."""
    known_models()
    for model in ("gemini-2.5-flash", "a model in no list"):
        look_up("gcp.gemini", model, ServiceTier.STANDARD, datetime.now(UTC))


snapshot: Callable[[], object] = get_snapshot
"""Returns what the prices come from: another object once newer prices are there (`genai_prices.UpdatePrices`)."""


def moment(when_ns: int) -> datetime:
    """Return the UTC time of Unix nanoseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=when_ns // 1000)


class Found(NamedTuple):
    """A model of genai-prices that is the one named, with its seller and what its price rests on."""

    price: PriceCalculation
    assumption: str | None


def _find(provider: str, model: str, when: datetime) -> tuple[Found | None, str]:
    """Return the model, else `None`, with the id of a model that the list takes the name for."""
    another = ""
    for route in names.routes(provider, model, _seller_id):
        try:
            found = genai_prices.calc_price(
                genai_prices.Usage(), route.name, provider_id=route.provider, genai_request_timestamp=when
            )
        except LookupError:
            continue
        if is_named(found.model, route.name):
            return Found(found, route.assumption), ""
        another = another or found.model.id
    return None, another


def _seller_id(name: str) -> str | None:
    found = find_provider_by_id(get_snapshot().providers, name)
    return None if found is None else found.id


def find_model(provider: str, model: str, when: datetime) -> ModelInfo | None:
    """Return what genai-prices knows of a model, `None` if nothing."""
    found, _ = _find(provider, model, when)
    return None if found is None else found.price.model


def known_models() -> tuple[str, ...]:
    """Return the ids of Google's own Gemini, Gemma and embedding models in genai-prices, sorted."""
    return tuple(sorted(info.id for info in _google().models if not info.id.startswith("claude")))


def current_models() -> tuple[str, ...]:
    """Return those of `known_models` that the list does not call deprecated."""
    deprecated = {info.id for info in _google().models if info.deprecated}
    return tuple(model for model in known_models() if model not in deprecated)


def _google() -> Provider:
    return get_snapshot().find_provider(None, GOOGLE, None)


def look_up(provider: str, model: str, tier: ServiceTier, when: datetime, *, regional: bool = False) -> Listing:
    """Find the prices of a model.

    Args:
        provider: as `names.routes` takes it; empty to go by the model's name alone.
        model: the model's name, a router's prefix included.
        tier: the tier that served the request.
        when: the time of the request, in UTC.
        regional: whether a regional endpoint served it.

    Returns:
        The listing; its `reason` is set where no price is known. It never raises for an
        unknown name.
    """
    if tier in tiers.UNPRICED_TIERS:
        return Listing(reason=tiers.UNPRICED_TIERS[tier])
    if provider.strip().lower() in names.LOCAL:
        return Listing(reason=names.LOCAL_REASON.format(provider=provider))
    found, another = _find(provider, model, when)
    listing = None if found is None else _listed(found, provider, tier, when)
    if listing is None or (listing.reason is not None and not listing.tiered):
        listing = _built_in(provider, model, tier) or listing
    if listing is None:
        of = f" of {provider}" if provider else ""
        hint = f"; {another} is another model" if another else ""
        return Listing(reason=f"genai-prices {version()} has no price for {model!r}{of}{hint}")
    if regional and listing.reason is None and tiers.costs_more_in_a_region(provider, listing.model_id, when.date()):
        times = tiers.REGIONAL_FACTOR
        return msgspec.structs.replace(
            listing,
            table=tiers.tokens_times(listing.table, times),
            source=f"{listing.source}, times {times} for a regional endpoint",
        )
    return listing


def _built_in(provider: str, model: str, tier: ServiceTier) -> Listing | None:
    """Return the prices of a model that genai-prices has none for."""
    name = names.plain_name(model).rpartition("/")[2]
    row = builtin.find(provider, name) if names.sold_by_google(provider, name) else None
    if row is None:
        return None
    table: PriceTable = _with_maps(dict(row.table), row.model)
    source = f"built in, as of {row.as_of}: {row.source}"
    if tier is not ServiceTier.STANDARD:
        if "input_mtok" not in table:
            return Listing(reason=f"no published price for tier {tier} of {row.model}", model_id=row.model, tiered=True)
        table = tiers.scaled(table, tier)
        source += f", times {tiers.FACTORS[tier]} for {tier} ({tiers.SOURCE})"
    return Listing(table=table, provider_id=GOOGLE, model_id=row.model, source=source, assumption=row.assumption)


def _listed(found: Found, provider: str, tier: ServiceTier, when: datetime) -> Listing:
    price = found.price
    info = price.model
    table = table_of(price.model_price)
    google = price.provider.id == GOOGLE and info in price.provider.models
    if google:
        table = _with_maps(_with_dated_search(table, info, when), info.id)
    if not table:
        if price.provider.id == GOOGLE and "vertex" not in provider and _FREE_ON_GEMINI_API.match(info.id):
            table = {"input_mtok": Price(Decimal(0)), "output_mtok": Price(Decimal(0))}
        else:
            return Listing(reason=f"{info.id} has no price by token", model_id=info.id)
    source = f"genai-prices {version()}, {price.provider.id} model {info.id}"
    if tier is not ServiceTier.STANDARD:
        at_tier = _at_tier(table, price, tier, when, google=google)
        if at_tier is None:
            return Listing(reason=f"no published price for tier {tier} of {info.id}", model_id=info.id, tiered=True)
        table, note = at_tier
        source += note
    return Listing(
        table=_with_cache_writes(table, info.id),
        provider_id=price.provider.id,
        model_id=info.id,
        source=source,
        time_of_day=_depends_on_hour(info),
        assumption=found.assumption,
    )


def table_of(prices: ModelPrice) -> dict[str, Price]:
    """Return the prices of genai-prices as a table of ours."""
    table: dict[str, Price] = {}
    for key, value in cast("dict[str, object]", prices.__dict__).items():
        if isinstance(value, TieredPrices):
            table[key] = Price(value.base, tuple((step.start, step.price) for step in value.tiers))
        elif isinstance(value, Decimal):
            table[key] = Price(value)
    return table


def change_dates(info: ModelInfo) -> tuple[date, ...]:
    """Return the days on which the model's list prices change, in order."""
    if not isinstance(info.prices, list):
        return ()
    starts = (priced.constraint for priced in info.prices)
    return tuple(sorted(start.start_date for start in starts if isinstance(start, StartDateConstraint)))


def _depends_on_hour(info: ModelInfo) -> bool:
    constraints = [priced.constraint for priced in info.prices] if isinstance(info.prices, list) else []
    constraints += [variant.constraint for variant in info.price_variants or ()]
    return any(isinstance(constraint, TimeOfDateConstraint) for constraint in constraints)


def _with_dated_search(table: dict[str, Price], info: ModelInfo, when: datetime) -> dict[str, Price]:
    """Price a search at nothing on days before the list starts to bill it (Gemini 3, to 2026-01-05)."""
    if "web_searches_kcount" in table:
        return table
    for start in change_dates(info):
        later = table_of(info.get_prices(datetime(start.year, start.month, start.day, tzinfo=UTC)))
        if start > when.date() and "web_searches_kcount" in later:
            return {**table, "web_searches_kcount": Price(Decimal(0))}
    return table


def _with_maps(table: dict[str, Price], model_id: str) -> dict[str, Price]:
    """Add what grounding with Google Maps, and Web Grounding for Enterprise, cost with a Gemini model.

    Maps: $25 per 1,000 grounded prompts with Gemini 2, $14 per 1,000 queries with Gemini 3
    (https://ai.google.dev/gemini-api/docs/pricing). Enterprise: $45 per 1,000 grounded prompts with Gemini 2, by a
    third party's copy of https://cloud.google.com/vertex-ai/generative-ai/pricing.
    """
    if _GEMINI_2.match(model_id):
        return {**table, MAPS_KEY: Price(Decimal(25)), ENTERPRISE_KEY: Price(Decimal(45))}
    return {**table, MAPS_KEY: Price(Decimal(14))} if _GEMINI_3.match(model_id) else table


def _with_cache_writes(table: PriceTable, model_id: str) -> PriceTable:
    """Add what Anthropic charges for cache writes where the list does not have it: 1.25 and 2 times the input.

    Source: https://docs.claude.com/en/docs/build-with-claude/prompt-caching#pricing.
    """
    if "claude" not in model_id or "input_mtok" not in table:
        return table
    fresh = table["input_mtok"]
    return {"cache_write_mtok": fresh.scaled(Decimal("1.25")), "cache_write_1h_mtok": fresh.scaled(Decimal(2)), **table}


def _at_tier(
    table: dict[str, Price], found: PriceCalculation, tier: ServiceTier, when: datetime, *, google: bool
) -> tuple[PriceTable, str] | None:
    """Return the prices at a tier and a note on where they come from, `None` if unknown."""
    info = found.model
    if info in found.provider.models:
        carried = _variant(table, info, tiers.PRICE_CONTEXTS[tier], when, undated=not google)
        if carried is not None:
            return carried, f", its {tier} prices"
    if not google:
        return None
    if tier in (ServiceTier.FLEX, ServiceTier.BATCH) and (info.id, tier) not in tiers.ROUNDED:
        batch = _variant(table, info, tiers.PRICE_CONTEXTS[ServiceTier.BATCH], when, undated=True)
        if batch is not None:
            return batch, f", its batch prices for {tier} ({tiers.SOURCE})"
    factor = tiers.FACTORS[tier]
    return tiers.scaled(table, tier, info.id), f", times {factor} for {tier} ({tiers.SOURCE})"


def _variant(
    table: dict[str, Price],
    info: ModelInfo,
    context: Mapping[str, str],
    when: datetime,
    *,
    undated: bool = False,
) -> dict[str, Price] | None:
    """Return the prices under a context of genai-prices, `None` where it carries none.

    With `undated`, a variant that starts later counts too if the standard prices of its first
    day are those of `table`: its date is then the day someone read the page, not a change.
    """
    for variant in info.price_variants or ():
        if any(context.get(key) != value for key, value in variant.when.items()):
            continue
        constraint = variant.constraint
        if constraint is None or constraint.active(when):
            return {**table, **table_of(info.get_prices(when, context))}
        if undated and isinstance(constraint, StartDateConstraint):
            start = constraint.start_date
            first = datetime(start.year, start.month, start.day, tzinfo=UTC)
            special = table_of(variant.prices)
            standard = table_of(info.get_prices(first))
            if all(standard.get(key) == table.get(key) for key in standard if key.endswith("_mtok")):
                return {**table, **special}
    return None
