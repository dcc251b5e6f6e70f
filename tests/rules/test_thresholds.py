"""Each option of each rule decides something in the rule's own cases, and just where it says.

An option is moved a little to either side. Some case of its rule must then say something else:
one just above the threshold falls silent, or one at the threshold begins to speak. What a case
says is who is spoken of and how loudly; numbers in the evidence do not count, since they may only
repeat the option.
"""

from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.rules import RULES
from otel_agentperf.rules.base import Option
from tests.rules.test_cases import final_suggestions, load

A_LITTLE = 0.1
ONLY_SAVINGS = {("REP004", "overhead_s"), ("CTX001", "window_tokens"), ("CTX002", "budget_tokens")}
"""Options that decide how much is saved, and never whether something is said."""


def moved(option: Option, value: float, *, up: bool) -> float | None:
    """The value of an option a little further up or down, `None` where it may not go there."""
    step = 1 if isinstance(option.default, int) else abs(value) * A_LITTLE
    there = value + step if up else value - step
    return there if option.minimum <= there <= option.maximum else None


def every_option() -> list[Any]:
    return [
        pytest.param(rule.code, name, option, up, id=f"{rule.code} {name} {'up' if up else 'down'}")
        for rule in RULES
        for name, option in rule.options.items()
        for up in (True, False)
        if moved(option, option.default, up=up) is not None
    ]


def outcome(code: str, name: str, case: dict[str, Any], options: dict[str, float]) -> list[Any]:
    said = final_suggestions(code, {**case, "options": options})
    if (code, name) in ONLY_SAVINGS:
        return sorted((suggestion.key, str(suggestion.savings)) for suggestion in said)
    return sorted((suggestion.key, suggestion.level.value) for suggestion in said)


@pytest.mark.parametrize(("code", "name", "option", "up"), every_option())
def test_an_option_moved_a_little_changes_what_a_case_says(code: str, name: str, option: Option, up: bool) -> None:
    for cases in load(code).values():
        for case in cases.values():
            given = case.get("options", {})
            there = moved(option, given.get(name, option.default), up=up)
            if there is None:
                continue
            if outcome(code, name, case, given) != outcome(code, name, case, {**given, name: there}):
                return
    stricter = "just above" if up else "exactly at (or one below)"
    pytest.fail(
        f"No case of {code} notices when {name}, by default {option.default:g} {option.unit}, moves "
        f"{'up' if up else 'down'} a little ({A_LITTLE:.0%}, or 1 of a whole number): tests/rules/cases/{code}.yaml "
        f"lacks a case {stricter} it (or the other way round where less is worse)."
    )
