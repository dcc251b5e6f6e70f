"""What the engine says of a finished run."""

from __future__ import annotations

import msgspec

from otel_agentperf.analysis.columns import Columns
from otel_agentperf.analysis.resources import RunUse
from otel_agentperf.analysis.savings import NOTHING_SAVED, Saved
from otel_agentperf.model import Suggestion, Totals
from otel_agentperf.rules.base import Row


class RunSummary(msgspec.Struct, frozen=True):
    """A finished run.

    `suggestions` holds the final one per rule and target. As events they were written when they were new, had
    risen in level or doubled in evidence, so that the numbers here may be higher than those of the last event.
    """

    name: str
    session_id: str | None
    start_ns: int
    end_ns: int
    totals: Totals
    critical_path: tuple[str, ...]
    efficiency_score: int | None
    rating: str | None
    success: bool
    score: float | None
    suggestions: tuple[Suggestion, ...]
    is_run: bool = True
    """False for what ran beneath a plain root that holds agents or graphs: it counts in sums, and is no run."""
    savings: Saved = NOTHING_SAVED
    """What following all of them would have saved of this run; what two of them claim counts once."""
    columns: Columns | None = None
    """The run's operations, as far as they were kept."""
    used: RunUse | None = None
    """What the run and its agents used of CPU and memory; `None` where nothing was sampled."""

    @property
    def rows(self) -> list[Row]:
        """The run's operations in order of start, as far as they were kept."""
        return self.columns.rows() if self.columns is not None else []
