"""The tables of the store, and how an older file becomes a newer one.

`PRAGMA user_version` tells the version, `PRAGMA application_id` that the file is ours. Each step leads from
one version to the next, in the transaction of the first connection that needs it. A file that is newer than
this program, or another program's, is refused and left alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

APPLICATION_ID = 0x41504246
"""`APBF`."""
WAIT_S = 10.0
"""How long to wait for other processes."""
_SUBJECTS = """
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, graph TEXT NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (kind, graph, node, name)
)"""
_DAYS = """
CREATE TABLE days (
    subject INTEGER NOT NULL, day INTEGER NOT NULL, cell BLOB NOT NULL, PRIMARY KEY (subject, day)
) WITHOUT ROWID"""
"""One subject's days lie beside each other: it is read with one search."""
_MARKS = "CREATE TABLE marks (name TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID"
"""The newest day, and up to which day everything has been dropped."""
_RUNS = "CREATE TABLE runs (run INTEGER PRIMARY KEY, day INTEGER NOT NULL)"
"""Which runs `learn` has taken in, so that the same traces do not count twice."""
_ADVISED = """
CREATE TABLE advised (
    day INTEGER NOT NULL, name TEXT NOT NULL, count TEXT NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (day, name, count)
) WITHOUT ROWID"""
"""What came of advice, in millionths."""
STEPS: Sequence[Sequence[str]] = ((_SUBJECTS, _DAYS, _MARKS), (_RUNS,), (_ADVISED,))
"""By the version that they lead away from: the first makes version 1 of an empty file."""


class RefusedError(Exception):
    """A file that this program must leave alone. The message names it and says why."""


def bring_up_to_date(connection: sqlite3.Connection, path: str, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Make the tables of a new file, or bring those of an older one up to date.

    Args:
        connection: in autocommit mode.
        path: names the file in messages.
        steps: those of this program.

    Raises:
        RefusedError: the file is newer, or another program's.
        sqlite3.Error: it cannot be read or written.
    """
    if version_of(connection, path, len(steps)) == len(steps):
        return
    _use_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it meanwhile.
        for step in steps[version_of(connection, path, len(steps)) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for others here, as it does elsewhere: two processes that begin a file at once meet."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def version_of(connection: sqlite3.Connection, path: str, known: int = len(STEPS)) -> int:
    """The version of a file, 0 where it is new.

    Raises:
        RefusedError: it is newer than the one that is known, or another program's.
        sqlite3.Error: it cannot be read.
    """
    version, application, tables = _head_of(connection)
    if application != APPLICATION_ID:
        if application or version or tables:
            raise RefusedError(f"{path} is a database of another program; it is left alone")
        return 0
    if version > known:
        raise RefusedError(
            f"{path} was written by a newer otel-agentperf (store version {version}, this one knows {known});"
            " it is left alone"
        )
    return int(version)


def _head_of(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Version, application and number of tables, as of one moment: another process may be making them."""
    begins = not connection.in_transaction
    if begins:
        connection.execute("BEGIN")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        if begins:
            connection.execute("ROLLBACK")
    return version, application, tables
