"""Cuts text into JSON documents, each of which may be one line or many.

Text in JSON has no line ends, so the ends of lines alone say where a document ends: no parser is needed, and
any byte range of a file can be cut apart from the others. What is between documents (the output of a
program, a line that was cut off) comes out as a document of its own, and fails to be decoded. So do
documents that begin within a line, or at a line that is indented: `mending` finds those.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import TypeAlias

from otel_agentperf.replay import opening

PIECE_BYTES = 8 << 20
MAX_DOCUMENT_BYTES = 512 << 20
"""A longer document is read only from a local file that is not compressed: there it is not copied."""
_COPIED_BYTES = 16 << 20
"""Of a longer document no copy is made where that can be helped."""
WHITE = b" \t\r\n\v\f\x1e\xef\xbb\xbf"
"""What may be around documents: white space, the byte-order mark, the separator of JSON text sequences."""
_OPENING = (b"{", b"[")
_LINE = re.compile(rb"\n(?:\xef\xbb\xbf|\x1e)?(?=[^ \t\r\n])")

Document: TypeAlias = bytes | memoryview
_Buffer: TypeAlias = bytes | bytearray | mmap.mmap


class TooLongError(ValueError):
    """A document that is too long to be held."""


def begins(before: bytes, first: bytes) -> bool:
    """Whether a line begins a new document, or what is none.

    Args:
        before: the last character before the line, white space left out; empty at the start.
        first: the first character of the line, which is no white space.
    """
    if first in _OPENING:
        return before not in (b",", b":", b"[")
    return not before or (before in (b"}", b"]") and first not in (b",", b":", b"}", b"]"))


def beginnings(text: _Buffer, since: int = 0, until: int | None = None) -> Iterator[int]:
    """Where lines begin that begin a document.

    Args:
        text: the text.
        since: lines that begin before are left out.
        until: so are lines that begin here or after.
    """
    end = len(text) if until is None else until
    if since == 0:
        first = _first(text, 0, end)
        if first == end:
            return
        yield first
        since = first + 1
    newline = text.find(b"\n", since - 1, end)
    while newline >= 0:
        at = newline + 1
        # `find` is several times as fast where lines are long, the pattern where they are short.
        if text[at : at + 1] not in _OPENING:
            found = _LINE.search(text, newline, end)
            if found is None:
                return
            newline, at = found.span()
        elif at >= end:
            return
        last = _last(text, 0, newline)
        if begins(bytes(text[last - 1 : last]) if last else b"", bytes(text[at : at + 1])):
            yield at
        newline = text.find(b"\n", at, end)


def _first(text: _Buffer | memoryview, start: int, end: int) -> int:
    """Where the first character is that is no white space."""
    while start < end and text[start] in WHITE:
        start += 1
    return start


def _last(text: _Buffer | memoryview, start: int, end: int) -> int:
    """Where the last character ends that is no white space."""
    while end > start and text[end - 1] in WHITE:
        end -= 1
    return end


def in_bytes(data: bytes, start: int) -> Iterator[tuple[int, Document]]:
    """The documents in text, each with where it begins.

    Args:
        data: the text.
        start: where it begins in its source.
    """
    for begin, document in _cut(data, 0, len(data)):
        yield start + begin, document


def in_range(source: str, start: int, end: int) -> Iterator[tuple[int, Document]]:
    """The documents that begin in a byte range of a file, each with where it begins; the last may go beyond it.

    Args:
        source: a path, or a URL that fsspec understands.
        start: where the range begins.
        end: where it ends.

    Raises:
        OSError: the range cannot be read any more.
        TooLongError: a document is too long.
    """
    error: TooLongError | None = None
    if opening.is_url(source):
        base, text, error = _fetched(source, start, end)
    else:
        base = start // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        base = max(0, base - mmap.ALLOCATIONGRANULARITY)  # for the line before
        with open(source, "rb") as file:  # noqa: PTH123 - a path as it was given
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, offset=base)
    for begin, document in _cut(text, start - base, end - base):
        yield base + begin, document
    if error is not None:
        raise error


def _fetched(source: str, start: int, end: int) -> tuple[int, bytes, TooLongError | None]:
    """A byte range of a file elsewhere, to the end of its last document; where it begins, and what is wrong."""
    base = max(0, start - (PIECE_BYTES >> 7))  # for the line before
    with opening.raw(source) as file:
        file.seek(base)
        text = bytearray(file.read(end - base))
        last = max(beginnings(text, start - base), default=None)
        seen = len(text)
        while last is not None and (more := file.read(PIECE_BYTES)):
            text += more
            if next(beginnings(text, max(1, seen)), None) is not None:
                break
            seen = len(text) - 1  # what follows a line end is looked at with it
            if len(text) > MAX_DOCUMENT_BYTES:
                return base, bytes(text[:last]), too_long(base + seen)
    return base, bytes(text), None


def too_long(at: int) -> TooLongError:
    """The error about a document that is too long to be held, at a byte of its source."""
    return TooLongError(
        f"a document of more than {MAX_DOCUMENT_BYTES >> 20} MB before byte {at:,}: write one document a line, or "
        "read it from a local file that is not compressed"
    )


def _cut(text: bytes | mmap.mmap, start: int, end: int) -> Iterator[tuple[int, Document]]:
    begin: int | None = None
    for at in beginnings(text, start, end):
        if begin is not None:
            yield _document(text, begin, at)
        begin = at
    if begin is not None:
        yield _document(text, begin, next(beginnings(text, max(1, end)), len(text)))


def _document(text: bytes | mmap.mmap, begin: int, end: int) -> tuple[int, Document]:
    end = _last(text, begin, end)
    return begin, text[begin:end] if end - begin <= _COPIED_BYTES else memoryview(text)[begin:end]
