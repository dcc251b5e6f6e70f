"""What the runs of a replay teach, gathered by worker and added up in any order.

A run is known by its trace and the span of its root. One that a store has taken in before is left out, so that
reading the same traces again, or windows that overlap, does not count twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from otel_agentperf.analysis.observations import day_of, observations
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Tally
from otel_agentperf.replay.judging import Judged

_BYTES = 8


def run_number(trace_id: str, root_id: str) -> int:
    """What a run is known by in a store: a signed 64-bit number."""
    digest = hashlib.blake2b(f"{trace_id}{root_id}".encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(slots=True)
class Lessons:
    """What was learned, and from which runs."""

    tally: Tally = field(default_factory=Tally)
    runs: dict[int, int] = field(default_factory=dict[int, int])
    """By number, the day."""
    known: int = 0
    """Runs that were learned before."""

    def merge(self, other: Lessons) -> None:
        """Add what was learned elsewhere."""
        self.tally.merge_all(other.tally)
        self.runs.update(other.runs)
        self.known += other.known

    def take(self, judged: Judged, store: Store | None) -> None:
        """Learn from a run, where the store has not.

        Args:
            judged: the run.
            store: knows what was learned before.
        """
        root, summary = judged.run.root, judged.summary
        number = run_number(root.trace_id, root.span_id)
        if store is not None and store.knows(number):
            self.known += 1
            return
        day = day_of(summary.end_ns)
        seen = observations(summary, root.span_id, root_seen=judged.root_seen, is_whole=judged.is_whole)
        self.tally.add(day, seen)
        self.runs[number] = day


def store_to_ask(path: str) -> Store | None:
    """The store that knows what was learned before; `None` where there is none yet."""
    return Store(path, read_only=True) if path and Path(path).exists() else None
