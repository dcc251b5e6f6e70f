"""What a suggestion claims is just what it says would be saved, so that the run's total can be trusted."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from otel_agentperf.rules import RULES
from tests.rules.test_cases import final_suggestions, load

OF_THE_SHAPE = frozenset({"LAT003", "LAT004", "LAT005", "REP001", "REP002", "REP003", "REP004", "PAR001"})
"""Rules over one run, whose claims are all kept in cases as small as theirs."""


def firing() -> list[Any]:
    return [
        pytest.param(rule.code, case, id=f"{rule.code}: {name}")
        for rule in RULES
        if rule.code in OF_THE_SHAPE
        for name, case in load(rule.code)["fires"].items()
    ]


@pytest.mark.parametrize(("code", "case"), firing())
def test_claims_add_up_to_what_is_saved(code: str, case: dict[str, Any]) -> None:
    for suggestion in final_suggestions(code, case):
        by_span: dict[str, Decimal] = defaultdict(Decimal)
        for claim in suggestion.claims:
            by_span[claim.span_id] = max(by_span[claim.span_id], claim.cost_usd)
        savings = suggestion.savings
        time_s = savings.time_s or 0.0 if savings is not None else 0.0
        cost_usd = savings.cost_usd or 0 if savings is not None else 0
        assert sum(by_span.values()) == cost_usd
        assert union_s([(claim.start_ns, claim.end_ns) for claim in suggestion.claims]) == pytest.approx(time_s)


def union_s(stretches: list[tuple[int, int]]) -> float:
    total = until = 0
    for start, end in sorted(stretches):
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total / 1e9


@pytest.mark.parametrize("code", sorted(OF_THE_SHAPE - {"REP001", "REP002"}))
def test_a_rule_over_the_shape_of_a_run_abstains_where_operations_are_missing(code: str) -> None:
    for case in load(code)["fires"].values():
        assert final_suggestions(code, {**case, "run_operations": 1}) == []
