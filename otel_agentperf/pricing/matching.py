"""Whether a model that a price list found is the one that was named, or one with a longer name.

genai-prices finds a model by what its name begins with or contains, so that dated and staged names
(`-001`, `-preview-09-2025`, `-latest`) are found too. A new model with a longer name is found as
well: `gemini-3.8-flash-cyber` begins with `gemini-3.8-flash`, and `gemini-1.5-flash-8b` contains
`gemini-1.5-flash`, which costs twice as much. So what stands beside the matched part has to be a
vendor before it, and versions, dates and stages behind it. It errs towards another model, which
is then unpriced.
"""

from __future__ import annotations

import re

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
)

_STAGES = "preview|exp|experimental|latest|stable|beta|default|thinking|customtools|native-audio"
_DATES = r"20\d\d-?\d\d-?\d\d|\d\d-20\d\d|\d\d-\d\d(?:-20\d\d)?|\d{6}|\d{4}|0\d\d"
_PART = rf"(?:{_STAGES}|{_DATES}|v\d+(?:[.:]\d+)*)"
_VERSION = re.compile(rf"(?:[-@:._]{_PART})*\Z")
_VERSION_BEGUN = re.compile(rf"{_PART}(?:[-@:._]{_PART})*\Z")
_VENDOR = re.compile(r"(?:.*[/.:])?\Z")
_REST_OF_A_NUMBER = re.compile(r"\d+(?=[-@:._]|\Z)")
_SIZES = re.compile(r"-?e?\d+b(?:-a\d+b)?(?:-it)?(?:-maas)?\Z")
_TUNED = ("ft:", ".ft-")
"""In what a name of a tuned model begins with; anything may follow."""
_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=-|:|\Z)")


def is_named(info: ModelInfo, name: str) -> bool:
    """Return whether a model is the one of this name.

    Args:
        info: the model that genai-prices found for the name.
        name: in lower case.
    """
    # genai-prices finds `-20251211` where its list has `-2025-12-11`.
    return name == info.id.lower() or any(
        _names(info.match, form) for form in dict.fromkeys((name, _COMPACT_DATE.sub(r"-\1-\2-\3", name)))
    )


def is_version(suffix: str) -> bool:
    """Return whether what follows a model's name is a version, a date or a stage; nothing is one too."""
    return _VERSION.match(suffix) is not None


def _names(clause: object, name: str) -> bool:
    match clause:
        case ClauseOr():
            return any(_names(one, name) for one in clause.or_)
        case ClauseAnd():
            return clause.is_match(name) and any(_names(one, name) for one in clause.and_)
        case ClauseEquals():
            return clause.is_match(name)
        case ClauseStartsWith() | ClauseContains() | ClauseEndsWith():
            return clause.is_match(name) and _beside(name, *_place(clause, name))
        case ClauseRegex():
            found = re.search(clause.regex, name)
            return found is not None and found.end() > found.start() and _beside(name, found.start(), found.end())
        case _:
            return False


def _place(clause: ClauseStartsWith | ClauseContains | ClauseEndsWith, name: str) -> tuple[int, int]:
    match clause:
        case ClauseStartsWith():
            return 0, len(clause.starts_with)
        case ClauseEndsWith():
            return len(name) - len(clause.ends_with), len(name)
        case ClauseContains():
            begin = name.rindex(clause.contains.lower())
            return begin, begin + len(clause.contains)


def _beside(name: str, begin: int, end: int) -> bool:
    """Return whether nothing but a vendor and versions stands beside a part of a name."""
    before, part, after = name[:begin], name[begin:end], name[end:]
    if _VENDOR.match(before) is None:
        return False
    if any(mark in part for mark in _TUNED):
        return True
    if part.startswith("gemma") and _SIZES.match(after):
        return True
    if part[-1:] in "-@:._/":
        return _VERSION_BEGUN.match(after) is not None
    if _VERSION.match(after) is not None:
        return True
    # `-0` and `01`, `-2025` and `0514`: a number whose beginning was matched.
    rest = _REST_OF_A_NUMBER.match(after)
    if rest is None:
        return False
    number = re.search(r"\d+\Z", part)
    whole = (number[0] if number else "") + rest[0]
    return re.fullmatch(r"0\d\d|\d{6}|20\d{6}", whole) is not None and _VERSION.match(after[rest.end() :]) is not None
