"""`Normals` over whatever holds days of subjects: loaded when first asked for, and kept.

A subject is put together once, from all places that know of it, and is then looked up in about a
microsecond. How many are kept is bounded; the one loaded first goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from otel_agentperf.baselines.known import Knowledge, Table, days_of, days_told, knowledge_of
from otel_agentperf.baselines.normals import Day, Measure, Outcomes, Subject
from otel_agentperf.baselines.tally import KEPT_DAYS, Cell

MOST_LOADED = 20_000
"""Subjects. One takes about 5 kB."""


class Source(Protocol):
    """Something that holds days of subjects."""

    def cells(self, subject: Subject, since: int = 0) -> Mapping[int, Cell]:
        """The days of a subject from one on; empty where it was never seen."""
        ...

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use."""
        ...


class LearnedNormals:
    """What was learned, as it stands on one day; a `Normals`.

    Args:
        sources: what is asked for days of subjects, each time that a subject is loaded.
        today: the day, in days since 1970-01-01.
        with_today: whether what was seen on this day counts; else only the days before.
        lock: held while the sources are asked, so that they agree with each other.
    """

    def __init__(
        self,
        sources: Callable[[], Sequence[Source]],
        today: int,
        *,
        with_today: bool = False,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.today = today
        self._sources = sources
        self._with_today = with_today
        self._lock = lock if lock is not None else nullcontext()
        self._known: dict[Subject, Knowledge] = {}
        self._past: dict[Subject, Knowledge] = {}
        """Of the days before, where this day counts too: there is more to know of this one every second."""
        self._days: dict[tuple[Subject, Measure], Sequence[Day]] = {}
        self._models: dict[tuple[str, str], Sequence[str]] = {}

    def normal(self, subject: Subject, measure: Measure) -> Table | None:
        """The distribution of a measure; `None` where it was never seen."""
        known = self._known.get(subject)
        return (known if known is not None else self._load(subject)).tables.get(measure)

    def outcomes(self, subject: Subject) -> Outcomes | None:
        """How often it succeeded; `None` where it was never seen."""
        known = self._known.get(subject)
        return (known if known is not None else self._load(subject)).outcomes

    def days(self, subject: Subject, measure: Measure) -> Sequence[Day]:
        """Its days, oldest first; empty where it was never seen."""
        key = (subject, measure)
        found = self._days.get(key)
        if found is None:
            with self._lock:
                last = None if self._with_today else self.today - 1
                found = self._days[key] = days_told(self._cells(subject, self._first, last), measure)
                _bound(self._days)
        return found

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        """The models that a node was seen to use, in the order of their names."""
        key = (graph, node)
        found = self._models.get(key)
        if found is None:
            with self._lock:
                models = {model for source in self._sources() for model in source.models_of(graph, node)}
                found = self._models[key] = tuple(sorted(models))
                _bound(self._models)
        return found

    def _load(self, subject: Subject) -> Knowledge:
        with self._lock:
            if not self._with_today:
                known = knowledge_of(self._cells(subject, self._first, self.today - 1), self.today)
            else:
                past = self._past.get(subject)
                if past is None:
                    past = knowledge_of(self._cells(subject, self._first, self.today - 1), self.today)
                    self._past[subject] = past
                    _bound(self._past)
                known = knowledge_of(self._cells(subject, self.today, None), self.today, past)
            self._known[subject] = known
            _bound(self._known)
        return known

    @property
    def _first(self) -> int:
        return self.today - KEPT_DAYS + 1

    def _cells(self, subject: Subject, first: int, last: int | None) -> Mapping[int, Cell]:
        return days_of([source.cells(subject, first) for source in self._sources()], first, last)

    @property
    def is_asked(self) -> bool:
        """Whether anything of it is kept, because it was asked for. Whoever reads this holds the lock."""
        return bool(self._known or self._days or self._models)

    def forget(self, subjects: AbstractSet[Subject]) -> None:
        """Load these anew when they are asked for next: there is more to know of them.

        Whoever calls this holds the lock.
        """
        known = self._known
        for subject in subjects:
            known.pop(subject, None)
        self._days.clear()
        self._models.clear()


def _bound(kept: dict[Any, Any]) -> None:
    while len(kept) > MOST_LOADED:
        kept.pop(next(iter(kept)), None)
