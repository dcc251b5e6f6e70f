"""The price book: what a request, a kept cache or a service costs.

Rates are resolved once (see `quotes`), so that a model request pays for a dictionary look-up and a
few multiplications (see `charging`). What is not known stays unknown: the cost is unpriced, says
why, and is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from otel_agentperf import guard
from otel_agentperf.model import Cost, CostStatus, Inference, ServiceTier, Usage
from otel_agentperf.pricing import cache_minimums, counting, families
from otel_agentperf.pricing.charging import charge
from otel_agentperf.pricing.names import is_tuned, plain_name, sold_by_google
from otel_agentperf.pricing.quotes import DAY_NS, STANDARD, Quote, Quotes, list_name
from otel_agentperf.pricing.rates import add, multiply, unpriced
from otel_agentperf.pricing.services import ServiceIndex, ServiceRate
from otel_agentperf.pricing.settings import STORAGE_KEY, parse_prices
from otel_agentperf.pricing.storage import storage_rate

MAX_KEPT = 2_000
"""Answers of one kind kept at once."""

LEAST_CLIFF = 32_000
"""No price list that we know has a cliff below so many input tokens; a user's own may."""

_EPOCH = date(1970, 1, 1)
_SECONDS_AN_HOUR = 3600
_MTOK_HOURS = Decimal(1) / Decimal(1_000_000)


class PriceBook:
    """Prices from the settings file and from genai-prices.

    Args:
        prices: the `[prices]` table of the settings file, as parsed from TOML.

    Raises:
        SettingsError: the table has a key, name or value that is not allowed.
    """

    __slots__ = (
        "_cheaper",
        "_minimums",
        "_quotes",
        "_services",
        "least_cliff",
        "own_models",
        "services",
    )

    def __init__(self, prices: Mapping[str, object] | None = None) -> None:
        models, services = parse_prices(prices or {})
        self._quotes = Quotes(models)
        self.own_models: tuple[str, ...] = tuple(models)
        self.services: Mapping[str, ServiceRate] = services
        self._services = ServiceIndex(services.values())
        self._cheaper: dict[tuple[str, str, int, int], str | None] = {}
        starts = (start for table in models.values() for price in table.values() for start, _ in price.steps)
        self.least_cliff: int = min(LEAST_CLIFF, *starts, LEAST_CLIFF)
        self._minimums: dict[tuple[str, str, int], int | None] = {}

    def load(self) -> None:
        """Load the price list now, in the calling thread, so that no request waits for it or imports anything.

        A thread of its own would hold Python's import locks, which a child forked meanwhile never gets back. It never
        raises: a list that cannot be loaded leaves every request unpriced, with the reason.
        """
        try:
            from otel_agentperf.pricing import catalog  # noqa: PLC0415 - imports genai-prices, which is slow

            catalog.load()
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.load", error)

    def price(
        self,
        provider: str,
        model: str,
        usage: Usage,
        tier: ServiceTier = STANDARD,
        *,
        when_ns: int,
        location: str = "",
    ) -> Cost:
        """Return what a model request costs. It never raises.

        Args:
            provider: `gcp.gemini`, `gcp.vertex_ai` or another provider's name; may be empty.
            model: the model as request or response names it.
            usage: the tokens and searches of the response.
            tier: the tier that served it, from the response.
            when_ns: when the request was made, in Unix nanoseconds; prices change by date.
            location: the region of the endpoint, such as `us-central1`; Vertex AI charges more there for some
                models. `global` and an unknown location (empty) cost the list price, which is too little where
                the endpoint was a regional one after all.

        Returns:
            The cost by line, or an unpriced cost with the reason.
        """
        try:
            quote = self._quotes.get(provider, model, tier, when_ns, location)
            if quote.rates is None:
                return quote.unpriced or unpriced("no price is known", tier)
            return charge(quote.rates, usage, tier)
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.price", error)
            return unpriced(f"internal error ({type(error).__name__})")

    def price_of_several(self, provider: str, model: str, usage: Usage, *, when_ns: int) -> Cost:
        """Return what the tokens of several requests cost together, marked estimated. It never raises.

        How many requests they were and how long each was is not known: the prices are those of a request
        below the length from which its model charges more.

        Arguments are those of `price`.
        """
        try:
            quote = self._quotes.get(provider, model, STANDARD, when_ns)
            if quote.rates is None:
                return quote.unpriced or unpriced("no price is known", STANDARD)
            cost = charge(msgspec.structs.replace(quote.rates, cliff_tokens=None, above=None), usage, STANDARD)
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.price_of_several", error)
            return unpriced(f"internal error ({type(error).__name__})")
        if cost.total_usd is None:
            return cost
        return msgspec.structs.replace(
            cost, estimated=True, assumption="only the sum of several requests is known, none of them long"
        )

    def quote(
        self, provider: str, model: str, tier: ServiceTier = STANDARD, *, when_ns: int, location: str = ""
    ) -> Quote:
        """Return the rates that `price` applies, with their source; slow and not kept.

        Arguments are those of `price`.
        """
        return self._quotes.quote(provider, model, tier, when_ns=when_ns, location=location)

    def price_call(self, call: Inference, usage: Usage, *, when_ns: int) -> Cost:
        """Return what a request costs that another instrumentation reports. It never raises.

        Args:
            call: the request; the model that answered is priced, else the one asked for.
            usage: its tokens.
            when_ns: when it was made, in Unix nanoseconds.
        """
        answered, asked = call.response_model, call.request_model
        cost = self.price(call.provider, answered or asked, usage, call.tier, when_ns=when_ns, location=call.location)
        if cost.status is CostStatus.PRICED or not answered or not asked or answered == asked:
            return cost
        other = self.price(call.provider, asked, usage, call.tier, when_ns=when_ns, location=call.location)
        return other if other.status is CostStatus.PRICED else cost

    def cliff(
        self, provider: str, model: str, input_tokens: int, tier: ServiceTier = STANDARD, *, when_ns: int
    ) -> int | None:
        """Return the input tokens above which a request is charged as this one, `None` for the base price.

        Arguments are those of `price`; it never raises. No request up to `least_cliff` passes one.
        """
        try:
            rates = self._quotes.get(provider, model, tier, when_ns).rates
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.cliff", error)
            return None
        passed = None
        while rates is not None and rates.cliff_tokens is not None and input_tokens > rates.cliff_tokens:
            passed, rates = rates.cliff_tokens, rates.above
        return passed

    def cheaper_model(self, provider: str, model: str, *, when_ns: int) -> str | None:
        """Return the next smaller model of the same family and generation that is sold at lower prices.

        `None` where there is none, or where the family is not known: see `families`. It never raises.
        """
        key = (provider, model, when_ns // DAY_NS, self._quotes.edition())
        if key in self._cheaper:
            return self._cheaper[key]
        try:
            found = self._find_cheaper(provider, model, when_ns)
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.cheaper_model", error)
            found = None
        if len(self._cheaper) >= MAX_KEPT:
            self._cheaper.clear()
        self._cheaper[key] = found
        return found

    def _find_cheaper(self, provider: str, model: str, when_ns: int) -> str | None:
        if is_tuned(model) or not sold_by_google(provider, model) or families.member(model) is None:
            return None
        from otel_agentperf.pricing import catalog  # noqa: PLC0415 - imports genai-prices, which is slow

        known = (*catalog.current_models(), *self.own_models)
        return families.cheaper(model, known, lambda name: self._quotes.get(provider, name, STANDARD, when_ns).rates)

    def charges_less(self, provider: str, model: str, other: str, *, when_ns: int) -> bool:
        """Return whether a model charges less than another, for input and for output; no where a price is unknown.

        Arguments are those of `price`. It never raises.
        """
        try:
            own, rates = (self._quotes.get(provider, name, STANDARD, when_ns).rates for name in (model, other))
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.charges_less", error)
            return False
        if own is None or rates is None or own.input is None or own.output is None:
            return False
        return (
            rates.input is not None
            and rates.output is not None
            and own.input < rates.input
            and own.output < rates.output
        )

    def cache_storage(
        self, model: str, tokens: int, ttl_s: float, *, when_ns: int, provider: str = "gcp.gemini"
    ) -> Cost:
        """Return what keeping a context cache for some time costs, marked estimated.

        Tokens x hours x the storage price. It is also the price of a longer life (`ttl_s` is then what an update
        adds to it), and of the time that a cache was really kept until it was deleted. A cost that was
        reported for a whole life is too much where the cache is deleted before.

        Args:
            model: the cache's model.
            tokens: tokens in the cache.
            ttl_s: how long it is kept, in seconds.
            when_ns: when that begins, in Unix nanoseconds.
            provider: whose cache it is.
        """
        try:
            rate = self.storage_usd(model, when_ns=when_ns, provider=provider)
            if rate is None:
                return unpriced(f"no storage price is published for {plain_name(model) or 'a model without name'!r}")
            seconds = Decimal(repr(ttl_s))
            if tokens < 0 or not seconds.is_finite() or seconds < 0:
                return unpriced(f"{tokens} tokens for {ttl_s} s cannot be billed")
            hours = seconds / _SECONDS_AN_HOUR
            total = multiply(multiply(multiply(rate, _MTOK_HOURS), tokens), hours)
            return Cost(
                CostStatus.PRICED,
                total,
                estimated=True,
                storage_usd=total,
                assumption="the cache is kept until it expires",
            )
        except Exception as error:  # noqa: BLE001 - a price must never break what it prices
            guard.report("pricing.cache_storage", error)
            return unpriced(f"internal error ({type(error).__name__})")

    def cache_creation(
        self, model: str, tokens: int, ttl_s: float, *, when_ns: int, provider: str = "gcp.gemini", location: str = ""
    ) -> Cost:
        """Return what creating a context cache costs, marked estimated: its tokens as input, and its whole life.

        What goes into an explicit cache is input at the standard price
        (https://cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview).

        Args:
            model: as for `cache_storage`, like `tokens`, `ttl_s` and `provider`.
            tokens: tokens in the cache.
            ttl_s: its time to live, in seconds.
            when_ns: when it was created, in Unix nanoseconds.
            provider: whose cache it is.
            location: as for `price`.

        Returns:
            The cost with `input_usd` and `storage_usd`; unpriced where one of them is not known.
        """
        entered = self.price(provider, model, Usage(tokens), when_ns=when_ns, location=location)
        kept = self.cache_storage(model, tokens, ttl_s, when_ns=when_ns, provider=provider)
        if entered.total_usd is None or kept.total_usd is None:
            return entered if entered.total_usd is None else kept
        return msgspec.structs.replace(
            entered,
            total_usd=add(entered.total_usd, kept.total_usd),
            storage_usd=kept.storage_usd,
            estimated=True,
            assumption=counting.assumed(entered.assumption, kept.assumption),
        )

    def storage_usd(self, model: str, *, when_ns: int, provider: str = "gcp.gemini") -> Decimal | None:
        """Return the storage price in US dollars per million tokens per hour, `None` if unknown."""
        name = list_name(provider, model)
        own = self._quotes.own(model, name)
        if own is not None and STORAGE_KEY in own:
            return own[STORAGE_KEY].base
        if is_tuned(model) or not name or not sold_by_google(provider, model):
            return None
        from otel_agentperf.pricing import catalog  # noqa: PLC0415 - imports genai-prices, which is slow

        when = catalog.moment(when_ns)
        info = catalog.find_model(provider, name, when)
        return None if info is None else storage_rate(info.id, when.date())

    def cache_minimum(self, provider: str, model: str, *, when_ns: int) -> int | None:
        """Return from how many tokens the beginning of a prompt is served from Gemini's cache.

        Args:
            provider: as for `price`.
            model: as for `price`.
            when_ns: when the request was made, in Unix nanoseconds.

        Returns:
            The tokens, `None` where nothing is cached by itself; see `cache_minimums`.
        """
        key = (provider, model, when_ns // DAY_NS)
        try:
            return self._minimums[key]
        except KeyError:
            pass
        if len(self._minimums) >= MAX_KEPT:
            self._minimums.clear()
        try:
            day = _EPOCH + timedelta(days=key[2])
        except OverflowError:  # a time that no clock gives
            return None
        found = self._minimums[key] = cache_minimums.cache_minimum(provider, model, day)
        return found

    def service(self, name: str) -> ServiceRate | None:
        """Return the rate of a billed service, `None` if the settings have none of that name."""
        return self.services.get(name)

    def match_service(
        self,
        *,
        node: str | None = None,
        tool: str | None = None,
        span: str | None = None,
        host: str | None = None,
    ) -> str | None:
        """Return the name of the billed service that this work belongs to, `None` for none.

        Args:
            node: the graph node's name.
            tool: the tool's name.
            span: the span's name.
            host: the HTTP host called, with or without port.
        """
        if self._services.empty:
            return None
        return self._services.find(node, tool, span, host)
