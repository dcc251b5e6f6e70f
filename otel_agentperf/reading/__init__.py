"""Spans, whoever wrote them, as operations and runs. `reading.sdk` reads those of the SDK.

The way of a span: `span` finds the convention that it follows (`genai`, with `own` for our own
requests, `openinference`, `openllmetry`); `contents` fingerprints what it carries of messages
(`carriers`, `messages`) and of a tool's arguments and result (`payloads`); `place` puts the
operations of a trace into runs, and `twice` sees to it that each request counts once.
"""

from __future__ import annotations

from otel_agentperf.reading.place import TracedRun, runs_of
from otel_agentperf.reading.span import KEYS, read

__all__ = ["KEYS", "TracedRun", "read", "runs_of"]
