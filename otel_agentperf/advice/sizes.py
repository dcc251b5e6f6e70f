"""Which concrete model "flash" and "pro" mean here.

With a list of allowed models it is one of them, and never another. Without one it is of the same
generation as the usual model, from the price list: the closest release, a settled model before a
preview. Where nothing was used yet, it is Gemini 2.5's, which both Gemini APIs have had since June
2025. Another maker's usual model has no flash or pro: then none is named.
"""

from __future__ import annotations

from functools import lru_cache

from otel_agentperf.pricing.families import Member, Size, member, rank
from otel_agentperf.pricing.names import plain_name, without_vendor

DEFAULTS = {Size.FLASH: "gemini-2.5-flash", Size.PRO: "gemini-2.5-pro"}
"""Where no model was used yet, or the price list is not loaded."""
_DEFAULT_GENERATION = Member(2, 5, Size.FLASH, "")


@lru_cache(maxsize=1_024)
def concrete(size: Size, usual: str, allowed: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    """The model of a size to name, `None` where there is none.

    Args:
        size: flash or pro.
        usual: the model that this node or process uses.
        allowed: by the user; empty allows any.
        known: names to choose from where any is allowed.
    """
    if allowed:
        return _of_allowed(size, usual, allowed)
    own = member(usual)
    if own is not None and own.size is size:
        return usual
    if own is None and usual:
        return usual if rank(usual) is size else None
    if own is None:
        return DEFAULTS[size]
    candidates = {name for name in (*known, *DEFAULTS.values()) if not _is_alias(name)}
    found = [(name, read) for name in candidates if (read := member(name)) is not None and read.size is size]
    same = [(name, read) for name, read in found if read.generation == own.generation]
    return min(same, key=lambda one: _distance(one[0], one[1], own))[0] if same else None


def _of_allowed(size: Size, usual: str, allowed: tuple[str, ...]) -> str | None:
    if same(usual, allowed) is not None and rank(usual) is size:
        return same(usual, allowed)
    own = member(usual) or _DEFAULT_GENERATION
    ranked = [(name, member(name)) for name in allowed if rank(name) is size]
    if not ranked and size is Size.FLASH:
        ranked = [(name, member(name)) for name in allowed if rank(name) is Size.FLASH_LITE]
    if not ranked:
        return None
    return min(ranked, key=lambda one: (one[1] is None, one[1] and _distance(one[0], one[1], own)))[0]


def same(model: str, names: tuple[str, ...]) -> str | None:
    """The name among these that means the same model, `None` where none does."""
    plain = without_vendor(plain_name(model))
    return next((name for name in names if without_vendor(plain_name(name)) == plain), None)


def _distance(name: str, read: Member, own: Member) -> tuple[bool, int, bool, int, str]:
    return read.generation != own.generation, abs(read.release - own.release), bool(read.stage), -read.release, name


def _is_alias(name: str) -> bool:
    return name.endswith("-latest")
