"""The first half of the grouping: a piece of a source -> its spans by bucket, read and packed.

Pure but for reading its piece. A span is read here, once; the second half only puts what was
read together by trace.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec

from otel_agentperf.replay import jaeger, opening, otlp_json, otlp_proto
from otel_agentperf.replay.extras import MissingExtraError
from otel_agentperf.replay.otlp_json import Apart, Whole
from otel_agentperf.replay.packing import Packer
from otel_agentperf.replay.pieces import Layout, Piece, UnknownFormError, lines_in, messages_in
from otel_agentperf.replay.records import Reader
from otel_agentperf.replay.troubles import Trouble, Troubles

_NO_SPANS = "no spans here: it has none of resourceSpans, batches and data"


class Mapped(msgspec.Struct, array_like=True):
    """What became of a piece."""

    packs: dict[int, bytes]
    """By bucket."""
    spans: int
    troubles: Troubles
    size: int = 0
    """How much of the source it took, for progress."""


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
    packer, troubles = Packer(), Troubles()
    try:
        for offset, data in _documents_in(piece):
            for why in _take(data, packer, reader):
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
        from otel_agentperf.replay import backends  # noqa: PLC0415 - a client for HTTP, which files have no need of

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


def _take(data: bytes, packer: Packer, reader: Reader) -> list[str]:
    """Read one document; what is wrong with it, if anything is."""
    if data[:1] not in (b"{", b"["):
        stripped = data.removeprefix(b"\xef\xbb\xbf").strip()
        if stripped[:1] in (b"{", b"["):
            data = stripped
        elif data[:1] == b"\x0a" and len(data) > 1:
            return _take_message(data, packer, reader)
        else:
            return ["no JSON object"] if stripped else []
    told: list[str] = []
    try:
        found = otlp_json.documents(data)
        for document in found:
            told += _take_document(document, packer, reader)
    except MissingExtraError:
        raise
    except (msgspec.MsgspecError, UnicodeError) as error:
        return [str(error)]
    except RecursionError:
        return ["it nests too deeply"]
    if told or data[:1] == b"[" or _is_known(found[0]) or len(data.rstrip()) <= len(b"{}"):
        return told
    return [_NO_SPANS]


def _is_known(document: Whole | Apart) -> bool:
    parts = (document.resource_spans, document.batches, document.trace)
    others = (document.data, document.resource_metrics, document.resource_logs)
    return any(part is not None for part in parts) or any(memoryview(raw).nbytes for raw in others)


def _take_document(document: Whole | Apart, packer: Packer, reader: Reader) -> list[str]:
    if memoryview(document.data).nbytes > len(b"null"):
        return jaeger.take(document.data, packer, reader)
    return otlp_json.take(document, packer, reader)


def _take_message(data: bytes, packer: Packer, reader: Reader) -> list[str]:
    try:
        return otlp_proto.take(data, packer, reader)
    except otlp_proto.BadMessageError as error:
        return [str(error)]
