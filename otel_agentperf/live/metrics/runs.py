"""Metrics of whole runs and of their nodes."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanContext

from otel_agentperf import semconv
from otel_agentperf.analysis.savings import attributed
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.live.metrics.bounds import Bounded, Names
from otel_agentperf.live.metrics.histograms import Measured, Seen
from otel_agentperf.live.metrics.sums import Sums
from otel_agentperf.model import SavingBasis


class Ended(NamedTuple):
    """What is told of a run that has ended; its operations are let go of."""

    name: str
    outcome: str
    duration_ns: int
    end_ns: int
    cost_usd: Decimal | None
    """`None` where nothing could be priced."""
    efficiency_score: int | None
    """`None` where no model call was seen or nothing of it could be priced."""
    wasted: dict[str, Decimal]
    """US dollars by the code of the rule."""


def ended(summary: RunSummary, outcome: str) -> Ended:
    """What is told of a run."""
    totals = summary.totals
    return Ended(
        summary.name,
        outcome,
        summary.end_ns - summary.start_ns,
        summary.end_ns,
        totals.known_cost_usd,
        summary.efficiency_score,
        wasted_by_rule(summary) if summary.suggestions else {},
    )


def wasted_by_rule(summary: RunSummary) -> dict[str, Decimal]:
    """What a run wasted, as measured, by rule; each dollar counts once: for an alarm, else for the most impact."""
    measured = [
        suggestion
        for suggestion in summary.suggestions
        if suggestion.savings is not None and suggestion.savings.basis is SavingBasis.MEASURED
    ]
    if not measured:
        return {}
    spans = frozenset(row.span_id for row in summary.rows)
    return attributed(measured, cost_usd=summary.totals.cost_usd, spans=spans)


class Runs:
    """What is told by run and by node.

    Args:
        meter: where the histograms are made.
        names: the values of attributes.
        capped: counts what lost a name.
    """

    def __init__(self, meter: Meter, names: Names, capped: Counter[str]) -> None:
        self._meter = meter
        self._names = names
        self._capped = capped
        workflow, outcome = semconv.WORKFLOW_NAME, semconv.RUN_OUTCOME
        seconds, dollars, points = semconv.RUN_BUCKETS_S, semconv.RUN_BUCKETS_USD, semconv.SCORE_BUCKETS
        self._duration = self._measured(
            semconv.METRIC_RUN_DURATION, "s", "Duration of a run", seconds, workflow, outcome
        )
        self._cost = self._measured(semconv.METRIC_RUN_COST, "USD", "Cost of a run", dollars, workflow)
        self._score = self._measured(
            semconv.METRIC_RUN_EFFICIENCY, "1", "How much of a run was not wasted, 0 to 100", points, workflow
        )
        self._nodes = self._measured(
            semconv.METRIC_NODE_DURATION,
            "s",
            "Duration of a node, retries included",
            seconds,
            semconv.NODE_NAME,
            workflow,
        )
        self.runs = Sums(Bounded(semconv.METRIC_RUNS, (workflow, outcome), names, capped))
        self.wasted = Sums(Bounded(semconv.METRIC_WASTED_COST, (workflow, semconv.SUGGESTION_RULE), names, capped))

    def _measured(
        self, metric: str, unit: str, description: str, boundaries: tuple[float, ...], *attributes: str
    ) -> Measured:
        histogram = self._meter.create_histogram(
            metric, unit=unit, description=description, explicit_bucket_boundaries_advisory=boundaries
        )
        return Measured(histogram, Bounded(metric, attributes, self._names, self._capped))

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self.runs.renew()
        self.wasted.renew()

    def take(self, run: Ended, span: SpanContext) -> None:
        """Record a run that has ended."""
        name, seen = run.name, Seen(run.end_ns, span)
        self.runs.add((name, run.outcome), 1)
        self._duration.record((name, run.outcome), run.duration_ns / 1e9, seen)
        if run.cost_usd is not None and run.cost_usd >= 0:  # negative where it gave storage back
            self._cost.record((name,), float(run.cost_usd), seen)
        if run.efficiency_score is not None:
            self._score.record((name,), run.efficiency_score, seen)
        for rule, cost_usd in run.wasted.items():
            self.wasted.add((name, rule), cost_usd)

    def take_node(self, run_name: str, name: str, duration_ns: int, end_ns: int, span: SpanContext) -> None:
        """Record a node that has ended."""
        self._nodes.record((name, run_name), duration_ns / 1e9, Seen(end_ns, span))
