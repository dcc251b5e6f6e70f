"""From a price table to a cost: rates per token, resolved once, then plain arithmetic.

A `PriceTable` says what a source says: one price for each kind of token, in US dollars per
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

from otel_agentperf.model import ZERO_USD, Cost, CostStatus, ModalityTokens, ServiceTier, Usage

_EXACT = Context(prec=40, traps=[])
multiply = _EXACT.multiply
add = _EXACT.add
_MILLIONTH = Decimal("0.000001")
_THOUSANDTH = Decimal("0.001")
_NO_TOKENS = ModalityTokens()


class Price(msgspec.Struct, frozen=True):
    """A price in US dollars per million (or per thousand, where the key ends in `kcount`)."""

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
    """True where reasoning or the request itself is charged apart."""


def unpriced(reason: str, tier: ServiceTier = ServiceTier.STANDARD) -> Cost:
    """Return the cost that is not known, with the reason for people."""
    return Cost(status=CostStatus.UNPRICED, tier=tier, reason=reason)


def flatten(table: PriceTable, *, grounding_per_request: bool) -> Rates:
    """Turn a price table into rates, with one level for each threshold in it.

    Args:
        table: prices in US dollars per million tokens.
        grounding_per_request: True where a search is billed once per request.
    """
    starts = sorted({start for price in table.values() for start, _ in price.steps})
    rates: Rates | None = None
    for index in range(len(starts), -1, -1):
        start = starts[index - 1] if index else -1
        cliff = starts[index] if index < len(starts) else None
        rates = _level(table, start, cliff, rates, per_request=grounding_per_request)
    return rates or Rates()


def _level(table: PriceTable, start: int, cliff: int | None, above: Rates | None, *, per_request: bool) -> Rates:
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
        extra=reasoning is not None or request is not None,
    )


def charge(rates: Rates, usage: Usage, tier: ServiceTier) -> Cost:  # noqa: C901 - every request passes here: no calls that can be spared
    """Return what the usage costs.

    Cached tokens reported beyond the input, or without their modalities where that matters,
    are placed as best they can be and the cost is marked estimated.
    """
    tokens = usage.input_tokens
    cached = usage.cache_read_tokens
    output = usage.output_tokens
    if tokens < 0 or cached < 0 or output < 0:
        return unpriced("a negative token count", tier)
    while rates.cliff_tokens is not None and tokens > rates.cliff_tokens and rates.above is not None:
        rates = rates.above
    if cached > tokens or rates.extra or (rates.by_modality and _has_modalities(usage)):
        return _charge_in_detail(rates, usage, tier)
    input_usd = cache_usd = output_usd = ZERO_USD
    if tokens > cached:
        if rates.input is None:
            return unpriced("no price for input tokens", tier)
        input_usd = multiply(rates.input, tokens - cached)
    if cached:
        if rates.cache_read is None:
            return unpriced("no price for input tokens", tier)
        cache_usd = multiply(rates.cache_read, cached)
    if output:
        if rates.output is None:
            return unpriced("no price for output tokens", tier)
        output_usd = multiply(rates.output, output)
    if usage.grounding_queries:
        return _with_grounding(rates, usage, tier, input_usd, cache_usd, output_usd)
    total = add(input_usd, output_usd)
    if cached:
        total = add(total, cache_usd)
    return Cost(CostStatus.PRICED, total, input_usd, cache_usd, output_usd, ZERO_USD, tier)


def _has_modalities(usage: Usage) -> bool:
    return (
        usage.input_modalities is not None or usage.output_modalities is not None or usage.cache_modalities is not None
    )


def _with_grounding(
    rates: Rates,
    usage: Usage,
    tier: ServiceTier,
    input_usd: Decimal,
    cache_usd: Decimal,
    output_usd: Decimal,
    *,
    estimated: bool = False,
) -> Cost:
    """Add the searches to the token lines. The free daily or monthly allowance is not known here."""
    grounding_usd = ZERO_USD
    if usage.grounding_queries > 0:
        if rates.grounding is None:
            return Cost(
                status=CostStatus.UNPRICED,
                input_usd=input_usd,
                cache_read_usd=cache_usd,
                output_usd=output_usd,
                tier=tier,
                reason="no price for grounding with this model; the token lines are known",
                estimated=estimated,
            )
        grounding_usd = multiply(rates.grounding, 1 if rates.grounding_per_request else usage.grounding_queries)
    total = add(add(input_usd, cache_usd), add(output_usd, grounding_usd))
    return Cost(
        CostStatus.PRICED,
        total,
        input_usd,
        cache_usd,
        output_usd,
        grounding_usd,
        tier,
        estimated=estimated,
    )


class _Split:
    """Tokens of one side of a request by price class, kept within their total."""

    __slots__ = ("audio", "image", "video")

    def __init__(self, tokens: ModalityTokens) -> None:
        # Google counts documents as the images that their pages become.
        self.image = max(0, tokens.image) + max(0, tokens.document)
        self.audio = max(0, tokens.audio)
        self.video = max(0, tokens.video)

    def total(self) -> int:
        return self.image + self.audio + self.video

    def limit(self, total: int) -> bool:
        """Cut the parts down to `total`; return whether that was needed."""
        over = self.total() - total
        if over <= 0:
            return False
        for name in ("video", "image", "audio"):
            cut = min(over, getattr(self, name))
            setattr(self, name, getattr(self, name) - cut)
            over -= cut
        return True

    def usd(self, text_tokens: int, text_rate: Decimal | None, media: MediaRates | None) -> Decimal | None:
        """Return the price of the parts and of `text_tokens`, or `None` where one is unknown."""
        total = ZERO_USD
        for tokens, rate in (
            (text_tokens, text_rate),
            (self.image, media.image if media else text_rate),
            (self.audio, media.audio if media else text_rate),
            (self.video, media.video if media else text_rate),
        ):
            if tokens:
                if rate is None:
                    return None
                total = add(total, multiply(rate, tokens))
        return total


def _priced_apart(rates: Rates, modality: str) -> bool:
    fresh, cached = rates.media_input, rates.media_cache
    return (fresh is not None and getattr(fresh, modality) != rates.input) or (
        cached is not None and getattr(cached, modality) != rates.cache_read
    )


def _split_input(rates: Rates, usage: Usage, cached_tokens: int) -> tuple[_Split, _Split, bool]:
    """Return fresh and cached tokens by modality, and whether a part had to be guessed."""
    fresh = _Split(usage.input_modalities or _NO_TOKENS)
    guessed = fresh.limit(usage.input_tokens)
    cached = _Split(usage.cache_modalities or _NO_TOKENS)
    if usage.cache_modalities is None and cached_tokens and fresh.total():
        # No word on what was cached: assume the mix of the whole prompt.
        for name in ("image", "audio", "video"):
            setattr(cached, name, getattr(fresh, name) * cached_tokens // usage.input_tokens)
            guessed |= getattr(fresh, name) > 0 and _priced_apart(rates, name)
    guessed |= cached.limit(cached_tokens)
    for name in ("image", "audio", "video"):
        setattr(fresh, name, max(0, getattr(fresh, name) - getattr(cached, name)))
    guessed |= fresh.limit(usage.input_tokens - cached_tokens)
    return fresh, cached, guessed


def _charge_in_detail(rates: Rates, usage: Usage, tier: ServiceTier) -> Cost:
    cached_tokens = min(usage.cache_read_tokens, usage.input_tokens)
    estimated = cached_tokens < usage.cache_read_tokens
    fresh, cached, guessed = _split_input(rates, usage, cached_tokens)
    out = _Split(usage.output_modalities or _NO_TOKENS)
    estimated |= guessed | out.limit(usage.output_tokens)
    fresh_text = usage.input_tokens - cached_tokens - fresh.total()
    input_usd = fresh.usd(fresh_text, rates.input, rates.media_input)
    cache_usd = cached.usd(cached_tokens - cached.total(), rates.cache_read, rates.media_cache)
    output_text = usage.output_tokens - out.total()
    reasoning_tokens = min(max(0, usage.reasoning_tokens), output_text) if rates.reasoning is not None else 0
    output_usd = out.usd(output_text - reasoning_tokens, rates.output, rates.media_output)
    if input_usd is None or cache_usd is None:
        return unpriced("no price for input tokens", tier)
    if output_usd is None:
        return unpriced("no price for output tokens", tier)
    if rates.reasoning is not None:
        output_usd = add(output_usd, multiply(rates.reasoning, reasoning_tokens))
    if rates.request is not None:
        input_usd = add(input_usd, rates.request)
    return _with_grounding(rates, usage, tier, input_usd, cache_usd, output_usd, estimated=estimated)
