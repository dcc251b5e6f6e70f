"""Metrics of single model requests and billed services: the conventions' histograms, and what they cost."""

from __future__ import annotations

from collections import Counter

from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanContext

from otel_agentperf import semconv
from otel_agentperf.live.metrics.bounds import Bounded, Names
from otel_agentperf.live.metrics.histograms import Measured, Seen
from otel_agentperf.live.metrics.sums import Sums
from otel_agentperf.model import ZERO_USD, CostStatus, Operation, OperationKind, ServiceTier

_EMBEDDINGS, _PRICED = OperationKind.EMBEDDINGS, CostStatus.PRICED
_TIERS = {tier: tier.value for tier in ServiceTier}


class Requests:
    """What is told by request.

    Args:
        meter: where the histograms are made.
        names: the values of attributes.
        capped: counts what lost a name.
    """

    def __init__(self, meter: Meter, names: Names, capped: Counter[str]) -> None:
        model, provider = semconv.REQUEST_MODEL, semconv.PROVIDER_NAME
        request = (semconv.ERROR_TYPE, model, provider, semconv.OPERATION_NAME)
        self._duration = Measured(
            meter.create_histogram(
                semconv.METRIC_OPERATION_DURATION,
                unit="s",
                description="Duration of a model request",
                explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS_S,
            ),
            Bounded(semconv.METRIC_OPERATION_DURATION, request, names, capped),
        )
        self._tokens = Measured(
            meter.create_histogram(
                semconv.METRIC_TOKEN_USAGE,
                unit="{token}",
                description="Input and output tokens of a model request",
                explicit_bucket_boundaries_advisory=semconv.TOKEN_BUCKETS,
            ),
            Bounded(
                semconv.METRIC_TOKEN_USAGE, (model, provider, semconv.OPERATION_NAME, semconv.TOKEN_TYPE), names, capped
            ),
        )
        spent = (semconv.NODE_NAME, model, semconv.SERVICE_NAME, provider, semconv.COST_TIER)
        self.cost = Sums(Bounded(semconv.METRIC_COST, spent, names, capped))
        self.unpriced = Sums(Bounded(semconv.METRIC_UNPRICED, (model, provider), names, capped))

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self.cost.renew()
        self.unpriced.renew()

    def measure(self, operation: Operation, span: SpanContext, tokens_only: bool) -> None:  # noqa: FBT001 - noted by position
        """Record the semantic-convention metrics of one model request."""
        inference = operation.inference
        if inference is None:
            return
        made = semconv.OP_EMBEDDINGS if operation.kind is _EMBEDDINGS else semconv.OP_GENERATE_CONTENT
        model, provider = inference.request_model, inference.provider
        seen = Seen(operation.end_ns, span)
        if not tokens_only:
            series = (operation.error_type or "", model, provider, made)
            self._duration.record(series, operation.duration_ns / 1e9, seen)
        usage = operation.usage
        if usage is not None:
            self._tokens.record((model, provider, made, "input"), usage.input_tokens, seen)
            self._tokens.record((model, provider, made, "output"), usage.output_tokens, seen)

    def add_cost(self, operation: Operation) -> None:
        """Add the cost of one operation to the sums."""
        cost = operation.cost
        if cost is None:
            return
        inference = operation.inference
        model = inference.request_model if inference is not None else ""
        provider = inference.provider if inference is not None else ""
        service = operation.name if inference is None else ""
        if cost.status is _PRICED:
            series = (operation.agent, model, service, provider, _TIERS[cost.tier])
            # A sum never falls: what a deleted cache gives back is not in it.
            self.cost.add(series, max(cost.total_usd or ZERO_USD, ZERO_USD))
        else:
            self.unpriced.add((model or service, provider), 1)

    def take(self, operation: Operation, span: SpanContext) -> None:
        """Record the metrics of one request, and its cost."""
        self.add_cost(operation)
        self.measure(operation, span, tokens_only=False)
