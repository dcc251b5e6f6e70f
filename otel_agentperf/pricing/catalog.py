"""Looks a model's prices up in genai-prices: once for each model, tier and UTC day.

genai-prices is slow to import and a look-up costs tens of microseconds, so `PriceBook` imports
this module at its first look-up and keeps the answers. Only its public names are used:
`calc_price` on an empty usage hands back the model and the price table that it would apply.

Limits: the list prices of the Gemini Developer API stand for Vertex AI too, since genai-prices
keeps one list for both; free tiers, free daily allowances and contracts are not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import cast

import genai_prices
import msgspec
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceCalculation,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from otel_agentperf.model import ServiceTier
from otel_agentperf.pricing import tiers
from otel_agentperf.pricing.names import GOOGLE, provider_id
from otel_agentperf.pricing.rates import Price, PriceTable

_FREE_ON_GEMINI_API = re.compile(r"gemma-")


class Listing(msgspec.Struct, frozen=True):
    """The prices found for one model, tier and time, or why there are none."""

    reason: str | None = None
    table: PriceTable = {}
    provider_id: str = ""
    model_id: str = ""
    source: str = ""
    time_of_day: bool = False
    """True where the price depends on the hour, so that it must not be kept for the day."""


def version() -> str:
    """The installed version of genai-prices."""
    return genai_prices.__version__


def load() -> None:
    """Read the list now that is read when it is first asked, for half a second and in 70 MB for that time."""
    known_models()


def moment(when_ns: int) -> datetime:
    """Return the UTC time of Unix nanoseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=when_ns // 1000)


def _calculation(provider: str, model: str, when: datetime, context: Mapping[str, str] | None) -> PriceCalculation:
    return genai_prices.calc_price(
        genai_prices.Usage(),
        model,
        provider_id=provider_id(provider),
        genai_request_timestamp=when,
        price_context=context,
    )


def find_model(provider: str, model: str, when: datetime) -> ModelInfo | None:
    """Return what genai-prices knows of a model, `None` if nothing."""
    try:
        return _calculation(provider, model, when, None).model
    except LookupError:
        return None


def known_models(provider: str = "gcp.gemini") -> tuple[str, ...]:
    """Return the ids of the provider's own Gemini, Gemma and embedding models, sorted."""
    known = _calculation(provider, "gemini-2.5-flash", datetime.now(UTC), None).provider.models
    return tuple(sorted(info.id for info in known if not info.id.startswith("claude")))


def current_models(provider: str = "gcp.gemini") -> tuple[str, ...]:
    """Return those of `known_models` that the list does not call deprecated."""
    known = _calculation(provider, "gemini-2.5-flash", datetime.now(UTC), None).provider.models
    deprecated = {info.id for info in known if info.deprecated}
    return tuple(model for model in known_models(provider) if model not in deprecated)


def look_up(provider: str, model: str, tier: ServiceTier, when: datetime) -> Listing:
    """Find the prices of a model.

    Args:
        provider: as `provider_id` takes it; empty to go by the model's name alone.
        model: the model's plain name.
        tier: the tier that served the request.
        when: the time of the request, in UTC.

    Returns:
        The listing; its `reason` is set where no price is known. It never raises for an
        unknown name.
    """
    if tier in tiers.UNPRICED_TIERS:
        return Listing(reason=tiers.UNPRICED_TIERS[tier])
    try:
        found = _calculation(provider, model, when, None)
    except LookupError:
        of = f" of {provider}" if provider else ""
        return Listing(reason=f"genai-prices {version()} has no price for {model!r}{of}")
    info = found.model
    table = table_of(found.model_price)
    google = found.provider.id == GOOGLE and info in found.provider.models
    if google:
        table = _with_dated_search(table, info, when)
    if not table:
        if provider_id(provider) == GOOGLE and provider != "gcp.vertex_ai" and _FREE_ON_GEMINI_API.match(info.id):
            table = {"input_mtok": Price(Decimal(0)), "output_mtok": Price(Decimal(0))}
        else:
            return Listing(reason=f"{info.id} has no price by token", model_id=info.id)
    source = f"genai-prices {version()}, {found.provider.id} model {info.id}"
    if tier is not ServiceTier.STANDARD:
        at_tier = _at_tier(table, found, tier, when, google=google)
        if at_tier is None:
            return Listing(reason=f"no published price for tier {tier} of {info.id}", model_id=info.id)
        table, note = at_tier
        source += note
    return Listing(
        table=table,
        provider_id=found.provider.id,
        model_id=info.id,
        source=source,
        time_of_day=_depends_on_hour(info),
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


def _at_tier(
    table: dict[str, Price], found: PriceCalculation, tier: ServiceTier, when: datetime, *, google: bool
) -> tuple[PriceTable, str] | None:
    """Return the prices at a tier and a note on where they come from, `None` if unknown."""
    info = found.model
    if info in found.provider.models:
        carried = _variant(table, info, tiers.PRICE_CONTEXTS[tier], when)
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
