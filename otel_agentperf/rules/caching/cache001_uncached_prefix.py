"""CACHE001 uncached_prefix

What it finds: requests whose prompt begins as that of an earlier request to the same model did,
at a length that Gemini caches, and that were charged for this beginning at the full price.

Why it costs: tokens read from the cache cost a tenth to a quarter of fresh ones, and they are
answered sooner. The beginning is usually a long instruction, tools or a document.

Example: `reader` sent 6 requests within two minutes, each beginning with the same 12,000 tokens;
none of these tokens was read from cache.

Instead: put what stays the same first and what changes last, send such requests soon after one
another, or create a context cache for the part that stays (its storage is billed by the hour).

Limits: Gemini does not promise that it caches, and gives no figure for how long; five minutes is
a cautious reading of "a short amount of time". The beginning is told by fingerprints of whole
messages, of which a request has at most 32, so text within one message that two prompts share is
not seen. Its tokens are those of the earlier request where all of it is repeated, else the
prompt's tokens in proportion to the characters. Models that do not cache by themselves are left
out, and so is a request that read at least half of the beginning from cache. The last 128 long
requests of a session are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import nlargest
from typing import NamedTuple

from otel_agentperf.model import (
    MAX_CLAIMS,
    ZERO_USD,
    Claim,
    Complexity,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    ServiceTier,
    Suggestion,
    Usage,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, span_hex

MAX_REQUESTS = MAX_CLAIMS
"""Requests of a session that are remembered, the latest ones."""
MAX_LINKS = 32
"""Links of a chain of fingerprints; where there are as many, the prompt may go on beyond them."""
LEAST_TOKENS = 1_000
"""No model caches shorter beginnings than this; a look at the price book is spared."""
NS_PER_S = 1_000_000_000
_HEAD = struct.Struct(">QQQIIII?")
_LINK = struct.Struct(">QI")


_Key = tuple[str, str, ServiceTier, str]
"""A `_Who`, made in half the time."""


class _Who(NamedTuple):
    """Who asked whom: a cache belongs to a model, a suggestion to an agent."""

    provider: str
    model: str
    tier: ServiceTier
    agent: str


class _Request(NamedTuple):
    """A remembered request. Times are Unix nanoseconds."""

    who: _Who
    end_ns: int
    start_ns: int
    span_id: int
    input_tokens: int
    prompt_tokens: int
    """Without those of tools that ran at the model's side."""
    cached_tokens: int
    minimum_tokens: int
    is_whole: bool
    """The last link is the end of the prompt."""
    links: tuple[tuple[int, int], ...]
    """Fingerprint of each beginning, and its tokens by its share of the characters, 0 where that says nothing."""


class _Miss(NamedTuple):
    request: _Request
    shared_tokens: int
    saving_usd: Decimal


@dataclass(slots=True)
class _State:
    requests: dict[_Key, list[bytes]] = field(default_factory=dict["_Key", "list[bytes]"])
    """Packed, so that they sort by their end."""
    kept: int = 0


class UncachedPrefix(Rule[_State]):
    """Long beginnings of prompts that were paid in full again within the life of a cache.

    Saving, repriced: for each such request, its price less its price with the shared tokens read
    from cache. Impact: 0.4, plus the saving's share of the session's cost, at most 0.9; a share
    of 30 % or more is an alarm.
    """

    code = "CACHE001"
    name = "uncached_prefix"
    group = Group.CACHING
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    complexity = Complexity.MEDIUM
    options = {
        "life_s": Option(
            300.0, "s", "Longest time after an earlier request at which its beginning may still be cached."
        ),
        "min_requests": Option(3, "requests", "Fewest requests that paid a beginning again.", 1),
        "min_saving_usd": Option(0.001, "USD", "Least saving that is worth a word."),
    }
    life_s: float
    min_requests: int
    min_saving_usd: float

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        inference, usage, cost = operation.inference, operation.usage, operation.cost
        if usage is None or usage.input_tokens < LEAST_TOKENS or inference is None or not inference.prefix_hashes:
            return ()
        if cost is None or cost.total_usd is None or view.prices is None:
            return ()
        model = inference.response_model or inference.request_model
        minimum = view.prices.cache_minimum(inference.provider, model, when_ns=operation.start_ns)
        if minimum is None or usage.input_tokens < minimum:
            return ()
        packed = _packed(operation, inference, usage, minimum)
        if packed is not None:
            who = (inference.provider, model, cost.tier, operation.agent)
            requests = state.requests.get(who)
            if requests is None:
                requests = state.requests[who] = []
            requests.append(packed)
            state.kept += 1
            if state.kept >= 2 * MAX_REQUESTS:
                _trim(state)
        return ()

    def merge(self, state: _State, other: _State) -> _State:
        for who, requests in other.requests.items():
            state.requests.setdefault(who, []).extend(requests)
        state.kept += other.kept
        _trim(state)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        _trim(state)
        if view.prices is None or state.kept < self.min_requests:
            return ()
        by_agent: dict[str, list[_Miss]] = {}
        for request, shared_tokens in _repeats(_requests(state), round(self.life_s * NS_PER_S)):
            if 2 * request.cached_tokens >= shared_tokens:
                continue
            miss = _Miss(request, shared_tokens, _saving(request, shared_tokens, view))
            by_agent.setdefault(_target(request.who), []).append(miss)
        return [
            suggestion
            for target in sorted(by_agent)
            for suggestion in self._of(target, by_agent[target], float(view.totals.cost_usd))
        ]

    def _of(self, target: str, misses: list[_Miss], spent_usd: float) -> Iterable[Suggestion]:
        saving_usd = sum((miss.saving_usd for miss in misses), ZERO_USD)
        if len(misses) < self.min_requests or float(saving_usd) < self.min_saving_usd:
            return ()
        share = min(1.0, float(saving_usd) / spent_usd) if spent_usd > 0 else 0.0
        impact = min(0.9, 0.4 + share)
        shared = sum(miss.shared_tokens for miss in misses)
        cached = sum(miss.request.cached_tokens for miss in misses)
        models = sorted({miss.request.who.model for miss in misses})
        dearest = sorted(misses, key=lambda miss: (-miss.saving_usd, miss.request.span_id))
        return (
            Suggestion(
                rule=self.code,
                type=self.name,
                level=Level.ALARM if share >= 0.3 else Level.NOTICE,  # noqa: PLR2004
                description=(
                    f"{len(misses)} requests of {target.partition(':')[2]} began as earlier ones within "
                    f"{self.life_s:g} s did, with {shared // len(misses):,} tokens on average, and paid them in full. "
                    "Put what stays the same first, send such requests soon after one another, or create a context "
                    "cache for that part."
                ),
                impact_score=round(impact, 3),
                complexity=self.complexity,
                confidence=0.8,
                applies_to=(target, *(f"model:{model}" for model in models if f"model:{model}" != target)),
                span_ids=tuple(span_hex(miss.request.span_id) for miss in dearest[:16]),
                evidence={
                    "requests": len(misses),
                    "shared_tokens": shared,
                    "cached_tokens": cached,
                    "uncached_tokens": shared - cached,
                    "share_of_cost": round(share, 3),
                },
                savings=Savings(SavingBasis.REPRICED, cost_usd=saving_usd),
                claims=tuple(Claim(span_hex(miss.request.span_id), miss.saving_usd) for miss in dearest),
            ),
        )


def _packed(operation: Operation, inference: Inference, usage: Usage, minimum: int) -> bytes | None:
    """The request in some hundred bytes; `None` where there is nothing in it to compare."""
    sizes, hashes = inference.prefix_sizes, inference.prefix_hashes
    size = inference.request_size
    if not size or len(sizes) != len(hashes) or operation.end_ns <= operation.start_ns:
        return None
    prompt_tokens = usage.input_tokens - usage.tool_use_tokens
    media = usage.input_modalities
    by_size = media is None or not (media.image or media.audio or media.video or media.document)
    try:
        head = _HEAD.pack(
            operation.end_ns,
            operation.start_ns,
            int(operation.span_id, 16),
            usage.input_tokens,
            prompt_tokens,
            usage.cache_read_tokens,
            minimum,
            len(hashes) < MAX_LINKS,
        )
        links: list[bytes] = []
        for link, upto in zip(hashes, sizes, strict=True):
            tokens = prompt_tokens * min(upto, size) // size if by_size else 0
            if tokens >= minimum or not by_size:
                links.append(_LINK.pack(int(link, 16), tokens))
    except (ValueError, struct.error):  # no fingerprint of ours, or a number that no clock or model gives
        return None
    return head + b"".join(links) if links else None


def _trim(state: _State) -> None:
    if state.kept <= MAX_REQUESTS:
        return
    latest = nlargest(MAX_REQUESTS, ((packed, who) for who, requests in state.requests.items() for packed in requests))
    state.requests = {}
    for packed, who in latest:
        state.requests.setdefault(who, []).append(packed)
    state.kept = len(latest)


def _requests(state: _State) -> Iterator[_Request]:
    """All requests, in order of their ends."""
    every = ((packed, who) for who, requests in state.requests.items() for packed in requests)
    for packed, who in sorted(every):
        links = tuple(_LINK.iter_unpack(packed[_HEAD.size :]))
        yield _Request._make((_Who._make(who), *_HEAD.unpack_from(packed), links))


def _repeats(requests: Iterable[_Request], life_ns: int) -> Iterator[tuple[_Request, int]]:
    """The requests that begin as one did that had ended before them, with the tokens in common."""
    by_end = list(requests)
    seen: dict[tuple[str, str, int], tuple[int, int]] = {}
    place = 0
    for request in sorted(by_end, key=lambda each: (each.start_ns, each.end_ns, each.span_id)):
        while by_end[place].end_ns <= request.start_ns:
            _see(seen, by_end[place])
            place += 1
        shared = _shared(seen, request, life_ns)
        if shared:
            yield request, shared


def _see(seen: dict[tuple[str, str, int], tuple[int, int]], request: _Request) -> None:
    provider, model, *_ = request.who
    last = len(request.links) - 1
    for place, (link, _) in enumerate(request.links):
        key = (provider, model, link)
        whole = request.prompt_tokens if request.is_whole and place == last else seen.get(key, (0, 0))[1]
        seen[key] = (request.end_ns, whole)


def _shared(seen: Mapping[tuple[str, str, int], tuple[int, int]], request: _Request, life_ns: int) -> int:
    provider, model, *_ = request.who
    for link, by_size in reversed(request.links):
        end_ns, whole = seen.get((provider, model, link), (None, 0))
        if end_ns is not None and request.start_ns - end_ns <= life_ns:
            tokens = min(whole or by_size, request.prompt_tokens)
            if tokens >= request.minimum_tokens:
                return tokens
    return 0


def _saving(request: _Request, shared_tokens: int, view: View) -> Decimal:
    provider, model, tier, _ = request.who
    if view.prices is None:
        return ZERO_USD
    paid, less = (
        view.prices.price(
            provider, model, Usage(request.input_tokens, cache_read_tokens=cached), tier, when_ns=request.start_ns
        ).total_usd
        for cached in (request.cached_tokens, shared_tokens)
    )
    return max(ZERO_USD, paid - less) if paid is not None and less is not None else ZERO_USD


def _target(who: _Who) -> str:
    return f"agent:{who.agent}" if who.agent else f"model:{who.model}"
