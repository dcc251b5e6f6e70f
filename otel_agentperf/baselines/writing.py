"""What is written to a store, within the transaction of its writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from otel_agentperf.baselines.advised import Advised
from otel_agentperf.baselines.normals import Subject
from otel_agentperf.baselines.packing import packed, unpacked
from otel_agentperf.baselines.tally import Cell

Additions = Iterable[tuple[Subject, Mapping[int, Cell]]]
MOST_SUBJECTS = 100_000
_SUBJECT = "SELECT id FROM subjects WHERE kind = ? AND graph = ? AND node = ? AND name = ?"


class KnownRunsError(Exception):
    """Runs that were to be learned were learned by another process meanwhile."""


def key_of(subject: Subject) -> tuple[str, str, str, str]:
    """The columns that name a subject."""
    return subject.kind.value, subject.graph, subject.node, subject.name


def add(writer: sqlite3.Connection, additions: Additions, oldest: int) -> int:
    """Add days of subjects to what is there, and mark the newest.

    Args:
        writer: in a transaction.
        additions: what is added; of the days after `oldest` alone.
        oldest: the last day that is too old.

    Returns:
        How many days of subjects beyond `MOST_SUBJECTS` were left out.
    """
    execute = writer.execute
    (known,) = execute("SELECT count(*) FROM subjects").fetchone()
    newest: int | None = None
    refused = 0
    for subject, days in additions:
        kept = {day: cell for day, cell in days.items() if day > oldest}
        if not kept:
            continue
        key = key_of(subject)
        row = execute(_SUBJECT, key).fetchone()
        if row is None:
            if known >= MOST_SUBJECTS:
                refused += len(kept)
                continue
            known += 1
            row = (execute("INSERT INTO subjects (kind, graph, node, name) VALUES (?, ?, ?, ?)", key).lastrowid,)
        newest = max(kept) if newest is None else max(newest, *kept)
        for day, cell in kept.items():
            found = execute("SELECT cell FROM days WHERE subject = ? AND day = ?", (row[0], day)).fetchone()
            whole = cell
            if found is not None:
                whole = unpacked(found[0])
                whole.merge(cell)
            execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (row[0], day, packed(whole)))
    _mark_newest(writer, newest)
    return refused


def _mark_newest(writer: sqlite3.Connection, day: int | None) -> None:
    if day is not None:
        query = "INSERT INTO marks VALUES ('newest', ?) ON CONFLICT DO UPDATE SET day = max(day, excluded.day)"
        writer.execute(query, (day,))


def add_advised(writer: sqlite3.Connection, advised: Advised, oldest: int) -> None:
    """Add what came of advice to what is there, and mark the newest day. Arguments as for `add`."""
    query = "INSERT INTO advised VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"
    newest: int | None = None
    for (day, name, count), amount in advised.items():
        if day > oldest:
            writer.execute(query, (day, name, count, amount))
            newest = day if newest is None else max(newest, day)
    _mark_newest(writer, newest)


def take_in(writer: sqlite3.Connection, runs: Iterable[tuple[int, int]]) -> None:
    """Remember which runs `learn` has taken in.

    Raises:
        KnownRunsError: one of them was already.
    """
    for run in runs:
        if not writer.execute("INSERT OR IGNORE INTO runs VALUES (?, ?)", run).rowcount:
            raise KnownRunsError("another learn has taken in some of these runs; nothing was written")


def drop_old(writer: sqlite3.Connection, oldest: int) -> None:
    """Drop what is too old, once a day: there is no index by day, and to look through all of it takes a while."""
    row = writer.execute("SELECT day FROM marks WHERE name = 'dropped'").fetchone()
    if row is not None and row[0] >= oldest:
        return
    if row is not None:
        writer.execute("DELETE FROM days WHERE day <= ?", (oldest,))
        writer.execute("DELETE FROM subjects WHERE id NOT IN (SELECT subject FROM days)")
        writer.execute("DELETE FROM runs WHERE day <= ?", (oldest,))
        writer.execute("DELETE FROM advised WHERE day <= ?", (oldest,))
    writer.execute("INSERT OR REPLACE INTO marks VALUES ('dropped', ?)", (oldest,))
