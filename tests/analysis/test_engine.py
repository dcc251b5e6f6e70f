from __future__ import annotations

import threading
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.model import (
    Complexity,
    Cost,
    CostStatus,
    Level,
    Operation,
    OperationKind,
    Suggestion,
    Usage,
)
from otel_agentperf.rules.base import Group, Rule, Scope, View

S = 1_000_000_000


def operation(kind: OperationKind, name: str = "x", start: float = 0, end: float = 1, **more: Any) -> Operation:
    return Operation(kind, name, "a" * 16, round(start * S), round(end * S), **more)


def inference(usd: str | None = "0.01", **more: Any) -> Operation:
    cost = Cost(CostStatus.UNPRICED) if usd is None else Cost(CostStatus.PRICED, Decimal(usd))
    return operation(OperationKind.INFERENCE, "m", usage=Usage(100, 20, 10, 5), cost=cost, **more)


ROOT = operation(OperationKind.WORKFLOW, "graph", 0, 10)


class Echo(Rule[list[int]]):
    """Says how many operations its scope has seen."""

    code = "ECH001"
    name = "echo"
    group = Group.FAILURES
    scope = Scope.RUN
    watches = frozenset({OperationKind.TOOL})
    complexity = Complexity.LOW
    target = "tool:x"

    def start(self) -> list[int]:
        return [0]

    def observe(self, state: list[int], operation: Operation, view: View) -> Iterable[Suggestion]:
        state[0] += 1
        return (self.say(state[0], Level.NOTICE if state[0] < 10 else Level.ALARM),)

    def say(self, seen: int, level: Level) -> Suggestion:
        return Suggestion(
            self.code, self.name, level, "seen", 0.5, self.complexity, 1.0, (self.target,), (), {"seen": seen}
        )


class EchoSession(Echo):
    code = "ECH002"
    scope = Scope.SESSION


class EchoProcess(Echo):
    code = "ECH003"
    scope = Scope.PROCESS


class Broken(Echo):
    code = "BRK001"

    def observe(self, state: list[int], operation: Operation, view: View) -> Iterable[Suggestion]:
        raise RuntimeError("broken rule")


class Last(Echo):
    code = "LST001"

    def observe(self, state: list[int], operation: Operation, view: View) -> Iterable[Suggestion]:
        state[0] += 1
        return ()

    def conclude(self, state: list[int], root: Operation, view: View) -> Iterable[Suggestion]:
        return (self.say(state[0], Level.NOTICE),)


TOOL = operation(OperationKind.TOOL)


def test_totals_add_up_what_ran_and_leave_out_what_is_counted_elsewhere() -> None:
    engine = Engine(())
    run = engine.begin("graph", None, 0)
    for item in (
        inference(),
        inference(counted=False),
        inference(None, error_type="429"),
        operation(OperationKind.EMBEDDINGS, usage=Usage(7)),
        TOOL,
        operation(OperationKind.SERVICE, cost=Cost(CostStatus.PRICED, Decimal("0.5"))),
    ):
        engine.observe(run, item)
    totals = engine.finish(run, ROOT)[0].totals
    assert totals.cost_usd == Decimal("0.51")
    assert (totals.input_tokens, totals.output_tokens) == (207, 40)
    assert (totals.cache_read_tokens, totals.reasoning_tokens) == (20, 10)
    assert (totals.inference_calls, totals.embedding_calls, totals.tool_calls, totals.service_calls) == (2, 1, 1, 1)
    assert (totals.unpriced_calls, totals.errors) == (1, 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(Echo, [1, 1, 1]), (EchoSession, [1, 2, 1]), (EchoProcess, [1, 2, 3])],
    ids=["a run", "a session", "the process"],
)
def test_the_state_of_a_rule_lives_as_long_as_its_scope(rule: type[Echo], expected: list[int]) -> None:
    engine = Engine((rule(),))
    seen: list[float] = []
    for session in ("s1", "s1", "s2"):
        run = engine.begin("graph", session, 0)
        engine.observe(run, TOOL)
        summary, _ = engine.finish(run, ROOT)
        seen.append(summary.suggestions[0].evidence["seen"])
    assert seen == expected


def test_a_suggestion_is_news_when_new_doubled_or_risen_and_its_last_form_is_kept() -> None:
    engine = Engine((Echo(),))
    run = engine.begin("graph", None, 0)
    news = [s.evidence["seen"] for _ in range(11) for s in engine.observe(run, TOOL)]
    assert news == [1, 2, 4, 8, 10]
    summary, last_news = engine.finish(run, ROOT)
    (final,) = summary.suggestions
    assert (final.evidence["seen"], final.level) == (11, Level.ALARM)
    assert last_news == []


def test_at_the_end_nothing_is_said_again_that_has_not_changed() -> None:
    engine = Engine((Echo(),))
    run = engine.begin("graph", None, 0)
    assert len(engine.observe(run, TOOL)) == 1
    _, last_news = engine.finish(run, ROOT)
    assert last_news == []


def test_a_rule_that_raises_is_reported_and_the_others_go_on() -> None:
    errors: list[str] = []
    engine = Engine((Broken(), Echo()), on_error=lambda site, error: errors.append(f"{site}: {error}"))
    run = engine.begin("graph", None, 0)
    assert [s.rule for s in engine.observe(run, TOOL)] == ["ECH001"]
    assert errors == ["rule.BRK001: broken rule"]


def test_a_rule_may_speak_only_at_the_end() -> None:
    engine = Engine((Last(),))
    run = engine.begin("graph", None, 0)
    engine.observe(run, TOOL)
    summary, news = engine.finish(run, ROOT)
    assert [s.rule for s in news] == ["LST001"]
    assert summary.suggestions == tuple(news)


def test_a_rule_that_saw_nothing_says_nothing_at_the_end() -> None:
    engine = Engine((Last(),))
    run = engine.begin("graph", None, 0)
    assert engine.finish(run, ROOT)[0].suggestions == ()


def test_the_oldest_live_run_is_dropped_beyond_the_bound_and_still_counts_its_money() -> None:
    engine = Engine((Echo(),), Limits(live_runs=2))
    first, *_ = (engine.begin("graph", None, 0) for _ in range(3))
    assert engine.evictions == {"live_runs": 1}
    assert engine.live_runs == 2
    assert engine.observe(first, TOOL) == []
    engine.observe(first, inference())
    assert engine.finish(first, ROOT)[0].totals.cost_usd == Decimal("0.01")


def test_the_least_recently_used_session_is_forgotten_beyond_the_bound() -> None:
    engine = Engine((EchoSession(),), Limits(sessions=2))
    for session in ("s1", "s2", "s1", "s3", "s1", "s2"):
        run = engine.begin("graph", session, 0)
        engine.observe(run, TOOL)
        summary, _ = engine.finish(run, ROOT)
    assert engine.evictions == {"sessions": 2}
    assert summary.suggestions[0].evidence["seen"] == 1  # s2 began anew


def test_the_critical_path_leads_through_the_branch_that_ended_last() -> None:
    engine = Engine(())
    run = engine.begin("graph", None, 0)
    for name, start, end in (("plan", 0, 1), ("fast", 1, 2), ("slow", 1, 5), ("join", 5, 6)):
        engine.observe(run, operation(OperationKind.NODE, name, start, end, is_agent=True))
    engine.observe(run, operation(OperationKind.NODE, "inner", 1, 5.5))
    assert engine.finish(run, ROOT)[0].critical_path == ("plan", "slow", "join")


def test_the_columns_of_a_run_are_bounded() -> None:
    engine = Engine((), Limits(run_operations=3))
    run = engine.begin("graph", None, 0)
    for index in range(10):
        engine.observe(run, operation(OperationKind.NODE, f"n{index}", index, index + 1, is_agent=True))
    assert run.columns.dropped == 7
    assert engine.finish(run, ROOT)[0].totals.operations == 10


@pytest.mark.parametrize(
    ("usd", "letter"),
    [("0", "A"), ("0.0499", "A"), ("0.05", "B"), ("0.0999", "B"), ("0.10", "C"), ("0.20", "D"), ("0.50", "F")],
)
def test_the_rating_follows_the_cost(usd: str, letter: str) -> None:
    engine = Engine(())
    run = engine.begin("graph", None, 0)
    engine.observe(run, inference(usd))
    assert engine.finish(run, ROOT)[0].rating == letter


def test_a_run_of_which_nothing_is_priced_has_no_rating() -> None:
    engine = Engine(())
    run = engine.begin("graph", None, 0)
    engine.observe(run, inference(None))
    assert engine.finish(run, ROOT)[0].rating is None


def test_success_is_the_absence_of_an_error_unless_someone_says_otherwise() -> None:
    engine = Engine(())
    failed = operation(OperationKind.WORKFLOW, "graph", error_type="ValueError")
    assert engine.finish(engine.begin("graph", None, 0), ROOT)[0].success
    assert not engine.finish(engine.begin("graph", None, 0), failed)[0].success
    run = engine.begin("graph", None, 0)
    run.success = True
    assert engine.finish(run, failed)[0].success


def test_many_threads_lose_nothing() -> None:
    engine = Engine((EchoProcess(),))

    def work() -> None:
        for _ in range(50):
            run = engine.begin("graph", "shared", 0)
            for _ in range(5):
                engine.observe(run, inference("0.001"))
            engine.finish(run, ROOT)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run = engine.begin("graph", "shared", 0)
    assert run.session.view.totals.cost_usd == Decimal("0.001") * 5 * 50 * 8
    assert run.session.runs == 401
