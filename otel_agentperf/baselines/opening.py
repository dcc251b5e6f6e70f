"""A baseline by its name: a store, an exported file, or the address of one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from otel_agentperf.baselines import portable
from otel_agentperf.baselines.advised import Advised
from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.normals import Subject
from otel_agentperf.baselines.packing import DamagedError
from otel_agentperf.baselines.portable import UnreadableError
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Cell

_SQLITE = b"SQLite format 3\x00"
_SCHEMES = ("http://", "https://")
_FETCHING = "otel_agentperf.fetching"
_MOST_FETCHED_BYTES = 64 << 20
_TIMEOUT_S = 30.0


class Baseline(Protocol):
    """What can be read of a baseline."""

    @property
    def newest_day(self) -> int | None:
        """The last day of which anything is known."""
        ...

    @property
    def advised(self) -> Advised:
        """What came of advice."""
        ...

    def cells(self, subject: Subject, since: int = 0) -> Mapping[int, Cell]:
        """The days of a subject from one on."""
        ...

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use."""
        ...

    def all(self) -> Iterator[tuple[Subject, Mapping[int, Cell]]]:
        """Everything, in the order of the subjects."""
        ...

    def __len__(self) -> int:
        """How many subjects there are."""
        ...


def prepare(name: str) -> None:
    """Import what opening a baseline of that name needs, before a thread opens it.

    A thread that imports holds a lock that a child forked meanwhile never gets back.

    Args:
        name: as for `opened`.
    """
    if _is_address(name):
        import_module(_FETCHING)  # a client for HTTP, which files do not need


def _is_address(name: str) -> bool:
    return name.lower().startswith(_SCHEMES)


def opened(name: str) -> Baseline:
    """Open a baseline to be read.

    Args:
        name: the path of a store or of an exported file, or an http or https address of the latter.

    Raises:
        UnreadableError: there is none, it is damaged, or a newer program's. The message names it.
    """
    if _is_address(name):
        from otel_agentperf import fetching  # noqa: PLC0415 - as above

        try:
            data = fetching.fetch(name, most_bytes=_MOST_FETCHED_BYTES, timeout_s=_TIMEOUT_S)
        except fetching.FetchError as error:
            raise UnreadableError(f"the baseline cannot be fetched: {error}") from None
        return portable.read(data, fetching.shown(name))
    path = Path(name)
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
            if head != _SQLITE:
                return portable.read(head + file.read(), name)
        store = Store(path, read_only=True)
        len(store)
    except OSError as error:
        raise UnreadableError(f"{name} cannot be read: {error.strerror or error}") from None
    except (RefusedError, DamagedError, sqlite3.Error) as error:
        raise UnreadableError(f"{name} cannot be read: {error}") from None
    return store


def normals_of(baseline: Baseline) -> LearnedNormals:
    """All of a baseline, as a process sees it on the day after its last one.

    Args:
        baseline: it.
    """
    newest = baseline.newest_day
    return LearnedNormals(lambda: (baseline,), newest + 1 if newest is not None else 0)
