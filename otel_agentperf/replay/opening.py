"""Opens what is on disk or behind a URL as a stream of decompressed bytes, and reads parts of it."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from otel_agentperf.replay.extras import needed

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


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
        with open(name, "rb") as file:  # noqa: PTH123 - a path or a descriptor's name, as it was given
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


def compression(start: bytes) -> str | None:
    """How a file that begins like this is compressed."""
    if start.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if start.startswith(ZSTD_MAGIC) else None


@contextmanager
def text(name: str, how: str | None) -> Generator[BinaryIO]:
    """Open a file decompressed.

    Args:
        name: a path or URL.
        how: what `compression` said of it.

    Raises:
        OSError: it cannot be opened. Reading raises `OSError` or `EOFError` where it is damaged.
        MissingExtraError: a library is absent.
    """
    with raw(name) as file:
        if how == "gzip":
            with gzip.GzipFile(fileobj=file) as opened:
                yield cast("BinaryIO", opened)
        elif how == "zstd":
            with unzstd(file) as opened:
                yield opened
        else:
            yield file


@contextmanager
def unzstd(file: BinaryIO) -> Generator[BinaryIO]:
    """A Zstandard stream decompressed, damage told as `OSError`."""
    zstd = needed("zstandard", "reading .zst")
    opened = zstd.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
    with opened:
        yield cast("BinaryIO", io.BufferedReader(_Zstd(opened, zstd.ZstdError), 1 << 18))


class _Zstd(io.RawIOBase):
    """Tells damage as `OSError`."""

    def __init__(self, opened: Any, error: type[Exception]) -> None:
        self._opened = opened
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._opened.readinto(buffer))
        except self._error as error:
            raise OSError(f"damaged: {error}") from None


def reason(error: Exception) -> str:
    """Why something could not be read, without the name of the file again."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or error.__class__.__name__
