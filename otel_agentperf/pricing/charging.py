"""From rates and usage to a cost, line by line.

Input is charged as what it was: fresh, read from a cache, written to a cache. What Google Search
retrieved counts as input and is charged nothing. Output is charged by modality where that matters;
thoughts are text. What has a price by the piece (searches, Maps queries, images, seconds) comes on
top. Where a count that the price needs is missing, the cost is estimated and states the assumption.
"""

from __future__ import annotations

from decimal import Decimal

from otel_agentperf.model import ZERO_USD, Cost, CostStatus, ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing.rates import MediaRates, Rates, add, multiply, unpriced

_NO_TOKENS = ModalityTokens()
_NO_INPUT_PRICE = "no price for input tokens"
_NO_OUTPUT_PRICE = "no price for output tokens"
MORE_CACHED_THAN_INPUT = "the cached tokens exceed the input, of which they are a part"
MORE_BY_MODALITY = "the tokens by modality exceed their total"
CACHED_AS_THE_PROMPT = "the cached tokens are taken to be of the prompt's modalities"
THIRD_PARTY_ENTERPRISE = "the price of Web Grounding for Enterprise is a third party's copy of Google's page"
BASE_RESOLUTION = "the resolution of the video is not known: its lowest price is charged"


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
    if (
        cached > tokens
        or rates.extra
        or usage.search_context_tokens
        or usage.cache_write_tokens
        or usage.assumption is not None
        or (rates.by_modality and _has_modalities(usage))
    ):
        return _charge_in_detail(rates, usage, tier)
    while rates.cliff_tokens is not None and tokens > rates.cliff_tokens and rates.above is not None:
        rates = rates.above
    input_usd = cache_usd = output_usd = thoughts_usd = ZERO_USD
    if tokens > cached:
        if rates.input is None:
            return unpriced(_NO_INPUT_PRICE, tier)
        input_usd = multiply(rates.input, tokens - cached)
    if cached:
        if rates.cache_read is None:
            return unpriced(_NO_INPUT_PRICE, tier)
        cache_usd = multiply(rates.cache_read, cached)
    if output:
        if rates.output is None:
            return unpriced(_NO_OUTPUT_PRICE, tier)
        output_usd = multiply(rates.output, output)
        thoughts = usage.reasoning_tokens
        if thoughts > 0:
            thoughts_usd = multiply(rates.output, thoughts) if thoughts < output else output_usd
    if usage.grounding_queries or usage.maps_queries or usage.enterprise_queries:
        lines = _Lines(tier, input_usd, cache_usd, output_usd, thoughts_usd)
        return _with_grounding(rates, usage, lines)
    total = add(input_usd, output_usd)
    if cached:
        total = add(total, cache_usd)
    return Cost(
        CostStatus.PRICED,
        total,
        input_usd,
        cache_usd,
        output_usd,
        ZERO_USD,
        tier,
        None,
        False,  # noqa: FBT003 - a keyword costs more
        thoughts_usd,
        ZERO_USD,
        ZERO_USD,
    )


def _has_modalities(usage: Usage) -> bool:
    return (
        usage.input_modalities is not None or usage.output_modalities is not None or usage.cache_modalities is not None
    )


class _Lines:
    """The lines of a cost that is being made, and what they rest on."""

    __slots__ = ("assumptions", "cached", "output", "thoughts", "tier", "tokens", "written")

    def __init__(
        self,
        tier: ServiceTier,
        tokens: Decimal = ZERO_USD,
        cached: Decimal = ZERO_USD,
        output: Decimal = ZERO_USD,
        thoughts: Decimal = ZERO_USD,
    ) -> None:
        self.tier = tier
        self.tokens = tokens
        self.cached = cached
        self.written = ZERO_USD
        self.output = output
        self.thoughts = thoughts
        self.assumptions: list[str] = []

    def assume(self, assumption: str | None, *, where: bool = True) -> None:
        if where and assumption is not None and assumption not in self.assumptions:
            self.assumptions.append(assumption)

    def cost(self, grounding: Decimal | None, reason: str | None = None) -> Cost:
        """Return the cost; an unknown grounding line leaves the total unknown."""
        total = None
        if grounding is not None:
            total = add(add(add(self.tokens, self.cached), self.written), add(self.output, grounding))
        return Cost(
            status=CostStatus.UNPRICED if total is None else CostStatus.PRICED,
            total_usd=total,
            input_usd=self.tokens,
            cache_read_usd=self.cached,
            output_usd=self.output,
            grounding_usd=grounding,
            tier=self.tier,
            reason=reason,
            estimated=bool(self.assumptions),
            reasoning_usd=self.thoughts,
            cache_write_usd=self.written,
            storage_usd=ZERO_USD,
            assumption="; ".join(self.assumptions) or None,
        )


def _with_grounding(rates: Rates, usage: Usage, lines: _Lines) -> Cost:
    """Add the searches to the token lines. The free daily or monthly allowance is not known here."""
    grounding = ZERO_USD
    for queries, rate, what in (
        (usage.grounding_queries, rates.grounding, "grounding"),
        (usage.maps_queries, rates.maps, "grounding with Google Maps"),
        (usage.enterprise_queries, rates.enterprise, "Web Grounding for Enterprise"),
    ):
        if queries <= 0:
            continue
        if rate is None:
            return lines.cost(None, f"no price for {what} with this model; the token lines are known")
        grounding = add(grounding, multiply(rate, 1 if rates.grounding_per_request else queries))
    lines.assume(THIRD_PARTY_ENTERPRISE, where=usage.enterprise_queries > 0)
    return lines.cost(grounding)


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


def _split_input(
    rates: Rates, usage: Usage, billed: int, fresh_tokens: int, cached_tokens: int, lines: _Lines
) -> tuple[_Split, _Split]:
    """Return fresh and cached tokens by modality; what Google Search retrieved is text."""
    fresh = _Split(usage.input_modalities or _NO_TOKENS)
    lines.assume(MORE_BY_MODALITY, where=fresh.limit(billed))
    cached = _Split(usage.cache_modalities or _NO_TOKENS)
    if usage.cache_modalities is None and cached_tokens and fresh.total():
        # No word on what was cached: assume the mix of the whole prompt.
        for name in ("image", "audio", "video"):
            setattr(cached, name, getattr(fresh, name) * cached_tokens // billed)
            lines.assume(CACHED_AS_THE_PROMPT, where=getattr(fresh, name) > 0 and _priced_apart(rates, name))
    lines.assume(MORE_BY_MODALITY, where=cached.limit(cached_tokens))
    for name in ("image", "audio", "video"):
        setattr(fresh, name, max(0, getattr(fresh, name) - getattr(cached, name)))
    lines.assume(MORE_BY_MODALITY, where=fresh.limit(fresh_tokens))
    return fresh, cached


def _charge_in_detail(rates: Rates, usage: Usage, tier: ServiceTier) -> Cost:
    lines = _Lines(tier)
    lines.assume(rates.assumption)
    lines.assume(usage.assumption)
    billed = max(0, usage.input_tokens - max(0, usage.search_context_tokens))
    while rates.cliff_tokens is not None and billed > rates.cliff_tokens and rates.above is not None:
        rates = rates.above
    if rates.image is not None or rates.second is not None:
        reason = _charge_by_unit(rates, usage, lines)
    else:
        reason = _charge_input(rates, usage, billed, lines) or _charge_output(rates, usage, lines)
    if reason is not None:
        return unpriced(reason, tier)
    if rates.request is not None:
        lines.tokens = add(lines.tokens, rates.request)
    return _with_grounding(rates, usage, lines)


def _charge_input(rates: Rates, usage: Usage, billed: int, lines: _Lines) -> str | None:
    """Fill the input lines; return why that is not possible."""
    cached_tokens = min(usage.cache_read_tokens, billed)
    written_tokens = min(max(0, usage.cache_write_tokens), billed - cached_tokens)
    over = cached_tokens < usage.cache_read_tokens or written_tokens < usage.cache_write_tokens
    lines.assume(MORE_CACHED_THAN_INPUT, where=over)
    fresh_tokens = billed - cached_tokens - written_tokens
    fresh, cached = _split_input(rates, usage, billed, fresh_tokens, cached_tokens, lines)
    fresh_usd = fresh.usd(fresh_tokens - fresh.total(), rates.input, rates.media_input)
    cached_usd = cached.usd(cached_tokens - cached.total(), rates.cache_read, rates.media_cache)
    if fresh_usd is None or cached_usd is None:
        return _NO_INPUT_PRICE
    lines.tokens, lines.cached = fresh_usd, cached_usd
    if written_tokens:
        for_an_hour = min(max(0, usage.cache_write_1h_tokens), written_tokens)
        if rates.cache_write is None or rates.cache_write_1h is None:
            return _NO_INPUT_PRICE
        lines.written = add(
            multiply(rates.cache_write, written_tokens - for_an_hour), multiply(rates.cache_write_1h, for_an_hour)
        )
    return None


def _charge_output(rates: Rates, usage: Usage, lines: _Lines) -> str | None:
    """Fill the output line; return why that is not possible."""
    out = _Split(usage.output_modalities or _NO_TOKENS)
    lines.assume(MORE_BY_MODALITY, where=out.limit(usage.output_tokens))
    text = usage.output_tokens - out.total()
    thoughts = min(max(0, usage.reasoning_tokens), text)
    rate = rates.output if rates.reasoning is None else rates.reasoning
    answer_usd = out.usd(text - thoughts, rates.output, rates.media_output)
    if answer_usd is None or (thoughts and rate is None):
        return _NO_OUTPUT_PRICE
    if rate is not None:
        lines.thoughts = multiply(rate, thoughts)
    lines.output = add(answer_usd, lines.thoughts)
    return None


def _charge_by_unit(rates: Rates, usage: Usage, lines: _Lines) -> str | None:
    """Fill the output line of a model that is sold by the image or the second; its tokens cost nothing."""
    if rates.image is not None and usage.images > 0:
        lines.output = multiply(rates.image, usage.images)
    elif rates.second is not None and usage.media_s > 0:
        rate = rates.second.get(usage.media_resolution)
        if rate is None:
            rate = rates.second.get("", min(rates.second.values()))
        lines.assume(BASE_RESOLUTION, where=len(rates.second) > 1 and not usage.media_resolution)
        lines.output = multiply(rate, Decimal(repr(usage.media_s)))
    else:
        unit = "images" if rates.image is not None else "seconds"
        return f"sold by {unit}, and their number is not known"
    return None
