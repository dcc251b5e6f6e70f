"""Other instrumentations of the same requests, in every order, and what is then counted."""

from __future__ import annotations

import functools
import gc
import importlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from otel_agentperf import semconv
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.model import BILLED_BY_TOKEN, Operation
from otel_agentperf.reading import read
from tests.telemetry import Telemetry, observed, span_id


@dataclass(frozen=True, slots=True)
class Peer:
    """Another instrumentation: where it is, and the scope of its spans."""

    module: str
    instrumentor: str
    scope: str
    metrics: bool

    @property
    def installed(self) -> bool:
        try:
            return find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    def make(self) -> Any:
        return getattr(importlib.import_module(self.module), self.instrumentor)()


_OFFICIAL = "opentelemetry.instrumentation"
PEERS = {
    "official google-genai": Peer(
        f"{_OFFICIAL}.google_genai", "GoogleGenAiSdkInstrumentor", f"{_OFFICIAL}.google_genai", metrics=True
    ),
    "official langchain": Peer(
        f"{_OFFICIAL}.genai.langchain", "LangChainInstrumentor", f"{_OFFICIAL}.genai.langchain", metrics=True
    ),
    "OpenInference google-genai": Peer(
        "openinference.instrumentation.google_genai",
        "GoogleGenAIInstrumentor",
        "openinference.instrumentation.google_genai",
        metrics=False,
    ),
    "OpenInference langchain": Peer(
        "openinference.instrumentation.langchain",
        "LangChainInstrumentor",
        "openinference.instrumentation.langchain",
        metrics=False,
    ),
}
OF_THE_CLIENT = (
    ("official google-genai",),
    ("OpenInference google-genai",),
    ("official google-genai", "OpenInference google-genai"),
)
OF_LANGCHAIN = (
    *((name,) for name in PEERS),
    ("official google-genai", "official langchain"),
    ("OpenInference google-genai", "OpenInference langchain"),
    ("official langchain", "OpenInference langchain"),
    tuple(PEERS),
)
OURS_FIRST = (True, False)
MISSING = [name for name, peer in PEERS.items() if not peer.installed]


@dataclass
class Counted:
    """What was counted while peers looked on."""

    telemetry: Telemetry
    peers: tuple[str, ...]
    runs: list[Any] = field(default_factory=list[Any])

    def peer_spans(self) -> list[Any]:
        """The peers' spans of model requests."""
        scopes = {PEERS[name].scope for name in self.peers}
        return [
            span
            for span in self.telemetry.spans
            if span.instrumentation_scope is not None
            and span.instrumentation_scope.name in scopes
            and operation_of(span).kind in BILLED_BY_TOKEN
        ]

    def on_spans(self) -> tuple[int, int, int, Decimal]:
        """Requests, input and output tokens and dollars over the spans that count."""
        kept = [op for op in map(operation_of, self.telemetry.spans) if op.kind in BILLED_BY_TOKEN and op.counted]
        return (len(kept), *_sums(kept))

    def in_runs(self) -> tuple[int, int, int, Decimal]:
        """The same over the totals of all runs."""
        totals = [summary.totals for summary in self.runs]
        return (
            sum(one.inference_calls + one.embedding_calls for one in totals),
            sum(one.input_tokens for one in totals),
            sum(one.output_tokens for one in totals),
            sum((one.cost_usd for one in totals), Decimal(0)),
        )

    def in_metrics(self) -> tuple[int, int, int]:
        """Requests, input and output tokens as the histograms of everyone have them."""
        points = self.telemetry.collected()
        durations = [p for p in points.get(semconv.METRIC_OPERATION_DURATION, []) if isinstance(p, HistogramDataPoint)]
        tokens = {"input": 0, "output": 0}
        for point in points.get(semconv.METRIC_TOKEN_USAGE, []):
            assert isinstance(point, HistogramDataPoint)
            tokens[str((point.attributes or {})[semconv.TOKEN_TYPE])] += int(point.sum)
        return sum(point.count for point in durations), tokens["input"], tokens["output"]


def _sums(operations: Sequence[Operation]) -> tuple[int, int, Decimal]:
    usages = [op.usage for op in operations if op.usage is not None]
    costs = [op.cost.total_usd for op in operations if op.cost is not None and op.cost.total_usd is not None]
    return (
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(costs, Decimal(0)),
    )


def operation_of(span: Any) -> Operation:
    """A finished span as an operation, as a replay reads it."""
    parent = span.parent
    return read(
        span.name,
        dict(span.attributes or {}),
        scope=span.instrumentation_scope.name,
        span_id=format(span_id(span), "016x"),
        parent_id=format(parent.span_id, "016x") if parent is not None else None,
        trace_id=format(span.context.trace_id, "032x"),
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        is_error=span.status.status_code.name == "ERROR",
    )


@contextmanager
def beside(peers: Sequence[str], *, ours_first: bool, sampler: Sampler = ALWAYS_ON) -> Generator[Counted]:
    """Peers and ours on one provider, loaded in this order; all off again afterwards."""
    with observed(sampler=sampler, instrument=False) as telemetry, ExitStack() as undo:
        # Some peers leave a context attached when a stream is abandoned.
        undo.callback(context_api.detach, context_api.attach(Context()))
        theirs = [(PEERS[name].make(), PEERS[name].metrics) for name in peers]
        ours = [(LangGraphInstrumentor(), False), (GoogleGenAIInstrumentor(), False)]
        for instrumentor, metrics in [*ours, *theirs] if ours_first else [*theirs, *ours]:
            more = {"meter_provider": telemetry.meter_provider} if metrics else {}
            instrumentor.instrument(tracer_provider=telemetry.provider, **more)
            undo.callback(instrumentor.uninstrument)
        counted = Counted(telemetry, tuple(peers))
        finish = telemetry.pipeline.engine.finish

        @functools.wraps(finish)
        def spy(*args: Any, **kwargs: Any) -> Any:
            summary, news = finish(*args, **kwargs)
            counted.runs.append(summary)
            return summary, news

        telemetry.pipeline.engine.finish = spy
        yield counted
        gc.collect()
