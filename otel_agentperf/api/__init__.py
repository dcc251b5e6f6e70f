"""What a program may say itself: switch us on, mark actions and services, set budgets, report outcomes and usage.

Everything here works, and does nothing, when no telemetry is set up.
"""

from __future__ import annotations

from otel_agentperf.api.actions import action
from otel_agentperf.api.advise import advise
from otel_agentperf.api.budgeting import budget
from otel_agentperf.api.monitor import PerformanceMonitor, performance_monitor
from otel_agentperf.api.outcomes import outcome
from otel_agentperf.api.services import service
from otel_agentperf.api.switching import instrument
from otel_agentperf.api.usage import record_model_usage

__all__ = [
    "PerformanceMonitor",
    "action",
    "advise",
    "budget",
    "instrument",
    "outcome",
    "performance_monitor",
    "record_model_usage",
    "service",
]
