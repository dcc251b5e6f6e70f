"""What a run could have saved in all: money and time that several suggestions claim count once.

Money is claimed span by span, of which the largest claim counts; time is claimed as stretches
of the clock, of which the union counts. Both are bounded by what the run cost and lasted.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from otel_agentperf.model import ZERO_USD, Claim, SavingBasis, Suggestion
from otel_agentperf.rules.base import int_of
from otel_agentperf.rules.bounded import union_ns

NS_PER_S = 1_000_000_000


class Saved(NamedTuple):
    """Money and time, each counted once."""

    cost_usd: Decimal = ZERO_USD
    time_s: float = 0.0


NOTHING_SAVED = Saved()


def measured_among(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """Those whose savings were measured: what they claim was wasted."""
    return [item for item in suggestions if item.savings is not None and item.savings.basis is SavingBasis.MEASURED]


def saved(
    suggestions: Iterable[Suggestion],
    *,
    cost_usd: Decimal,
    start_ns: int,
    end_ns: int,
    spans: frozenset[int] | None = None,
) -> Saved:
    """Add up what suggestions claim.

    Args:
        suggestions: the suggestions; one that states a saving without claims is added as it stands.
        cost_usd: what was spent, the most that can be saved.
        start_ns: Unix nanoseconds; what is claimed before does not count.
        end_ns: Unix nanoseconds; what is claimed after does not count.
        spans: counts only claims on these spans, and only suggestions with claims; `None` counts all.

    Returns:
        The sums.
    """
    usd: dict[str, Decimal] = {}
    stretches: list[tuple[int, int]] = []
    loose_usd, loose_s = ZERO_USD, 0.0
    for suggestion in suggestions:
        savings = suggestion.savings
        if savings is None:
            continue
        if not suggestion.claims:
            if spans is None:
                loose_usd += savings.cost_usd or ZERO_USD
                loose_s += savings.time_s or 0.0
            continue
        for claim in suggestion.claims:
            if spans is None or int_of(claim.span_id) in spans:
                _add(claim, usd, stretches)
    total_s = union_ns(stretches, start_ns, end_ns) / NS_PER_S + loose_s
    longest_s = max(0, end_ns - start_ns) / NS_PER_S
    return Saved(min(cost_usd, sum(usd.values(), loose_usd)), min(longest_s, total_s))


def attributed(suggestions: Iterable[Suggestion], *, cost_usd: Decimal, spans: frozenset[int]) -> dict[str, Decimal]:
    """Say which rule the money of `saved` was found by, each dollar once.

    Each suggestion gets what it claims of a span beyond what those before it have claimed there.
    The sum over all rules is what `saved` says of the same suggestions.

    Args:
        suggestions: the suggestions, in the order in which they come first.
        cost_usd: what was spent, the most that can be saved.
        spans: counts only claims on these spans.

    Returns:
        US dollars by the code of the rule; a rule that gets nothing is absent.
    """
    usd: dict[str, Decimal] = {}
    by_rule: dict[str, Decimal] = {}
    left_usd = cost_usd
    for suggestion in suggestions:
        for claim in suggestion.claims if suggestion.savings is not None else ():
            before = usd.get(claim.span_id, ZERO_USD)
            if claim.cost_usd > before and int_of(claim.span_id) in spans:
                usd[claim.span_id] = claim.cost_usd
                gets = min(left_usd, claim.cost_usd - before)
                left_usd -= gets
                if gets:
                    by_rule[suggestion.rule] = by_rule.get(suggestion.rule, ZERO_USD) + gets
    return by_rule


def _add(claim: Claim, usd: dict[str, Decimal], stretches: list[tuple[int, int]]) -> None:
    if claim.cost_usd > usd.get(claim.span_id, ZERO_USD):
        usd[claim.span_id] = claim.cost_usd
    if claim.end_ns > claim.start_ns:
        stretches.append((claim.start_ns, claim.end_ns))
