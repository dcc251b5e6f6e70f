from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.replay import otlp_json_span, records
from otel_agentperf.replay.otlp_json_span import Span
from otel_agentperf.replay.records import Record
from tests.reading.test_genai import ANYTHING
from tests.reading.test_own_at_one_go import ANYWHERE, OTHERS, REQUESTS, RUNS, SPANS, written

TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "0123456789abcdef", "eee19b7ec3c1b174"
USED = ("agentperf.node.resources.samples", "agentperf.run.resources.samples", "agentperf.run.resources.blocked_s")
EVENT: dict[str, Any] = {"name": "gen_ai.evaluation.result", "attributes": []}
READER = records.reader_with("a key")


def value_of(value: Any) -> dict[str, Any]:
    """A value of an attribute, as OTLP writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [value_of(item) for item in cast("list[Any]", value)]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": listed(cast("dict[str, Any]", value))}}
    return {}


def listed(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes, as OTLP writes them."""
    return [{"key": str(key), "value": value_of(value)} for key, value in attributes.items()]


def span_of(attributes: dict[str, Any], **more: Any) -> Span:
    """A span, decoded."""
    said: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "x",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
        "attributes": listed(attributes),
        "status": {},
        **more,
    }
    return otlp_json_span.decoded(msgspec.Raw(msgspec.json.encode(said)))


def both_ways(span: Span, scope: str = semconv.SCOPE_LANGGRAPH) -> tuple[Record | None, Record]:
    """The record of a span, the short way and the way of all spans, as both come out of a pack."""
    assert otlp_json_span.have_plain_ids([span])
    row = otlp_json_span.row(span, TRACE, scope in semconv.OWN_SCOPES)
    return unpacked(row), unpacked(otlp_json_span.read(READER, span, TRACE, scope))


def unpacked(record: object) -> Any:
    """What comes out of a pack."""
    return None if record is None else msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=Record)


@settings(deadline=None, max_examples=600)
@given(
    said=written(), flags=st.sampled_from([0, 0x100, 0x301]), used=st.sampled_from([{}, *({key: 3} for key in USED)])
)
def test_a_span_of_ours_is_packed_the_short_way_as_any_span_is(
    said: dict[str, Any], flags: int, used: dict[str, Any]
) -> None:
    short, long = both_ways(span_of({**said, **used}, flags=flags), semconv.SCOPE_LANGGRAPH)
    assert short is not None
    assert short == long


@settings(deadline=None, max_examples=600)
@given(said=written(), data=st.data())
def test_what_was_changed_on_the_way_is_packed_alike_or_the_long_way(said: dict[str, Any], data: st.DataObject) -> None:
    keys = st.sampled_from([*said, *OTHERS, *ANYWHERE, *REQUESTS, *RUNS, *USED])
    changed = data.draw(st.dictionaries(keys, ANYTHING | st.just("USD"), min_size=1, max_size=3))
    try:
        span = span_of({**said, **changed})
        short, long = both_ways(span, data.draw(st.sampled_from([semconv.SCOPE_GOOGLE_GENAI, "somebody"])))
    except (OverflowError, msgspec.MsgspecError):
        return  # too large a number for either way; `test_hostile` has what is told of it
    assert short in (None, long)


@pytest.mark.parametrize("scope", [semconv.SCOPE_LANGGRAPH, "somebody"])
@pytest.mark.parametrize("attributes", [{}, {"http.request.method": "GET", "url.full": "http://localhost"}])
def test_a_span_that_is_no_agent_work_is_packed_alike(scope: str, attributes: dict[str, Any]) -> None:
    short, long = both_ways(span_of(attributes), scope)
    assert short is not None
    assert short == long


SELDOM: list[dict[str, Any]] = [
    {"events": [EVENT]},
    {"status": {"code": 2}},
    {"status": {"code": "STATUS_CODE_ERROR"}},
]


@pytest.mark.parametrize("seldom", SELDOM)
@pytest.mark.parametrize("operation", SPANS)
def test_what_is_seldom_goes_the_way_of_all_spans(operation: str, seldom: dict[str, Any]) -> None:
    attributes = {semconv.OPERATION_NAME: operation, **SPANS[operation][0]}
    assert otlp_json_span.row(span_of(attributes, **seldom), TRACE, is_own=True) is None


@pytest.mark.parametrize("given", [{"startTimeUnixNano": -5}, {"endTimeUnixNano": 2**70}, {"endTimeUnixNano": "x"}])
def test_a_time_that_is_none_is_the_nearest_or_none_at_all_either_way(given: dict[str, Any]) -> None:
    short, long = both_ways(span_of({semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "a"}, **given))
    assert short == long
    assert 0 <= long.operation.start_ns <= long.operation.end_ns or given == {"endTimeUnixNano": "x"}
    assert long.operation.end_ns in (9, records.LATEST_NS, 0)


@pytest.mark.parametrize("spans", [[(SPAN, PARENT)], [(SPAN, None), (PARENT, ""), (SPAN, PARENT)]])
def test_ids_in_their_canonical_form_are_plain(spans: list[tuple[str, str | None]]) -> None:
    assert otlp_json_span.have_plain_ids([Span(span_id=own, parent_span_id=parent) for own, parent in spans])


@pytest.mark.parametrize(
    "bad",
    ["0" * 16, SPAN.upper(), SPAN[1:], SPAN + "0", f"{SPAN[:8]} {SPAN[8:]}", f"{SPAN} {SPAN}", "g" * 16, "é" * 16],
)
def test_one_id_in_another_form_sends_its_batch_the_careful_way(bad: str) -> None:
    for other in (Span(span_id=bad), Span(span_id=SPAN, parent_span_id=bad)):
        assert not otlp_json_span.have_plain_ids([other])
        assert not otlp_json_span.have_plain_ids([Span(span_id=PARENT), other, Span(span_id=PARENT)])


def test_a_span_without_an_id_sends_its_batch_the_careful_way() -> None:
    for spans in ([Span()], [Span(span_id=PARENT), Span(), Span(span_id=PARENT)]):
        assert not otlp_json_span.have_plain_ids(spans)
