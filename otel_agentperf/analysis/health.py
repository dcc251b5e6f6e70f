"""The health of a process, from 0 to 100, and why it is not 100.

    score = 100 - 20 [CPU in use above 80 %] - 25 [memory in use above 85 %]
                - 20 [an event loop was late by 0.5 s or more] - 20 [above 80 % of the descriptors are open]
                - 20 [more than 5 % of the runs failed]

Healthy above 70, a warning above 40, else critical. CPU, memory, event loop and descriptors are
those of the last minute, runs those of the last 30 minutes. What is not known takes nothing away
and has no deduction; without CPU and memory there is no score. The first two deductions and the
status are the system's users'; the other three are ours, since theirs alone never reach critical.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CPU_PERCENT = 80.0
MEMORY_PERCENT = 85.0
LAG_S = 0.5
FILES_SHARE = 0.8
FAILED_SHARE = 0.05
HEALTHY_ABOVE = 70
WARNING_ABOVE = 40
BEST = 100


class Reason(StrEnum):
    """Why points are taken away."""

    CPU = "cpu"
    MEMORY = "memory"
    EVENT_LOOP = "event_loop"
    DESCRIPTORS = "descriptors"
    FAILURES = "failures"


POINTS = {Reason.CPU: 20, Reason.MEMORY: 25, Reason.EVENT_LOOP: 20, Reason.DESCRIPTORS: 20, Reason.FAILURES: 20}


class Status(StrEnum):
    """The score in a word."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What health is told from; `None` is unknown."""

    cpu_percent: float | None = None
    """Average of what was in use of the host, or of the container's quota."""
    memory_percent: float | None = None
    """Average of what was in use of the host, or of the container's limit."""
    lag_s: float | None = None
    """The longest time that an event loop was late."""
    open_files: int | None = None
    open_files_limit: int | None = None
    runs: int = 0
    failed_runs: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """A score, and the points that were taken away by reason; 0 where the reason does not hold."""

    score: int | None
    deductions: Mapping[Reason, int]

    @property
    def status(self) -> Status | None:
        """The score in a word; `None` without one."""
        if self.score is None:
            return None
        if self.score > HEALTHY_ABOVE:
            return Status.HEALTHY
        return Status.WARNING if self.score > WARNING_ABOVE else Status.CRITICAL


def health_of(vitals: Vitals) -> Health:
    """The health of a process, by the formula above."""
    holds: dict[Reason, bool] = {}
    if vitals.cpu_percent is not None:
        holds[Reason.CPU] = vitals.cpu_percent > CPU_PERCENT
    if vitals.memory_percent is not None:
        holds[Reason.MEMORY] = vitals.memory_percent > MEMORY_PERCENT
    if vitals.lag_s is not None:
        holds[Reason.EVENT_LOOP] = vitals.lag_s >= LAG_S
    if vitals.open_files is not None and vitals.open_files_limit:
        holds[Reason.DESCRIPTORS] = vitals.open_files > FILES_SHARE * vitals.open_files_limit
    holds[Reason.FAILURES] = vitals.failed_runs > FAILED_SHARE * vitals.runs
    deductions = {reason: POINTS[reason] if holds[reason] else 0 for reason in Reason if reason in holds}
    is_known = vitals.cpu_percent is not None and vitals.memory_percent is not None
    return Health(max(0, BEST - sum(deductions.values())) if is_known else None, deductions)
