"""The first half of the grouping: a piece of a source -> its spans by bucket, read and packed.

Pure but for reading its piece. A span is read here, once; the second half only puts what was
read together by trace. What is no document of a form that is read is counted by what it looks like.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import msgspec

from otel_agentperf.replay import foreign, mending, opening, otlp_proto
from otel_agentperf.replay.documents import Document, TooLongError, in_bytes
from otel_agentperf.replay.foreign import Form
from otel_agentperf.replay.json_documents import JsonDocuments
from otel_agentperf.replay.packing import Packer
from otel_agentperf.replay.pieces import Layout, Piece, documents_in, messages_in
from otel_agentperf.replay.records import Reader
from otel_agentperf.replay.troubles import Trouble, Troubles
from otel_agentperf.replay.unread import Unread

_BYTE = re.compile(r" \(byte (\d+)\)")


class Mapped(msgspec.Struct, array_like=True):
    """What became of a piece."""

    packs: dict[int, bytes]
    """By bucket."""
    spans: int
    troubles: Troubles
    size: int = 0
    """How much of the source it took, for progress."""
    source: str = ""
    unread: Unread = msgspec.field(default_factory=Unread)
    """The documents of forms that are not read."""


def map_piece(piece: Piece, buckets: int, reader: Reader) -> Mapped:
    """Read the spans of a piece and pack them by trace.

    Args:
        piece: a part of a source.
        buckets: how many buckets there are.
        reader: reads the spans.

    Returns:
        Its spans by bucket, with what could not be read.

    Raises:
        MissingExtraError: a library is absent.
    """
    work = _Work(piece, reader)
    try:
        for offset, data in _documents_in(piece):
            work.read(offset, data)
    except (OSError, TooLongError) as error:
        work.troubles.add(Trouble(piece.source, opening.reason(error)))
    packer = work.packer
    return Mapped(packer.packed(buckets), packer.spans, work.troubles, piece.size, piece.source, work.unread)


def _documents_in(piece: Piece) -> Iterator[tuple[int, Document]]:
    if piece.layout is Layout.TEXT:
        return documents_in(piece)
    if piece.layout is Layout.FETCH:
        from otel_agentperf.replay import backends  # noqa: PLC0415 - a client for HTTP, which files have no need of

        return in_bytes(backends.fetch(piece.source, dict(piece.headers)), 0)
    data = piece.data or b""
    if piece.layout is Layout.MESSAGES:
        return ((piece.start + offset, _unpressed(message)) for offset, message in messages_in(data))
    return iter([(0, data)])


def _unpressed(message: bytes) -> bytes:
    """A message of a file exporter that compresses each on its own."""
    if not message.startswith(opening.ZSTD_MAGIC):
        return message
    with opening.unzstd(io.BytesIO(message)) as opened:
        return opened.read()


class _Work:
    """Reads the documents of one piece."""

    def __init__(self, piece: Piece, reader: Reader) -> None:
        self.packer = Packer()
        self.troubles = Troubles()
        self.unread = Unread()
        self._source = piece.source
        self._unit = "message" if piece.layout in (Layout.MESSAGE, Layout.MESSAGES) else "line"
        self._is_fetched = piece.layout is Layout.FETCH
        self._reader = reader
        self._json = JsonDocuments(self.packer, reader, self._trouble, self._unread)
        self._offset = 0

    def read(self, offset: int, data: Document) -> None:
        """Read one document.

        Args:
            offset: where it begins in its source.
            data: its bytes, without white space around them.
        """
        self._offset = offset
        if bytes(data[:1]) in (b"{", b"["):
            try:
                self._json.read(data)
            except (msgspec.MsgspecError, UnicodeError) as error:
                self._in_parts(data, error)
            except RecursionError:
                self._trouble("it nests too deeply")
        elif self._unit == "line":
            self._in_parts(data, None)
        elif len(data) > 1:
            self._message(bytes(data))

    def _message(self, data: bytes) -> None:
        """Read a protobuf message."""
        try:
            found = otlp_proto.take(data, self.packer, self._reader)
        except otlp_proto.BadMessageError as error:
            found = [str(error)]
        form = otlp_proto.other_signal(data) if found else None
        if form is not None:
            self._unread(form)
            return
        for why in found:
            self._trouble(why)

    def _in_parts(self, data: Document, error: Exception | None) -> None:
        """Read what is no JSON document as the documents that are in it."""
        begin, has_rest = self._offset, False
        is_document = isinstance(error, (msgspec.ValidationError, UnicodeError))
        if is_document or len(data) > mending.MAX_BYTES:
            self._fault(data, error)
            return
        for offset, part in mending.parts_of(bytes(data)):
            self._offset = begin + offset
            if part is None:
                has_rest = True
                continue
            try:
                self._json.read(part)
            except (msgspec.MsgspecError, UnicodeError) as found:
                self._trouble(str(found))
            except RecursionError:
                self._trouble("it nests too deeply")
        self._offset = begin
        if has_rest:
            self._fault(data, error)

    def _fault(self, data: Document, error: Exception | None) -> None:
        """Say what is wrong with a document, at the line where it is."""
        form = foreign.TEXT if error is None else foreign.form_of_bytes(bytes(data[: foreign.HEAD_BYTES]))
        if error is None or form is foreign.NODE:
            self._unread(form)
            return
        why = str(error)
        found = _BYTE.search(why)
        if found and b"\n" in bytes(data[: min(int(found[1]), foreign.HEAD_BYTES)]):
            self._offset += int(found[1])
            why = _BYTE.sub("", why)
        self._trouble(why)

    def _trouble(self, why: str) -> None:
        self.troubles.add(Trouble(self._source, why, None if self._is_fetched else self._offset, self._unit))

    def _unread(self, form: Form) -> None:
        self.unread.add(form, self._offset)
