"""Spans that other instrumentations wrote, as `data/README.md` tells, read as operations."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import BILLED_BY_TOKEN, Operation, OperationKind
from otel_agentperf.reading import TracedRun, read, runs_of

PRINTS = Fingerprinter("tests")
DATA = Path(__file__).parent / "data"
WHO = ("openllmetry", "openinference", "opentelemetry", "openlit", "pydantic_ai", "pydantic_ai_v2")


@functools.cache
def spans(who: str) -> dict[str, list[dict[str, Any]]]:
    """What was recorded of an instrumentation, by scenario."""
    return json.loads((DATA / f"{who}.json").read_text(encoding="utf-8"))["recorded"]


def scenarios(who: str) -> list[str]:
    """The names of what was recorded of an instrumentation."""
    return list(spans(who))


def operations(who: str, scenario: str) -> list[Operation]:
    """The operations of one recording, in the order in which their spans ended."""
    return [operation(span) for span in spans(who)[scenario]]


def operation(span: dict[str, Any]) -> Operation:
    """A recorded span, read."""
    return read(
        span["name"],
        span["attributes"],
        scope=span["scope"],
        span_id=span["span_id"],
        parent_id=span["parent_id"],
        trace_id=span["trace_id"],
        start_ns=span["start_ns"],
        end_ns=span["end_ns"],
        is_error=span["status"] == "ERROR",
        events=[(event["name"], event["attributes"]) for event in span.get("events", ())],
        status_message=span.get("status_message", ""),
        fingerprinter=PRINTS,
    )


def runs(who: str, scenario: str) -> list[TracedRun]:
    """The runs of all traces of one recording."""
    traces: dict[str, list[Operation]] = defaultdict(list)
    for one in operations(who, scenario):
        traces[one.trace_id].append(one)
    return [run for trace in traces.values() for run in runs_of(trace)]


def counted(run: TracedRun, *kinds: OperationKind) -> list[Operation]:
    """The operations of these kinds that count."""
    return [one for one in run.operations if one.counted and one.kind in (kinds or BILLED_BY_TOKEN)]
