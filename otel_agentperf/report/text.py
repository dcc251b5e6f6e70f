"""Numbers and names as people read them.

Names, sessions and descriptions come from programs and from other people's traces. `clean`
takes out whatever could steer a terminal: control characters, escapes, bidirectional
overrides and line breaks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal

from otel_agentperf.analysis.figures import Figures, Finding, Saving
from otel_agentperf.model import Extent, SavingBasis

UNKNOWN = "?"
REPLACEMENT = "?"
BASES = {
    SavingBasis.MEASURED: "measured: already spent",
    SavingBasis.REPRICED: "estimated: the same tokens at another price",
    SavingBasis.ESTIMATED: "estimated",
}
"""What a saving rests on, in words."""
_EXTENTS = {Extent.SESSION: "its session", Extent.PROCESS: "this service"}
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SMALLEST_USD = Decimal("0.0001")
_SHORTEST_S = 0.001
_NS_PER_MS, _NS_PER_S = 1_000_000, 1_000_000_000
_LONGEST = 1000
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)


def clean(text: str) -> str:
    """Text that a terminal prints as it stands: one line, nothing that steers it."""
    text = text[:_LONGEST]
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def _clean_character(character: str) -> str:
    if character in _SPACES:
        return " "
    return REPLACEMENT if unicodedata.category(character) in _UNSAFE else character


def duration(nanoseconds: int) -> str:
    """A span of time with the unit that fits: ms, s, minutes, hours."""
    if nanoseconds < 999_500_000:  # noqa: PLR2004 - what would round to 1000 ms
        return f"{nanoseconds / _NS_PER_MS:.0f} ms"
    seconds = nanoseconds / _NS_PER_S
    if seconds < 99.995:  # noqa: PLR2004 - what would round to 100.00 s
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:  # noqa: PLR2004 - an hour
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def usd(amount: Decimal) -> str:
    """An amount to a hundredth of a cent; one that is smaller, yet not 0, says so."""
    if 0 < amount < _SMALLEST_USD:
        return "<$0.0001"
    return f"${_EXACT.quantize(amount, _SMALLEST_USD):,}"


def tokens(number: int) -> str:
    """A number of tokens; from ten million on in millions."""
    return f"{number:,}" if number < 10_000_000 else f"{number / 1e6:,.1f}M"  # noqa: PLR2004 - as said


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 error`, `2 errors`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float | None) -> str:
    """A share of 1 in whole hundredths; `?` where it is unknown."""
    return UNKNOWN if share is None else f"{share:.0%}"


def seconds(number: float) -> str:
    """A number of seconds with the unit that fits."""
    return duration(round(number * _NS_PER_S))


def money(amount: Decimal | None, unpriced_calls: int = 0) -> str:
    """An amount, with a `?` for what is unknown of it; empty where nothing was billed."""
    if amount is None:
        return UNKNOWN if unpriced_calls else ""
    return usd(amount) + (f" + {UNKNOWN}" if unpriced_calls else "")


def savings_in(saving: Saving, show_usd: Callable[[Decimal], str] | None = None) -> list[str]:
    """What could be saved, the measured part and then the estimated one, each with its basis; empty where nothing is.

    Args:
        saving: money and time.
        show_usd: shows an amount in US dollars; as `usd` when absent.
    """
    show = show_usd or usd
    parts: list[str] = []
    for cost_usd, time_s, basis in (
        (saving.measured_cost_usd, saving.measured_time_s, "measured"),
        (saving.estimated_cost_usd, saving.estimated_time_s, "estimated"),
    ):
        amounts = [show(cost_usd)] if cost_usd > 0 else []
        amounts += [seconds(time_s)] if round(time_s, 3) > 0 else []
        if amounts:
            more = " more" if parts else ""
            parts.append(f"{' and '.join(amounts)}{more} ({basis})")
    return parts


def once(figures: Figures) -> str:
    """A note that a total is less than its parts, since what two suggestions claim counts once; empty where it is not."""
    cost_usd = sum((_of_run(each.run_cost_usd, each.cost_usd) for each in figures.suggestions), Decimal(0))
    time_s = sum(float(_of_run(each.run_time_s, each.time_s)) for each in figures.suggestions)
    total = figures.savings
    is_less = cost_usd > total.cost_usd + _SMALLEST_USD or time_s > total.time_s + _SHORTEST_S
    return ", overlaps counted once" if is_less else ""


def _of_run(part: Decimal | float | None, whole: Decimal | float | None) -> Decimal:
    return Decimal(repr(float(part if part is not None else whole or 0)))


def saves(finding: Finding, show_usd: Callable[[Decimal], str] | None = None, *, is_brief: bool = False) -> str:
    """What following a suggestion would have saved, where, and what that rests on; empty where it states no saving.

    Args:
        finding: the suggestion.
        show_usd: shows an amount in US dollars; as `usd` when absent.
        is_brief: says it in few words, without the part of this run.
    """
    if finding.basis is None:
        return ""
    what = _amounts(finding.time_s, finding.cost_usd, show_usd)
    within = ""
    if finding.extent is not Extent.RUN and finding.runs == 1:
        within = f" in {_EXTENTS[finding.extent]}"
        here = _amounts(finding.run_time_s, finding.run_cost_usd, show_usd)
        if here == what:
            within = ""
        elif here and not is_brief:
            within += f", {here} of it in this run"
    basis = BASES[finding.basis]
    if is_brief:
        basis = basis.partition(":")[0]
    return f"saves {what or UNKNOWN}{within} ({basis})"


def _amounts(time_s: float | None, cost_usd: Decimal | None, show_usd: Callable[[Decimal], str] | None) -> str:
    what = [seconds(time_s)] if time_s is not None else []
    what += [(show_usd or usd)(cost_usd)] if cost_usd is not None else []
    return " and ".join(what)


def described(description: str, runs: int) -> str:
    """What a suggestion says; its words and numbers are those of one run, whatever was saved in all."""
    return description if runs <= 1 else f"In {runs:,} runs; where it weighs most: {description}"
