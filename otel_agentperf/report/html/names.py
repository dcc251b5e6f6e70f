"""Names from other people's traces, as a page can show them.

Markup is escaped elsewhere, always. Here goes what would steer the text around it: control
characters and bidirectional overrides; joiners stay, since scripts and emoji are made with them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

REPLACEMENT = "\ufffd"
DOTS = "…"
MAX_LENGTH = 1000
_JOINERS = frozenset("\u200c\u200d")
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def plain(text: str) -> str:
    """Text that cannot steer what stands around it: one line, at most 1,000 characters."""
    if len(text) > MAX_LENGTH:
        text = text[: MAX_LENGTH - 1] + DOTS
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    if character in _SPACES:
        return " "
    if character in _JOINERS:
        return character
    return REPLACEMENT if unicodedata.category(character) in _UNSAFE else character


def cells(text: str) -> int:
    """How wide text is, in widths of a Latin letter: 2 for East Asian letters and emoji."""
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, width: int) -> str:
    """A name within a width, its middle left out: both ends of a name tell it apart."""
    text = plain(text)
    if cells(text) <= width:
        return text
    room = max(2, width - 1)
    tail_room = room // 3
    tail = _within(reversed(text), tail_room)[::-1]
    return _within(iter(text), room - cells(tail)).rstrip() + DOTS + tail


def _within(characters: Iterable[str], room: int) -> str:
    kept = ""
    for character in characters:
        room -= _cells(character)
        if room < 0:
            break
        kept += character
    return kept
