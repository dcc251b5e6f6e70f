"""A damaged store is moved aside, once, however many processes find it damaged.

They agree by locking the damaged file itself and looking whether it still has its name. Where files
cannot be locked (Windows), the second one may find nothing to move, which comes to the same.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from otel_agentperf.baselines.packing import DamagedError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PRIMARY = 0xFF
_OTHERS = {
    b"\x1f\x8b": "a gzipped file",
    b"\x28\xb5\x2f\xfd": "a file of Zstandard",
    b"PK": "a ZIP file",
    b"{": "a JSON file",
    b"[": "a JSON file",
    b"\n": "a Protocol Buffers file",
}
"""What a user may name by mistake: an exported baseline, traces."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
Identity = tuple[int, int]
"""Device and number of a file: another one under the same name has another."""


def identity_of(path: Path) -> Identity | None:
    """Which file has this name; `None` where there is none, or it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is damaged, rather than not to be had now."""
    if isinstance(error, DamagedError):
        return True
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED


def other_kind(path: Path) -> str:
    """What a file is by its first bytes, if it never was a store; empty where it may have been one."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return ""
    return next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), "")


def set_aside(path: Path, damaged: Identity | None) -> Path | None:
    """Move a damaged store aside, with what SQLite keeps beside it. No connection of this process may be open.

    Args:
        path: its name.
        damaged: the file that was found damaged; another one that has its name by now is left alone.

    Returns:
        Where it is now; `None` where another process has moved it.

    Raises:
        OSError: it cannot be moved.
    """
    with path.open("rb") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        if identity_of(path) != damaged:
            return None
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = path.with_name(f"{path.name}.damaged-{now}-{os.getpid()}")
        for ending in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
        path.replace(aside)
    return aside
