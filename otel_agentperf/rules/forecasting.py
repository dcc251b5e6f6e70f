"""What the rules on forecasts share: when to make one, and what is said of it.

Whether such a rule speaks of a run depends on what the run has taken in the end alone: the lower bound of a
forecast never falls while spending rises. So it says the same whatever order operations end in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from math import inf
from typing import ClassVar

import msgspec

from otel_agentperf.baselines.forecast import MIN_SAMPLES, Forecast, chance_above, crossing, forecast
from otel_agentperf.baselines.normals import Measure, Normal, Subject, SubjectKind
from otel_agentperf.model import Complexity, Level, Suggestion
from otel_agentperf.rules.base import Option, Rule, Scope, View

OPTIONS = {
    "confidence": Option(0.9, "", "Share of runs for which the lower bound of a forecast has to hold.", 0.51, 0.999),
    "min_runs": Option(MIN_SAMPLES, "runs", "Fewest finished runs of the graph in the baseline.", 1),
}


class Watch(msgspec.Struct, gc=False):
    """What is kept of a run that goes on."""

    next: float = -1.0
    """Until more than this was spent, there is nothing to forecast; infinite where there never is."""
    is_begun: bool = False
    start_ns: int = 2**63


class ForecastRule(Rule[Watch]):
    """The lower bound of a forecast lies above a limit.

    An alarm while the run goes on and where it ends above the limit; a notice where it ended
    within it all the same. Impact: 0.7 at the limit, rising to 1.0 where the lower bound is twice the limit.
    Confidence: the share of finished runs that ended above the limit, of those that took more than was spent.
    """

    scope = Scope.RUN
    asks_normals = True
    complexity = Complexity.MEDIUM
    measure: ClassVar[Measure]
    unit: ClassVar[str]
    """Of evidence: `usd` or `s`."""
    confidence: float
    min_runs: int

    def start(self) -> Watch:
        """Nothing was looked at yet."""
        return Watch()

    @property
    @abstractmethod
    def limit(self) -> float:
        """What a run may take; 0 is no limit."""

    @property
    def is_off(self) -> bool:
        """Without a limit."""
        return not self.limit

    @abstractmethod
    def said(self, told: Forecast, view: View, *, is_over: bool) -> str:
        """What is said of a run that is forecast to cross the limit, or has."""

    def look(self, state: Watch, spent: float, view: View, span_id: str, *, is_over: bool) -> Iterable[Suggestion]:
        """Speak where the lower bound of the forecast lies above the limit.

        Args:
            state: of the run.
            spent: what it has taken so far.
            view: of the run.
            span_id: the operation that has just ended.
            is_over: whether the run has ended, so that this is its total.
        """
        normal = self._normal(view)
        if not state.is_begun:
            state.is_begun = True
            state.next = inf if normal is None else crossing(normal, self.limit, coverage=self._coverage) - 1e-12
        if normal is None or (spent <= state.next and not is_over):
            return ()
        told = forecast(normal, spent, coverage=self._coverage, min_samples=self.min_runs)
        if told is None or told.lower <= self.limit:
            return ()
        state.next = inf
        return (self._suggestion(told, normal, view, span_id, is_over=is_over),)

    @property
    def _coverage(self) -> float:
        return 2 * self.confidence - 1

    def _normal(self, view: View) -> Normal | None:
        if view.normals is None:
            return None
        normal = view.normals.normal(Subject(SubjectKind.GRAPH, view.name), self.measure)
        return normal if normal is not None and normal.samples >= self.min_runs else None

    def _suggestion(self, told: Forecast, normal: Normal, view: View, span_id: str, *, is_over: bool) -> Suggestion:
        unit, over = self.unit, told.lower / self.limit - 1
        evidence: dict[str, float | int] = {
            f"spent_{unit}": rounded(told.spent),
            f"lower_{unit}": rounded(told.lower),
            f"limit_{unit}": self.limit,
            "confidence": self.confidence,
            "baseline_runs": normal.samples,
            "longer_runs": told.samples,
        }
        for name, bound in (("median", told.median), ("upper", told.upper)):
            if bound is not None:
                evidence[f"{name}_{unit}"] = rounded(bound)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE if is_over and told.spent <= self.limit else Level.ALARM,
            description=self.said(told, view, is_over=is_over),
            impact_score=round(min(1.0, 0.7 + 0.3 * over), 3),
            complexity=self.complexity,
            confidence=round(chance_above(normal, told.spent, self.limit), 3),
            applies_to=(f"run:{view.name}",),
            span_ids=(span_id,),
            evidence=evidence,
        )


def rounded(amount: float) -> float:
    """To six digits, as evidence is told."""
    return float(f"{amount:.6g}")
