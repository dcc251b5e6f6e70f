"""What rules compare with a baseline is what a baseline learns."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.analysis.columns import Columns, cost_of
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.observations import observations
from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.model import Operation
from otel_agentperf.rules.executions import Execution, executions
from otel_agentperf.rules.traits import traits_of
from tests.rules.operations import PRICES, Clock, root
from tests.rules.test_merging import TracedRun, a_run

Fact = tuple[Subject, int | None, float | None]


def learned(run: TracedRun) -> Counter[Fact]:
    engine = Engine((), prices=PRICES)
    begun = engine.begin(run.root.name, None, run.root.start_ns)
    for operation in run.operations:
        engine.observe(begun, operation)
    summary, _ = engine.finish(begun, run.root)
    seen = observations(summary, run.root.span_id)
    in_nodes = Counter((subject.name, values) for subject, values in seen if subject.kind is SubjectKind.NODE_MODEL)
    facts: Counter[Fact] = Counter()
    for subject, values in seen:
        if subject.kind is SubjectKind.MODEL and in_nodes[subject.name, values]:
            in_nodes[subject.name, values] -= 1  # rules know a model as its node uses it
        else:
            usd = None if values.cost_pico is None else values.cost_pico / 1e12
            facts[subject, values.duration_ns, _rounded(usd)] += 1
    return facts


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 9)


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=100)
def test_rules_measure_a_run_as_it_is_learned(seed: int) -> None:
    run = a_run(Random(seed), 1)  # noqa: S311 - no secret
    told = executions(_rows([*run.operations, run.root]).ended(), run.root)
    facts = Counter((each.subject, each.duration_ns, _rounded(each.cost_usd)) for each in told)
    assert facts == learned(run)


def _rows(operations: list[Operation]) -> Columns:
    columns = Columns(len(operations))
    for operation in operations:
        columns.add(operation, traits_of(operation), cost_of(operation), is_root=operation is operations[-1])
    return columns


def told_of(words: list[dict[str, Any]]) -> dict[str, Execution]:
    clock = Clock()
    operations = [clock.operation(word) for word in words]
    whole = root(operations[0].start_ns, operations[-1].end_ns)
    return {each.subject.name: each for each in executions(_rows([*operations, whole]).ended(), whole)}


def test_a_node_costs_what_was_billed_beneath_it_and_what_is_within_knows_what_is_around() -> None:
    told = told_of(
        [
            {"kind": "inference", "name": "m", "in": 101, "usd": "0.02", "seconds": 1},
            {"kind": "tool", "name": "t", "id": 101, "in": 100, "seconds": 1},
            {"kind": "inference", "name": "m2", "in": 100, "usd": "0.01", "seconds": 1},
            {"kind": "node", "name": "n", "id": 100, "seconds": 1},
        ]
    )
    assert round(told["n"].cost_usd or 0, 9) == 0.03
    assert told["t"].cost_usd == 0.02
    assert told["m"].subject == Subject(SubjectKind.NODE_MODEL, "m", "graph", "n")
    assert [each.name for each in told["m"].within] == ["t", "n", "graph"]


def test_a_circle_of_parents_ends() -> None:
    told = told_of(
        [
            {"kind": "node", "name": "a", "id": 100, "in": 101, "seconds": 1},
            {"kind": "node", "name": "b", "id": 101, "in": 100, "seconds": 1},
        ]
    )
    assert set(told) == {"a", "b", "graph"}
