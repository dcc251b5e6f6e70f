"""How the last requests of a node began, and what their beginnings cost fresh, cached and kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from otel_agentperf.advice.facts import Prompting
from otel_agentperf.model import Operation, ServiceTier, Usage
from otel_agentperf.pricing.book import PriceBook

LIFE_NS = 300 * 1_000_000_000
"""After an earlier request its beginning may still be cached; CACHE001 has the same."""
_PROBE_TOKENS = 10_000
_HOUR_NS = 3_600 * 1_000_000_000


def prompting_of(requests: Sequence[Operation], prices: PriceBook) -> Prompting | None:
    """What the requests of one node tell of its prompts; `None` without any that can be told from another.

    Args:
        requests: in the order in which they ended, the last one most telling: its model counts.
        prices: what is asked for prices.
    """
    known = [each for each in requests if each.inference is not None and each.usage is not None]
    if not known:
        return None
    last = known[-1]
    provider, model = _who(last)
    same = [each for each in known if _who(each) == (provider, model)]
    minimum = prices.cache_minimum(provider, model, when_ns=last.start_ns)
    comparable = repeated = 0
    shared = cached = 0.0
    for before, after in pairwise(same):
        if after.usage is None or not 0 <= after.start_ns - before.start_ns <= LIFE_NS:
            continue
        comparable += 1
        common = _shared_tokens(before, after)
        if minimum is not None and common >= minimum:
            repeated += 1
            shared += common
            cached += after.usage.cache_read_tokens
    span_ns = same[-1].start_ns - same[0].start_ns
    fresh_usd, cached_usd = _prices(prices, provider, model, last.start_ns)
    storage = prices.storage_usd(model, when_ns=last.start_ns, provider=provider) if repeated else None
    return Prompting(
        requests=len(same),
        comparable=comparable,
        repeated=repeated,
        shared_tokens=shared / repeated if repeated else 0.0,
        cached_tokens=cached / repeated if repeated else 0.0,
        minimum_tokens=minimum,
        per_hour=(len(same) - 1) * _HOUR_NS / span_ns if span_ns > 0 else 0.0,
        fresh_usd=fresh_usd,
        cached_usd=cached_usd,
        storage_usd_hour=None if storage is None else float(storage) / 1e6,
    )


def _who(operation: Operation) -> tuple[str, str]:
    inference = operation.inference
    if inference is None:
        return "", ""
    return inference.provider, inference.response_model or inference.request_model


def _shared_tokens(before: Operation, after: Operation) -> float:
    """Tokens of the beginning that both have, in proportion to the characters."""
    one, other = before.inference, after.inference
    if one is None or other is None or after.usage is None or not other.request_size:
        return 0.0
    links = 0
    for mine, theirs in zip(one.prefix_hashes, other.prefix_hashes, strict=False):
        if mine != theirs:
            break
        links += 1
    if not links or len(other.prefix_sizes) < links:
        return 0.0
    return after.usage.input_tokens * min(1.0, other.prefix_sizes[links - 1] / other.request_size)


def _prices(prices: PriceBook, provider: str, model: str, when_ns: int) -> tuple[float | None, float | None]:
    """US dollars of a fresh token and of a cached one, at the base price."""
    fresh = prices.price(provider, model, Usage(_PROBE_TOKENS), ServiceTier.STANDARD, when_ns=when_ns)
    cached = prices.price(
        provider, model, Usage(_PROBE_TOKENS, cache_read_tokens=_PROBE_TOKENS), ServiceTier.STANDARD, when_ns=when_ns
    )
    if fresh.total_usd is None or cached.total_usd is None:
        return None, None
    return float(fresh.total_usd) / _PROBE_TOKENS, float(cached.total_usd) / _PROBE_TOKENS
