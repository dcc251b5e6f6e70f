from __future__ import annotations

import pickle

from otel_agentperf.model import Operation
from otel_agentperf.rules.base import Scope, View
from otel_agentperf.rules.model_choice.cost002_dear_model_for_simple_work import MAX_PENDING, DearModelForSimpleWork
from tests.rules.operations import PRICES, Clock

RULE = DearModelForSimpleWork()


def light_calls(number: int) -> list[Operation]:
    """Small questions with short answers, put to a dear model."""
    clock = Clock()
    words = {"kind": "inference", "name": "gemini-2.5-pro", "for": "router", "seconds": 1, "priced": True}
    return [clock.operation({**words, "input": 100 + place, "output": 5}) for place in range(number)]


def new_view() -> View:
    return View(Scope.SESSION, "s1", prices=PRICES)


def test_few_light_calls_wait_to_be_priced_however_many_there_are() -> None:
    state = RULE.start()
    for call in light_calls(5 * MAX_PENDING + 3):
        RULE.observe(state, call, new_view())
    (calls,) = state.entries.values()
    assert len(calls.pending) < MAX_PENDING
    (said,) = RULE.judge(state, new_view())
    assert (said.evidence["light_calls"], calls.pending) == (5 * MAX_PENDING + 3, [])


def test_calls_that_wait_are_priced_alike_after_a_merge() -> None:
    operations = light_calls(MAX_PENDING + 5)
    whole, first, second = RULE.start(), RULE.start(), RULE.start()
    for place, call in enumerate(operations):
        RULE.observe(whole, call, new_view())
        RULE.observe(first if place % 2 else second, call, new_view())
    merged = RULE.merge(pickle.loads(pickle.dumps(first)), second)  # noqa: S301 - our own
    assert list(RULE.judge(merged, new_view())) == list(RULE.judge(whole, new_view()))
