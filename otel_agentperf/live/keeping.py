"""What this process has learned, and where it is kept: in memory, and in the store where there is one.

What was learned, and what came of advice, lies in memory until it is written, all of it in one transaction. Where the store cannot be
written or read (a full disk, no permission, another one's lock) that is said once for each reason, learning goes
on in memory, and it is tried again each time.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from otel_agentperf import guard
from otel_agentperf.baselines.advised import Advised, Told, noted, total
from otel_agentperf.baselines.learned import Source
from otel_agentperf.baselines.normals import Subject
from otel_agentperf.baselines.opening import UnreadableError, opened, prepare
from otel_agentperf.baselines.packing import DamagedError
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Cell, Seen, Tally

T = TypeVar("T")
MOST_SUBJECTS = 20_000
_UNUSABLE = (RefusedError, DamagedError, sqlite3.Error, OSError)
_logger = logging.getLogger("otel_agentperf")


class _Known(Source, Protocol):
    @property
    def advised(self) -> Advised: ...


class Keeper:
    """Holds what was learned here, and knows what was learned before and elsewhere.

    Args:
        store: the path of the store; empty where none is kept.
        base: the path or address of a baseline to start from; empty where there is none.
    """

    def __init__(self, store: str, base: str) -> None:
        self.lock = threading.RLock()
        """Held while what is known is changed or put together."""
        self.refused = 0
        """Executions of subjects beyond `MOST_SUBJECTS`, since it was last asked."""
        self._store = Store(store, say=self._say) if store else None
        self._base_name = base
        prepare(base)
        self._base: _Known | None = None
        self._asks_for_advice = bool(store)
        self.advice_settled = threading.Event()
        """Set once what the store knows of earlier advice was told, or is known not to be had."""
        self.base_settled = threading.Event()
        """Set once the baseline to start from is there, or is known not to be."""
        self._said: set[str] = set()
        self._fresh = Tally(MOST_SUBJECTS)
        self._leaving: Tally | None = None
        """What is being written."""

    @property
    def waits_for_base(self) -> bool:
        """Whether there is a baseline to start from that was not loaded yet."""
        return bool(self._base_name)

    @property
    def waits_for_advice(self) -> bool:
        """Whether the store was not yet asked what came of earlier advice."""
        return self._asks_for_advice

    def load_advice(self) -> Told:
        """What the store knows of earlier advice."""
        self._asks_for_advice = False
        return total(_Careful(self._store, self._say).advised) if self._store is not None else {}

    def base_advice(self) -> Told:
        """What the baseline to start from knows of earlier advice, once that is loaded."""
        return total(self._base.advised) if self._base is not None else {}

    def load_base(self) -> bool:
        """Load the baseline to start from; whether it is there now."""
        name = self._base_name
        try:
            base = opened(name)
        except UnreadableError as error:
            self._say(f"{error}; it is gone without")
            return False
        finally:
            self._base_name = ""
        with self.lock:
            self._base = _Careful(base, self._say) if isinstance(base, Store) else base
        return True

    def sources(self) -> Sequence[Source]:
        """All that knows of subjects. Whoever asks holds the lock."""
        store = _Careful(self._store, self._say) if self._store is not None else None
        return [source for source in (self._base, store, self._leaving, self._fresh) if source is not None]

    def may_know_before(self, day: int) -> bool:
        """Whether anything may be known of the days before one: certainly not where only this process was asked, today."""
        if self._store is not None or self._base is not None:
            return True
        with self.lock:
            return any(seen < day for days in self._fresh.subjects.values() for seen in days)

    def add(self, day: int, seen: Sequence[Seen]) -> None:
        """Take in what a run taught."""
        with self.lock:
            self._fresh.add(day, seen)
            self.refused += self._fresh.refused
            self._fresh.refused = 0

    def add_advice(self, day: int, told: Told) -> None:
        """Take in what came of advice."""
        with self.lock:
            self._fresh.add_advised(noted(day, told))

    def drop_before(self, day: int) -> None:
        """Drop old days from memory."""
        with self.lock:
            self._fresh.drop_before(day)

    def flush(self, today: int, written: Callable[[AbstractSet[Subject]], None], busy_s: float) -> bool:
        """Write what is new to the store, where there is one; called by one thread at a time.

        Args:
            today: days since 1970-01-01.
            written: told, within the lock, of which subjects that was.
            busy_s: how long to wait for other processes.

        Returns:
            Whether nothing is left to be written.
        """
        store = self._store
        if store is None:
            return True
        with self.lock:
            if not self._fresh:
                return True
            leaving, self._leaving, self._fresh = self._fresh, self._fresh, Tally(MOST_SUBJECTS)

        is_written = False

        def committed() -> None:
            nonlocal is_written
            self._leaving, is_written = None, True
            written(leaving.subjects.keys())

        store.busy_s = busy_s
        try:
            store.add(leaving.all(), today, advised=leaving.advised, lock=self.lock, committed=committed)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is lost
            if not is_written:
                self._take_back(leaving)
            if isinstance(error, _UNUSABLE):
                self._say(f"the baseline {store.path} cannot be written ({error}); what is learned stays in memory")
            else:
                guard.report("learning.flush", error)
            return False
        if store.refused:
            self._say(f"the baseline {store.path} is full; further names are not kept in it")
        return True

    def _take_back(self, leaving: Tally) -> None:
        with self.lock:
            leaving.merge_all(self._fresh)
            self._fresh, self._leaving = leaving, None

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            _logger.warning("otel-agentperf: %s", message)

    def close(self) -> None:
        """Leave the store as one file, where nobody else has it open; it is opened again when it is asked."""
        if self._store is not None:
            self._store.tidy()

    def renew(self) -> None:
        """Begin anew, in a child process: what was not written yet is the parent's to write."""
        self.lock = threading.RLock()
        if self._store is not None:
            self._store.renew()
            self._fresh, self._leaving = Tally(MOST_SUBJECTS), None
        base = self._base
        if isinstance(base, _Careful):
            base.renew()


class _Careful:
    """A store that knows nothing where it cannot be read."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say

    def cells(self, subject: Subject, since: int = 0) -> Mapping[int, Cell]:
        """The days of a subject from one on."""
        return self._try(lambda: self._store.cells(subject, since), {})

    @property
    def advised(self) -> Advised:
        """What came of advice."""
        return self._try(lambda: self._store.advised, Advised())

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use."""
        return self._try(lambda: self._store.models_of(graph, node), ())

    def _try(self, work: Callable[[], T], default: T) -> T:
        try:
            return work()
        except _UNUSABLE as error:
            self._say(f"the baseline {self._store.path} cannot be read ({error})")
            return default

    def renew(self) -> None:
        """As `Store.renew`."""
        self._store.renew()
