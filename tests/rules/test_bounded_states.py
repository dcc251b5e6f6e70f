from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest

from otel_agentperf.analysis.columns import Columns, cost_of
from otel_agentperf.model import Operation, Suggestion, Totals
from otel_agentperf.rules.base import Rule, Scope, View
from otel_agentperf.rules.caching import calls as remembered_calls
from otel_agentperf.rules.caching import prompts
from otel_agentperf.rules.caching.cache001_uncached_prefix import UncachedPrefix
from otel_agentperf.rules.caching.cache002_cacheable_tool import CacheableTool
from otel_agentperf.rules.context_growth import ctx001_growing_context
from otel_agentperf.rules.context_growth.ctx001_growing_context import GrowingContext
from otel_agentperf.rules.traits import traits_of
from tests.rules.operations import PRICES, Clock


def requests(count: int) -> list[dict[str, Any]]:
    """Two agents' conversations, told in turns."""
    words: list[dict[str, Any]] = []
    for turn in range(count):
        length = 2 + turn % 25
        words.append(
            {
                "kind": "inference",
                "name": "gemini-2.5-flash",
                "for": f"agent{turn % 3}",
                "seconds": 1,
                "messages": [f"{turn % 3}.{place}" for place in range(length)],
                "sizes": [4_000 * (place + 1) for place in range(length)],
                "input": 1_000 * length + turn % 3,
                "priced": True,
            }
        )
    return words


def calls(count: int) -> list[dict[str, Any]]:
    """Tools that say the same of the same arguments; one of them has another word in the end."""
    random = Random(1)  # noqa: S311 - made-up calls
    words: list[dict[str, Any]] = []
    for _ in range(count):
        tool, argument = random.choice(("load", "read")), random.randint(1, 60)
        words.append(
            {"kind": "tool", "name": tool, "seconds": 1, "arguments": {"a": argument}, "result": f"{tool} {argument}"}
        )
    return words


def runs_of(words: Sequence[dict[str, Any]], runs: int) -> list[list[Operation]]:
    clock = Clock()
    found: list[list[Operation]] = []
    size = -(-len(words) // runs)
    for start in range(0, len(words), size):
        clock.begin_run()
        found.append([clock.operation(word) for word in words[start : start + size]])
    return found


def view_of(rule: Rule[Any], runs: list[list[Operation]]) -> View:
    costs = [op.cost.total_usd for run in runs for op in run if op.cost is not None and op.cost.total_usd is not None]
    return View(rule.scope, "s1", Totals(cost_usd=sum(costs, start=Totals().cost_usd)), prices=PRICES)


def observed(rule: Rule[Any], runs: list[list[Operation]], view: View) -> Any:
    state = rule.start()
    for run in runs:
        view.columns = shape = Columns(len(run))
        for operation in run:
            shape.add(operation, traits_of(operation), cost_of(operation))
            assert list(rule.observe(state, operation, view)) == []
        list(rule.conclude(state, run[-1], view))
        view.columns = None
    return state


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can pass."""
    monkeypatch.setattr(prompts, "MAX_REQUESTS", 20)
    monkeypatch.setattr(remembered_calls, "MAX_PAIRS", 30)
    monkeypatch.setattr(remembered_calls, "MAX_RUNS", 4)
    monkeypatch.setattr(ctx001_growing_context, "MAX_REQUESTS", 15)
    monkeypatch.setattr(ctx001_growing_context, "MAX_AGENTS", 2)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rule", [UncachedPrefix(), CacheableTool(), GrowingContext()], ids=lambda rule: rule.code)
def test_beyond_its_bounds_a_state_says_the_same_however_its_runs_are_merged(rule: Rule[Any], seed: int) -> None:
    runs = runs_of(calls(400) if rule.scope is Scope.PROCESS else requests(200), 10)
    view = view_of(rule, runs)
    whole = list(rule.judge(observed(rule, runs, view), view))
    random = Random(seed)  # noqa: S311 - an order
    states = [observed(rule, [run], view) for run in runs]
    random.shuffle(states)
    while len(states) > 1:
        other = states.pop(random.randrange(len(states)))
        place = random.randrange(len(states))
        before = pickle.dumps(other)
        states[place] = rule.merge(states[place], other)
        assert pickle.dumps(other) == before, "the other state was changed"
    assert whole
    assert sorted(rule.judge(states[0], view), key=_key) == sorted(whole, key=_key)


@pytest.mark.parametrize("rule", [UncachedPrefix(), CacheableTool(), GrowingContext()], ids=lambda rule: rule.code)
def test_a_state_stays_small_however_much_it_sees(rule: Rule[Any]) -> None:
    sizes: list[int] = []
    for count in (400, 4_000):
        runs = runs_of(calls(count) if rule.scope is Scope.PROCESS else requests(count), 4)
        view = view_of(rule, runs)
        sizes.append(len(pickle.dumps(observed(rule, runs, view))))
    assert sizes[1] < 3 * sizes[0], "ten times the calls"


def _key(suggestion: Suggestion) -> tuple[str, str]:
    return suggestion.key


def test_a_long_conversation_is_not_looked_at_anew_at_the_end_of_each_run() -> None:
    looks: list[int] = []

    class Counted(UncachedPrefix):
        def judge(self, state: prompts.Requests, view: View) -> Iterable[Suggestion]:
            looks.append(state.added)
            return super().judge(state, view)

    rule = Counted()
    runs = runs_of(requests(200), 200)
    view = view_of(rule, runs)
    state = rule.start()
    for run in runs:
        for operation in run:
            rule.observe(state, operation, view)
        list(rule.conclude(state, run[-1], view))
    assert looks[:4] == [3, 4, 5, 6]
    assert 20 < len(looks) < 60
