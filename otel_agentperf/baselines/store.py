"""A baseline in one SQLite file that many processes read and write.

In WAL mode readers wait for no one. A writer takes the file for itself (`BEGIN IMMEDIATE`), adds what it has
to what is there, and commits: whatever is killed on the way has written nothing, and an addition is never
lost to another one. `synchronous` is NORMAL: a power cut may take the last few seconds with it, and cannot
damage the file.

A connection that came from a parent process is never used, nor closed, since closing would take away the
parent's locks. A fork waits for each connection that a thread is using: SQLite has locks of its own, which a
child would find taken for ever. A file that is found damaged is moved aside, see `setting_aside`, and a new one is begun.

Limit: WAL does not work on a network file system. Keep the store on a local disk, one a machine, and
merge them with `otel-agentperf baseline merge`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from otel_agentperf.baselines import schema, writing
from otel_agentperf.baselines.advised import Advised
from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.baselines.packing import unpacked
from otel_agentperf.baselines.setting_aside import Identity, identity_of, is_damage, other_kind, set_aside
from otel_agentperf.baselines.tally import KEPT_DAYS, Cell
from otel_agentperf.baselines.writing import Additions, key_of

_WAL_BYTES = 4 << 20
_CELLS = """
SELECT day, cell FROM days
WHERE subject = (SELECT id FROM subjects WHERE kind = ? AND graph = ? AND node = ? AND name = ?) AND day >= ?"""
_stores: list[weakref.ref[Store]] = []
"""Those of this process."""
_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, kept from being closed."""


def _to_nobody(message: str) -> None:
    del message


class Store:
    """A baseline on file.

    Args:
        path: the file; made when it is first written, with its folders.
        read_only: never changes anything, and never moves a damaged file aside.
        say: takes a message for people.
        steps: the versions of its tables; others than the default in tests only.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        read_only: bool = False,
        say: Callable[[str], None] = _to_nobody,
        steps: Sequence[Sequence[str]] = schema.STEPS,
    ) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self.busy_s = schema.WAIT_S
        """How long to wait for other processes."""
        self.refused = 0
        """Days of subjects beyond `writing.MOST_SUBJECTS` that the last addition left out."""
        self._say = say
        self._steps = steps
        self._reader: sqlite3.Connection | None = None
        self._version = 0
        self._file: Identity | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()
        """Held while the reading connection is used."""
        self._writing = threading.RLock()
        """Held while another connection is used, before `_lock` where both are."""
        _stores.append(weakref.ref(self, _stores.remove))

    # -- reading -------------------------------------------------------------------------------

    def cells(self, subject: Subject, since: int = 0) -> Mapping[int, Cell]:
        """The days of a subject from one on; empty where it was never seen.

        Raises:
            RefusedError: the file is newer, or another program's.
            sqlite3.Error, DamagedError: it cannot be read.
        """

        def read() -> dict[int, Cell]:
            rows = self._read(_CELLS, (*key_of(subject), since))
            return {day: unpacked(cell) for day, cell in rows}

        return self._mending(read)

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use. Raises as `cells`."""
        query = "SELECT name FROM subjects WHERE kind = ? AND graph = ? AND node = ?"
        rows = self._mending(lambda: self._read(query, (SubjectKind.NODE_MODEL.value, graph, node)))
        return [name for (name,) in rows]

    def all(self) -> Iterator[tuple[Subject, Mapping[int, Cell]]]:
        """Everything, in the order of the subjects. Raises as `cells`."""
        query = "SELECT kind, name, graph, node FROM subjects ORDER BY kind, name, graph, node"
        for kind, name, graph, node in self._mending(lambda: self._read(query)):
            subject = Subject(SubjectKind(kind), name, graph, node)
            days = self.cells(subject)
            if days:
                yield subject, days

    @property
    def newest_day(self) -> int | None:
        """The last day of which anything is known. Raises as `cells`."""
        rows = self._mending(lambda: self._read("SELECT day FROM marks WHERE name = 'newest'"))
        return rows[0][0] if rows else None

    def __len__(self) -> int:
        """How many subjects there are. Raises as `cells`."""
        rows = self._mending(lambda: self._read("SELECT count(*) FROM subjects"))
        return rows[0][0] if rows else 0

    def knows(self, run: int) -> bool:
        """Whether `learn` has taken in a run. Raises as `cells`."""
        return bool(self._mending(lambda: self._read("SELECT 1 FROM runs WHERE run = ?", (run,), since=2)))

    @property
    def advised(self) -> Advised:
        """What came of advice. Raises as `cells`."""
        rows = self._mending(lambda: self._read("SELECT day, name, count, amount FROM advised", since=3))
        return Advised({(day, name, count): amount for day, name, count, amount in rows})

    def _read(self, query: str, values: Sequence[object] = (), *, since: int = 1) -> list[Any]:
        """Rows; none where there is no file yet, or one from before the version that has these tables."""
        with self._lock:
            reader = self._opened()
            return reader.execute(query, values).fetchall() if reader is not None and self._version >= since else []

    def _opened(self) -> sqlite3.Connection | None:
        found = identity_of(self.path)
        # Another process may bring an older file up to date at any time.
        is_old = self._version < len(self._steps)
        if self._reader is not None and (self._pid != os.getpid() or found != self._file or is_old):
            self.close()
        if self._reader is None and found is not None:
            reader = self._to_read()
            try:
                self._version = schema.version_of(reader, str(self.path), len(self._steps))
            except BaseException:
                reader.close()
                raise
            self._reader, self._file, self._pid = reader, found, os.getpid()
        return self._reader

    def _to_read(self) -> sqlite3.Connection:
        """A connection that changes nothing.

        To read a file in WAL mode takes a second one beside it; where that cannot be made nobody can be
        writing either, and the file is read as it is.
        """
        reader = self._connect("mode=ro")
        try:
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException as error:
            reader.close()
            if not isinstance(error, sqlite3.OperationalError) or os.access(self.path.parent, os.W_OK):
                raise
        else:
            return reader
        return self._connect("mode=ro&immutable=1")

    def _connect(self, how: str) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?{how}"
        return sqlite3.connect(uri, uri=True, timeout=self.busy_s, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        """Close the file; it is opened again when it is asked for."""
        with self._lock:
            reader, self._reader = self._reader, None
            if reader is None:
                return
            if self._pid == os.getpid():
                reader.close()
            else:
                _inherited.append(reader)

    def __del__(self) -> None:
        # Python 3.13 warns of a connection that is left to the garbage collector.
        with suppress(AttributeError):  # not made whole
            self.close()

    def tidy(self) -> None:
        """Close the file, and leave all of it in the one file where nobody else has it open.

        What was written last lies in a second file beside it until then (`-wal`).
        """
        self.close()
        if self.read_only or _inherited:  # an inherited connection holds locks that are not this process's
            return
        with suppress(schema.RefusedError, sqlite3.Error, OSError), self._writing:
            if not self._wal.exists():
                return
            with closing(self._connect("mode=rw")) as writer:
                schema.version_of(writer, str(self.path), len(self._steps))
                writer.execute("PRAGMA busy_timeout = 0")
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def _wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def renew(self) -> None:
        """Leave the connection to the parent process, in a child of it."""
        self.close()

    def before_fork(self) -> None:
        """Wait until no other thread uses a connection, and let none begin to."""
        self._writing.acquire()
        self._lock.acquire()

    def after_fork(self) -> None:
        """Let threads use connections again, in the parent process and in the child."""
        self._lock.release()
        self._writing.release()

    # -- writing -------------------------------------------------------------------------------

    def add(
        self,
        additions: Additions,
        today: int,
        *,
        runs: Iterable[tuple[int, int]] = (),
        advised: Advised | None = None,
        lock: AbstractContextManager[object] | None = None,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """Add days of subjects to what is there, all or nothing.

        Args:
            additions: what to add; gone through once more where a damaged file was moved aside.
            today: days since 1970-01-01; what is older than `KEPT_DAYS` is dropped.
            runs: what `learn` took in, each with its day.
            advised: what came of advice, to be added as well.
            lock: held while it is committed, so that whoever holds it sees a part before or after.
            committed: called then, within the lock.

        Raises:
            RefusedError: the file is newer, or another program's.
            KnownRunsError: some of these runs were added meanwhile.
            sqlite3.Error, OSError: the file cannot be written. In each case nothing was.
        """
        kept, taken, came = list(additions), list(runs), advised or Advised()
        self._mending(lambda: self._add(kept, taken, came, today, lock or nullcontext(), committed))

    def check_writable(self) -> None:
        """Make the file where there is none, and bring it up to date. Raises as `add`."""

        def check() -> None:
            with self._writing, closing(self._to_write()) as writer:
                writer.execute("BEGIN IMMEDIATE")
                writer.execute("ROLLBACK")

        self._mending(check)

    def _to_write(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        writer = self._connect("mode=rwc")
        try:
            writer.execute("PRAGMA synchronous = NORMAL")
            schema.bring_up_to_date(writer, str(self.path), self._steps)
        except BaseException:
            writer.close()
            raise
        return writer

    def _add(
        self,
        additions: Additions,
        runs: Iterable[tuple[int, int]],
        advised: Advised,
        today: int,
        lock: AbstractContextManager[object],
        committed: Callable[[], None],
    ) -> None:
        with self._writing, closing(self._to_write()) as writer:
            # A checkpoint waits for the disk: not while the lock is held.
            writer.execute("PRAGMA wal_autocheckpoint = 0")
            writer.execute("BEGIN IMMEDIATE")
            try:
                oldest = today - KEPT_DAYS
                self.refused = writing.add(writer, additions, oldest)
                writing.take_in(writer, runs)
                writing.add_advised(writer, advised, oldest)
                writing.drop_old(writer, oldest)
                with lock:
                    writer.execute("COMMIT")
                    committed()
            except BaseException:
                if writer.in_transaction:
                    with suppress(sqlite3.Error):
                        writer.execute("ROLLBACK")
                raise
            with suppress(OSError, sqlite3.Error):  # it is written; this only tidies up
                if self._wal.stat().st_size > _WAL_BYTES:
                    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # -- damage --------------------------------------------------------------------------------

    def _mending(self, work: Callable[[], Any]) -> Any:
        """Do something; where the file turns out to be damaged, move it aside and do it once more."""
        before = identity_of(self.path)
        try:
            return work()
        except Exception as error:
            if self.read_only or not is_damage(error):
                raise
            self.close()
            if kind := other_kind(self.path):
                raise schema.RefusedError(
                    f"{self.path} is {kind}, not a store; it is left alone. To begin from an exported baseline name it in"
                    " AGENTPERF_BASELINE_FROM"
                ) from None
            aside = set_aside(self.path, before) if before is not None else None
            if aside is not None:
                self._say(f"the baseline {self.path} is damaged ({error}); it is kept as {aside.name}, and begun anew")
            return work()


_waiting: list[Store] = []
"""Those that wait for a fork to be over."""


def _before_fork() -> None:
    for reference in tuple(_stores):
        store = reference()
        if store is not None:
            store.before_fork()
            _waiting.append(store)


def _after_fork() -> None:
    while _waiting:
        _waiting.pop().after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
