# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.
"""Branches at once pass a limit by what is in flight, and by no more."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import otel_agentperf
from otel_agentperf import BudgetExceeded, config
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.wire import GeminiRequest, Reply
from tests.instrumentation.google_genai import ways
from tests.live.budgets.loop import COST_USD, TOKENS, State, ask, ask_async, ask_on, fan, gemini
from tests.telemetry import observed

BRANCHES = 100
IN_FLIGHT = 8
ALLOWED = 20
LIMITED = config.Settings(budget_run_usd=float(COST_USD * ALLOWED))


class InFlight:
    """Answers, and knows how many requests it had at once at the most."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._answer = FixedResponder(tokens=TOKENS)

    def __call__(self, request: GeminiRequest) -> Reply:
        return self._answer(request)

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


def test_a_hundred_branches_in_threads_stop_with_what_is_in_flight() -> None:
    stopped: list[BudgetExceeded] = []
    flying = InFlight()
    with observed(settings=LIMITED) as telemetry, gemini(flying) as (client, server):

        def work(_state: State) -> State:
            with flying:
                try:
                    ask(client)
                except BudgetExceeded as exceeded:
                    stopped.append(exceeded)
            return {"rounds": 1}

        # That the branches go on after the limit is the program's own doing: nodes are refused as well.
        with pytest.raises(BudgetExceeded):
            fan(work, BRANCHES).invoke({}, {"max_concurrency": IN_FLIGHT})
        telemetry.assert_sound()
    assert ALLOWED <= len(server.requests) < ALLOWED + flying.most
    assert all(exceeded.totals.usd >= COST_USD * ALLOWED for exceeded in stopped)


async def test_a_hundred_branches_of_a_loop_stop_with_what_is_in_flight() -> None:
    flying = InFlight()
    gate = asyncio.Semaphore(IN_FLIGHT)  # LangGraph's own leaves coroutines behind that nobody awaits
    with observed(settings=LIMITED) as telemetry, gemini(flying) as (client, server):

        async def work(_state: State) -> State:
            async with gate:
                with flying:
                    await ask_async(client)
            return {"rounds": 1}

        with pytest.raises(BudgetExceeded):
            await fan(work, BRANCHES).ainvoke({})
        await ways.close(client)
        telemetry.assert_sound()
    assert ALLOWED <= len(server.requests) < ALLOWED + flying.most


def test_no_more_steps_are_begun_than_allowed_whatever_runs_at_once() -> None:
    begun: list[int] = []

    def work(_state: State) -> State:
        begun.append(1)
        return {}

    with (
        observed(settings=config.Settings(budget_run_steps=ALLOWED)) as telemetry,
        pytest.raises(BudgetExceeded) as caught,
    ):
        fan(work, BRANCHES).invoke({})
    telemetry.assert_sound()
    assert len(begun) == ALLOWED
    assert caught.value.totals.steps == ALLOWED


def test_a_budget_goes_with_the_context_into_threads() -> None:
    with observed() as telemetry, gemini() as (client, server):

        def until_stopped() -> None:
            with pytest.raises(BudgetExceeded):
                ask_on(client)

        with otel_agentperf.budget(usd=COST_USD * 5) as purse, ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(contextvars.copy_context().run, until_stopped) for _ in range(4)]:
                done.result()
        assert 5 <= len(server.requests) < 5 + 4
        assert purse.totals.usd == COST_USD * len(server.requests)
        telemetry.assert_sound()


async def test_a_task_that_is_cancelled_leaves_the_budget_as_it_was() -> None:
    with observed() as telemetry, gemini(FixedResponder(tokens=TOKENS, latency_s=30.0)) as (client, server):

        async def waiting() -> None:
            async with otel_agentperf.budget(usd=1) as held:
                begun.set_result(held)
                await ask_async(client)

        begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(waiting())
        held = await begun
        while not server.requests:  # noqa: ASYNC110 - the server runs in a thread of its own
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held.totals.usd == 0
        await ways.close(client)
        telemetry.assert_sound()


@given(
    prompts=st.lists(st.integers(1, 500_000), min_size=1, max_size=12),
    limit_usd=st.decimals("0.000001", "0.5", places=6),
    at_once=st.integers(1, 4),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_requests_cost_a_limit_is_passed_by_those_in_flight_only(
    prompts: list[int], limit_usd: Decimal, at_once: int
) -> None:
    def answer(request: GeminiRequest) -> Reply:
        tokens = Tokens(prompt=int(request.body["contents"][0]["parts"][0]["text"]), candidates=1)
        return replies.content(request, replies.text("x"), tokens)

    left = list(prompts)

    def work() -> None:
        try:
            while left:
                ask(client, str(left.pop()))
        except (BudgetExceeded, IndexError):
            pass

    with observed(), gemini(answer) as (client, _), otel_agentperf.budget(usd=limit_usd) as held:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dearest = max(Decimal(tokens) * Decimal("0.3") / 10**6 + Decimal("0.0000025") for tokens in prompts)
        if left:
            assert held.totals.usd >= limit_usd
        assert held.totals.usd < limit_usd + at_once * dearest
