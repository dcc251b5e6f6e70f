"""The names that users may rely on."""

from __future__ import annotations

import otel_agentperf


def test_the_public_names_are_these_and_no_others() -> None:
    assert otel_agentperf.__all__ == [
        "Advice",
        "AgentPerfSpanProcessor",
        "BudgetExceeded",
        "SessionReport",
        "Settings",
        "SettingsError",
        "UnknownSessionError",
        "action",
        "advise",
        "budget",
        "instrument",
        "outcome",
        "performance_monitor",
        "record_model_usage",
        "service",
        "session",
    ]


def test_every_public_name_has_a_docstring() -> None:
    assert [name for name in otel_agentperf.__all__ if not getattr(otel_agentperf, name).__doc__] == []
