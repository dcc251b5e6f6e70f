"""What Jaeger, Tempo and Prometheus hold, asked through the interfaces that their users have."""

from __future__ import annotations

import time
import urllib.error
from dataclasses import dataclass
from typing import Any

from tests.stack.servers import Backend, Server, fetch_json

MANY = 5_000


@dataclass(frozen=True)
class Found:
    """A span as a backend returns it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    attributes: dict[str, Any]
    events: tuple[str, ...]


def jaeger_traces(jaeger: Backend, service: str) -> dict[str, list[Found]]:
    """All traces of a service by id, from Jaeger's query API."""
    answer = fetch_json(f"{jaeger.url}/api/traces", service=service, limit=MANY, lookback="1h")
    return {trace["traceID"]: [_from_jaeger(span) for span in trace["spans"]] for trace in answer["data"]}


def _from_jaeger(span: dict[str, Any]) -> Found:
    parents = [reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"]
    return Found(
        trace_id=span["traceID"],
        span_id=span["spanID"],
        parent_id=parents[0] if parents else "",
        name=span["operationName"],
        attributes={tag["key"]: tag["value"] for tag in span["tags"]},
        events=tuple(
            str(field["value"]) for log in span["logs"] for field in log["fields"] if field["key"] in {"event", "name"}
        ),
    )


def traceql(tempo: Backend, query: str) -> set[str]:
    """The ids of the traces that a TraceQL query finds in the last hour."""
    now = int(time.time())
    answer = fetch_json(f"{tempo.url}/api/search", q=query, limit=MANY, start=now - 3_600, end=now + 60)
    return {trace["traceID"].rjust(32, "0") for trace in answer.get("traces") or ()}


def tempo_trace(tempo: Backend, trace_id: str) -> list[Found]:
    """The spans of a trace from Tempo; none where it knows no such trace."""
    try:
        answer = fetch_json(f"{tempo.url}/api/v2/traces/{trace_id}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise
    batches: list[dict[str, Any]] = answer.get("trace", {}).get("resourceSpans", [])
    return [_from_otlp(span) for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]]


def _from_otlp(span: dict[str, Any]) -> Found:
    return Found(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId") or "",
        name=span["name"],
        attributes={one["key"]: next(iter(one["value"].values()), None) for one in span.get("attributes") or ()},
        events=tuple(event["name"] for event in span.get("events") or ()),
    )


def promql(prometheus: Server, query: str) -> list[dict[str, Any]]:
    """The result of an instant query: series with their labels and value."""
    return fetch_json(f"{prometheus.url}/api/v1/query", query=query)["data"]["result"]
