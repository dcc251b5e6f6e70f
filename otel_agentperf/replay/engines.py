"""What carries the packs between the rounds. An engine knows nothing of spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from otel_agentperf.replay.mapping import Mapped
from otel_agentperf.replay.pieces import Piece
from otel_agentperf.replay.plan import Joined, Plan, Reduced


class Watcher(Protocol):
    """Is told how far a replay has come."""

    def mapped(self, mapped: Mapped) -> None:
        """A piece has been cut; its packs have gone their way."""
        ...

    def reduced(self, reduced: Reduced, done: int, of: int) -> None:
        """A bucket of spans has been judged."""
        ...

    def joined(self, joined: Joined, done: int, of: int) -> None:
        """A bucket of sessions has been joined."""
        ...


class WorkerDiedError(RuntimeError):
    """A worker process ended before its work was done."""


class ReplayEngine(Protocol):
    """Runs the three rounds."""

    @property
    def piece_bytes(self) -> int:
        """About how large a piece shall be."""
        ...

    def run(self, pieces: Iterable[Piece], plan: Plan, watcher: Watcher) -> None:
        """Carry out a plan.

        Args:
            pieces: the parts of all sources; taken as they are needed.
            plan: what is to be done.
            watcher: is given all results, in the calling thread.

        Raises:
            WorkerDiedError: a worker was killed, as for want of memory.
            OSError: there is no room for what must be laid down in between.
        """
        ...
