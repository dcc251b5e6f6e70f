"""Which earlier answers of a run stand, in part, in a later request of it.

Of an answer up to six pieces of 40 characters are kept (beginning, middle and end of its text, the
longest strings of an answer that is JSON, the arguments of its function calls), in the form that
they have in the canonical bytes of a request. One of them found there means that the request
makes use of the answer. The pieces never leave memory, 8 answers a run, and go with the run.

A message is searched once, when it first appears in a request of the run, since an answer that comes later cannot
stand in it: a request costs what is new in it, however long the run. Of what is new at most 64 kB are searched.

It errs towards not knowing. Nothing is said of an answer that was not found where a part was not searched. Nothing is said while one of the last 8 answers cannot be told in a
request: it was short, or a picture, or was not seen, or is still on its way, or asks for a
function and no request has repeated that yet (what the function gave may be used without it).
An answer that was put in other words, or of which only a word was taken, counts as not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
import xxhash

from otel_agentperf.fingerprint import canonical_bytes

KEPT_ANSWERS = 8
KEPT_MESSAGES = 1_024
SEARCHED_BYTES = 65_536
"""Of the messages of one request that were not searched before, the last ones first."""
MAX_PIECES = 6
_PIECE = 40
_SHORTEST = 12
_LARGEST_JSON = 65_536
_MAX_STRINGS = 256
_KEPT_STRINGS = 2
_SEPARATOR = b"\x1e"
"""In no canonical bytes."""
_FENCE = "```"
_JSON_BEGINS = ("{", "[", "`")
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(str).decode


class Pieces:
    """What one answer can be recognised by.

    Args:
        found_by: pieces of it, as they would stand in a request.
        suffice: whether a request in which none of them stands makes no use of the answer.
    """

    __slots__ = ("found_by", "suffice")

    def __init__(self, found_by: tuple[bytes, ...] = (), *, suffice: bool = False) -> None:
        self.found_by = found_by
        self.suffice = suffice


class _Searched(NamedTuple):
    """What is known of one message."""

    used: frozenset[str]
    """The answers that were found in it."""
    pending: frozenset[str]
    """The answers that could not be looked for then: most were still on their way."""
    is_whole: bool
    """Whether all of it was searched."""


class Answers:
    """The last answers of one run."""

    __slots__ = ("_kept", "_searched")

    def __init__(self) -> None:
        self._kept: tuple[tuple[str, Pieces], ...] = ()
        self._searched: dict[int, _Searched] = {}
        """By the hash of a message."""

    def keep(self, span_id: str, pieces: Pieces) -> None:
        """Keep the answer of a span, in place of what was kept of it before."""
        self._kept = (*[one for one in self._kept if one[0] != span_id], (span_id, pieces))[-KEPT_ANSWERS:]

    def used_in(self, messages: Sequence[bytes]) -> tuple[str, ...] | None:
        """Find which answers a request uses.

        Args:
            messages: the canonical bytes of each part of the request.

        Returns:
            The spans of the answers of which a piece stands in it; `None` where that cannot be told.
        """
        kept = self._kept
        if not kept:
            return ()
        used: frozenset[str] = frozenset()
        is_whole = True
        left = SEARCHED_BYTES
        for message in reversed(messages):
            key = xxhash.xxh3_64_intdigest(message)
            found = self._searched.get(key)
            if found is None or any(span_id in found.pending and pieces.found_by for span_id, pieces in kept):
                if left <= 0:
                    is_whole = False
                    continue
                found = self._search(message, left)
                left -= len(message)
                self._remember(key, found)
            used |= found.used
            is_whole = is_whole and found.is_whole
        if any(span_id not in used and not (pieces.suffice and is_whole) for span_id, pieces in kept):
            return None
        return tuple([span_id for span_id, _ in kept if span_id in used])

    def _search(self, message: bytes, limit: int) -> _Searched:
        is_whole = len(message) <= limit
        text = message if is_whole else message[: limit // 2] + _SEPARATOR + message[-(limit // 2) :]
        used: list[str] = []
        pending: list[str] = []
        for span_id, pieces in self._kept:
            if not pieces.found_by:
                pending.append(span_id)
            elif any(piece in text for piece in pieces.found_by):
                used.append(span_id)
                pieces.suffice = True
        return _Searched(frozenset(used), frozenset(pending), is_whole)

    def _remember(self, key: int, found: _Searched) -> None:
        if len(self._searched) >= KEPT_MESSAGES and key not in self._searched:
            del self._searched[next(iter(self._searched))]
        self._searched[key] = found


def pieces_of(texts: Sequence[bytes], calls: Sequence[bytes]) -> Pieces:
    """The pieces of an answer.

    Args:
        texts: its text, as JSON strings without their quotes.
        calls: the arguments of the functions that it asks for, as JSON.
    """
    asked = [piece for arguments in calls for piece in _of_call(arguments)] if calls else []
    if not texts:
        return Pieces(_few(asked))
    try:
        text = _decode_text(b'"%b"' % b"".join(texts)).strip()
    except _UNREADABLE:
        return Pieces()
    if text[:1] not in _JSON_BEGINS or (strings := _strings_of_json(text)) is None:
        found = _of_text(text)
        return Pieces(_few(asked + found), suffice=bool(found) and not asked)
    found = [piece for string in strings for piece in _piece(string)]
    return Pieces(_few(asked + found + _of_text(text)), suffice=bool(found) and not asked)


def _few(pieces: list[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(pieces))[:MAX_PIECES]


def _of_text(text: str) -> list[bytes]:
    length = len(text)
    found = _piece(text[:_PIECE])
    if length > _PIECE:
        if length > 3 * _PIECE:
            found += _piece(text[(length - _PIECE) // 2 :][:_PIECE])
        found += _piece(text[-_PIECE:])
    return found


def _piece(text: str) -> list[bytes]:
    """A piece as it would stand in a request, of one line, since lines may be joined otherwise there."""
    text = text[:_PIECE]
    if "\n" in text:
        text = max(text.splitlines(), key=len)
    text = text.strip()
    return [_encode(text)[1:-1]] if len(text) >= _SHORTEST else []


def _strings_of_json(text: str) -> list[str] | None:
    """The longest strings of a text that is JSON, `None` where it is none; also in a fence of Markdown."""
    if text.startswith(_FENCE):
        text = text.partition("\n")[2].removesuffix(_FENCE).strip()
    if text[:1] not in ("{", "[") or len(text) > _LARGEST_JSON:
        return None
    try:
        return _longest_strings(msgspec.json.decode(text))
    except _UNREADABLE:
        return None


def _of_call(arguments: bytes) -> list[bytes]:
    try:
        decoded: object = msgspec.json.decode(arguments)
    except _UNREADABLE:
        return []
    found = [piece for string in _longest_strings(decoded) for piece in _piece(string)]
    canonical = canonical_bytes(decoded)
    if canonical is not None and len(canonical) >= _SHORTEST:
        found.append(canonical[: 2 * _PIECE])
    return found


def _longest_strings(value: object) -> list[str]:
    strings = [string for _, string in zip(range(_MAX_STRINGS), _strings(value), strict=False)]
    return sorted(strings, key=len, reverse=True)[:_KEPT_STRINGS]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, Mapping):
        for item in cast("Mapping[object, object]", value).values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _strings(item)
