from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.model import MAX_CLAIMS, Operation, Suggestion
from otel_agentperf.rules import RULES, make_rules
from tests.normals import normals_of
from tests.rules.operations import BEGIN_NS, PRICES, ROOT_ID, SECOND_NS, Clock, root

CASES = Path(__file__).parent / "cases"
KINDS = ("fires", "just below", "silent")
HEALTHY = 3
"""The fewest cases of each rule that look like its pattern, and are healthy."""


def load(code: str) -> dict[str, dict[str, dict[str, Any]]]:
    return yaml.safe_load((CASES / f"{code}.yaml").read_text())


def all_cases() -> list[Any]:
    return [
        pytest.param(rule.code, kind, case, id=f"{rule.code} {kind}: {name}")
        for rule in RULES
        for kind, cases in load(rule.code).items()
        for name, case in cases.items()
    ]


def final_suggestions(code: str, case: dict[str, Any]) -> list[Suggestion]:
    """What the rule says in the end, once per target, over the runs of a case."""
    errors: list[str] = []
    rules = make_rules({code: case.get("options", {})}, select=(code,))
    limits = Limits(run_operations=case.get("run_operations", 10_000))
    engine = Engine(
        rules,
        limits,
        on_error=lambda site, error: errors.append(f"{site}: {error!r}"),
        prices=PRICES,
        normals=normals_of(case["normals"]) if "normals" in case else None,
    )
    clock = Clock()
    final: dict[tuple[str, str], Suggestion] = {}
    used = case.get("used", [])
    """What each run uses; a case of such runs needs no operations."""
    runs: list[list[dict[str, Any]]] = [[{"kind": "node", "name": "work", "seconds": 1}] for _ in used]
    for place, words in enumerate(case["runs"] if "runs" in case else runs or [case["operations"]]):
        run = engine.begin("graph", case.get("session"), 0)
        clock.begin_run()
        operations = [clock.operation(word) for word in words for _ in range(word.get("times", 1))]
        for operation in sorted(operations, key=lambda each: each.end_ns):
            engine.observe(run, operation)
        summary, _ = engine.finish(run, root(*span_of(case, operations), used[place] if used else None))
        final.update({suggestion.key: suggestion for suggestion in summary.suggestions})
    assert errors == []
    return list(final.values())


def span_of(case: dict[str, Any], operations: list[Operation]) -> tuple[int, int]:
    """When the root begins and ends: with its operations, or `root` as seconds on the clock."""
    if "root" in case:
        begin, end = case["root"]
        return BEGIN_NS + begin * SECOND_NS, BEGIN_NS + end * SECOND_NS
    return min(operation.start_ns for operation in operations), max(operation.end_ns for operation in operations)


@pytest.mark.parametrize(("code", "kind", "case"), all_cases())
def test_a_rule_says_what_its_case_says(code: str, kind: str, case: dict[str, Any]) -> None:
    said = final_suggestions(code, case)
    assert (kind == "fires") == ("suggestions" in case)
    expected = case.get("suggestions", [])
    assert len(said) == len(expected)
    for suggestion, words in zip(said, expected, strict=True):
        assert suggestion.level == words["level"]
        assert suggestion.applies_to[0] == words["target"]
        if "impact" in words:
            assert suggestion.impact_score == words["impact"]
        if "time_s" in words:
            assert suggestion.savings is not None
            assert suggestion.savings.time_s == pytest.approx(words["time_s"])
        if "usd" in words:
            assert suggestion.savings is not None
            assert suggestion.savings.cost_usd is not None
            assert float(suggestion.savings.cost_usd) == pytest.approx(words["usd"], abs=1e-9)
        if "saves" in words:
            assert (suggestion.savings.basis if suggestion.savings else None) == words["saves"]
        spans = [span for span in suggestion.span_ids if span != ROOT_ID]  # all roots of a case have the same
        assert len(set(spans)) == len(spans)
        assert len(suggestion.span_ids) == words.get("span_ids", len(suggestion.span_ids))
        for name, value in words.get("evidence", {}).items():
            assert suggestion.evidence[name] == pytest.approx(value), name
        for text in words.get("says", []):
            assert text in suggestion.description


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_all_money_that_could_be_saved_is_claimed_on_its_spans(rule: Any) -> None:
    for case in load(rule.code)["fires"].values():
        for suggestion in final_suggestions(rule.code, case):
            claimed = [claim.cost_usd for claim in suggestion.claims]
            saved = suggestion.savings.cost_usd if suggestion.savings is not None else None
            assert float(sum(claimed)) == pytest.approx(float(saved or 0), abs=1e-9)
            assert all(usd >= 0 for usd in claimed)
            assert len(suggestion.claims) <= MAX_CLAIMS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_cases_of_each_kind(rule: Any) -> None:
    cases = load(rule.code)
    assert tuple(cases) == KINDS
    assert all(cases.values())
    assert len(cases["silent"]) >= HEALTHY


@pytest.mark.parametrize("code", ["REP001", "REP002", "REP003", "REP004", "CACHE001", "CACHE002", "PAR001"])
def test_a_rule_is_silent_on_three_healthy_runs_that_look_alike(code: str) -> None:
    assert len(load(code)["silent"]) >= 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_is_documented_under_its_code_and_heads(rule: Any) -> None:
    import sys

    text = sys.modules[rule.__module__].__doc__ or ""
    assert text.startswith(f"{rule.code} {rule.name}\n")
    for head in ("What it finds:", "Why it costs:", "Example:", "Instead:", "Limits:"):
        assert head in text, head
    assert rule.__module__.endswith(f"{rule.code.lower()}_{rule.name}")
    assert f".{rule.group}." in rule.__module__
