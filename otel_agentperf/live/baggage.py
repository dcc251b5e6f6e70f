"""The session that the current code belongs to, as OpenTelemetry's baggage tells it."""

from __future__ import annotations

from opentelemetry import baggage

from otel_agentperf import semconv


def session_from_baggage() -> str | None:
    """`session.id` in the current baggage, if there is one."""
    value = baggage.get_baggage(semconv.SESSION_ID)
    return str(value) if value else None
