"""The same spans in every form that a file or a backend may have them in."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

import zstandard
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

Request = dict[str, Any]
"""What stands on one line: an ExportTraceServiceRequest as JSON."""


def requests_of(lines: Iterable[str]) -> list[Request]:
    """Lines, decoded."""
    return [json.loads(line) for line in lines]


def as_lines(requests: Iterable[Request]) -> bytes:
    """One a line, as the Collector's file exporter writes them."""
    return b"".join(json.dumps(request, separators=(",", ":")).encode() + b"\n" for request in requests)


def as_spaced_lines(requests: Iterable[Request]) -> bytes:
    """One a line, with spaces, and without an end of the last line."""
    return b"\n".join(json.dumps(request).encode() for request in requests)


def as_windows_lines(requests: Iterable[Request]) -> bytes:
    """One a line, with a byte-order mark, empty lines and Windows line ends."""
    return b"\xef\xbb\xbf" + b"\r\n\r\n".join(json.dumps(request).encode() for request in requests) + b"\r\n"


def as_spans_upside_down(requests: Iterable[Request]) -> bytes:
    """Fields in another order, each span on a line of its own."""

    def turned(request: Request, span: Request) -> Request:
        return {"resourceSpans": [{"scopeSpans": [{"spans": [dict(reversed(span.items()))]}], **request}]}

    return as_lines(
        turned({"resource": batch["resource"]}, span)
        for request in requests
        for batch in request["resourceSpans"]
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    )


def as_document(requests: Iterable[Request]) -> bytes:
    """One document, indented."""
    batches = [batch for request in requests for batch in request["resourceSpans"]]
    return json.dumps({"resourceSpans": batches}, indent=2).encode()


def as_array(requests: Iterable[Request]) -> bytes:
    """A JSON array of requests, indented."""
    return json.dumps(list(requests), indent=1).encode()


def _with_base64(requests: Iterable[Request]) -> list[Any]:
    def turned(span: Request) -> Request:
        ids = {
            key: base64.b64encode(bytes.fromhex(span[key])).decode()
            for key in ("traceId", "spanId", "parentSpanId")
            if span.get(key)
        }
        return {**span, **ids}

    return [
        {**batch, "scopeSpans": [{**s, "spans": [turned(span) for span in s["spans"]]} for s in batch["scopeSpans"]]}
        for request in requests
        for batch in request["resourceSpans"]
    ]


def _batches(requests: Iterable[Request]) -> list[Any]:
    return [batch for request in requests for batch in request["resourceSpans"]]


def as_jaeger_v3(requests: Iterable[Request]) -> bytes:
    """What Jaeger's third interface answers: a stream of documents."""
    return as_lines({"result": request} for request in requests)


def as_resource_spans(requests: Iterable[Request]) -> bytes:
    """The spans of one resource a line, without the envelope."""
    return as_lines(_batches(requests))


def as_list_of_resource_spans(requests: Iterable[Request]) -> bytes:
    """All of them in one list."""
    return json.dumps(_batches(requests), indent=1).encode()


def with_protobuf_names(value: Any) -> Any:
    """JSON with the names of the protobuf fields as keys."""
    if isinstance(value, list):
        return [with_protobuf_names(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): with_protobuf_names(item)
        for key, item in fields.items()
    }


def as_protobuf_names(requests: Iterable[Request]) -> bytes:
    """One a line, with the names of the protobuf fields."""
    return as_lines(map(with_protobuf_names, requests))


def as_indented(requests: Iterable[Request], *, between: str = "\n", indent: int | str = 2) -> bytes:
    """Indented documents one after another."""
    return between.join(json.dumps(request, indent=indent) for request in requests).encode()


def as_text_sequence(requests: Iterable[Request]) -> bytes:
    """A JSON text sequence: a separator before each document."""
    return b"".join(b"\x1e" + json.dumps(request, indent=1).encode() + b"\n" for request in requests)


def as_mixed(requests: Iterable[Request]) -> bytes:
    """Documents of several forms one after another."""
    forms = (
        as_lines,
        as_indented,
        as_jaeger_v3,
        as_protobuf_names,
        as_resource_spans,
        as_list_of_resource_spans,
        as_array,
        as_javascript,
    )
    return b"\n".join(forms[place % len(forms)]([request]) for place, request in enumerate(requests))


def _plain(value: dict[str, Any]) -> Any:
    (kind, plain), *_ = value.items()
    if kind == "arrayValue":
        return [_plain(item) for item in plain["values"]]
    return int(plain) if kind == "intValue" else plain


def _table(attributes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {attribute["key"]: _plain(attribute["value"]) for attribute in attributes}


def as_javascript(requests: Iterable[Request]) -> bytes:
    """The span objects of JavaScript's SDK, indented one after another."""

    def turned(batch: Any, scope: str, span: Request) -> Request:
        parent = {"traceId": span["traceId"], "spanId": span["parentSpanId"]} if span["parentSpanId"] else None
        return {
            "instrumentationScope": {"name": scope},
            "resource": {"_rawAttributes": [list(pair) for pair in _table(batch["resource"]["attributes"]).items()]},
            "name": span["name"],
            "_spanContext": {"traceId": span["traceId"], "spanId": span["spanId"], "traceFlags": 1},
            **({"parentSpanContext": parent} if parent else {}),
            "startTime": list(divmod(int(span["startTimeUnixNano"]), 10**9)),
            "endTime": list(divmod(int(span["endTimeUnixNano"]), 10**9)),
            "status": {"code": span["status"].get("code", 0)},
            "attributes": _table(span["attributes"]),
            "events": [
                {"name": event["name"], "attributes": _table(event.get("attributes", ()))}
                for event in span.get("events", ())
            ],
        }

    spans = [
        turned(batch, scope["scope"]["name"], span)
        for batch in _batches(requests)
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]
    return as_indented(spans)


def as_tempo(requests: Iterable[Request]) -> bytes:
    """Tempo's answer to a query for a trace: batches, ids in base64."""
    return json.dumps({"batches": _with_base64(requests)}).encode()


def as_tempo_v2(requests: Iterable[Request]) -> bytes:
    """The same from its second interface."""
    return json.dumps({"trace": {"resourceSpans": _with_base64(requests)}, "metrics": {}}).encode()


def messages(requests: Iterable[Request]) -> list[bytes]:
    """As protobuf."""
    return [
        json_format.ParseDict({"resourceSpans": _with_base64([request])}, TracesData()).SerializeToString()
        for request in requests
    ]


def as_message(requests: Iterable[Request]) -> bytes:
    """One protobuf message."""
    return b"".join(messages(requests))  # messages of one kind can be joined


def as_framed(requests: Iterable[Request]) -> bytes:
    """Protobuf messages with their lengths before them."""
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages(requests))


def as_framed_zstd(requests: Iterable[Request]) -> bytes:
    """As the Collector's file exporter compresses: each message on its own."""
    pressed = [zstandard.ZstdCompressor().compress(message) for message in messages(requests)]
    return b"".join(len(message).to_bytes(4, "big") + message for message in pressed)


def as_framed_json(requests: Iterable[Request]) -> bytes:
    """The same with JSON inside."""
    pressed = [zstandard.ZstdCompressor().compress(json.dumps(request).encode()) for request in requests]
    return b"".join(len(message).to_bytes(4, "big") + message for message in pressed)


def _jaeger_value(value: dict[str, Any]) -> dict[str, Any]:
    (kind, said), *_ = value.items()
    match kind:
        case "intValue":
            return {"type": "int64", "value": int(said)}
        case "doubleValue":
            return {"type": "float64", "value": said}
        case "boolValue":
            return {"type": "bool", "value": said}
        case "arrayValue":
            return {"type": "string", "value": json.dumps([next(iter(item.values())) for item in said["values"]])}
        case _:
            return {"type": "string", "value": said}


def _tags(attributes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": attribute["key"], **_jaeger_value(attribute["value"])} for attribute in attributes]


def jaeger_traces(requests: Iterable[Request]) -> list[dict[str, Any]]:
    """The traces as Jaeger's interface has them, in whole microseconds."""
    traces: dict[str, dict[str, Any]] = {}
    for request in requests:
        for batch in request["resourceSpans"]:
            resource = {a["key"]: a["value"]["stringValue"] for a in batch["resource"]["attributes"]}
            for scope in batch["scopeSpans"]:
                for span in scope["spans"]:
                    trace = traces.setdefault(
                        span["traceId"], {"traceID": span["traceId"], "spans": [], "processes": {}}
                    )
                    name = resource["service.name"]
                    trace["processes"][name] = {
                        "serviceName": name,
                        "tags": [{"key": "service.instance.id", "type": "string", "value": f"{name}-1"}],
                    }
                    trace["spans"].append(_jaeger_span(span, scope["scope"]["name"], name))
    return list(traces.values())


def _jaeger_span(span: Request, scope: str, process: str) -> dict[str, Any]:
    start, end = int(span["startTimeUnixNano"]) // 1000, int(span["endTimeUnixNano"]) // 1000
    parent = span.get("parentSpanId")
    reference = {"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": parent}
    failed = span.get("status", {}).get("code") == 2
    return {
        "traceID": span["traceId"],
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": [reference] if parent else [],
        "startTime": start,
        "duration": end - start,
        "tags": [
            *_tags(span["attributes"]),
            {"key": "otel.scope.name", "type": "string", "value": scope},
            *([{"key": "error", "type": "bool", "value": True}] if failed else []),
        ],
        "logs": [],
        "processID": process,
        "warnings": None,
    }


def as_jaeger(requests: Iterable[Request]) -> bytes:
    """Jaeger's JSON."""
    return json.dumps({"data": jaeger_traces(requests), "total": 0, "errors": None}).encode()


def as_indented_jaeger(requests: Iterable[Request]) -> bytes:
    """Jaeger's JSON as its user interface saves it."""
    return json.dumps({"data": jaeger_traces(requests)}, indent=4).encode()


FORMS: dict[str, Callable[[Iterable[Request]], bytes]] = {
    "lines.jsonl": as_lines,
    "spaced.json": as_spaced_lines,
    "windows.json": as_windows_lines,
    "upside_down.jsonl": as_spans_upside_down,
    "document.json": as_document,
    "array.json": as_array,
    "jaeger_v3.json": as_jaeger_v3,
    "resource_spans.jsonl": as_resource_spans,
    "list_of_resource_spans.json": as_list_of_resource_spans,
    "protobuf_names.jsonl": as_protobuf_names,
    "protobuf_names.json": lambda requests: as_indented(map(with_protobuf_names, requests)),
    "indented.json": as_indented,
    "indented_by_nothing.json": lambda requests: as_indented(requests, indent=0),
    "indented_by_tabs.json": lambda requests: as_indented(requests, between="\r\n\r\n", indent="\t"),
    "close_together.json": lambda requests: as_indented(requests, between=""),
    "on_one_line.json": lambda requests: b" ".join(as_lines(requests).split(b"\n")),
    "carriage_returns.json": lambda requests: as_indented(requests).replace(b"\n", b"\r"),
    "text_sequence.json": as_text_sequence,
    "mixed.json": as_mixed,
    "mixed.json.gz": lambda requests: gzip.compress(as_mixed(requests)),
    "javascript.log": as_javascript,
    "utf_16.jsonl": lambda requests: as_lines(requests).decode().encode("utf-16"),
    "utf_16_be.json": lambda requests: as_document(requests).decode().encode("utf-16-be"),
    "utf_16_le.json.gz": lambda requests: gzip.compress(as_indented(requests).decode().encode("utf-16-le")),
    "utf_16.json.zst": lambda requests: zstandard.compress(as_indented(requests).decode().encode("utf-16")),
    "indented.json.gz": lambda requests: gzip.compress(as_indented(requests)),
    "document.json.zst": lambda requests: zstandard.compress(as_document(requests)),
    "tempo.json": as_tempo,
    "tempo_v2.json": as_tempo_v2,
    "message.pb": as_message,
    "message_without_a_telling_name": as_message,
    "framed.pb": as_framed,
    "framed_zstd.bin": as_framed_zstd,
    "framed_json.bin": as_framed_json,
    "lines.jsonl.gz": lambda requests: gzip.compress(as_lines(requests)),
    "lines.jsonl.zst": lambda requests: zstandard.ZstdCompressor().compress(as_lines(requests)),
    "framed.pb.gz": lambda requests: gzip.compress(as_framed(requests)),
}
"""Every form with exact times, by a name that a file of it may have."""
MICROSECOND_FORMS: dict[str, Callable[[Iterable[Request]], bytes]] = {
    "jaeger.json": as_jaeger,
    "indented_jaeger.json": as_indented_jaeger,
    "jaeger.json.gz": lambda requests: gzip.compress(as_jaeger(requests)),
}
"""Jaeger's forms, which round times."""
