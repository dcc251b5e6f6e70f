"""Cuts text into JSON documents, which may each be one line or go over many.

Text in JSON has no line ends, so the lines alone say where a document ends: no parser is needed, and
any byte range of a file can be cut apart from the others. What is between documents (the output of a
program, a line that was cut off) comes out as a document of its own, and whoever decodes it says so.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

from otel_agentperf.replay import opening

PIECE_BYTES = 8 << 20
MAX_DOCUMENT_BYTES = 512 << 20
"""A longer document is read only from a local file that is not compressed: there it need not be copied."""
_COPIED_BYTES = 16 << 20
"""Of a longer document no copy is made where that can be helped."""
_EDGE = 64
"""How much of a line's ends is looked at first."""
WHITE = b" \t\r\n\v\f\x1e\xef\xbb\xbf"
"""What may be around documents: white space, the byte-order mark, the separator of JSON text sequences."""

Document: TypeAlias = bytes | memoryview


class TooLongError(ValueError):
    """A document that is too long to be held."""


def begins(before: bytes, first: bytes) -> bool:
    """Whether a line begins a new document, or what is none.

    Args:
        before: the last character before the line, white space left out; empty at the start.
        first: the first character of the line, white space left out.
    """
    if first in (b"{", b"["):
        return before not in (b",", b":", b"[")
    return not before or (before in (b"}", b"]") and first not in (b",", b":", b"}", b"]"))


def first_of(line: bytes) -> bytes:
    """The first character that is no white space; empty where there is none."""
    return line[:_EDGE].lstrip(WHITE)[:1] or line.lstrip(WHITE)[:1]


def last_of(line: bytes) -> bytes:
    """The last character that is no white space; empty where there is none."""
    return line[-_EDGE:].rstrip(WHITE)[-1:] or line.rstrip(WHITE)[-1:]


def last_beginning(data: bytearray, since: int) -> int:
    """Where the last line begins that begins a document, or -1.

    Args:
        data: text; its last line may not be whole.
        since: lines that begin before are not looked at.
    """
    end = len(data)
    while (newline := data.rfind(b"\n", since, end)) >= 0:
        first = data[newline + 1 : newline + 1 + _EDGE].lstrip(WHITE)[:1]
        before = data[max(0, newline - _EDGE) : newline].rstrip(WHITE)[-1:]
        if first and before and begins(bytes(before), bytes(first)):
            return newline + 1
        end = newline
    return -1


def in_bytes(data: bytes, start: int) -> Iterator[tuple[int, Document]]:
    """The documents in text, each with where it begins.

    Args:
        data: the text; it begins with a document.
        start: where it begins in its source.
    """

    def lines() -> Iterator[tuple[int, bytes, bool]]:
        begin, size = 0, len(data)
        while begin < size:
            end = data.find(b"\n", begin) + 1 or size
            yield start + begin, data[begin:end], True
            begin = end

    view = memoryview(data)
    return _cut(lines(), lambda begin, end: view[begin - start : end - start])


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
    with opening.raw(source) as file:
        before = _before(file, start)
        yield from _cut(_lines(file, start), None if opening.is_url(source) else _Map(source), before, end)


def _before(file: BinaryIO, start: int) -> bytes:
    """The last character before the first line that begins in a range; leaves the file where the range begins."""
    at = start
    while at > 0:
        begin = max(0, at - PIECE_BYTES // 64)
        file.seek(begin)
        found = last_of(file.read(at - begin))
        if found:
            file.seek(start)
            return found
        at = begin
    file.seek(start)
    return b""


def _lines(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes, bool]]:
    """Lines, long ones in parts: where each begins, its text, and whether it begins a line."""
    at, is_line = start, True
    if start:
        file.seek(start - 1)
        is_line = file.read(1) == b"\n"
    while part := file.readline(PIECE_BYTES):
        yield at, part, is_line
        at += len(part)
        is_line = part.endswith(b"\n")


class _Map:
    """Hands out parts of a local file that are not copied."""

    def __init__(self, source: str) -> None:
        self._source = source

    def __call__(self, begin: int, end: int) -> memoryview:
        with open(self._source, "rb") as file:  # noqa: PTH123 - a path as it was given
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[begin:end]


def _cut(
    lines: Iterator[tuple[int, bytes, bool]],
    uncopied: Callable[[int, int], memoryview] | None,
    before: bytes = b"",
    end: int | None = None,
) -> Iterator[tuple[int, Document]]:
    parts: list[bytes] = []
    is_open = False
    begin = size = at = 0
    for at, line, is_line in lines:
        first = first_of(line) if is_line else b""
        if first and begins(before, first):
            if is_open:
                yield _trimmed(begin, b"".join(parts) if parts or uncopied is None else uncopied(begin, begin + size))
            if end is not None and at >= end:
                return
            parts, is_open, begin, size = [], True, at, 0
        before = last_of(line) or before
        if not is_open:
            if end is not None and at >= end:
                return
            continue
        if size <= _COPIED_BYTES or uncopied is None:
            parts.append(line)
        size += len(line)
        if size > _COPIED_BYTES and uncopied is not None:
            parts.clear()
        elif size > MAX_DOCUMENT_BYTES:
            raise TooLongError(
                f"a document of more than {MAX_DOCUMENT_BYTES >> 20} MB at byte {begin:,}: write it as one document "
                "a line, or read it from a local file that is not compressed"
            )
    if is_open:
        yield _trimmed(begin, b"".join(parts) if parts or uncopied is None else uncopied(begin, begin + size))


def _trimmed(begin: int, document: Document) -> tuple[int, Document]:
    """Without what is around it."""
    if isinstance(document, bytes):
        left = document.lstrip(WHITE)
        return begin + len(document) - len(left), left.rstrip(WHITE)
    start, end = 0, len(document)
    while start < end and document[start] in WHITE:
        start += 1
    while end > start and document[end - 1] in WHITE:
        end -= 1
    return begin + start, document[start:end]
