from __future__ import annotations

from decimal import Decimal

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Cost, CostStatus, Operation, OperationKind
from otel_agentperf.rules.failures.err001_failing_agent import MAX_BENEATH, FailingAgent
from tests.rules.operations import ROOT_ID, root

CENT = Cost(CostStatus.PRICED, Decimal("0.01"))


def test_all_money_beneath_a_failure_counts_where_only_so_many_spans_are_named() -> None:
    engine = Engine((FailingAgent({"min_invocations": 1}),))
    run = engine.begin("graph", None, 0)
    calls = 3 * MAX_BENEATH
    for number in range(calls):
        step = f"step{number // 50}"
        engine.observe(run, Operation(OperationKind.INFERENCE, "m", f"{number:016x}", 0, 1, parent_id=step, cost=CENT))
        if number % 50 == 49 or number == calls - 1:
            engine.observe(run, Operation(OperationKind.NODE, "inner", step, 0, 1, parent_id="agent"))
    failed = Operation(
        OperationKind.AGENT, "crawler", "agent", 0, 2, parent_id=ROOT_ID, is_agent=True, error_type="ValueError"
    )
    engine.observe(run, failed)
    summary, _ = engine.finish(run, root(0, 2))
    (said,) = summary.suggestions
    assert said.savings is not None
    assert said.savings.cost_usd == Decimal("0.01") * calls
    assert sum(claim.cost_usd for claim in said.claims) == Decimal("0.01") * MAX_BENEATH


def test_what_ended_beneath_a_callers_span_is_let_go_with_the_run() -> None:
    rule = FailingAgent()
    engine = Engine((rule,))
    run = engine.begin("graph", None, 0)
    engine.observe(run, Operation(OperationKind.INFERENCE, "m", "1", 0, 1, parent_id="2", cost=CENT))
    engine.observe(
        run, Operation(OperationKind.NODE, "n", "2", 0, 1, parent_id="3", is_agent=True, error_type="ValueError")
    )
    engine.finish(run, Operation(OperationKind.WORKFLOW, "graph", "3", 0, 1, parent_id="request"))
    state = engine.states(run)[rule.code]
    assert state.agents.entries["n"].failures == 1
    assert (state.beneath, state.failed_beneath) == ({}, set())
