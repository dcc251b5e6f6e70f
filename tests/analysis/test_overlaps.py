"""A loop that several rules of repetition see is one suggestion."""

from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.overlaps import without_overlaps
from otel_agentperf.model import Claim, Complexity, Level, Suggestion
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.base import Row
from tests.rules.operations import Clock, root
from tests.rules.test_cases import span_of

RULES = make_rules({}, select=("repetition",))
PARENTS = {1: 0, 2: 1, 3: 2, 4: 2, 5: 1, 6: 5, 7: 7}


def suggestion(
    rule: str, *spans: int, level: Level = Level.ALARM, impact: float = 0.7, claims: bool = True
) -> Suggestion:
    ids = [f"{span:016x}" for span in spans]
    return Suggestion(
        rule,
        "pattern",
        level,
        "",
        impact,
        Complexity.LOW,
        0.9,
        (f"tool:{spans[0]}",),
        span_ids=() if claims else tuple(ids),
        claims=tuple(map(Claim, ids)) if claims else (),
    )


def kept(*suggestions: Suggestion, reported: tuple[Suggestion, ...] = ()) -> list[str]:
    rows: list[Any] = [_row(span, parent) for span, parent in PARENTS.items()]
    return [each.rule for each in without_overlaps(suggestions, rows, {each.key for each in reported})]


def _row(span_id: int, parent_id: int) -> Row:
    values: Any = dict.fromkeys(Row._fields, 0)
    values |= {"span_id": span_id, "parent_id": parent_id}
    return Row(**values)


@pytest.mark.parametrize("claims", [True, False])
def test_what_names_the_same_operation_or_one_beneath_it_is_one(claims: bool) -> None:
    assert kept(suggestion("A", 3, claims=claims), suggestion("B", 3, claims=claims)) == ["A"]
    assert kept(suggestion("A", 3, claims=claims), suggestion("B", 2, claims=claims)) == ["A"]
    assert kept(suggestion("A", 2, claims=claims), suggestion("B", 4, claims=claims)) == ["A"]


def test_what_lies_elsewhere_is_another_loop() -> None:
    assert kept(suggestion("A", 3), suggestion("B", 4), suggestion("C", 6)) == ["A", "B", "C"]
    assert kept(suggestion("A", 7), suggestion("B", 99)) == ["A", "B"]


def test_two_that_share_nothing_are_one_through_a_third() -> None:
    assert kept(suggestion("A", 3), suggestion("B", 4, impact=0.9), suggestion("C", 2, impact=0.1)) == ["B"]


def test_an_alarm_stays_then_what_was_reported_then_what_weighs_most() -> None:
    notice = suggestion("N", 3, level=Level.NOTICE, impact=1.0)
    small, large = suggestion("A", 3, impact=0.5), suggestion("B", 3, impact=0.9)
    assert kept(notice, small, large) == ["B"]
    assert kept(notice, small, large, reported=(small,)) == ["A"]
    assert kept(notice, large, reported=(notice,)) == ["B"]


def test_nothing_is_left_of_nothing() -> None:
    assert kept() == []


def loop(tool: bool) -> list[dict[str, Any]]:
    words: list[dict[str, Any]] = []
    for number in range(6):
        begin = number * 2
        words.append(
            {"kind": "inference", "name": "m", "in": 50 + number, "from": begin, "to": begin + 1, "request": "go"}
        )
        if tool:
            words.append(
                {
                    "kind": "tool",
                    "name": "t",
                    "in": 50 + number,
                    "from": begin + 1,
                    "to": begin + 2,
                    "arguments": {"a": 1},
                    "result": "same",
                }
            )
        words.append(
            {
                "kind": "node",
                "name": "n",
                "id": 50 + number,
                "from": begin,
                "to": begin + 2,
                "step": number,
                "state": "s",
            }
        )
    return words


@pytest.mark.parametrize(("tool", "expected"), [(True, ["REP001"]), (False, ["REP003"])])
def test_a_node_that_goes_round_with_its_request_and_its_tool_is_one_suggestion(
    tool: bool, expected: list[str]
) -> None:
    engine = Engine(RULES)
    clock = Clock()
    clock.begin_run()
    operations = sorted(map(clock.operation, loop(tool)), key=lambda each: each.end_ns)
    run = engine.begin("graph", None, 0)
    news = [each.rule for operation in operations for each in engine.observe(run, operation)]
    asked = engine.repetition_so_far(run, root(*span_of({}, operations)), {("REP001", "tool:t")})
    summary, last = engine.finish(run, root(*span_of({}, operations)))
    assert [each.rule for each in summary.suggestions] == expected
    assert {*news, *(each.rule for each in last)} == set(expected)
    assert [each.rule for each in asked] == expected
