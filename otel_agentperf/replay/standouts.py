"""The runs that stand out, kept whole until all are known: only these are reported in detail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.reading import TracedRun
from otel_agentperf.report.run import RunReport, report_on

_MAX_CARRIED = 2_000
"""Operations of a run that are carried as they are; of a larger one the report is made at once."""

Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Standout:
    """A run that may be shown in detail."""

    run: TracedRun
    summary: RunSummary
    root_seen: bool = True
    notes: tuple[str, ...] = ()
    threshold: float = DEFAULT_THRESHOLD
    made: RunReport | None = None

    @classmethod
    def of(
        cls, run: TracedRun, summary: RunSummary, *, root_seen: bool, notes: tuple[str, ...], threshold: float
    ) -> Standout:
        """Keep a run."""
        kept = cls(run, summary, root_seen, notes, threshold)
        if len(run.operations) <= _MAX_CARRIED:
            return kept
        bare = TracedRun(run.root, ())
        return cls(bare, msgspec.structs.replace(summary, columns=None), root_seen, notes, threshold, kept.report())

    def report(self) -> RunReport:
        """The report on it."""
        if self.made is not None:
            return self.made
        return report_on(
            self.run.root,
            self.run.operations,
            self.summary,
            root_seen=self.root_seen,
            notes=self.notes,
            threshold=self.threshold,
        )


@dataclass(slots=True)
class Standouts:
    """The dearest and the slowest runs.

    Args:
        top: how many of each.
    """

    top: int = 10
    dearest: list[tuple[Key, Standout]] = field(default_factory=list[tuple[Key, Standout]])
    slowest: list[tuple[Key, Standout]] = field(default_factory=list[tuple[Key, Standout]])

    def add(
        self, run: TracedRun, summary: RunSummary, *, root_seen: bool, notes: tuple[str, ...], threshold: float
    ) -> None:
        """Take in one run."""
        kept: Standout | None = None
        root = run.root
        cost_pico = round(summary.totals.cost_usd * 10**12)
        for listed, weight in ((self.dearest, cost_pico), (self.slowest, summary.end_ns - summary.start_ns)):
            key = (-weight, root.trace_id, root.span_id)
            if len(listed) < self.top or (listed and key < listed[-1][0]):
                kept = kept or Standout.of(run, summary, root_seen=root_seen, notes=notes, threshold=threshold)
                self._keep(listed, (key, kept))

    def merge(self, other: Standouts) -> None:
        """Take in those of other runs."""
        for listed, others in ((self.dearest, other.dearest), (self.slowest, other.slowest)):
            for item in others:
                self._keep(listed, item)

    def _keep(self, listed: list[tuple[Key, Standout]], item: tuple[Key, Standout]) -> None:
        listed.append(item)
        listed.sort(key=lambda kept: kept[0])
        del listed[self.top :]

    def reports(self) -> Iterator[list[tuple[Key, RunReport]]]:
        """The reports on the dearest ones, then on the slowest."""
        made: dict[int, RunReport] = {}
        for listed in (self.dearest, self.slowest):
            yield [(key, made.setdefault(id(kept), kept.report())) for key, kept in listed]
