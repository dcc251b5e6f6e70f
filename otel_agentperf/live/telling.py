"""What is told beside a span's own attributes: events on spans, log events, and metrics.

It knows where each of them goes: onto the nearest span that records, and into the metrics, where these are on.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.trace import Span, get_current_span

from otel_agentperf import semconv
from otel_agentperf.budgets import BudgetLimit
from otel_agentperf.live.attributes import taken_back_attributes
from otel_agentperf.live.budgets import Account
from otel_agentperf.live.emit import Emitter
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.lots import Happened
from otel_agentperf.live.metrics import Metrics
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.rules.cost.cost001_session_over_budget import SessionOverBudget


class Teller:
    """Tells of suggestions, budgets, advice that was applied, and requests.

    Args:
        emitter: writes events.
        metrics: what counts; `None` where metrics are off.
        threshold: the least impact at which a suggestion becomes an event.
    """

    def __init__(self, emitter: Emitter, metrics: Metrics | None, threshold: float) -> None:
        self._emitter = emitter
        self._metrics = metrics
        self._threshold = threshold

    def budget_reached(self, account: Account, limit: BudgetLimit, frame: Frame | None, timestamp_ns: int) -> None:
        """Tell of a limit that is reached: on the nearest span that records, on the run's, and in the metric."""
        spans: list[Span] = []
        if frame is not None:
            nearest, root = frame.recording_span(), frame.root().span
            spans = [span for span in (nearest, root) if span is not None and span.is_recording()]
        elif (current := get_current_span()).is_recording():
            spans = [current]
        self._emitter.emit_exceeded(account.exceeded(limit), list(dict.fromkeys(spans)), timestamp_ns)
        if self._metrics is not None:
            self._metrics.budget_exceeded(limit.value, account.scope.value)

    def suggestions(self, news: Iterable[Suggestion], frame: Frame, timestamp_ns: int) -> None:
        """Emit suggestions of enough impact on the span of a frame, or on the nearest one above that records."""
        metrics = self._metrics
        for suggestion in news:
            is_event = suggestion.impact_score >= self._threshold
            if is_event:
                self._emitter.emit(suggestion, frame.recording_span(), timestamp_ns)
            if metrics is not None:
                if is_event:
                    metrics.suggestion(suggestion)
                if suggestion.rule == SessionOverBudget.code and frame.run is not None:
                    metrics.over_budget(frame.run)

    def advice_used(self, graph: str, node: str, decision: str, reason: str) -> None:
        """Count what was done with a request at a node where advice may be applied."""
        if self._metrics is not None:
            self._metrics.advice_used(graph, node, decision, reason)

    def taken_back(self, happened: Iterable[Happened], frame: Frame | None) -> None:
        """Tell of changes that were taken back: on the nearest span that records, and in the metric."""
        span = frame.recording_span() if frame is not None else None
        for each in happened:
            if span is not None:
                span.add_event(semconv.EVENT_TAKEN_BACK, taken_back_attributes(each))
            if self._metrics is not None:
                self._metrics.taken_back(each)

    def measure(self, frame: Frame, operation: Operation, *, tokens_only: bool = False) -> None:
        """Record the semantic-convention metrics of a model request."""
        if self._metrics is not None:
            self._metrics.request(operation, frame.span, tokens_only=tokens_only)

    def add_cost(self, operation: Operation) -> None:
        """Add the cost of an operation to the cost metric."""
        if self._metrics is not None:
            self._metrics.cost(operation)
