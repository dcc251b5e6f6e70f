"""Spans, whoever wrote them, as operations and runs."""

from __future__ import annotations

from otel_agentperf.reading.span import read

__all__ = ["read"]
