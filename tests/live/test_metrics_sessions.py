from __future__ import annotations

from time import time_ns
from typing import Any

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.config import Settings
from otel_agentperf.live.metrics import sessions
from otel_agentperf.live.metrics.sessions import RECENT_NS, Sessions
from tests.live.measured import graph, server, sums
from tests.telemetry import Telemetry, observed


def _value(telemetry: Telemetry, metric: str) -> float:
    (value,) = sums(telemetry.points(metric)).values()
    return value


def _in(session: str) -> Any:
    return {"configurable": {"thread_id": session}}


def test_a_session_over_its_budget_counts_once_however_far_it_goes() -> None:
    # Each request is $0.03; the budget of $0.10 is passed with the fourth, twice with the seventh.
    counted: list[float] = []
    with server() as gemini, observed() as telemetry:
        program = graph(gemini, "plan", "write")
        for _ in range(6):
            program.invoke({"text": "hello"}, _in("dear"))
            counted.append(_value(telemetry, semconv.METRIC_OVER_BUDGET))
        program.invoke({"text": "hello"}, _in("cheap"))
        assert _value(telemetry, semconv.METRIC_OVER_BUDGET) == 1
    assert counted == [0, 1, 1, 1, 1, 1]


def test_a_session_over_its_budget_counts_also_where_no_event_says_so() -> None:
    with server() as gemini, observed(settings=Settings(optimization_threshold=1.0)) as telemetry:
        graph(gemini, *"abcd").invoke({"text": "hello"})
        assert telemetry.suggestions() == []
        assert _value(telemetry, semconv.METRIC_OVER_BUDGET) == 1


def test_runs_are_active_while_they_go_on() -> None:
    with server() as gemini, observed() as telemetry:
        stream = graph(gemini, "plan", "write").stream({"text": "hello"})
        assert _value(telemetry, semconv.METRIC_ACTIVE_RUNS) == 0
        next(stream)
        assert _value(telemetry, semconv.METRIC_ACTIVE_RUNS) == 1
        list(stream)
        assert _value(telemetry, semconv.METRIC_ACTIVE_RUNS) == 0


def test_sessions_are_active_while_a_run_goes_on_and_after_it_each_once() -> None:
    with server() as gemini, observed() as telemetry:
        program = graph(gemini, "plan", "write")
        streams = [program.stream({"text": "hello"}, _in(session)) for session in ("a", "a", "b")]
        for stream in streams:
            next(stream)
        assert _value(telemetry, semconv.METRIC_ACTIVE_SESSIONS) == 2
        for stream in streams:
            list(stream)
        assert _value(telemetry, semconv.METRIC_ACTIVE_SESSIONS) == 2
        otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
        assert _value(telemetry, semconv.METRIC_ACTIVE_SESSIONS) == 3


def test_a_session_is_active_for_five_minutes_after_its_last_run() -> None:
    engine = Engine(())
    told = Sessions(engine)
    now_ns = time_ns() + 2 * RECENT_NS
    told.run_ended("old", now_ns - RECENT_NS)
    told.run_ended("new", now_ns)
    run = engine.begin("graph", "open", now_ns)
    assert [told.active(now_ns + passed) for passed in (0, 1, RECENT_NS, RECENT_NS + 1)] == [3, 2, 2, 1]
    engine.forget(run)
    assert told.active(now_ns + RECENT_NS + 1) == 0


def test_more_sessions_than_are_remembered_are_counted_as_evicted(monkeypatch: Any) -> None:
    monkeypatch.setattr(sessions, "MAX_RECENT", 2)
    with observed() as telemetry:
        for _ in range(5):
            otel_agentperf.record_model_usage("gemini-2.5-flash", input_tokens=1, output_tokens=1)
        collected = telemetry.collected()
    assert list(sums(collected[semconv.METRIC_ACTIVE_SESSIONS]).values()) == [2]
    assert sums(collected[semconv.METRIC_EVICTIONS]) == {"recent_sessions": 3}
