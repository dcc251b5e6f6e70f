"""Which models are of one family, and which of them is the next smaller one.

Google names a model `gemini-<generation>-<size>`, then its stage (`-preview-09-2025`, `-001`).
A name with anything else after the size is made for a task of its own (`-image`, `-tts`,
`-live`) and has no smaller sibling here. A generation is the number before the point; where it
has no smaller model of the same number, the one closest to it counts: 3.6 Flash has 3.5
Flash-Lite below it. It errs towards "none": other makers' names are not understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from otel_agentperf.pricing.names import plain_name, without_vendor
from otel_agentperf.pricing.rates import Rates


class Size(IntEnum):
    """The sizes of Gemini, the cheapest first."""

    FLASH_LITE = 1
    FLASH = 2
    PRO = 3


class Member(NamedTuple):
    """A general model of the family."""

    generation: int
    release: int
    """What stands after the point."""
    size: Size
    stage: str
    """`-preview-09-2025`; empty for a settled model."""


_SIZES = {"pro": Size.PRO, "flash": Size.FLASH, "flash-lite": Size.FLASH_LITE}
_MEMBER = re.compile(
    r"gemini-(?P<generation>\d+)(?:\.(?P<release>\d+))?-(?P<size>pro|flash-lite|flash)"
    r"(?P<stage>(?:-(?:preview|exp|latest|\d+))*)"
)
_RANKED = re.compile(r"(?:^|-)gemini-(?:.*-)?(?P<size>pro|flash-lite|flash)(?:-|$)")


def member(model: str) -> Member | None:
    """Read a model's name, as a request, a response or a price list has it; `None` for any other name."""
    found = _MEMBER.fullmatch(without_vendor(plain_name(model)))
    if found is None:
        return None
    return Member(int(found["generation"]), int(found["release"] or 0), _SIZES[found["size"]], found["stage"])


def rank(model: str) -> Size | None:
    """The size that a model's name tells, of models for a task of their own too; `None` where it tells none."""
    found = _RANKED.match(without_vendor(plain_name(model)))
    return None if found is None else _SIZES[found["size"]]


def next_smaller(model: str, known: Iterable[str]) -> tuple[str, ...]:
    """The models one size below, of the same family and generation, the best match first.

    Args:
        model: the larger one.
        known: names to choose from.

    Returns:
        Those of the closest release come first, of them the newer and the settled ones.
    """
    larger = member(model)
    if larger is None or larger.size is Size.FLASH_LITE:
        return ()
    found: list[tuple[int, int, str, str]] = []
    for name in known:
        smaller = member(name)
        if smaller is not None and smaller.size == larger.size - 1 and smaller.generation == larger.generation:
            distance = abs(smaller.release - larger.release)
            found.append((distance, -smaller.release, smaller.stage, name))
    return tuple(name for *_, name in sorted(found))


def cheaper(model: str, known: Iterable[str], rates_of: Callable[[str], Rates | None]) -> str | None:
    """The best match of `next_smaller` that costs less than the model, for input and for output.

    Args:
        model: the larger one.
        known: names to choose from.
        rates_of: tells what a model charges, `None` where that is not known.
    """
    own = rates_of(model)
    for name in next_smaller(model, known):
        rates = rates_of(name)
        if own is None or rates is None or own.input is None or own.output is None:
            continue
        if (
            rates.input is not None
            and rates.output is not None
            and rates.input < own.input
            and rates.output < own.output
        ):
            return name
    return None
