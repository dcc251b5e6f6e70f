# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""`with otel_agentperf.budget(...)`: what it holds, nested, reused, decorated, with a handler."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from copy import copy
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.trace import NoOpTracerProvider

import otel_agentperf
from otel_agentperf import BudgetExceeded, SettingsError, config
from otel_agentperf.budgets import BudgetLimit, BudgetLimits, BudgetScope, BudgetTotals
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.live import budgets, in_process
from otel_agentperf.live.pipeline import Pipeline
from tests.instrumentation.google_genai import ways
from tests.live.budgets.loop import COST_USD, FOR_EVER, MODEL, State, ask, ask_async, ask_on, asking, endless, gemini
from tests.telemetry import observed


def spend(client: Any) -> int:
    """Ask until the budget is used up."""
    asked = 0
    try:
        while asked < 50:
            ask(client)
            asked += 1
    except BudgetExceeded:
        return asked
    raise AssertionError("nothing stopped it")


def test_a_block_holds_several_runs_and_work_outside_of_any() -> None:
    def once(_state: State) -> State:
        ask(client)
        return {}

    with observed() as telemetry, gemini() as (client, server):
        graph = endless(once)
        with otel_agentperf.budget(usd=COST_USD * 5) as held:
            ask(client)
            with telemetry.provider.get_tracer("app").start_as_current_span("job"):
                ask(client)
            with pytest.raises(BudgetExceeded) as caught:
                graph.invoke({}, FOR_EVER)
            with pytest.raises(BudgetExceeded):
                graph.invoke({}, FOR_EVER)
        assert len(server.requests) == 5
        assert caught.value.scope is BudgetScope.BLOCK
        assert held.totals.usd == COST_USD * 5
        ask(client)
        telemetry.assert_sound()


def test_of_nested_blocks_every_one_holds() -> None:
    with observed() as telemetry, gemini() as (client, _):
        with otel_agentperf.budget(usd=COST_USD * 5, name="outer") as outer:
            with otel_agentperf.budget(usd=COST_USD * 3, name="inner"):
                assert spend(client) == 3
            with otel_agentperf.budget(usd=COST_USD * 3, name="inner"), pytest.raises(BudgetExceeded) as caught:
                ask_on(client)
            assert caught.value.name == "outer"
            assert outer.totals.usd == COST_USD * 5
        telemetry.assert_sound()


def test_a_block_within_a_node_ends_with_it_and_the_run_goes_on() -> None:
    asked: list[int] = []

    def work(_state: State) -> State:
        if len(asked) == 3:
            raise LookupError
        with otel_agentperf.budget(usd=COST_USD * 2):
            asked.append(spend(client))
        return {}

    with observed() as telemetry, gemini() as (client, _):
        with pytest.raises(LookupError):
            endless(work).invoke({}, FOR_EVER)
        telemetry.assert_sound()
    assert asked == [2, 2, 2]


def test_the_same_object_used_again_goes_on_where_it_stopped() -> None:
    with observed() as telemetry, gemini() as (client, _):
        purse = otel_agentperf.budget(usd=COST_USD * 3)
        with purse:
            ask(client)
            with purse:
                ask(client)
            ask(client)
        with purse:
            assert spend(client) == 0
        telemetry.assert_sound()


async def test_a_decorated_function_has_a_budget_for_each_call() -> None:
    limited = otel_agentperf.budget(usd=COST_USD * 2)

    @limited
    def plain() -> int:
        return spend(client)

    @limited
    async def later() -> int:
        asked = 0
        try:
            while asked < 50:
                await ask_async(client)
                asked += 1
        except BudgetExceeded:
            pass
        return asked

    with observed() as telemetry, gemini() as (client, _):
        assert [plain(), plain(), await later(), await later()] == [2, 2, 2, 2]
        assert limited.totals == BudgetTotals()
        await ways.close(client)
        telemetry.assert_sound()


def test_a_budget_holds_where_an_older_context_was_put_back() -> None:
    with observed(), gemini() as (client, _):
        before = context_api.get_current()
        with otel_agentperf.budget(usd=COST_USD * 2):
            token = context_api.attach(before)
            assert spend(client) == 2
            context_api.detach(token)


# -- handlers ------------------------------------------------------------------------------


class TooDearError(Exception):
    """What a program raises by itself."""


def test_what_a_handler_raises_reaches_the_program_at_each_check() -> None:
    def refuse(exceeded: BudgetExceeded) -> None:
        raise TooDearError(exceeded.limit)

    with observed(), gemini() as (client, server), otel_agentperf.budget(usd=COST_USD, on_exceeded=refuse):
        ask(client)
        for _ in range(2):
            with pytest.raises(TooDearError, match="usd"):
                ask(client)
        assert len(server.requests) == 1


def test_a_handler_that_returns_nothing_lifts_the_limit_and_no_other() -> None:
    asked: list[BudgetLimit] = []

    def note(exceeded: BudgetExceeded) -> None:
        asked.append(exceeded.limit)

    with observed(), gemini() as (client, _), otel_agentperf.budget(usd=COST_USD, tokens=300_000, on_exceeded=note):
        for _ in range(6):
            ask(client)
    assert asked == [BudgetLimit.USD, BudgetLimit.TOKENS]


def test_a_handler_may_set_a_new_limit() -> None:
    limits: list[Decimal | None] = []

    def more(exceeded: BudgetExceeded) -> Decimal | None:
        limits.append(exceeded.limits.usd)
        return COST_USD * 5 if len(limits) == 1 else COST_USD

    with observed() as telemetry, gemini() as (client, _):
        with otel_agentperf.budget(usd=COST_USD * 2, on_exceeded=more):
            assert spend(client) == 5
        assert limits == [COST_USD * 2, COST_USD * 5]
        assert [point.value for point in telemetry.points("agentperf.budget.exceeded")] == [2]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("answer", ["more", True, float("nan"), object()])
def test_a_handler_that_returns_what_is_no_limit_stops_the_work(answer: Any) -> None:
    with observed(), gemini() as (client, _), otel_agentperf.budget(usd=COST_USD, on_exceeded=lambda _: answer):
        ask(client)
        with pytest.raises(BudgetExceeded) as caught:
            ask(client)
    assert "on_exceeded returned" in str(caught.value.__cause__)


def test_what_a_handler_asks_for_itself_is_not_held_against_its_budget() -> None:
    def explain(exceeded: BudgetExceeded) -> None:
        ask(client)
        raise exceeded

    with observed(), gemini() as (client, server), otel_agentperf.budget(usd=COST_USD, on_exceeded=explain):
        ask(client)
        with pytest.raises(BudgetExceeded):
            ask(client)
        assert len(server.requests) == 2


# -- prices that are not known -------------------------------------------------------------


@pytest.mark.parametrize("unpriced", ["ignore", "stop"])
def test_a_request_without_a_price_is_said_and_uses_the_budget_up_where_asked(unpriced: str) -> None:
    with observed() as telemetry, gemini(FixedResponder()) as (client, _):
        with otel_agentperf.budget(usd=1, tokens=1_000, unpriced=unpriced), pytest.raises(BudgetExceeded) as caught:
            ask_on(client, model="nobody-knows-it")
        telemetry.assert_sound()
    exceeded = caught.value
    if unpriced == "ignore":
        assert exceeded.limit is BudgetLimit.TOKENS
        assert f"{exceeded.totals.unpriced_calls} calls whose price is not known" in str(exceeded)
    else:
        assert exceeded.limit is BudgetLimit.UNPRICED
        assert exceeded.totals.unpriced_calls == 1
        assert "1 calls have no known price" in str(exceeded)


# -- the exception, and wrong arguments ------------------------------------------------------


def test_the_exception_is_a_runtime_error_that_can_be_pickled_and_says_what_to_do() -> None:
    limits, totals = BudgetLimits(usd=Decimal("0.5"), steps=9), BudgetTotals(Decimal("0.512"), 31_200, 33.21, 7, 1, 2)
    exceeded = BudgetExceeded(BudgetLimit.USD, BudgetScope.RUN, "research", limits, totals)
    assert isinstance(exceeded, RuntimeError)
    for again in (pickle.loads(pickle.dumps(exceeded)), copy(exceeded)):  # noqa: S301 - our own
        assert (again.limit, again.scope, again.name, again.limits, again.totals) == (
            BudgetLimit.USD,
            BudgetScope.RUN,
            "research",
            limits,
            totals,
        )
        assert str(again) == str(exceeded)
    assert (exceeded.allowed, exceeded.spent) == (0.5, 0.512)
    message = str(exceeded)
    for part in ("run 'research'", "$0.512000 of $0.5", "31,200 tokens", "AGENTPERF_BUDGET_RUN_USD", "2 calls whose"):
        assert part in message


@pytest.mark.parametrize("limit", list(BudgetLimit))
@pytest.mark.parametrize("scope", list(BudgetScope))
def test_every_limit_and_scope_has_its_words(limit: BudgetLimit, scope: BudgetScope) -> None:
    limits = BudgetLimits(Decimal(1), 1, 1.0, 1, 1, stops_unpriced=True)
    exceeded = BudgetExceeded(limit, scope, "", limits, BudgetTotals(Decimal(1), 1, 1.0, 1, 1, 1))
    assert "is used up: " in str(exceeded)
    assert exceeded.spent == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "no limit"),
        ({"usd": 0}, "budget(usd)"),
        ({"usd": "much"}, "budget(usd)"),
        ({"usd": float("nan")}, "budget(usd)"),
        ({"usd": True}, "budget(usd)"),
        ({"tokens": 1.5}, "budget(tokens)"),
        ({"tokens": -1}, "budget(tokens)"),
        ({"time_s": float("inf")}, "budget(time_s)"),
        ({"steps": 0}, "budget(steps)"),
        ({"repetition_alarms": "1"}, "budget(repetition_alarms)"),
        ({"usd": 1, "unpriced": "refuse"}, "budget(unpriced)"),
        ({"usd": 1, "on_exceeded": 7}, "budget(on_exceeded)"),
    ],
)
def test_a_wrong_argument_is_named_at_once(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        otel_agentperf.budget(**arguments)
    assert named in str(caught.value)


def test_coroutine_handlers_and_generator_functions_are_refused() -> None:
    async def handler(_: BudgetExceeded) -> None:
        raise AssertionError

    with pytest.raises(SettingsError, match="coroutine"):
        otel_agentperf.budget(usd=1, on_exceeded=handler)  # pyright: ignore[reportArgumentType]

    def pieces() -> Iterator[int]:
        yield 1

    with pytest.raises(SettingsError, match="generator"):
        otel_agentperf.budget(usd=1)(pieces)


def test_a_budget_that_nothing_watches_over_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with otel_agentperf.budget(usd=1):
                pass
    assert [record.getMessage() for record in caplog.records] == [
        "otel-agentperf: a budget is set, but nothing watches over it: call otel_agentperf.instrument() before"
    ]


def test_without_an_sdk_it_is_said_that_nothing_is_counted_and_steps_hold(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    instrumentors = (LangGraphInstrumentor(), GoogleGenAIInstrumentor())
    in_process.use(Pipeline(config.Settings()))
    with gemini() as (client, server), caplog.at_level(logging.WARNING):
        for instrumentor in instrumentors:
            instrumentor.instrument(tracer_provider=NoOpTracerProvider())
        with otel_agentperf.budget(usd=COST_USD, steps=3), pytest.raises(BudgetExceeded) as caught:
            asking(client).invoke({}, FOR_EVER)
        for instrumentor in instrumentors:
            instrumentor.uninstrument()
        assert len(server.requests) == 3
    in_process.use(None)
    assert caught.value.limit is BudgetLimit.STEPS
    assert sum("what is spent is not counted" in record.getMessage() for record in caplog.records) == 1


def test_alarms_that_no_rule_raises_are_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "_said", set[str]())
    with caplog.at_level(logging.WARNING):
        Pipeline(config.Settings(budget_run_repetition_alarms=1, rules_ignore=("repetition",)))
        Pipeline(config.Settings(budget_run_repetition_alarms=1))
    assert len(caplog.records) == 1


def test_a_run_in_a_block_ends_at_whichever_is_reached_first() -> None:
    with observed() as telemetry, gemini() as (client, server):
        with otel_agentperf.budget(steps=3, usd=100, tokens=10**9, time_s=1_000), pytest.raises(BudgetExceeded):
            asking(client).invoke({}, FOR_EVER)
        assert len(server.requests) == 3
        client.models.generate_content(model=MODEL, contents="after it nothing holds")
        telemetry.assert_sound()
