"""From a price table to rates per token, resolved once; `charging` turns them into a cost.

A `PriceTable` has the prices of one source: one for each kind of token, in US dollars per
million, some of them with a higher price once a request's input passes a threshold. `Rates` is
the same, flattened for one look-up per request; the whole request is charged at the rates of
the highest threshold passed, which is how Google, Anthropic and OpenAI bill.

Sums are exact: everything is multiplied and added under a context of our own, so that an
application that changed its thread's decimal context changes no bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal

import msgspec

from otel_agentperf.model import Cost, CostStatus, ServiceTier

_EXACT = Context(prec=40, traps=[])
multiply = _EXACT.multiply
add = _EXACT.add
_MILLIONTH = Decimal("0.000001")
_THOUSANDTH = Decimal("0.001")


SEARCH_KEY = "web_searches_kcount"
MAPS_KEY = "maps_queries_kcount"
ENTERPRISE_KEY = "enterprise_searches_kcount"
IMAGE_KEY = "per_image"
SECOND_KEY = "per_second"
"""With a resolution behind it where that has its own price: `per_second_4k`."""


class Price(msgspec.Struct, frozen=True):
    """A price in US dollars per million (or per thousand, where the key ends in `kcount`; or each: `per_image`)."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()
    """Pairs of (input tokens, price): the price once a request's input exceeds the tokens."""

    def at(self, start: int) -> Decimal:
        """Return the price of a request whose input just exceeds `start` tokens."""
        found = self.base
        for threshold, price in self.steps:
            if threshold <= start:
                found = price
        return found

    def scaled(self, factor: Decimal) -> Price:
        """Return this price, every step of it, times `factor`."""
        steps = tuple((start, multiply(price, factor)) for start, price in self.steps)
        return Price(multiply(self.base, factor), steps)


PriceTable = Mapping[str, Price]
"""Prices by the key that genai-prices uses: `input_mtok`, `cache_audio_read_mtok`, ..."""


class MediaRates(msgspec.Struct, frozen=True, gc=False):
    """US dollars per token by modality, where a model has more than one price."""

    image: Decimal | None
    audio: Decimal | None
    video: Decimal | None


class Rates(msgspec.Struct, frozen=True, gc=False):
    """What a model charges on one tier and day, in US dollars per token; `None` is unknown."""

    input: Decimal | None = None
    cache_read: Decimal | None = None
    output: Decimal | None = None
    cliff_tokens: int | None = None
    """Input tokens above which the whole request is charged at `above`."""
    above: Rates | None = None
    media_input: MediaRates | None = None
    media_cache: MediaRates | None = None
    media_output: MediaRates | None = None
    reasoning: Decimal | None = None
    """Present only where reasoning has a price of its own."""
    request: Decimal | None = None
    """US dollars for each request, beside its tokens."""
    grounding: Decimal | None = None
    """US dollars for each search query, or for each request that searched."""
    grounding_per_request: bool = False
    by_modality: bool = False
    """True where some modality has a price of its own."""
    extra: bool = False
    """True where reasoning, the request itself, an image or a second is charged, or where the price is assumed."""
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    maps: Decimal | None = None
    """US dollars for each Google Maps query, or for each request that was grounded with Google Maps."""
    enterprise: Decimal | None = None
    """The same for Web Grounding for Enterprise."""
    image: Decimal | None = None
    """US dollars for each image, where the model is sold by the image."""
    second: Mapping[str, Decimal] | None = None
    """US dollars for each second by resolution, where the model is sold by the second; `""` is the base price."""
    assumption: str | None = None
    """What the prices themselves rest on, where that is not certain."""


def unpriced(reason: str, tier: ServiceTier = ServiceTier.STANDARD) -> Cost:
    """Return the cost that is not known, with the reason for people."""
    return Cost(status=CostStatus.UNPRICED, tier=tier, reason=reason)


def flatten(table: PriceTable, *, grounding_per_request: bool, assumption: str | None = None) -> Rates:
    """Turn a price table into rates, with one level for each threshold in it.

    Args:
        table: prices in US dollars per million tokens.
        grounding_per_request: True where a search is billed once per request.
        assumption: what the prices rest on, where that is not certain.
    """
    starts = sorted({start for price in table.values() for start, _ in price.steps})
    rates: Rates | None = None
    for index in range(len(starts), -1, -1):
        start = starts[index - 1] if index else -1
        cliff = starts[index] if index < len(starts) else None
        rates = _level(table, start, cliff, rates, per_request=grounding_per_request, assumption=assumption)
    return rates or Rates()


def _level(
    table: PriceTable,
    start: int,
    cliff: int | None,
    above: Rates | None,
    *,
    per_request: bool,
    assumption: str | None,
) -> Rates:
    def per_token(*keys: str) -> Decimal | None:
        for key in keys:
            if key in table:
                return multiply(table[key].at(start), _MILLIONTH)
        return None

    def per_unit(key: str) -> Decimal | None:
        return multiply(table[key].at(start), _THOUSANDTH) if key in table else None

    def media(pattern: str, *fallbacks: str) -> MediaRates | None:
        keys = {modality: pattern.format(modality) for modality in ("image", "audio", "video")}
        if not any(key in table for key in keys.values()):
            return None
        return MediaRates(**{m: per_token(key, *fallbacks) for m, key in keys.items()})

    fresh = media("input_{}_mtok", "input_mtok")
    # Cached media without a price of their own cost what other cached tokens cost; a model
    # without any price for cached tokens charges them as fresh ones.
    cached = media("cache_{}_read_mtok", "cache_read_mtok", "input_mtok")
    if cached is None and "cache_read_mtok" not in table:
        cached = fresh
    out = media("output_{}_mtok", "output_mtok")
    reasoning, request = per_token("output_reasoning_mtok"), per_unit("requests_kcount")
    image = table[IMAGE_KEY].base if IMAGE_KEY in table else None
    second = {key.removeprefix(SECOND_KEY).lstrip("_"): table[key].base for key in table if key.startswith(SECOND_KEY)}
    return Rates(
        input=per_token("input_text_mtok", "input_mtok"),
        cache_read=per_token("cache_text_read_mtok", "cache_read_mtok", "input_text_mtok", "input_mtok"),
        output=per_token("output_text_mtok", "output_mtok"),
        cliff_tokens=cliff,
        above=above,
        media_input=fresh,
        media_cache=cached,
        media_output=out,
        reasoning=reasoning,
        request=request,
        grounding=per_unit("web_searches_kcount"),
        grounding_per_request=per_request,
        by_modality=fresh is not None or cached is not None or out is not None,
        extra=any(unit is not None for unit in (reasoning, request, image, assumption)) or bool(second),
        # What is written to a cache is input where nothing else is listed.
        cache_write=per_token("cache_write_mtok", "input_text_mtok", "input_mtok"),
        cache_write_1h=per_token("cache_write_1h_mtok", "cache_write_mtok", "input_text_mtok", "input_mtok"),
        maps=per_unit(MAPS_KEY),
        enterprise=per_unit(ENTERPRISE_KEY),
        image=image,
        second=second or None,
        assumption=assumption,
    )
