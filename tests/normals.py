"""A baseline made of lists: exact, unweighted, kept in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import ceil
from statistics import fmean, median
from typing import Any

from otel_agentperf.baselines.normals import Day, Measure, Outcomes, Subject, SubjectKind


class ListNormal:
    """The distribution of some values; all count the same.

    Args:
        values: at least one.
    """

    def __init__(self, values: Iterable[float]) -> None:
        self._values = sorted(values)

    @property
    def samples(self) -> int:
        return len(self._values)

    @property
    def weight(self) -> float:
        return float(len(self._values))

    @property
    def relative_error(self) -> float:
        return 0.0

    @property
    def mean(self) -> float:
        return fmean(self._values)

    def quantile(self, share: float) -> float:
        # A share that was reckoned from a rank may be off in its last digit.
        return self._values[max(0, ceil(share * len(self._values) - 1e-9) - 1)]

    def share_below(self, value: float) -> float:
        low, high = bisect_left(self._values, value), bisect_right(self._values, value)
        return (low + high) / 2 / len(self._values)


class ListNormals:
    """What was seen, value by value."""

    def __init__(self) -> None:
        self._days: dict[tuple[Subject, Measure], dict[int, list[float]]] = {}
        self._outcomes: dict[Subject, Outcomes] = {}
        self._made: dict[tuple[Subject, Measure], ListNormal] = {}

    def add(self, subject: Subject, measure: Measure, values: Iterable[float], day: int = 0) -> None:
        """Add values that were seen on a day, counted since 1970-01-01."""
        self._days.setdefault((subject, measure), {}).setdefault(day, []).extend(values)
        self._made.pop((subject, measure), None)

    def add_outcomes(self, subject: Subject, successes: int, failures: int) -> None:
        """Add how often something went well and how often it did not."""
        before = self._outcomes.get(subject, Outcomes(0.0, 0.0, 0))
        self._outcomes[subject] = Outcomes(
            before.successes + successes, before.failures + failures, before.samples + successes + failures
        )

    def normal(self, subject: Subject, measure: Measure) -> ListNormal | None:
        days = self._days.get((subject, measure))
        if not days:
            return None
        made = self._made.get((subject, measure))
        if made is None:
            made = self._made[subject, measure] = ListNormal(value for day in days.values() for value in day)
        return made

    def outcomes(self, subject: Subject) -> Outcomes | None:
        return self._outcomes.get(subject)

    def days(self, subject: Subject, measure: Measure) -> Sequence[Day]:
        days = self._days.get((subject, measure), {})
        return [Day(day, len(values), fmean(values), median(values)) for day, values in sorted(days.items())]

    def models_of(self, graph: str, node: str) -> Sequence[str]:
        return sorted({subject.name for subject, _ in self._days if subject.graph == graph and subject.node == node})


class SameForAll(ListNormals):
    """A baseline in which all subjects are alike.

    Args:
        values: of each measure.
    """

    def __init__(self, values: dict[Measure, Sequence[float]]) -> None:
        super().__init__()
        self._alike = {measure: ListNormal(each) for measure, each in values.items()}

    def normal(self, subject: Subject, measure: Measure) -> ListNormal | None:
        return self._alike.get(measure)

    def outcomes(self, subject: Subject) -> Outcomes | None:
        return Outcomes(1.0, 0.0, 1)


def normals_of(words: Iterable[dict[str, Any]]) -> ListNormals:
    """A baseline from the plain words of a case.

    `{node: n, graph: g, of: duration_s, values: [1, 2], times: 50}`; instead of `values`,
    `spread: [1, 2, 100]` has 100 values at equal distances from 1 to 2. A `model` with a `node` is a model as
    that node uses it. That `graph` has run before is known.
    """
    normals = ListNormals()
    normals.add_outcomes(Subject(SubjectKind.GRAPH, "graph"), 1, 0)
    for each in words:
        kind = next(kind for kind in ("tool", "model", "node", "graph") if kind in each)
        graph, node = (each.get(name, "") if name != kind else "" for name in ("graph", "node"))
        of_node = SubjectKind.NODE_MODEL if kind == "model" and node else SubjectKind(kind)
        values = each["values"] * each.get("times", 1) if "values" in each else spread(*each["spread"])
        normals.add(Subject(of_node, each[kind], graph, node), Measure(each["of"]), values)
    return normals


def spread(first: float, last: float, number: int) -> list[float]:
    """Values at equal distances, to a billionth."""
    return [round(first + (last - first) * place / (number - 1), 9) for place in range(number)]
