from __future__ import annotations

from decimal import Decimal

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Cost, CostStatus, Operation, OperationKind
from otel_agentperf.rules.bounded import MAX_KEPT_CLAIMS
from otel_agentperf.rules.failures.err001_failing_agent import FailingAgent
from tests.rules.operations import ROOT_ID, root

CENT = Cost(CostStatus.PRICED, Decimal("0.01"))


def test_all_money_beneath_a_failure_counts_where_only_so_many_spans_are_named() -> None:
    engine = Engine((FailingAgent({"min_invocations": 1}),))
    run = engine.begin("graph", None, 0)
    calls = 3 * MAX_KEPT_CLAIMS
    for number in range(calls):
        step = f"{0xB000 + number // 50:x}"
        engine.observe(run, Operation(OperationKind.INFERENCE, "m", f"{number:016x}", 0, 1, parent_id=step, cost=CENT))
        if number % 50 == 49 or number == calls - 1:
            engine.observe(run, Operation(OperationKind.NODE, "inner", step, 0, 1, parent_id="aaaa"))
    failed = Operation(
        OperationKind.AGENT, "crawler", "aaaa", 0, 2, parent_id=ROOT_ID, is_agent=True, error_type="ValueError"
    )
    engine.observe(run, failed)
    summary, _ = engine.finish(run, root(0, 2))
    (said,) = summary.suggestions
    assert said.savings is not None
    assert said.savings.cost_usd == Decimal("0.01") * calls
    assert sum(claim.cost_usd for claim in said.claims) == Decimal("0.01") * MAX_KEPT_CLAIMS


def test_an_agent_that_copes_with_a_failure_beneath_it_has_not_failed() -> None:
    rule = FailingAgent({"min_invocations": 1})
    engine = Engine((rule,))
    run = engine.begin("graph", None, 0)
    for name, span_id, parent_id, error in (
        ("inner", "c", "b", "ValueError"),
        ("outer", "b", "a", "ValueError"),
        ("coping", "a", ROOT_ID, None),
    ):
        engine.observe(
            run,
            Operation(OperationKind.AGENT, name, span_id, 0, 1, parent_id=parent_id, is_agent=True, error_type=error),
        )
    summary, _ = engine.finish(run, root(0, 2))
    assert [said.applies_to for said in summary.suggestions] == [("agent:inner",)]
    agents = engine.states(run)[rule.code].entries
    assert {name: (agent.invocations, agent.failures) for name, agent in agents.items()} == {
        "inner": (1, 1),
        "coping": (1, 0),
    }
