"""Numbers and names as people read them.

Names, sessions and descriptions come from programs and from other people's traces. `clean`
takes out whatever could steer a terminal: control characters, escapes, bidirectional
overrides and line breaks.
"""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_EVEN, Context, Decimal

from otel_agentperf.model import SavingBasis

UNKNOWN = "?"
REPLACEMENT = "?"
BASES = {
    SavingBasis.MEASURED: "measured: already spent",
    SavingBasis.REPRICED: "the same tokens at another price",
    SavingBasis.ESTIMATED: "estimated",
}
"""What a saving rests on, in words."""
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SMALLEST_USD = Decimal("0.0001")
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


def described(description: str, runs: int) -> str:
    """What a suggestion says; its words and numbers are those of one run, whatever was saved in all."""
    return description if runs <= 1 else f"In {runs:,} runs; where it weighs most: {description}"
