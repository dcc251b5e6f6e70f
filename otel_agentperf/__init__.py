"""OpenTelemetry plug-in for LangGraph agents on Gemini: what each step cost, and what to change.

Installed, it switches itself on under `opentelemetry-instrument`; in code, call `instrument()`.
The other names are for programs that want to say more than can be seen from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_agentperf.advice.results import Advice
    from otel_agentperf.api import (
        action,
        advise,
        budget,
        instrument,
        outcome,
        performance_monitor,
        record_model_usage,
        service,
    )
    from otel_agentperf.budgets import BudgetExceeded
    from otel_agentperf.config import Settings, SettingsError
    from otel_agentperf.live.processor import AgentPerfSpanProcessor
    from otel_agentperf.report.session import SessionReport
    from otel_agentperf.sessions import UnknownSessionError, session

__all__ = [
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

_HOMES = {
    "Advice": "otel_agentperf.advice.results",
    "AgentPerfSpanProcessor": "otel_agentperf.live.processor",
    "BudgetExceeded": "otel_agentperf.budgets",
    "SessionReport": "otel_agentperf.report.session",
    "Settings": "otel_agentperf.config",
    "SettingsError": "otel_agentperf.config",
    **dict.fromkeys(("UnknownSessionError", "session"), "otel_agentperf.sessions"),
    **dict.fromkeys(
        ("action", "advise", "budget", "instrument", "outcome", "performance_monitor", "record_model_usage", "service"),
        "otel_agentperf.api",
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import otel_agentperf` is free."""
    from importlib import import_module  # noqa: PLC0415 - see above

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)  # the next time it is not asked for here
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
