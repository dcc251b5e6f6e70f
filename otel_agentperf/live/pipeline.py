"""The way of one operation through this process: open a frame, close it, tell everyone.

operation -> engine -> suggestion -> attributes, event, metric. Our instrumentations call `open`
and `close` with what they just saw, also when the span is not sampled, so that totals,
metrics and rules count all work.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry._logs import LoggerProvider, get_logger
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from otel_agentperf import config, guard, semconv
from otel_agentperf._version import VERSION
from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.baselines.normals import Normals
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.live import budgets, evaluation
from otel_agentperf.live.advising.for_calls import PipelinesAdvisor
from otel_agentperf.live.advising.recent import RecentInferences
from otel_agentperf.live.applying import Applying
from otel_agentperf.live.attributes import Attributes, add_operation, add_run
from otel_agentperf.live.baggage import session_from_baggage
from otel_agentperf.live.budgets.configured import Configured
from otel_agentperf.live.budgets.loops import look
from otel_agentperf.live.emit import Emitter
from otel_agentperf.live.frames import AGENTIC, Frame
from otel_agentperf.live.learning import Learner
from otel_agentperf.live.metrics import Metrics
from otel_agentperf.live.operations import operation_of
from otel_agentperf.live.outcomes import RecentOutcomes
from otel_agentperf.live.recent import RecentRequests
from otel_agentperf.live.sdk_core import set_attributes
from otel_agentperf.live.telling import Teller
from otel_agentperf.model import (
    BILLED_BY_TOKEN,
    Cost,
    Inference,
    NodeStep,
    Operation,
    OperationKind,
    Suggestion,
    ToolCall,
    Usage,
)
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading.finished import finished
from otel_agentperf.rules.base import Group

if TYPE_CHECKING:
    from otel_agentperf.advice.calibration import Outcome
    from otel_agentperf.advice.results import Kind
    from otel_agentperf.analysis.runs import Run
    from otel_agentperf.live.advising.advisor import Advisor

__all__ = ["Attributes", "Pipeline"]

_BILLED = BILLED_BY_TOKEN | {OperationKind.SERVICE}
_ERROR = Status(StatusCode.ERROR)
# Members of an enum are dear to look up in Python 3.11, and every operation passes here.
_AGENT, _NODE, _INFERENCE = OperationKind.AGENT, OperationKind.NODE, OperationKind.INFERENCE


class Pipeline:
    """Everything that an operation passes through in this process.

    Args:
        settings: the settings; read from the environment when absent.
        meter_provider: where metrics go; the global one when absent.
        logger_provider: where log events go; the global one when absent.

    Raises:
        SettingsError: a setting, price or rule option is wrong.
    """

    def __init__(
        self,
        settings: config.Settings | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.settings = settings if settings is not None else config.load()
        self.tracer_provider: TracerProvider | None = None
        """The provider whose processor feeds this pipeline; `None` means the global one."""
        self.logger_provider = logger_provider
        self.prices = PriceBook(self.settings.prices)
        self.prices.load()
        self.fingerprinter = Fingerprinter(self.settings.fingerprint_key)
        limits = Limits(self.settings.max_live_runs, self.settings.max_sessions, self.settings.max_run_operations)
        self.engine = Engine(
            chosen_rules(self.settings),
            limits,
            guard.report,
            self.prices,
            threshold=self.settings.optimization_threshold,
        )
        to_logs = self.settings.emit != "span_event"
        logger = get_logger(semconv.SCOPE_API, VERSION, logger_provider) if to_logs else None
        self._metrics: Metrics | None = None
        if self.settings.metrics:
            self._metrics = Metrics(
                get_meter(semconv.SCOPE_API, VERSION, meter_provider), self.engine, lambda: self.advice_counts
            )
        self.teller = Teller(Emitter(self.settings.emit, logger), self._metrics, self.settings.optimization_threshold)
        self._lock = threading.RLock()
        self._open_roots: weakref.WeakSet[Frame] = weakref.WeakSet()
        self.budgets = Configured(self.settings, self.engine.evictions)
        if self.budgets.is_any:
            budgets.use()
            if self.budgets.counts_alarms and not any(rule.group is Group.REPETITION for rule in self.engine.rules):
                budgets.say_once("the rules of repetition are switched off, and no repetition alarm is raised")
        self.applying: Applying | None = None
        """What is tried at the nodes that the user has named; `None` where that are none."""
        if self.settings.apply:
            self.applying = Applying(
                self.settings.apply, self.prices, PipelinesAdvisor(self), max_runs=self.settings.max_live_runs
            )
            if self._metrics is not None:
                self._metrics.follow(self.applying)
        self.requests = RecentRequests()
        self.outcomes = RecentOutcomes()
        self.learner: Learner | None = None
        chosen = self.settings
        if chosen.learn or chosen.baseline_store or chosen.baseline_from:
            self.learner = Learner(
                self.engine.evictions, self.engine.tell, store=chosen.baseline_store, base=chosen.baseline_from
            )
        self._learn = self.learner.note if self.learner is not None and chosen.learn else None
        self.inferences = RecentInferences()
        self._advisor: Advisor | None = None
        self._advised: Mapping[int, object] = {}
        """Runs in which advice was given."""

    @property
    def advisor(self) -> Advisor:
        """What advises in this process, made when it is first asked: its modules are not needed before."""
        if self._advisor is None:
            from otel_agentperf.live.advising.advisor import Advisor  # noqa: PLC0415 - see above

            with self._lock:
                if self._advisor is None:
                    made = Advisor(self)
                    self._advised = made.followed.waiting
                    self._advisor = made
        return self._advisor

    @property
    def advice_counts(self) -> Mapping[tuple[Kind, Outcome], int]:
        """What came of advice in this process, by kind and outcome."""
        return self._advisor.followed.counts if self._advisor is not None else {}

    @property
    def learned(self) -> Normals | None:
        """What was learned until now, this day too; `None` where nothing is to be known of it."""
        return self.learner.learned if self.learner is not None else None

    @property
    def has_open_runs(self) -> bool:
        """Whether a run is at work in this process."""
        return bool(self._open_roots)

    def renew(self) -> None:
        """Begin anew, in a child process: a thread that it does not have may hold a lock.

        What was counted is its parent's, which reports it: the child would report it again.
        """
        self._lock = threading.RLock()
        self._open_roots = weakref.WeakSet()  # the parent ends its own
        self.engine.renew()
        if self.learner is not None:
            self.learner.renew()
        self.outcomes.renew()
        self.budgets.renew()
        self.inferences.renew()
        if self._advisor is not None:
            self._advisor.renew()
        if self.applying is not None:
            self.applying.renew()
        if self._metrics is not None:
            self._metrics.renew()

    # -- opening ---------------------------------------------------------------------------

    def open(
        self,
        kind: OperationKind,
        name: str,
        span: Span,
        start_ns: int,
        parent: Frame | None,
        *,
        session_id: str | None = None,
    ) -> Frame:
        """Make the frame of an operation that begins, and its run where it is outermost.

        Args:
            kind: what it is.
            name: its name, low in cardinality.
            span: its span, started, sampled or not.
            start_ns: when it began, Unix nanoseconds.
            parent: the frame it runs in.
            session_id: the conversation id, for an outermost operation.
        """
        frame = Frame(kind, name, span, start_ns, parent)
        if parent is not None:
            parent.child_start_ns = start_ns
        begins_run = False
        if kind in AGENTIC:
            if parent is None or parent.run is None or not parent.within_agentic():
                begins_run = True
                frame.run = self.engine.begin(name, session_id or session_from_baggage(), start_ns)
                frame.owns_run = True
                self._open_roots.add(frame)
                self._set_aside_above(frame)
            if kind is _AGENT:
                frame.agent, frame.is_agent = name, True
        elif kind is _NODE and parent is not None and parent.owns_run and not parent.is_agent:
            frame.agent, frame.is_agent = name, True
        elif kind in BILLED_BY_TOKEN:
            self.requests.remember(frame, name)
        if budgets.in_use:
            self._join_budgets(frame, session_id, begins_run=begins_run or parent is None)
        return frame

    def _set_aside_above(self, frame: Frame) -> None:
        """What stands above a run is none: what it holds beside counts, and belongs to no run."""
        for above in frame.ancestors():
            above.holds_runs = True
            if above.owns_run and above.run is not None:
                self.engine.set_aside(above.run)

    def _join_budgets(self, frame: Frame, session_id: str | None, *, begins_run: bool) -> None:
        of_run = None
        if begins_run and self.budgets.is_any:
            of_run = self.budgets.begin(frame, session_id or session_from_baggage())
        budgets.join(frame, of_run)

    # -- closing ---------------------------------------------------------------------------

    def close(
        self,
        frame: Frame,
        attributes: Attributes,
        *,
        error_type: str | None = None,
        outcome: str | None = None,
        usage: Usage | None = None,
        cost: Cost | None = None,
        inference: Inference | None = None,
        tool: ToolCall | None = None,
        node: NodeStep | None = None,
        semconv_metrics: bool = True,
        end_ns: int | None = None,
        counted: bool = True,
    ) -> Operation:
        """End an operation: count it, judge it, write what is known onto its span, end the span.

        Args:
            frame: the frame from `open`.
            attributes: further attributes of the span.
            error_type: the low-cardinality class of the error it ended with.
            outcome: how it ended where that is no error.
            usage: tokens, for a model request.
            cost: what it cost by itself.
            inference: facts of a model request.
            tool: fingerprints of a tool execution.
            node: where in its graph a node ran.
            semconv_metrics: False where another instrumentation records the same request.
            end_ns: when it ended, Unix nanoseconds; now when absent.
            counted: False where another span reports the same work: it is in no total, rule or metric.

        Returns:
            The finished operation.
        """
        operation = operation_of(
            frame,
            error_type=error_type,
            outcome=outcome,
            usage=usage,
            cost=cost,
            inference=inference,
            tool=tool,
            node=node,
            end_ns=end_ns,
        )
        span = frame.span
        try:
            recording = span.is_recording()
            if recording and frame.run is not None:
                evaluation.take_from_span(frame.run, span)
            news: list[Suggestion] = []
            if counted:
                news = self.account(frame, operation, attributes)
            else:
                attributes[semconv.COUNTED] = False
            if recording:
                add_operation(attributes, operation)
                if frame.kind is _NODE:
                    attributes[semconv.NODE_COST] = float(frame.cost_usd)
                    attributes[semconv.NODE_INPUT_TOKENS] = frame.input_tokens
                    attributes[semconv.NODE_OUTPUT_TOKENS] = frame.output_tokens
                if error_type is not None:
                    span.set_status(_ERROR)
                set_attributes(span, attributes)
            if news:
                self.teller.suggestions(news, frame, operation.end_ns)
            metrics = self._metrics
            if metrics is not None and counted:
                if frame.kind is _NODE:
                    metrics.node(frame.run, operation, span)
                elif frame.kind in _BILLED:
                    metrics.billed(operation, span, measured=semconv_metrics)
        finally:
            frame.ended = True
            span.end(operation.end_ns)
        return operation

    def drop(self, frame: Frame) -> None:
        """End the span of a frame that could not be closed, after an error of ours, and forget its run."""
        if frame.owns_run and frame.run is not None:
            if frame.budgets:
                budgets.run_ends(frame)
            self._open_roots.discard(frame)
            self.engine.forget(frame.run)
            if self._advised and self._advisor is not None:
                self._advisor.followed.forget(frame.run.id)
            if self.applying is not None:
                self.applying.forget(frame.run)
        if frame.span.is_recording():
            frame.span.end()

    def account(self, frame: Frame, operation: Operation, attributes: Attributes) -> list[Suggestion]:
        """Count an operation towards every frame above it and its run, and judge it.

        Args:
            frame: its frame.
            operation: what ended.
            attributes: gets the run's totals where the operation is the root of its run.

        Returns:
            The suggestions that are news.
        """
        parent = frame.parent
        if operation.error_type is not None and parent is not None:
            parent.failed_child_end_ns = max(parent.failed_child_end_ns, operation.end_ns)
        if operation.cost is not None or operation.usage is not None:
            self._charge(frame, operation)
        if self._advised:
            self.advisor.ended(frame, operation)
        run = frame.run
        if run is None:
            run = self._implicit_run(frame)
        if frame.owns_run:
            return self._end_run(run, frame, operation, attributes)
        news = self.engine.observe(run, operation)
        if frame.budgets:
            budgets.note_alarms(frame.budgets, run, look(self.engine, frame, run, operation, news))
        return news

    def _charge(self, frame: Frame, operation: Operation) -> None:
        """Count what was used towards every frame above and every budget."""
        with self._lock:
            above = frame.parent
            while above is not None:
                above.add(operation)
                above = above.parent
        if frame.budgets:
            budgets.charge(frame.budgets, operation)
        if operation.kind is _INFERENCE and operation.error_type is None:
            self.inferences.add(frame, operation)

    def _end_run(self, run: Run, frame: Frame, operation: Operation, attributes: Attributes) -> list[Suggestion]:
        if frame.budgets:
            budgets.run_ends(frame)
        self._open_roots.discard(frame)
        summary, news = self.engine.finish(run, operation)
        finished.keep(operation.trace_id, operation.span_id, summary)
        if not summary.is_run:
            return news
        self.outcomes.add(operation.end_ns, failed=operation.outcome is None and not summary.success)
        if self._learn is not None:
            self._learn(summary, operation.span_id)
        if self.applying is not None:
            interrupted = operation.outcome is not None and operation.error_type is None
            self.teller.taken_back(
                self.applying.run_ended(run, success=summary.success, interrupted=interrupted), frame
            )
        add_run(attributes, summary)
        threshold = self.settings.optimization_threshold
        attributes[semconv.RUN_SUGGESTIONS] = sum(1 for s in summary.suggestions if s.impact_score >= threshold)
        if self._metrics is not None:
            outcome = operation.outcome or ("success" if summary.success else "failure")
            self._metrics.run(run, summary, outcome, frame.span)
        return news

    def _implicit_run(self, frame: Frame) -> Run:
        """The run of work outside any graph or agent: its local root's, which may be itself."""
        with self._lock:
            between = [frame]
            run: Run | None = None
            for above in frame.ancestors():
                if above.run is not None:  # a sibling that ended first has begun it
                    run = above.run
                    break
                if above.ended:
                    break
                between.append(above)
            if run is None:
                top = between[-1]
                run = self.engine.begin(top.name, session_from_baggage(), top.start_ns)
                top.owns_run = True
                if top.holds_runs:
                    self.engine.set_aside(run)
            for each in between:
                each.run = run
        return run

    # -- the end ---------------------------------------------------------------------------

    def close_open_runs(self) -> None:
        """End the roots that are still open as `abandoned`; for the end of the process."""
        for frame in list(self._open_roots):
            self.close(frame, {}, outcome="abandoned")
