"""The engine over a run that is at hand as a whole: the same rules as live, after the fact."""

from __future__ import annotations

import msgspec

from otel_agentperf.analysis.engine import Engine, RunSummary
from otel_agentperf.model import BILLED_BY_TOKEN, Cost, CostStatus, Operation, ServiceTier
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading.place import TracedRun


def priced(operation: Operation, prices: PriceBook) -> Operation:
    """The operation with its cost, where it is a billed request that has none yet.

    A request that failed without usage was not billed; one that succeeded was, usage or not.
    """
    usage, inference = operation.usage, operation.inference
    if operation.cost is not None or inference is None or operation.kind not in BILLED_BY_TOKEN:
        return operation
    if usage is None:
        if operation.error_type is not None:
            return operation
        return msgspec.structs.replace(operation, cost=Cost(CostStatus.UNPRICED, reason="no usage is reported"))
    model = inference.response_model or inference.request_model
    cost = prices.price(inference.provider, model, usage, ServiceTier.STANDARD, when_ns=operation.start_ns)
    return msgspec.structs.replace(operation, cost=cost)


def price_run(run: TracedRun, prices: PriceBook) -> TracedRun:
    """The run with every billed operation priced."""
    operations = tuple(priced(operation, prices) for operation in run.operations)
    root = next((op for op in operations if op.span_id == run.root.span_id), run.root)
    return TracedRun(root, operations)


def judge(engine: Engine, run: TracedRun) -> RunSummary:
    """Let the engine see a priced run, in the order in which its operations ended.

    Args:
        engine: whose rules judge; sessions and process-wide state live in it across runs.
        run: a run from `runs_of`, priced.
    """
    root = run.root
    live = engine.begin(root.name, root.session_id, root.start_ns)
    for operation in run.operations:
        if operation.span_id != root.span_id:
            engine.observe(live, operation)
    summary, _ = engine.finish(live, root)
    return summary
