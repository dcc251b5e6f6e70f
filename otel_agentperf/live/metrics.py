"""Metrics: the two semantic-convention histograms of model requests, and our own sums.

The histograms are synchronous, so that they carry exemplars; their attributes are few and
low in cardinality. Sums (cost, runs, suggestions, internal errors, evictions) are kept as
plain numbers and observed when a reader collects, which costs the program nothing meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from decimal import Decimal
from time import time_ns

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import Span, set_span_in_context

from otel_agentperf import guard, semconv
from otel_agentperf.analysis.engine import Engine, RunSummary
from otel_agentperf.live.sdk_core import Series
from otel_agentperf.model import ZERO_USD, CostStatus, Operation, OperationKind, ServiceTier, Suggestion

MAX_SERIES = 500
"""Distinct attribute sets of one sum; what comes after is counted under `other`."""
OTHER = "other"
_EMPTY = Context()
_PRICED = CostStatus.PRICED
_TIERS = {tier: tier.value for tier in ServiceTier}


class _Sums:
    """A sum by attribute values, bounded in the number of series."""

    __slots__ = ("_keys", "_lock", "_values")

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self._values: dict[tuple[str, ...], Decimal | int] = {}
        # Re-entrant: a run that the garbage collector closes may be counted in the middle of this.
        self._lock = threading.RLock()

    def add(self, series: tuple[str, ...], amount: Decimal | int) -> None:
        values = self._values
        with self._lock:
            if series not in values and len(values) >= MAX_SERIES:
                series = (OTHER,) * len(self._keys)
            values[series] = values.get(series, 0) + amount

    def renew_lock(self) -> None:
        self._lock = threading.RLock()

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            copy = dict(self._values)
        keys = self._keys
        return [
            Observation(
                float(value) if isinstance(value, Decimal) else value,
                {key: part for key, part in zip(keys, series, strict=True) if part},
            )
            for series, value in copy.items()
        ]


class Metrics:
    """Records what the pipeline sees.

    Args:
        meter: where the instruments are made.
        engine: whose evictions and live runs are reported.
    """

    def __init__(self, meter: Meter, engine: Engine) -> None:
        self._engine = engine
        self._series: dict[tuple[OperationKind, str, str, str | None], tuple[Series, Series, Series]] = {}
        self._duration = meter.create_histogram(
            semconv.METRIC_OPERATION_DURATION,
            unit="s",
            description="Duration of a model request",
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS_S,
        )
        self._tokens = meter.create_histogram(
            semconv.METRIC_TOKEN_USAGE,
            unit="{token}",
            description="Input and output tokens of a model request",
            explicit_bucket_boundaries_advisory=semconv.TOKEN_BUCKETS,
        )
        self._cost = _Sums(semconv.REQUEST_MODEL, semconv.PROVIDER_NAME, semconv.SERVICE_NAME, semconv.COST_TIER)
        self._unpriced = _Sums(semconv.REQUEST_MODEL, semconv.PROVIDER_NAME)
        self._runs = _Sums(semconv.WORKFLOW_NAME, semconv.RUN_OUTCOME)
        self._suggestions = _Sums(semconv.SUGGESTION_RULE, semconv.SUGGESTION_TYPE, semconv.SUGGESTION_LEVEL)
        observed = (
            (semconv.METRIC_COST, "USD", "Cost of model requests and billed services", self._cost.observe),
            (semconv.METRIC_UNPRICED, "{call}", "Calls whose price is unknown", self._unpriced.observe),
            (semconv.METRIC_RUNS, "{run}", "Finished runs by outcome", self._runs.observe),
            (semconv.METRIC_SUGGESTIONS, "{suggestion}", "Suggestions made", self._suggestions.observe),
            (semconv.METRIC_INTERNAL_ERRORS, "{error}", "Errors inside otel-agentperf", _observe_errors),
            (semconv.METRIC_EVICTIONS, "{eviction}", "State dropped to stay within bounds", self._observe_evictions),
        )
        for name, unit, description, callback in observed:
            meter.create_observable_counter(name, [callback], unit, description)

    def request(self, operation: Operation, span: Span, *, tokens_only: bool = False) -> None:
        """Record the semantic-convention metrics of one model request.

        Args:
            operation: the request, finished.
            span: the span that the exemplars lead to.
            tokens_only: leaves out the duration, where another instrumentation records that alone.
        """
        inference = operation.inference
        if inference is None:
            return
        key = (operation.kind, inference.provider, inference.request_model, operation.error_type)
        duration, input_tokens, output_tokens = self._series.get(key) or self._make_series(*key)
        now_ns = time_ns()
        context = set_span_in_context(span, _EMPTY)
        sampled = span.get_span_context().trace_flags.sampled
        if not tokens_only:
            duration.record(operation.duration_ns / 1e9, now_ns, context, sampled=sampled)
        usage = operation.usage
        if usage is not None:
            input_tokens.record(usage.input_tokens, now_ns, context, sampled=sampled)
            output_tokens.record(usage.output_tokens, now_ns, context, sampled=sampled)

    def _make_series(
        self, kind: OperationKind, provider: str, model: str, error: str | None
    ) -> tuple[Series, Series, Series]:
        embeddings = kind is OperationKind.EMBEDDINGS
        common = {
            semconv.OPERATION_NAME: semconv.OP_EMBEDDINGS if embeddings else semconv.OP_GENERATE_CONTENT,
            semconv.PROVIDER_NAME: provider,
            semconv.REQUEST_MODEL: model,
        }
        made = (
            Series(self._duration, {**common, semconv.ERROR_TYPE: error} if error is not None else common),
            Series(self._tokens, {**common, semconv.TOKEN_TYPE: "input"}),
            Series(self._tokens, {**common, semconv.TOKEN_TYPE: "output"}),
        )
        if len(self._series) < MAX_SERIES:
            self._series[kind, provider, model, error] = made
        return made

    def renew_locks(self) -> None:
        """Replace the locks, in a child process: a thread that it does not have may hold them."""
        for sums in (self._cost, self._unpriced, self._runs, self._suggestions):
            sums.renew_lock()

    def cost(self, operation: Operation) -> None:
        """Add the cost of one operation to the sums."""
        cost = operation.cost
        if cost is None:
            return
        inference = operation.inference
        model = inference.request_model if inference is not None else ""
        provider = inference.provider if inference is not None else ""
        service = operation.name if inference is None else ""
        if cost.status is _PRICED:
            self._cost.add((model, provider, service, _TIERS[cost.tier]), cost.total_usd or ZERO_USD)
        else:
            self._unpriced.add((model or service, provider), 1)

    def run(self, summary: RunSummary, outcome: str) -> None:
        """Count a finished run."""
        self._runs.add((summary.name, outcome), 1)

    def suggestion(self, suggestion: Suggestion) -> None:
        """Count a suggestion that was emitted."""
        self._suggestions.add((suggestion.rule, suggestion.type, suggestion.level.value), 1)

    def _observe_evictions(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number, {semconv.REASON: reason}) for reason, number in self._engine.evictions.items()]


def _observe_errors(_options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(number, {semconv.SITE: site}) for site, number in guard.error_counts().items()]
