"""Finds what was named: paths, globs, and URLs of files elsewhere. Backends are in `backends`."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from otel_agentperf.replay import opening
from otel_agentperf.replay.pieces import Piece

_COMPRESSED = (".gz", ".zst", ".zstd")
_GLOB_SIGNS = "*?["


class NoSourceError(LookupError):
    """Nothing is there under a name. The message says which."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read."""

    name: str
    size: int = 0
    """In bytes, compressed as it is; 0 where it is not known."""
    pieces: tuple[Piece, ...] | None = None
    """Its parts, where they are known before it is opened: what a backend holds."""

    @property
    def is_compressed(self) -> bool:
        """Whether its name says that it is compressed."""
        return self.name.lower().endswith(_COMPRESSED)


def files(names: Iterable[str]) -> list[Source]:
    """Find files.

    Args:
        names: paths and URLs; both may be globs.

    Returns:
        Each file once, those of a glob or a folder in order of their names.

    Raises:
        NoSourceError: nothing matches a name.
        MissingExtraError: a library is absent.
        OSError: a file system elsewhere cannot be asked.
    """
    found: dict[str, Source] = {}
    for name in names:
        matches = list(_remote(name) if opening.is_url(name) else _local(name))
        if not matches:
            raise NoSourceError(f"{name}: nothing matches" if _is_glob(name) else f"{name}: there is no such file")
        for source in matches:
            found.setdefault(source.name, source)
    return list(found.values())


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in _GLOB_SIGNS)


def _local(name: str) -> Iterator[Source]:
    path = Path(name)
    if path.is_dir():
        paths = sorted(item for item in path.rglob("*") if item.is_file() and not _is_hidden(item, path))
    elif path.exists() or not _is_glob(name):
        paths = [path] if path.exists() else []
    else:
        names = glob.glob(name, recursive=True)  # noqa: PTH207 - a pattern may be absolute
        paths = sorted(item for item in map(Path, names) if item.is_file())
    for item in paths:
        yield Source(str(item), item.stat().st_size)


def _is_hidden(item: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in item.relative_to(folder).parts)


def _remote(name: str) -> Iterator[Source]:
    system = opening.file_system(name)
    protocol = name.partition("://")[0]
    paths: list[str] = sorted(system.glob(name)) if _is_glob(name) else [name] if system.exists(name) else []
    for path in paths:
        full = path if opening.is_url(path) else f"{protocol}://{path}"
        size: object = system.size(path)
        yield Source(full, size if isinstance(size, int) else 0)
