"""Metrics: what happened, told in numbers for alerting.

The program's threads only note what they see (`backlog`); it is counted when a reader collects.
Histograms (`requests`, `runs`) are synchronous instruments, so that they carry exemplars that
lead to the trace; everything else is a plain number that is observed. All work counts, sampled
or not. Series are bounded (`bounds`).

A forked child counts from zero, histograms too: it is another instance, and its parent reports
what was counted before. The SDK by itself goes on from its parent's (`sdk_core.forked`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import Span

from otel_agentperf import guard, semconv
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.runs import Run
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.live.applying import Applying
from otel_agentperf.live.lots import Happened
from otel_agentperf.live.metrics.applied import Applied
from otel_agentperf.live.metrics.backlog import MOST, Backlog
from otel_agentperf.live.metrics.bounds import Bounded, Names
from otel_agentperf.live.metrics.requests import Requests
from otel_agentperf.live.metrics.runs import Runs, ended
from otel_agentperf.live.metrics.sessions import Sessions
from otel_agentperf.live.metrics.sums import Sums
from otel_agentperf.live.sdk_core import forked
from otel_agentperf.model import Operation, Suggestion

if TYPE_CHECKING:
    from otel_agentperf.advice.calibration import Outcome
    from otel_agentperf.advice.results import Kind

__all__ = ["Metrics"]

Observe = Callable[[], Sequence[Observation]]


def _no_advice() -> Mapping[tuple[Kind, Outcome], int]:
    return {}


class Metrics:
    """Records what the pipeline sees.

    Args:
        meter: where the instruments are made.
        engine: whose evictions and live runs are reported.
        advice: tells what came of advice, by kind and outcome.
    """

    def __init__(
        self, meter: Meter, engine: Engine, advice: Callable[[], Mapping[tuple[Kind, Outcome], int]] = _no_advice
    ) -> None:
        self._advice = advice
        self._engine = engine
        self._meter = meter
        names = Names()
        self._names = names
        self._applied: Applied | None = None
        self._capped: Counter[str] = Counter()
        self._requests = Requests(meter, names, self._capped)
        self._runs = Runs(meter, names, self._capped)
        self._sessions = Sessions(engine)
        told = (semconv.SUGGESTION_TYPE, semconv.SUGGESTION_RULE, semconv.SUGGESTION_LEVEL)
        self._suggestions = Sums(Bounded(semconv.METRIC_SUGGESTIONS, told, names, self._capped))
        held = (semconv.BUDGET_LIMIT, semconv.BUDGET_SCOPE)
        self._budgets = Sums(Bounded(semconv.METRIC_BUDGET_EXCEEDED, held, names, self._capped))
        self._backlog = Backlog()
        self._waiting = self._backlog.waiting
        # Bound once: every operation passes here.
        self._take_request, self._take_node = self._requests.take, self._runs.take_node
        self._make_sums(meter)
        self._make_gauges(meter)

    def _make_sums(self, meter: Meter) -> None:
        for name, unit, description, observe in (
            (
                semconv.METRIC_COST,
                "USD",
                "Cost of model requests and billed services",
                self._requests.cost.observations,
            ),
            (semconv.METRIC_UNPRICED, "{call}", "Calls whose price is unknown", self._requests.unpriced.observations),
            (semconv.METRIC_WASTED_COST, "USD", "Cost measured as wasted, by rule", self._runs.wasted.observations),
            (semconv.METRIC_RUNS, "{run}", "Finished runs by outcome", self._runs.runs.observations),
            (semconv.METRIC_SUGGESTIONS, "{suggestion}", "Suggestions made", self._suggestions.observations),
            (semconv.METRIC_ADVICE, "{part}", "Parts of advice by what came of them", self._advised),
            (semconv.METRIC_OVER_BUDGET, "{session}", "Sessions that went over their budget", self._over_budget),
            (
                semconv.METRIC_BUDGET_EXCEEDED,
                "{budget}",
                "Limits of budgets that were reached",
                self._budgets.observations,
            ),
            (semconv.METRIC_INTERNAL_TIME, "s", "Time spent inside otel-agentperf", _internal_time),
            (semconv.METRIC_INTERNAL_ERRORS, "{error}", "Errors inside otel-agentperf", _errors),
            (semconv.METRIC_EVICTIONS, "{eviction}", "State dropped to stay within bounds", self._evictions),
            (semconv.METRIC_CAPPED, "{series}", "Measurements counted under `other`", self._capped_series),
        ):
            meter.create_observable_counter(name, [self._callback(name, observe)], unit, description)

    def _make_gauges(self, meter: Meter) -> None:
        for name, unit, description, observe in (
            (semconv.METRIC_ACTIVE_RUNS, "{run}", "Runs that have begun and not ended", self._active_runs),
            (
                semconv.METRIC_ACTIVE_SESSIONS,
                "{session}",
                "Sessions at work in the last 5 minutes",
                self._active_sessions,
            ),
        ):
            meter.create_observable_up_down_counter(name, [self._callback(name, observe)], unit, description)

    def follow(self, applying: Applying) -> None:
        """Record what becomes of advice that is applied."""
        applied = self._applied = Applied(applying, self._names, self._capped)
        for name, unit, description, observe in applied.sums():
            self._meter.create_observable_counter(name, [self._callback(name, observe)], unit, description)
        share = semconv.METRIC_ADVICE_SHARE
        self._meter.create_observable_gauge(
            share, [self._callback(share, applied.shares)], "1", "Share of the runs that a change is tried on"
        )

    def _callback(self, name: str, observe: Observe) -> Callable[[CallbackOptions], Iterable[Observation]]:
        @guard.guarded(f"metrics.observe.{name}", ())
        def callback(_options: CallbackOptions) -> Iterable[Observation]:
            self._backlog.work_off()
            return observe()

        return callback

    # -- what the pipeline sees ------------------------------------------------------------

    def billed(self, operation: Operation, span: Span, *, measured: bool) -> None:
        """Record one billed operation.

        Args:
            operation: the request or the use of a service, finished.
            span: the span that the exemplars lead to.
            measured: False where another instrumentation records the semantic-convention metrics.
        """
        if measured:
            waiting = self._waiting
            waiting.append((self._take_request, operation, span.get_span_context()))
            if len(waiting) > MOST:
                self._backlog.work_off()
        else:
            self.cost(operation)

    def cost(self, operation: Operation) -> None:
        """Add the cost of one operation to the sums."""
        self._note(self._requests.add_cost, operation)

    def request(self, operation: Operation, span: Span, *, tokens_only: bool = False) -> None:
        """Record the semantic-convention metrics of one model request.

        Args:
            operation: the request, finished.
            span: the span that the exemplars lead to.
            tokens_only: leaves out the duration, where another instrumentation records that alone.
        """
        self._note(self._requests.measure, operation, span.get_span_context(), tokens_only)

    def node(self, run: Run | None, operation: Operation, span: Span) -> None:
        """Record how long a node took. A cache hit did not run, and is not recorded."""
        if run is None or operation.outcome == semconv.OUTCOME_CACHE_HIT:
            return
        waiting, end_ns = self._waiting, operation.end_ns
        waiting.append(
            (self._take_node, run.name, operation.name, end_ns - operation.start_ns, end_ns, span.get_span_context())
        )
        if len(waiting) > MOST:
            self._backlog.work_off()

    def run(self, run: Run, summary: RunSummary, outcome: str, span: Span) -> None:
        """Record a finished run.

        Args:
            run: it.
            summary: what the engine says of it.
            outcome: how it ended.
            span: its root, which the exemplars lead to.
        """
        self._note(self._runs.take, ended(summary, outcome), span.get_span_context())
        self._note(self._sessions.run_ended, run.session.id or run.id, summary.end_ns)

    def suggestion(self, suggestion: Suggestion) -> None:
        """Count a suggestion that was emitted."""
        self._note(self._suggestions.add, (suggestion.type, suggestion.rule, suggestion.level.value), 1)

    def advice_used(self, graph: str, node: str, decision: str, reason: str) -> None:
        """Count a request at a node where advice may be applied."""
        if self._applied is not None:
            self._note(self._applied.calls.add, (graph, node, decision, reason), 1)

    def taken_back(self, happened: Happened) -> None:
        """Count a change that was taken back."""
        if self._applied is not None:
            key, told = happened
            self._note(self._applied.taken_back.add, (key.graph, key.node, key.change, told.watched.value), 1)

    def over_budget(self, run: Run) -> None:
        """Count the session of a run as over its budget, once."""
        session = run.session
        if not session.over_budget:
            session.over_budget = True
            self._note(self._sessions.exceeded)

    def budget_exceeded(self, limit: str, scope: str) -> None:
        """Count a limit of a budget that was reached."""
        self._note(self._budgets.add, (limit, scope), 1)

    def _note(self, function: Callable[..., None], *arguments: object) -> None:
        self._waiting.append((function, *arguments))
        if len(self._waiting) > MOST:
            self._backlog.work_off()

    def renew(self) -> None:
        """Begin anew in a child process: a thread that it does not have may hold a lock, and the sums are its parent's."""
        self._backlog.renew()
        for counted in (self._requests, self._runs, self._sessions, self._suggestions, self._budgets):
            counted.renew()
        if self._applied is not None:
            self._applied.renew()
        self._capped.clear()
        forked.begin_anew(self._meter)

    # -- what is observed ------------------------------------------------------------------

    def _over_budget(self) -> Sequence[Observation]:
        return [Observation(self._sessions.over_budget)]

    def _advised(self) -> Sequence[Observation]:
        return [
            Observation(number, {semconv.ADVICE_KIND: str(kind), semconv.ADVICE_CAME: str(outcome)})
            for (kind, outcome), number in dict(self._advice()).items()
        ]

    def _active_runs(self) -> Sequence[Observation]:
        return [Observation(self._engine.live_runs)]

    def _active_sessions(self) -> Sequence[Observation]:
        return [Observation(self._sessions.active(time_ns()))]

    def _evictions(self) -> Sequence[Observation]:
        evictions = dict(self._engine.evictions)
        if self._sessions.evicted:
            evictions["recent_sessions"] = self._sessions.evicted
        return [Observation(number, {semconv.REASON: reason}) for reason, number in evictions.items()]

    def _capped_series(self) -> Sequence[Observation]:
        return [Observation(number, {semconv.METRIC: metric}) for metric, number in dict(self._capped).items()]


def _internal_time() -> Sequence[Observation]:
    return [Observation(guard.spent_ns() / 1e9)]


def _errors() -> Sequence[Observation]:
    return [Observation(number, {semconv.SITE: site}) for site, number in guard.error_counts().items()]
