"""What a cost went to: input, output, thoughts, grounding and so on, as parts that add up to the total.

Fresh input is what remains of the total, so the parts add up to it. Where the other parts, as
read back from spans, are more than their total, all of it is "not split".
"""

from __future__ import annotations

from decimal import Context, Decimal

import msgspec

from otel_agentperf.model import ZERO_USD, Totals

_EXACT = Context(prec=60)
"""More digits than any sum of money has, so that nothing is rounded."""
DUST_USD = Decimal("1e-9")
"""What attributes, which are floats, may differ by from the decimal numbers that they were."""


class CostSplit(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a cost in US dollars; they add up to the total exactly."""

    input_usd: Decimal = ZERO_USD
    """Fresh input: neither read from a cache nor written to one. What is put into a context cache is in it."""
    cached_input_usd: Decimal = ZERO_USD
    """Input that was read from a cache."""
    cache_write_usd: Decimal = ZERO_USD
    """Input that was written to a cache, where the provider charges for that."""
    output_usd: Decimal = ZERO_USD
    """Output without thoughts, unless `thoughts_usd` is `null`."""
    thoughts_usd: Decimal | None = ZERO_USD
    """Thoughts; `null` where the price of some is unknown: all of them are in `output_usd` then."""
    grounding_usd: Decimal = ZERO_USD
    """Grounding with Google Search and Google Maps, free allowances not counted."""
    storage_usd: Decimal = ZERO_USD
    """Keeping context caches."""
    services_usd: Decimal = ZERO_USD
    """Services that are billed by the minute or the call, such as a remote browser."""
    not_split_usd: Decimal = ZERO_USD
    """Known as one total only: another instrumentation gave it, or the spans are not all here."""


_SUMMED = (
    "cache_read_usd",
    "cache_write_usd",
    "output_usd",
    "reasoning_usd",
    "reasoning_unknown",
    "grounding_usd",
    "storage_usd",
    "services_usd",
    "unsplit_usd",
)
"""What `Totals` has of a split."""


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a cost that rests on an assumption."""

    usd: Decimal
    """US dollars of the total, whatever they went to."""
    assumptions: tuple[str, ...]
    """What it rests on: a few phrases; none where it was not recorded."""


def split_of(totals: Totals) -> CostSplit:
    """Split the cost of a run, a session or many runs into parts.

    Args:
        totals: its sums.

    Returns:
        Parts that add up to `totals.cost_usd` exactly.
    """
    whole = totals.cost_usd
    parts = {
        "cached_input_usd": totals.cache_read_usd,
        "cache_write_usd": totals.cache_write_usd,
        "output_usd": totals.output_usd,
        "thoughts_usd": totals.reasoning_usd,
        "grounding_usd": totals.grounding_usd,
        "storage_usd": totals.storage_usd,
        "services_usd": totals.services_usd,
        "not_split_usd": totals.unsplit_usd,
    }
    parts["output_usd"] = _EXACT.subtract(parts["output_usd"], parts["thoughts_usd"])
    rest = whole
    for part in parts.values():
        rest = _EXACT.subtract(rest, part)
    if abs(rest) <= DUST_USD:  # no input was billed, or less than any price
        largest = max(parts, key=lambda name: parts[name])
        if parts[largest]:
            parts[largest] = _EXACT.add(parts[largest], rest)
            rest = ZERO_USD
    if rest < 0 or min(parts.values()) < 0:
        return CostSplit(not_split_usd=whole)
    if totals.reasoning_unknown:
        output_usd = _EXACT.add(parts.pop("output_usd"), parts.pop("thoughts_usd"))
        return CostSplit(input_usd=rest, output_usd=output_usd, thoughts_usd=None, **parts)
    return CostSplit(input_usd=rest, **parts)


def copy_split(totals: Totals, seen: Totals) -> None:
    """Split a cost that was recorded as one total by the spans at hand; what they do not account for is not split.

    Args:
        totals: has the total; it is changed.
        seen: sums over the spans at hand, of which some may be missing.
    """
    totals.estimated_usd, totals.assumptions = seen.estimated_usd, seen.assumptions
    missing_usd = totals.cost_usd - seen.cost_usd
    if missing_usd < -DUST_USD:  # the spans are of other work too, or were changed on the way
        totals.unsplit_usd = totals.cost_usd
        return
    for name in _SUMMED:
        setattr(totals, name, getattr(seen, name))
    if missing_usd > DUST_USD:
        totals.unsplit_usd += missing_usd


def estimated_of(totals: Totals) -> Estimated | None:
    """The part of a cost that rests on an assumption; `None` where none does."""
    if not totals.estimated_usd:
        return None
    return Estimated(usd=min(totals.estimated_usd, totals.cost_usd), assumptions=totals.assumptions)
