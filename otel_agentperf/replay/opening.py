"""Opens what is on disk or behind a URL as a stream of decompressed bytes; text in UTF-16 comes out as UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from otel_agentperf.replay.extras import needed

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER = 1 << 18
_ZSTD_BLOCK = 1 << 12
"""Read at a time: what it holds is decompressed at once, and may be thousands of times as much."""
_PEEK_BYTES = 64


def is_url(name: str) -> bool:
    """Whether a name is the URL of a file elsewhere, such as `s3://bucket/traces.jsonl`."""
    return "://" in name


@contextmanager
def raw(name: str) -> Generator[BinaryIO]:
    """Open a file as it is.

    Args:
        name: a path, or a URL that fsspec understands.

    Raises:
        OSError: it cannot be opened.
        MissingExtraError: it is a URL, and fsspec is absent.
    """
    if not is_url(name):
        with open(name, "rb", _BUFFER) as file:  # noqa: PTH123 - a path or a descriptor's name, as it was given
            yield file
        return
    with file_system(name).open(name, "rb") as file:
        yield cast("BinaryIO", file)


def file_system(name: str) -> Any:
    """The fsspec file system of a URL.

    Raises:
        MissingExtraError: fsspec, or what it needs for that protocol, is absent.
        OSError: it knows no such protocol.
    """
    fsspec = needed("fsspec", f"reading {name.partition('://')[0]}:// URLs")
    try:
        return fsspec.filesystem(name.partition("://")[0])
    except (ImportError, ValueError) as error:
        raise OSError(str(error)) from None


def size(name: str) -> int:
    """The size of a file in bytes, compressed as it is.

    Raises:
        OSError: there is none, or it has no size.
    """
    found: Any = file_system(name).size(name) if is_url(name) else os.stat(name).st_size  # noqa: PTH116 - as above
    if not isinstance(found, int):
        raise OSError("its size is not known")
    return found


def packing(start: bytes) -> str | None:
    """How a file that begins like this is packed: `gzip`, `zstd`, a name of UTF-16, or not at all."""
    if start.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if start.startswith(ZSTD_MAGIC) else _utf_16(start)


def _utf_16(start: bytes) -> str | None:
    """The codec of text that has two bytes a character, as Windows PowerShell writes; `None` for any other."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) >= _PEEK_BYTES // 4:
        if start[:1] in (b"{", b"[") and not any(start[1:_PEEK_BYTES:2]):
            return "utf-16-le"
        if start[1:2] in (b"{", b"[") and not any(start[0:_PEEK_BYTES:2]):
            return "utf-16-be"
    return None


def peeked(file: BinaryIO) -> bytes:
    """The first bytes of a stream, which are still read by the next read."""
    peek: Callable[[int], bytes] | None = getattr(file, "peek", None)
    if peek is not None:
        return peek(_PEEK_BYTES)[:_PEEK_BYTES]
    found = file.read(_PEEK_BYTES)
    file.seek(0)
    return found


@contextmanager
def text(name: str, how: str | None) -> Generator[BinaryIO]:
    """Open a file unpacked.

    Args:
        name: a path or URL.
        how: what `packing` says of it.

    Raises:
        OSError: it cannot be opened. Reading raises `OSError` or `EOFError` where it is damaged.
        MissingExtraError: a library is absent.
    """
    with raw(name) as file:
        if how == "gzip":
            with gzip.GzipFile(fileobj=file) as opened:
                yield _as_utf_8(cast("BinaryIO", opened))
        elif how == "zstd":
            with unzstd(file) as opened:
                yield _as_utf_8(opened)
        else:
            yield _as_utf_8(file)


def _as_utf_8(file: BinaryIO) -> BinaryIO:
    codec = _utf_16(peeked(file))
    return file if codec is None else cast("BinaryIO", io.BufferedReader(_Recoded(file, codec), _BUFFER))


class _Recoded(io.RawIOBase):
    """Text of another encoding as UTF-8; what is no text in it is replaced."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._file.read(_BUFFER)
            self._ready = self._decoder.decode(block, final=not block).encode("utf-8", "replace")
            if not block and not self._ready:
                return 0
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextmanager
def unzstd(file: BinaryIO) -> Generator[BinaryIO]:
    """A Zstandard stream of one or many frames decompressed, damage told as `OSError`."""
    with io.BufferedReader(_Zstd(file, needed("zstandard", "reading .zst")), _ZSTD_BLOCK) as opened:
        yield cast("BinaryIO", opened)


class _Zstd(io.RawIOBase):
    """Decompresses frame by frame, so that one that is cut off is noticed."""

    def __init__(self, file: BinaryIO, zstd: Any) -> None:
        self._file = file
        self._zstd = zstd
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._packed:
                self._packed = self._file.read(_ZSTD_BLOCK)
            if not self._packed:
                if self._frame is not None:
                    raise OSError("damaged: it is cut off")
                return 0
            self._ready = memoryview(self._unpacked())
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpacked(self) -> bytes:
        if self._frame is None:
            self._frame = self._zstd.ZstdDecompressor().decompressobj()
        try:
            data: bytes = self._frame.decompress(self._packed)
        except self._zstd.ZstdError as error:
            raise OSError(f"damaged: {error}") from None
        self._packed = b""
        if self._frame.eof:
            self._packed = self._frame.unused_data
            self._frame = None
        return data


def reason(error: Exception) -> str:
    """Why something could not be read, without the name of the file again."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or error.__class__.__name__
