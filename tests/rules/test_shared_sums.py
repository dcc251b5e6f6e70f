"""What rules take from the sums and the shape that the engine keeps for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.rules.base import Rule, View
from otel_agentperf.rules.context_growth.ctx001_growing_context import GrowingContext
from otel_agentperf.rules.cost.cost003_thinking_dominates import ThinkingDominates
from otel_agentperf.rules.cost.cost006_unpriced_model import UnpricedModel
from otel_agentperf.rules.failures.err001_failing_agent import FailingAgent
from otel_agentperf.rules.failures.err003_truncated_output import TruncatedOutput
from otel_agentperf.rules.repetition.rep002_repeated_prompt import RepeatedPrompt
from tests.rules.operations import PRICES, Clock, root

THINKER = {"kind": "inference", "name": "gemini-2.5-flash", "for": "a", "seconds": 1, "input": 10, "priced": True}
LOOKUP = {"kind": "embeddings", "name": "gemini-embedding-001", "for": "a", "seconds": 1, "input": 10, "priced": True}


def said_of(rule: Rule[Any], words: list[dict[str, Any]]) -> list[Suggestion]:
    engine, clock = Engine((rule,), prices=PRICES), Clock()
    operations = [clock.operation(each) for each in words]
    run = engine.begin("graph", None, operations[0].start_ns)
    for operation in operations:
        engine.observe(run, operation)
    summary, _ = engine.finish(run, root(operations[0].start_ns, operations[-1].end_ns))
    return list(summary.suggestions)


@pytest.mark.parametrize("rule", [ThinkingDominates(), TruncatedOutput()], ids=lambda rule: rule.code)
@pytest.mark.parametrize("lookups", [0, 3])
def test_embeddings_are_no_answers(rule: Rule[Any], lookups: int) -> None:
    answer = {**THINKER, "output": 2124, "thoughts": 2024, "finish": ["MAX_TOKENS"]}
    words = [word for _ in range(4) for word in (answer, *[LOOKUP] * lookups)]
    (said,) = said_of(rule, words)
    assert said.evidence["calls"] == 4


def test_the_share_of_unpriced_calls_is_of_all_calls_that_were_made_also_in_runs_that_go_on() -> None:
    engine, clock = Engine((UnpricedModel(),), prices=PRICES), Clock()
    runs = [engine.begin("graph", None, 0) for _ in range(10)]
    for run in runs:
        for _ in range(39):
            engine.observe(run, clock.operation(THINKER))
        engine.observe(run, clock.operation({**THINKER, "name": "m", "priced": False, "unpriced": True}))
    summary, _ = engine.finish(runs[0], root(0, 1))
    (said,) = summary.suggestions
    assert said.evidence["calls"] == 10
    assert said.impact_score < 0.1


def test_a_run_of_short_prompts_ends_what_has_grown() -> None:
    engine, clock = Engine((GrowingContext(),), prices=PRICES), Clock()
    said: list[Suggestion] = []
    for tokens in ((4_000, 5_000, 6_000), (300,), (9_000, 14_000, 20_000)):
        clock.begin_run()
        operations = [clock.operation({**THINKER, "input": each}) for each in tokens]
        run = engine.begin("graph", "s1", operations[0].start_ns)
        for operation in operations:
            engine.observe(run, operation)
        summary, _ = engine.finish(run, root(operations[0].start_ns, operations[-1].end_ns))
        said += summary.suggestions
    assert said == []


def test_a_root_that_another_span_tells_adds_nothing_to_the_shape_but_its_place() -> None:
    engine, clock = Engine((RepeatedPrompt(),), prices=PRICES), Clock()
    asked = [clock.operation({**THINKER, "request": "the same"}) for _ in range(3)]
    nodes = [clock.operation({"kind": "node", "name": "n", "seconds": 1}) for _ in range(3)]
    run = engine.begin("chat", None, asked[0].start_ns)
    for request, node in zip(asked, nodes, strict=True):
        engine.observe(run, request)
        engine.observe(run, node)
    first = asked[0]
    assert first.inference is not None
    whole = Operation(
        first.kind,
        first.name,
        "f" * 16,
        first.start_ns,
        nodes[-1].end_ns,
        usage=first.usage,
        cost=first.cost,
        inference=first.inference,
        counted=False,
    )
    summary, _ = engine.finish(run, whole)
    assert sum(row.input_tokens for row in summary.rows) == summary.totals.input_tokens
    assert [row.given for row in summary.rows if row.span_id == int("f" * 16, 16)] == [0]


def test_what_ends_after_its_run_is_counted_and_leaves_the_shape_as_it_was_told() -> None:
    engine, clock = Engine((), prices=PRICES), Clock()
    run = engine.begin("graph", None, 0)
    engine.observe(run, clock.operation(THINKER))
    summary, _ = engine.finish(run, root(0, 1))
    before = list(summary.rows)
    engine.observe(run, clock.operation(THINKER))
    assert summary.rows == before
    assert summary.totals.inference_calls == 2


def test_a_run_that_ends_within_the_end_of_another_leaves_that_one_its_shape() -> None:
    class EndsAnother(RepeatedPrompt):
        def conclude(self, state: None, root: Operation, view: View) -> list[Suggestion]:
            if root.name == "outer":
                inner = engine.begin("inner", None, 0)
                engine.finish(inner, Operation(root.kind, "inner", "e" * 16, 0, 1))
            return []

    failing = FailingAgent({"min_invocations": 1})
    engine, clock = Engine((EndsAnother(), failing), prices=PRICES), Clock()
    run = engine.begin("outer", None, 0)
    engine.observe(run, clock.operation({"kind": "node", "name": "a", "seconds": 1, "agent": True, "error": "E"}))
    whole = root(0, 10**12)
    engine.finish(run, Operation(whole.kind, "outer", whole.span_id, whole.start_ns, whole.end_ns))
    assert engine.states(run)[failing.code].entries["a"].failures == 1
