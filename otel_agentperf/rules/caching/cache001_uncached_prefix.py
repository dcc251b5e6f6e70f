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

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from otel_agentperf.model import (
    ZERO_USD,
    Claim,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    Usage,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, span_hex
from otel_agentperf.rules.caching.prompts import Request, Requests, Who, repeats
from otel_agentperf.rules.traits import LONG

PATIENCE = 8
"""At the end of a run, a session is looked at again once it has grown by an eighth."""
NS_PER_S = 1_000_000_000


class _Miss(NamedTuple):
    request: Request
    shared_tokens: int
    saving_usd: Decimal


class UncachedPrefix(Rule[Requests]):
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
    needs = LONG
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

    def start(self) -> Requests:
        return Requests()

    def observe(self, state: Requests, operation: Operation, view: View) -> Iterable[Suggestion]:
        inference, usage, cost = operation.inference, operation.usage, operation.cost
        if usage is None or inference is None or not inference.prefix_hashes:
            return ()
        if cost is None or cost.total_usd is None or view.prices is None:
            return ()
        model = inference.response_model or inference.request_model
        minimum = view.prices.cache_minimum(inference.provider, model, when_ns=operation.start_ns)
        if minimum is None or usage.input_tokens < minimum:
            return ()
        state.add(operation, inference, usage, (inference.provider, model, cost.tier, operation.agent), minimum)
        return ()

    def merge(self, state: Requests, other: Requests) -> Requests:
        state.merge(other)
        return state

    def conclude(self, state: Requests, root: Operation, view: View) -> Iterable[Suggestion]:
        if state.added < max(self.min_requests, state.next_look):
            return ()
        # A long conversation is not looked at anew for each turn: its last word is asked for when it matters.
        state.next_look = state.added + 1 + state.added // PATIENCE
        return self.judge(state, view)

    def judge(self, state: Requests, view: View) -> Iterable[Suggestion]:
        state.trim()
        if view.prices is None or state.kept < self.min_requests:
            return ()
        by_agent: dict[str, list[_Miss]] = {}
        for request, shared_tokens in repeats(state, round(self.life_s * NS_PER_S)):
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
                level=Level.ALARM if share >= 0.3 else Level.NOTICE,  # noqa: PLR2004 - as the docstring says
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


def _saving(request: Request, shared_tokens: int, view: View) -> Decimal:
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


def _target(who: Who) -> str:
    return f"agent:{who.agent}" if who.agent else f"model:{who.model}"
