"""What a cost went to, in words: the parts, what of it is estimated, and what has no price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from otel_agentperf.analysis.figures import Costs, Figures, Part
from otel_agentperf.report.text import UNKNOWN, counted, money, usd

_NAMES = {
    "input_usd": "input",
    "cached_input_usd": "cached input",
    "cache_write_usd": "cache writes",
    "output_usd": "output",
    "thoughts_usd": "thoughts",
    "grounding_usd": "grounding (Google Search, Maps)",
    "storage_usd": "cache storage",
    "services_usd": "services",
    "not_split_usd": "not split",
}
_WITH_THOUGHTS = "output and thoughts"
_ALMOST_NOTHING, _ALMOST_ALL = 0.005, 0.995
MAX_NAMES = 3
"""Models without a price that a note names."""


class Share(NamedTuple):
    """One part of a cost."""

    name: str
    usd: Decimal
    share: float
    """Of the total, 0 to 1."""

    @property
    def percent(self) -> str:
        """The share in whole hundredths; what is neither nothing nor all is never shown as that."""
        if self.share < _ALMOST_NOTHING:
            return "<1%"
        return ">99%" if _ALMOST_ALL <= self.share < 1 else f"{self.share:.0%}"


def shares(costs: Costs) -> list[Share]:
    """What a cost went to, the largest part first; none where nothing is known to have been spent."""
    split = costs.split
    if split is None or not costs.total_usd:
        return []
    found: list[Share] = []
    for field, name in _NAMES.items():
        part = getattr(split, field)
        if part:
            label = _WITH_THOUGHTS if field == "output_usd" and split.thoughts_usd is None else name
            found.append(Share(label, part, float(part / costs.total_usd)))
    return sorted(found, key=lambda each: -each.usd)  # those of one size stay in their order


def phrases(costs: Costs) -> list[str]:
    """The same as phrases: `grounding (Google Search, Maps) $0.3500 (93%)`."""
    return [f"{each.name} {usd(each.usd)} ({each.percent})" for each in shares(costs)]


def is_grounded(parts: Sequence[Part]) -> bool:
    """Whether grounding was charged to any of these, so that a table has a column for it."""
    return any(part.grounding_usd for part in parts)


def grounding(part: Part) -> str:
    """What grounding took of the cost of an agent or a model; empty where it took nothing."""
    return usd(part.grounding_usd) if part.grounding_usd else ""


def total(figures: Figures) -> str:
    """The cost as text: `known cost $0.0123` where calls have no price, since the true cost is higher then."""
    known_usd, unpriced = figures.costs.total_usd, figures.calls.unpriced
    if known_usd is None:
        return UNKNOWN
    if not unpriced:
        return money(known_usd)
    return f"known cost {usd(known_usd)}"


def remarks(figures: Figures) -> list[str]:
    """Phrases that follow the total: the number of calls without a price, and how much of it is estimated."""
    costs, unpriced = figures.costs, figures.calls.unpriced
    return [
        *([f"{counted(unpriced, 'call')} without a price"] if unpriced else []),
        *([f"of which {usd(costs.estimated.usd)} estimated"] if costs.estimated is not None else []),
    ]


def estimate_note(figures: Figures) -> list[str]:
    """The note on what an estimated cost rests on; none where that is not known."""
    estimated = figures.costs.estimated
    if estimated is None or not estimated.assumptions:
        return []
    return [f"{usd(estimated.usd)} of the cost is estimated: {'; '.join(estimated.assumptions)}."]


def unpriced_note(figures: Figures, reasons: Iterable[str] = ()) -> str:
    """The note on calls without a price, with their models.

    Args:
        figures: has at least one such call.
        reasons: why the prices are unknown, where that was recorded.
    """
    calls = figures.calls
    billed, number = calls.billed, calls.unpriced
    why = list(dict.fromkeys(reasons))[:2]
    names = [part.name for part in (*figures.models, *figures.services) if part.unpriced_calls]
    unnamed = [name for name in names if not any(name in reason for reason in why)]
    more = f" and {len(unnamed) - MAX_NAMES:,} more" if len(unnamed) > MAX_NAMES else ""
    what = [*why, *([f"{', '.join(unnamed[:MAX_NAMES])}{more}"] if unnamed else [])]
    of_what = f" ({'; '.join(what)})" if what else ""
    if number >= billed:
        cause = "" if why else ": no tokens are reported, or no rates known"
        return f"The price of {counted(max(billed, number), 'billed call')} is unknown{of_what}{cause}."
    return f"The price of {number:,} of {billed:,} billed calls is unknown{of_what}: the true cost is higher."
