from __future__ import annotations

from decimal import Decimal

import pytest

from otel_agentperf import semconv
from otel_agentperf.analysis.engine import RunSummary
from otel_agentperf.analysis.split import split_of
from otel_agentperf.live.attributes import Attributes, add_run
from otel_agentperf.live.emit import suggestion_attributes
from otel_agentperf.model import Complexity, Level, SavingBasis, Savings, Suggestion, Totals
from otel_agentperf.reading import verdicts
from tests.reading.spans import at, operation

SUGGESTION = Suggestion(
    rule="REP001",
    type="repeated_action",
    level=Level.ALARM,
    description="click was called 3 times to no avail",
    impact_score=0.7,
    complexity=Complexity.MEDIUM,
    confidence=0.9,
    applies_to=("tool:click", "agent:web"),
    span_ids=("00000000000000a1",),
    evidence={"wasted_calls": 3, "share": 0.5},
    savings=Savings(SavingBasis.MEASURED, 1.25, Decimal("0.0003")),
)


def test_a_suggestion_is_read_back_from_its_event_as_it_was_made() -> None:
    assert verdicts.suggestion(suggestion_attributes(SUGGESTION)) == SUGGESTION


@pytest.mark.parametrize("missing", [semconv.SUGGESTION_RULE, semconv.SUGGESTION_APPLIES_TO])
def test_a_suggestion_without_rule_or_target_is_none(missing: str) -> None:
    attributes: dict[str, object] = dict(suggestion_attributes(SUGGESTION))
    del attributes[missing]
    assert verdicts.suggestion(attributes) is None


def test_a_suggestion_of_wrong_types_is_read_as_far_as_it_goes() -> None:
    read = verdicts.suggestion(
        {
            semconv.SUGGESTION_RULE: "X",
            semconv.SUGGESTION_APPLIES_TO: ["a:b", 3],
            semconv.SUGGESTION_LEVEL: "shouting",
            semconv.SUGGESTION_IMPACT: "high",
            semconv.SUGGESTION_EVIDENCE: '{"n": 1, "s": "x", "b": true}',
            semconv.SUGGESTION_SAVINGS_BASIS: 4,
        }
    )
    assert read is not None
    assert (read.applies_to, read.level, read.impact_score, read.evidence, read.savings) == (
        ("a:b",),
        Level.NOTICE,
        0.0,
        {"n": 1},
        None,
    )


def test_the_last_word_per_rule_and_target_stands() -> None:
    def said(impact: float, target: str) -> Suggestion:
        return Suggestion("R", "r", Level.NOTICE, "", impact, Complexity.LOW, 1.0, (target,))

    early, late, other = said(0.4, "tool:a"), said(0.7, "tool:a"), said(0.5, "tool:b")
    assert verdicts.final([(2, late), (1, early), (3, other)]) == (late, other)


def test_a_runs_summary_is_read_back_from_its_root() -> None:
    totals = Totals(
        cost_usd=Decimal("0.1234"),
        input_tokens=10,
        output_tokens=5,
        inference_calls=2,
        tool_calls=3,
        unpriced_calls=1,
        errors=1,
        cache_read_tokens=4,
        operations=9,
        priced_calls=1,
    )
    summary = RunSummary("g", "s1", at(0), at(9), totals, ("a", "b"), 83, "C", False, 0.5, (SUGGESTION,))
    attributes: Attributes = {}
    add_run(attributes, summary)
    recorded = verdicts.recorded_run(attributes)
    assert recorded is not None
    root = operation(
        "invoke_workflow g",
        {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "g", semconv.CONVERSATION_ID: "s1"},
        end=9,
    )
    assert verdicts.summary(root, recorded, totals, (SUGGESTION,)) == summary


def test_a_recorded_cost_without_spans_is_not_split() -> None:
    attributes: Attributes = {}
    add_run(
        attributes,
        RunSummary("g", None, at(0), at(9), Totals(Decimal("0.5"), priced_calls=1), (), 100, "D", True, None, ()),
    )
    recorded = verdicts.recorded_run(attributes)
    assert recorded is not None
    root = operation("invoke_workflow g", {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "g"})
    split = split_of(verdicts.summary(root, recorded, Totals(), ()).totals)
    assert (split.not_split_usd, split.input_usd) == (Decimal("0.5"), 0)


def test_a_span_without_our_score_is_no_judged_root() -> None:
    assert verdicts.recorded_run({semconv.RUN_COST: 3.0}) is None
