"""Parts a source into pieces that can be mapped apart from each other.

A file of JSON that is not compressed is parted into byte ranges, which the workers read
themselves: a document belongs to the range in which it begins. What cannot be read from its middle
(compressed files, UTF-16, length-prefixed messages) is read here, once, and its pieces carry their bytes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import BinaryIO

import msgspec

from otel_agentperf.replay import documents, foreign, opening
from otel_agentperf.replay.documents import PIECE_BYTES, TooLongError

MAX_MESSAGE_BYTES = 256 << 20
"""A longer message, or answer of a backend, is refused."""
_SNIFF_BYTES = 1 << 16
_LENGTH_BYTES = 4
_PROTO_NAMES = re.compile(r"\.(pb|proto|protobuf|binpb|bin|otlp)(\.(gz|zst|zstd))?\Z", re.IGNORECASE)
_FIRST_FIELD = 0x0A
"""How a request with a first field begins."""
_MESSAGE_STARTS = (b"\n", b"{", opening.ZSTD_MAGIC)
"""How a message after its length begins: with its first field, as JSON, or compressed."""
_OPENING = (b"{", b"[")


class Layout(StrEnum):
    """How documents stand in a file."""

    TEXT = "text"
    """JSON documents one after another, each on one line or on many."""
    MESSAGES = "messages"
    """Messages, each after its length in four bytes."""
    MESSAGE = "message"
    """One protobuf message."""
    FETCH = "fetch"
    """JSON documents, fetched from a backend."""


class Piece(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A part of a source."""

    source: str
    layout: Layout
    start: int = 0
    """Where it begins, in bytes of the unpacked source."""
    end: int | None = None
    """Where a range ends; the last document may go beyond."""
    data: bytes | None = None
    """Its bytes, where no range can be read."""
    headers: tuple[tuple[str, str], ...] = ()
    """For what is fetched."""
    size: int = 0
    """How much of the source it takes, compressed as it is; for progress."""


class UnknownFormError(ValueError):
    """A file that is of no form that is read. The message says what it looks like, and what to do."""


def pieces_of(name: str, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Part a file.

    Args:
        name: a path, or a URL that fsspec understands.
        piece_bytes: about how large a piece is.

    Raises:
        OSError: it cannot be read, or is damaged; the pieces before that are good.
        EOFError: a compressed file ends too early; likewise.
        UnknownFormError: it is of no form that is read.
        TooLongError: a document or message in it is too long.
        MissingExtraError: a library is absent.
    """
    size = opening.size(name)
    with opening.raw(name) as file:
        how = opening.packing(opening.peeked(file))
    with opening.text(name, how) as file:
        start = file.read(_SNIFF_BYTES)
        if not start.strip(documents.WHITE):
            return
        layout = layout_of(name, start)
        if layout is Layout.TEXT and how is None:
            for begin in range(0, size, piece_bytes):
                end = min(size, begin + piece_bytes)
                yield Piece(source=name, layout=layout, start=begin, end=end, size=end - begin)
        elif layout is Layout.TEXT:
            yield from _sized(_blocks(name, start, file, piece_bytes), size)
        elif layout is Layout.MESSAGES:
            yield from _sized(_messages(name, start, file, piece_bytes), size)
        else:
            rest = file.read(documents.MAX_DOCUMENT_BYTES)
            if len(rest) == documents.MAX_DOCUMENT_BYTES:
                limit = documents.MAX_DOCUMENT_BYTES >> 20
                raise TooLongError(f"one message of more than {limit} MB: write its spans as several messages")
            yield Piece(source=name, layout=layout, data=start + rest, size=size)


def layout_of(name: str, start: bytes) -> Layout:
    """How documents stand in a file that begins like this.

    Raises:
        UnknownFormError: it is of no form that is read.
    """
    first = start.lstrip(documents.WHITE)[:1]
    is_proto = _PROTO_NAMES.search(name) is not None
    if first in _OPENING and not is_proto:
        return Layout.TEXT
    if is_proto or not foreign.is_text(start):
        if start[0] < _FIRST_FIELD and (is_proto or start[_LENGTH_BYTES:].startswith(_MESSAGE_STARTS)):
            return Layout.MESSAGES
        if start[0] == _FIRST_FIELD:
            return Layout.MESSAGE
    # A program's output before the first document, or a first line that is damaged, does not make all of it so.
    if first in _OPENING or any(map(_may_be_json, start.split(b"\n"))):
        return Layout.TEXT
    raise UnknownFormError(foreign.form_of_bytes(start).described())


def _may_be_json(line: bytes) -> bool:
    """Whether a document may begin here: text of other kinds has brackets too."""
    return line.startswith((b'{"', b'[{"')) or line.rstrip(documents.WHITE) in _OPENING


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
    """Whole documents of a stream."""
    offset, held, seen = 0, bytearray(start), 1
    blocks = _read(file, piece_bytes)
    while True:
        block = next(blocks, b"")
        held += block
        cut = max(documents.beginnings(held, seen), default=0) if block else len(held)
        if cut > 0:
            yield Piece(source=name, layout=Layout.TEXT, start=offset, data=bytes(held[:cut]))
            del held[:cut]
            offset += cut
        if not block:
            return
        # White space at the end may be followed by the beginning of a document.
        seen = max(1, len(held.rstrip(documents.WHITE)))
        if len(held) > documents.MAX_DOCUMENT_BYTES:
            raise documents.too_long(offset + len(held))


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
            if length > MAX_MESSAGE_BYTES:
                raise TooLongError(f"no message at byte {offset + cut:,}; where the next one begins is unknown")
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


def documents_in(piece: Piece) -> Iterator[tuple[int, documents.Document]]:
    """The documents that begin in a piece of text, each with where it begins.

    Raises:
        OSError: the range cannot be read any more.
        TooLongError: a document is too long.
    """
    if piece.data is not None:
        return documents.in_bytes(piece.data, piece.start)
    return documents.in_range(piece.source, piece.start, piece.end or piece.start)
