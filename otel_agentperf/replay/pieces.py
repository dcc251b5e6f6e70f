"""Parts a source into pieces that can be mapped apart from each other.

A file of lines that is not compressed is parted into byte ranges, which the workers read
themselves: a line belongs to the range in which it begins. What cannot be read from its middle
(compressed files, length-prefixed messages) is read here, once, and its pieces carry their
bytes. A document that goes over many lines is one piece.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import BinaryIO

import msgspec

from otel_agentperf.replay import opening

PIECE_BYTES = 8 << 20
MAX_LINE_BYTES = 256 << 20
"""A longer line or message is told and skipped."""
MAX_DOCUMENT_BYTES = 512 << 20
"""A longer document over many lines is refused: lines can be read a piece at a time."""
_SNIFF_BYTES = 1 << 16
_LENGTH_BYTES = 4
_PROTO_NAMES = re.compile(r"\.(pb|proto|protobuf|binpb|bin|otlp)(\.(gz|zst|zstd))?\Z", re.IGNORECASE)
_FIRST_FIELD = 0x0A
"""How a request with a first field begins."""


class Layout(StrEnum):
    """How documents stand in a file."""

    LINES = "lines"
    """One JSON document a line."""
    DOCUMENT = "document"
    """One JSON document over many lines."""
    MESSAGES = "messages"
    """Messages, each after its length in four bytes."""
    MESSAGE = "message"
    """One protobuf message."""
    FETCH = "fetch"
    """One JSON document, fetched from a backend."""


class Piece(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A part of a source."""

    source: str
    layout: Layout
    start: int = 0
    """Where it begins, in bytes of the decompressed source."""
    end: int | None = None
    """Where a range ends; the last line may go beyond."""
    data: bytes | None = None
    """Its bytes, where no range can be read."""
    headers: tuple[tuple[str, str], ...] = ()
    """For what is fetched."""
    size: int = 0
    """How much of the source it takes, compressed as it is; for progress."""


class UnknownFormError(ValueError):
    """A file that is none of those that are understood."""


def pieces_of(name: str, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Part a file.

    Args:
        name: a path, or a URL that fsspec understands.
        piece_bytes: about how large a piece shall be.

    Raises:
        OSError: it cannot be read, or is damaged; the pieces before that are good.
        EOFError: a compressed file ends too early; likewise.
        UnknownFormError: it is of no known form.
        MissingExtraError: a library is absent.
    """
    size = opening.size(name)
    with opening.raw(name) as file:
        how = opening.compression(file.read(_LENGTH_BYTES))
    with opening.text(name, how) as file:
        start = file.read(_SNIFF_BYTES)
        if not start.strip():
            return
        layout = layout_of(name, start)
        if layout in (Layout.DOCUMENT, Layout.MESSAGE):
            rest = file.read(MAX_DOCUMENT_BYTES)
            if len(rest) == MAX_DOCUMENT_BYTES:
                raise UnknownFormError(f"one document of more than {MAX_DOCUMENT_BYTES >> 20} MB: write it as lines")
            yield Piece(source=name, layout=layout, data=start + rest, size=size)
        elif layout is Layout.LINES and how is None:
            for begin in range(0, size, piece_bytes):
                end = min(size, begin + piece_bytes)
                yield Piece(source=name, layout=layout, start=begin, end=end, size=end - begin)
        elif layout is Layout.LINES:
            yield from _sized(_blocks(name, start, file, piece_bytes), size)
        else:
            yield from _sized(_messages(name, start, file, piece_bytes), size)


def layout_of(name: str, start: bytes) -> Layout:
    """How documents stand in a file that begins like this.

    Raises:
        UnknownFormError: it is of no known form.
    """
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_proto = _PROTO_NAMES.search(name) is not None
    if text[:1] in (b"{", b"[") and not is_proto:
        return _json_layout(text)
    if len(start) > _LENGTH_BYTES and start[0] < _FIRST_FIELD:
        return Layout.MESSAGES
    if start[0] == _FIRST_FIELD:
        return Layout.MESSAGE
    if text[:1] in (b"{", b"["):
        return _json_layout(text)
    # A first line that is damaged does not make all of them so.
    if any(map(_is_line, start.split(b"\n"))):
        return Layout.LINES
    raise UnknownFormError("neither OTLP as JSON or protobuf, nor Jaeger's JSON")


def _json_layout(text: bytes) -> Layout:
    first, newline, rest = text.partition(b"\n")
    if not newline or not rest.strip() or _is_object(first) or any(map(_is_line, rest.split(b"\n"))):
        return Layout.LINES
    return Layout.DOCUMENT


def _is_line(line: bytes) -> bool:
    """Whether it begins as no line of an indented document does, or is a whole object."""
    return line.startswith(b'{"') or _is_object(line)


def _is_object(line: bytes) -> bool:
    if line[:1] not in (b"{", b"["):
        return False
    try:
        return bool(msgspec.json.decode(line))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _sized(pieces: Iterator[Piece], size: int) -> Iterator[Piece]:
    """Say with the first piece how large all of the file is: how far a stream has come is not known."""
    for place, piece in enumerate(pieces):
        yield msgspec.structs.replace(piece, size=0 if place else size)


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A stream in blocks; one that is damaged gives all that came before the damage, then raises."""
    # In small steps, where the stream has them: what one step decompressed is lost with its error.
    step: Callable[[int], bytes] = getattr(file, "read1", file.read)
    block = bytearray()
    try:
        while part := step(size - len(block)):
            block += part
            if len(block) >= size:
                yield bytes(block)
                block.clear()
    except (OSError, EOFError, zlib.error) as error:
        if block:
            yield bytes(block)
        if isinstance(error, zlib.error):
            raise OSError(f"damaged: {error}") from None
        raise
    if block:
        yield bytes(block)


def _blocks(name: str, start: bytes, file: BinaryIO, piece_bytes: int) -> Iterator[Piece]:
    """Whole lines of a stream."""
    offset, held = 0, bytearray(start)
    blocks = _read(file, piece_bytes)
    while True:
        block = next(blocks, b"")
        cut = len(held) if not block else -1
        if block:
            newline = block.rfind(b"\n")
            if newline >= 0:
                cut = len(held) + newline + 1
            held += block
        if cut > 0:
            yield Piece(source=name, layout=Layout.LINES, start=offset, data=bytes(held[:cut]))
            del held[:cut]
            offset += cut
        if not block:
            return
        if len(held) > MAX_LINE_BYTES:
            raise UnknownFormError(f"a line of more than {MAX_LINE_BYTES >> 20} MB at byte {offset:,}")


def _messages(name: str, start: bytes, file: BinaryIO, piece_bytes: int) -> Iterator[Piece]:
    """Whole messages of a stream, with their lengths before them."""
    offset, held = 0, bytearray(start)
    blocks = _read(file, piece_bytes)
    while True:
        block = next(blocks, b"")
        held += block
        cut = 0
        while cut + _LENGTH_BYTES <= len(held):
            length = int.from_bytes(held[cut : cut + _LENGTH_BYTES], "big")
            if length > MAX_LINE_BYTES:
                raise UnknownFormError(f"no message at byte {offset + cut:,}; what follows cannot be told apart")
            if cut + _LENGTH_BYTES + length > len(held):
                break
            cut += _LENGTH_BYTES + length
        if cut:
            yield Piece(source=name, layout=Layout.MESSAGES, start=offset, data=bytes(held[:cut]))
            del held[:cut]
            offset += cut
        if not block:
            if held:
                raise EOFError(f"the last message, at byte {offset:,}, is cut off")
            return


def messages_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages of a piece, each with where it begins."""
    begin = 0
    while begin < len(data):
        length = int.from_bytes(data[begin : begin + _LENGTH_BYTES], "big")
        yield begin, data[begin + _LENGTH_BYTES : begin + _LENGTH_BYTES + length]
        begin += _LENGTH_BYTES + length


def lines_in(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """The lines that begin in a piece, each with where it begins; empty ones are left out.

    A line may end with what parts it from the next.

    Raises:
        OSError: the range cannot be read any more.
        UnknownFormError: a line is too long.
    """
    if piece.data is None:
        yield from _lines_of_range(piece)
        return
    data, offset = piece.data, piece.start
    begin, size = 0, len(data)
    while begin < size:
        end = data.find(b"\n", begin)
        if end < 0:
            end = size
        if end - begin > 1 or data[begin:end].strip():
            yield offset + begin, data[begin:end]
        begin = end + 1


def _lines_of_range(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """The lines that begin in a byte range of a file; the last may go beyond it."""
    at, end = piece.start, piece.end if piece.end is not None else piece.start
    with opening.raw(piece.source) as file:
        if at:
            # What is left of a line that began before; the end of it alone, where one begins here.
            file.seek(at - 1)
            at -= 1
            while at < end:
                part = file.readline(PIECE_BYTES)
                at += len(part)
                if not part or part.endswith(b"\n"):
                    break
        while at < end:
            line = file.readline(MAX_LINE_BYTES)
            if len(line) == MAX_LINE_BYTES:
                raise UnknownFormError(f"a line of more than {MAX_LINE_BYTES >> 20} MB at byte {at:,}")
            if not line:
                return
            if not line.isspace():
                yield at, line
            at += len(line)
