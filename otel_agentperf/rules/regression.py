"""What the rules on regressions share: today's executions against the baseline, and who is named for a shift.

A slower model makes its node slower, and its graph. Where the shifts of what ran within a subject
account for half of its own, those are named and it is not: one suggestion, at the deepest place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from math import fsum
from typing import ClassVar, NamedTuple

from otel_agentperf.baselines.normals import Measure, Normal, Normals, Subject, SubjectKind
from otel_agentperf.baselines.shift import ALPHA, boundary
from otel_agentperf.model import Complexity, Level, Operation, OperationKind, Suggestion
from otel_agentperf.rules.base import Option, Rule, Scope, View, span_hex
from otel_agentperf.rules.executions import Execution
from otel_agentperf.rules.today import NS_PER_DAY, RANK_STEPS, Seen, Today, key_of

EXPLAINED = 0.5
"""The part of a shift that what is within has to account for, to be named instead."""
_GRAPHS = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})
_WITHIN = {SubjectKind.GRAPH: 0, SubjectKind.NODE: 1, SubjectKind.TOOL: 2}
OPTIONS = {
    "alpha": Option(
        ALPHA, "", "Chance of a false alarm, for each graph, node, tool and model and each day.", 1e-9, 0.25
    ),
    "min_baseline": Option(50, "executions", "Fewest executions in the baseline.", 1),
    "min_today": Option(10, "executions", "Fewest executions today.", 1),
    "change_percent": Option(10.0, "%", "Change of the median above which a shift is told."),
    "alarm_percent": Option(50.0, "%", "Change of the median from which on it is an alarm."),
}


class Shift(NamedTuple):
    """A subject that has shifted. Amounts are in seconds or US dollars."""

    seen: Seen
    normal: Normal
    before: float
    """The median of the baseline."""
    now: float
    """Today's median."""

    @property
    def subject(self) -> Subject:
        """Whose shift it is."""
        return self.seen.subject

    @property
    def change_percent(self) -> float | None:
        """Of the median; `None` where it was 0."""
        return 100 * (self.now / self.before - 1) if self.before > 0 else None

    @property
    def more(self) -> float:
        """What today's executions took beyond the baseline's median, by their own median."""
        return self.seen.values * (self.now - self.before)


class Regression(Rule[Today]):
    """Today's executions of a subject have larger ranks among those of the baseline than chance allows.

    Impact: 0.5 where the median has not changed, rising by half the change to 1.0 where it has doubled.
    Confidence: `n / (n + 5)` for n executions today.
    """

    scope = Scope.PROCESS
    watches = frozenset()
    asks_normals = True
    complexity = Complexity.MEDIUM
    options = OPTIONS
    measure: ClassVar[Measure]
    units: ClassVar[float]
    """Whole units of the state that make 1."""
    alpha: float
    min_baseline: int
    min_today: int
    change_percent: float
    alarm_percent: float

    def start(self) -> Today:
        """Nothing was seen yet."""
        return Today()

    def observe(self, state: Today, operation: Operation, view: View) -> Iterable[Suggestion]:
        """Never called: a run is looked at when it is over."""
        return ()

    @abstractmethod
    def value_of(self, execution: Execution) -> int | None:
        """What is measured of an execution, in whole units; `None` where it does not count."""

    @abstractmethod
    def describe(self, shift: Shift, since: str) -> str:
        """What is said of a shift, given the words that tell how much."""

    @abstractmethod
    def evidence(self, shift: Shift) -> dict[str, float | int]:
        """The numbers of this measure."""

    def conclude(self, state: Today, root: Operation, view: View) -> Iterable[Suggestion]:
        """Take in what ran, and say what stands."""
        normals, shape = view.normals, view.columns
        if normals is None or shape is None or _is_new(root, normals):
            return ()
        day = root.end_ns // NS_PER_DAY
        for execution in shape.executions(root):
            value = self.value_of(execution)
            if value is None:
                continue
            normal = normals.normal(execution.subject, self.measure)
            if normal is None or normal.samples < self.min_baseline:
                continue
            seen = state.of(execution.subject, day)
            if seen is None:
                continue
            seen.add(value, normal.share_below(value / self.units), execution.span_id)
            key = key_of(execution.subject)
            for around in execution.within:
                outer = state.of(around, day)
                part = outer.parts.of(key) if outer is not None else None
                if part is not None:
                    part.number += 1
        return self.judge(state, view)

    def merge(self, state: Today, other: Today) -> Today:
        """Add up two states."""
        state.subjects.merge(other.subjects)
        return state

    def judge(self, state: Today, view: View) -> Iterable[Suggestion]:
        """The subjects that have shifted, but for those that others account for."""
        shifts = {key_of(shift.subject): shift for shift in self._shifts(state, view)}
        told: dict[str, list[Shift]] = {}
        for shift in shifts.values():
            within = fsum(
                part.number * (inner.now - inner.before)
                for key, part in shift.seen.parts.entries.items()
                if (inner := shifts.get(key)) is not None
            )
            if within < EXPLAINED * shift.more or within <= 0:
                told.setdefault(target_of(shift.subject), []).append(shift)
        return [self._suggestion(target, each, shifts) for target, each in told.items()]

    def _shifts(self, state: Today, view: View) -> Iterator[Shift]:
        if view.normals is None:
            return
        for seen in state.subjects.entries.values():
            if seen.values < self.min_today or seen.excess <= 0:
                continue
            normal = view.normals.normal(seen.subject, self.measure)
            if normal is None or normal.samples < self.min_baseline:
                continue
            if seen.excess / RANK_STEPS <= boundary(seen.values, normal.weight, self.alpha):
                continue
            shift = Shift(seen, normal, normal.quantile(0.5), seen.median / self.units)
            if shift.now > shift.before * (1 + self.change_percent / 100):
                yield shift

    def _suggestion(self, target: str, same: list[Shift], shifts: dict[str, Shift]) -> Suggestion:
        shift = max(same, key=lambda each: (each.more, each.subject))
        percent = shift.change_percent
        ratio = 1.0 if percent is None else percent / 100
        values = sum(each.seen.values for each in same)
        around = dict.fromkeys(name for each in sorted(same, key=_subject) for name in _around(each, shifts))
        since = f"over {shift.seen.values} today, against {shift.normal.samples} before"
        if percent is not None:
            since = f"{percent:+.0f} %, {since}"
        evidence: dict[str, float | int] = {
            "executions": values,
            "baseline_executions": sum(each.normal.samples for each in same),
            **self.evidence(shift),
            "alpha": self.alpha,
        }
        if percent is not None:
            evidence["change_percent"] = round(percent)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if percent is None or percent >= self.alarm_percent else Level.NOTICE,
            description=self.describe(shift, since),
            impact_score=round(min(1.0, 0.5 + 0.5 * ratio), 2),
            complexity=self.complexity,
            confidence=round(values / (values + 5), 3),
            applies_to=(target, *around),
            span_ids=(span_hex(shift.seen.largest[1]),),
            evidence=evidence,
        )


def _is_new(root: Operation, normals: Normals) -> bool:
    """Whether a graph was never seen before; most runs of a process without a past end here."""
    return root.kind in _GRAPHS and normals.outcomes(Subject(SubjectKind.GRAPH, root.name)) is None


def target_of(subject: Subject) -> str:
    """Who is named, as `kind:name`; a model is one, whichever nodes use it."""
    kind = SubjectKind.MODEL if subject.kind is SubjectKind.NODE_MODEL else subject.kind
    return f"{kind}:{subject.name}"


def name_of(subject: Subject) -> str:
    """Who it is, for people."""
    if subject.kind is SubjectKind.NODE_MODEL:
        return f"{subject.name} in {subject.node}"
    return f"{subject.name} of {subject.graph}" if subject.graph else subject.name


def _around(shift: Shift, shifts: dict[str, Shift]) -> Iterator[str]:
    """Where a shift lies, from the inside out."""
    subject = shift.subject
    if subject.node:
        yield f"node:{subject.node}"
    if subject.graph:
        yield f"graph:{subject.graph}"
    key = key_of(subject)
    outer = (each.subject for each in shifts.values() if key in each.seen.parts.entries)
    yield from (target_of(each) for each in sorted(outer, key=lambda each: (-_WITHIN.get(each.kind, 0), each)))


def _subject(shift: Shift) -> Subject:
    return shift.subject
