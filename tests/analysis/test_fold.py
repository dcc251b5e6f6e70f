from __future__ import annotations

import pickle
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.fold import Digest, Fold, digest
from otel_agentperf.model import Cost, CostStatus, Operation, OperationKind, Suggestion
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.base import Scope

S = 1_000_000_000
RULES = make_rules({}, select=("COST001", "LAT001"))


def invocation(index: int, seconds: int, cents: int) -> list[Operation]:
    start_ns = index * 1000 * S
    end_ns = start_ns + seconds * S
    cost = Cost(CostStatus.PRICED, Decimal(cents) / 100)
    model = Operation(
        OperationKind.INFERENCE, "gemini", f"{index:015x}a", start_ns, end_ns, agent=f"agent{index % 2}", cost=cost
    )
    agent = Operation(
        OperationKind.NODE,
        f"agent{index % 2}",
        f"{index:015x}b",
        start_ns,
        end_ns,
        is_agent=True,
        agent=f"agent{index % 2}",
    )
    return [model, agent, Operation(OperationKind.WORKFLOW, "graph", f"{index:015x}c", start_ns, end_ns)]


def alone(operations: list[Operation]) -> Digest:
    engine = Engine(RULES)
    run = engine.begin("graph", "s1", operations[-1].start_ns, alone=True)
    for operation in operations[:-1]:
        engine.observe(run, operation)
    engine.finish(run, operations[-1])
    return pickle.loads(pickle.dumps(digest(engine, run)))  # noqa: S301 - our own


def together(runs: list[list[Operation]]) -> dict[tuple[str, str], Suggestion]:
    engine = Engine(RULES)
    said: dict[tuple[str, str], Suggestion] = {}
    for operations in runs:
        run = engine.begin("graph", "s1", operations[-1].start_ns)
        for operation in operations[:-1]:
            engine.observe(run, operation)
        summary, _ = engine.finish(run, operations[-1])
        said.update({suggestion.key: suggestion for suggestion in summary.suggestions})
    return said


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_runs_joined_in_any_order_say_what_the_session_said_live(sizes: list[tuple[int, int]], random: Random) -> None:
    runs = [invocation(index, seconds, cents) for index, (seconds, cents) in enumerate(sizes, 1)]
    live = together(runs)
    random.shuffle(runs)
    fold = Fold(RULES, Scope.SESSION, "s1")
    for operations in runs:
        fold.add(alone(operations))
    said = {suggestion.key: suggestion for suggestion in fold.judge()}
    # Live, one that has ceased to be true stands as it was last said.
    assert said == {key: live[key] for key in said}
    assert fold.view.totals.cost_usd == sum((Decimal(cents) / 100 for _, cents in sizes), Decimal(0))
    assert fold.runs == len(sizes)


def test_a_session_in_which_nothing_happened_says_nothing() -> None:
    fold = Fold(RULES, Scope.SESSION, "s1")
    fold.add(alone([Operation(OperationKind.WORKFLOW, "graph", "1", 0, S)]))
    assert fold.judge() == []
