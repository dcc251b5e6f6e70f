from __future__ import annotations

from typing import Any

import msgspec
import pytest

from otel_agentperf import semconv
from otel_agentperf.replay import otlp_json_span, records
from otel_agentperf.replay.otlp_json_values import table

READER = records.reader_with("a key")
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "0123456789abcdef"


def decoded(attributes: list[dict[str, Any]], **fields: Any) -> otlp_json_span.Span:
    """A span of OTLP's JSON, decoded."""
    span: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "x",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
        "attributes": attributes,
        **fields,
    }
    return otlp_json_span.decoded(msgspec.Raw(msgspec.json.encode(span)))


TIMES: list[tuple[dict[str, Any], int, int]] = [
    ({"startTimeUnixNano": -5}, 0, 9),
    ({"endTimeUnixNano": 2**70}, 5, 2**63 - 1),
    ({"endTimeUnixNano": "x"}, 5, 0),
]


@pytest.mark.parametrize(("given", "start_ns", "end_ns"), TIMES)
def test_a_time_out_of_range_is_clamped(given: dict[str, Any], start_ns: int, end_ns: int) -> None:
    keys = {semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "a"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in keys.items()]
    operation = otlp_json_span.read(READER, decoded(attributes, **given), TRACE, semconv.SCOPE_LANGGRAPH).operation
    assert (operation.start_ns, operation.end_ns) == (start_ns, end_ns)


@pytest.mark.parametrize("empty", [None, {}, {"bytesValue": "AAAA"}])
def test_an_attribute_without_a_value_is_left_out(empty: dict[str, Any] | None) -> None:
    attributes = [{"key": "service.name", "value": {"stringValue": "shop"}}, {"key": "host.id", "value": empty}]
    resource = msgspec.json.encode({"attributes": attributes})
    assert otlp_json_span.process(resource) == records.Process("shop", ("service.name=shop",))
    nested = {"key": "table", "value": {"kvlistValue": {"values": attributes}}}
    assert table(decoded([nested]).attributes) == {"table": {"service.name": "shop"}}
