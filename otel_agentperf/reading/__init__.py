"""Spans, whoever wrote them, as operations and runs. `reading.sdk` reads those of the SDK."""

from __future__ import annotations

from otel_agentperf.reading.place import TracedRun, runs_of
from otel_agentperf.reading.span import KEYS, read

__all__ = ["KEYS", "TracedRun", "read", "runs_of"]
