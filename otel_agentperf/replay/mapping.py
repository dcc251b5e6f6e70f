"""The first half of the grouping: a piece of a source -> its spans by bucket, cut out and packed.

Pure but for reading its piece. Spans are not read here, only cut: what a span says is decoded
once, in the second half.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec

from otel_agentperf.replay import backends, jaeger, opening, otlp_json, otlp_proto
from otel_agentperf.replay.extras import MissingExtraError
from otel_agentperf.replay.otlp_json import Document
from otel_agentperf.replay.packing import Packer
from otel_agentperf.replay.pieces import Layout, Piece, UnknownFormError, lines_in, messages_in
from otel_agentperf.replay.troubles import Trouble, Troubles

_documents: msgspec.json.Decoder[Document | list[Document]] = msgspec.json.Decoder(Document | list[Document])
_NO_SPANS = "no spans here: it has none of resourceSpans, batches and data"


class Mapped(msgspec.Struct, array_like=True):
    """What became of a piece."""

    packs: dict[int, bytes]
    """By bucket."""
    spans: int
    troubles: Troubles
    size: int = 0
    """How much of the source it took, for progress."""


def map_piece(piece: Piece, buckets: int) -> Mapped:
    """Cut the spans of a piece out and pack them by trace.

    Args:
        piece: a part of a source.
        buckets: how many buckets there are.

    Returns:
        Its spans by bucket, with what could not be read.

    Raises:
        MissingExtraError: a library is absent.
    """
    packer, troubles = Packer(piece.source), Troubles()
    try:
        for offset, data in _documents_in(piece):
            why = _cut(data, packer, offset)
            if why is not None:
                unit = "message" if piece.layout in (Layout.MESSAGE, Layout.MESSAGES) else "line"
                is_whole = piece.layout in (Layout.DOCUMENT, Layout.FETCH)
                troubles.add(Trouble(piece.source, why, None if is_whole else offset, unit))
    except (OSError, UnknownFormError) as error:
        troubles.add(Trouble(piece.source, opening.reason(error)))
    return Mapped(packer.packed(buckets), packer.spans, troubles, piece.size)


def _documents_in(piece: Piece) -> Iterator[tuple[int, bytes]]:
    if piece.layout is Layout.LINES:
        return lines_in(piece)
    if piece.layout is Layout.FETCH:
        return iter([(0, backends.fetch(piece.source, dict(piece.headers)))])
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


def _cut(data: bytes, packer: Packer, offset: int) -> str | None:
    """Cut one document; what is wrong with it, if anything is."""
    if data[:1] not in (b"{", b"["):
        stripped = data.removeprefix(b"\xef\xbb\xbf").strip()
        if stripped[:1] in (b"{", b"["):
            data = stripped
        elif data[:1] == b"\x0a" and len(data) > 1:
            return _cut_message(data, packer, offset)
        else:
            return "no JSON object" if stripped else None
    try:
        found = _documents.decode(data)
        bad = 0
        for document in found if isinstance(found, list) else [found]:
            bad += _cut_document(document, packer, offset)
    except MissingExtraError:
        raise
    except (msgspec.MsgspecError, UnicodeError) as error:
        return str(error)
    except RecursionError:
        return "it nests too deeply"
    if bad:
        return _without_id(bad)
    return None if isinstance(found, list) or len(data) <= len(b"{}") or _is_known(found) else _NO_SPANS


def _is_known(document: Document) -> bool:
    parts = (document.resource_spans, document.batches, document.trace)
    others = (document.data, document.resource_metrics, document.resource_logs)
    return any(part is not None for part in parts) or any(memoryview(raw).nbytes for raw in others)


def _cut_document(document: Document, packer: Packer, offset: int) -> int:
    if memoryview(document.data).nbytes > len(b"null"):
        return jaeger.cut(document.data, packer, offset)
    return otlp_json.cut(document, packer, offset)


def _cut_message(data: bytes, packer: Packer, offset: int) -> str | None:
    try:
        bad = otlp_proto.cut(data, packer, offset)
    except otlp_proto.BadMessageError as error:
        return str(error)
    return _without_id(bad) if bad else None


def _without_id(bad: int) -> str:
    return f"{bad:,} {'span' if bad == 1 else 'spans'} without a valid trace id"
