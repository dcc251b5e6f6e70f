"""Baselines as tables: what is normal for each subject, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.normals import Measure, Normal, Outcomes, Subject
from otel_agentperf.baselines.trend import Trend, trend_of_days

SHARES = (0.5, 0.95)
LEAST_CHANGE = 0.1
"""A tenth: five times what the sketches of both may be off together."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is normal for one measure of one subject."""

    samples: int
    mean: float
    median: float
    p95: float

    @classmethod
    def of(cls, normal: Normal) -> Line:
        """Those of a distribution."""
        median, p95 = (normal.quantile(share) for share in SHARES)
        return cls(normal.samples, normal.mean, median, p95)


@dataclass(frozen=True, slots=True)
class SubjectLines:
    """What is normal for one subject."""

    subject: Subject
    lines: dict[Measure, Line]
    outcomes: Outcomes | None
    trends: dict[Measure, Trend]
    """Of the days of its time and cost, where there is one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one subject in two baselines; `None` in the one that has not seen it."""

    subject: Subject
    measure: Measure
    before: Line | None
    after: Line | None


def lines_of(normals: LearnedNormals, subject: Subject) -> SubjectLines:
    """What is normal for a subject."""
    lines = {measure: Line.of(found) for measure in Measure if (found := normals.normal(subject, measure)) is not None}
    trends = {
        measure: found
        for measure in (Measure.DURATION_S, Measure.COST_USD)
        if (found := trend_of_days(normals.days(subject, measure))) is not None
    }
    return SubjectLines(subject, lines, normals.outcomes(subject), trends)


def changes(
    before: LearnedNormals, after: LearnedNormals, subjects: set[Subject], least: float = LEAST_CHANGE
) -> Iterator[Change]:
    """What differs, in the order of the subjects.

    Args:
        before: one baseline.
        after: the other.
        subjects: all of both.
        least: by what share of the former mean, median or 95th percentile a measure must differ to be told.
    """
    for subject in sorted(subjects):
        one, other = lines_of(before, subject).lines, lines_of(after, subject).lines
        for measure in Measure:
            old, new = one.get(measure), other.get(measure)
            if old is not new and (old is None or new is None or _differs(old, new, least)):
                yield Change(subject, measure, old, new)


def _differs(old: Line, new: Line, least: float) -> bool:
    pairs = ((old.mean, new.mean), (old.median, new.median), (old.p95, new.p95))
    return any(abs(now - then) > least * then for then, now in pairs)
