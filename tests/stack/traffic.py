"""What goes through the servers: the demo itself, and runs made up so that their number and price are known."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from otel_agentperf import semconv
from tests.stack.servers import fetch

DEMO = (sys.executable, "-c", "from otel_agentperf.cli import main; main()", "demo")
NS = 1_000_000_000
Span = dict[str, Any]


def start_demo(otlp: str, speed: float = 1.0) -> subprocess.Popen[bytes]:
    """Start `otel-agentperf demo` with its telemetry sent to this Collector."""
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "VIRTUAL_ENV", "COVERAGE_FILE"}
    }
    return subprocess.Popen([*DEMO, "--otlp", otlp, "--speed", f"{speed:g}"], env=kept, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Run:
    """A made-up run: a root with what the run cost, a node and a model request, as our spans have them.

    The root ends last, so a run can be sent in two parts: `inner` while it is open, `root` when it ends.
    """

    trace_id: str
    root: Span
    inner: tuple[Span, ...] = field(default=())

    @property
    def spans(self) -> tuple[Span, ...]:
        """All of them."""
        return (*self.inner, self.root)


def attributes(values: dict[str, Any]) -> list[Any]:
    """Attributes as OTLP's JSON has them."""

    def value(given: Any) -> dict[str, Any]:
        if isinstance(given, bool):
            return {"boolValue": given}
        if isinstance(given, int):
            return {"intValue": str(given)}
        if isinstance(given, float):
            return {"doubleValue": given}
        if isinstance(given, (list, tuple)):
            return {"arrayValue": {"values": [value(one) for one in cast("list[Any]", given)]}}
        return {"stringValue": given if isinstance(given, str) else json.dumps(given)}

    return [{"key": key, "value": value(given)} for key, given in values.items() if given is not None]


def made_up_run(
    number: int, *, cost_usd: float = 0.01, suggestion: bool = False, error: bool = False, seconds: float = 1.0
) -> Run:
    """A run whose ids come from its number, and that ends now."""
    ids = random.Random(f"run {number}")  # noqa: S311 - no secret, but the same each time
    trace_id, root_id, node_id, call_id = (f"{ids.getrandbits(bits):0{bits // 4}x}" for bits in (128, 64, 64, 64))
    end = time.time_ns()
    start = end - int(seconds * NS)

    def span(name: str, span_id: str, parent_id: str, values: dict[str, Any], **more: Any) -> Span:
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(end)}
        ids = {"traceId": trace_id, "spanId": span_id, "parentSpanId": parent_id}
        return {"name": name, "kind": 1, **ids, **times, "attributes": attributes(values), **more}

    found = {
        "timeUnixNano": str(end),
        "name": semconv.EVENT_SUGGESTION,
        "attributes": attributes({semconv.SUGGESTION_RULE: "REP001", "agentperf.suggestion.level": "notice"}),
    }
    call = span(
        "generate_content gemini-2.5-flash",
        call_id,
        node_id,
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.request.model": "gemini-2.5-flash",
            semconv.USAGE_COST: cost_usd,
        },
        events=[found] if suggestion else [],
        status={"code": 2, "message": "made up"} if error else {},
    )
    node = span("invoke_node plan", node_id, root_id, {"gen_ai.node.name": "plan"})
    root = span(
        "invoke_workflow made_up",
        root_id,
        "",
        {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "made_up",
            semconv.RUN_COST: cost_usd,
            semconv.RUN_INFERENCE_CALLS: 1,
        },
    )
    return Run(trace_id, root, (call, node))


def send(
    otlp_http: str, spans: Iterable[Span], service: str = "made-up", scope: str = "otel_agentperf.langgraph"
) -> int:
    """Send spans as an application's exporter does; returns how many. Raises where they are refused."""
    sent = list(spans)
    batch: dict[str, Any] = {
        "resource": {"attributes": attributes({"service.name": service, "service.instance.id": f"{service}-1"})},
        "scopeSpans": [{"scope": {"name": scope}, "spans": sent}],
    }
    body = json.dumps({"resourceSpans": [batch]}).encode()
    fetch(f"{otlp_http}/v1/traces", body=body, headers={"Content-Type": "application/json"})
    return len(sent)
