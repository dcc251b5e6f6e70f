from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.replay import otlp_json_span, records
from otel_agentperf.replay.otlp_json_span import Span
from otel_agentperf.replay.otlp_json_values import table
from otel_agentperf.replay.packing import Packed, records_in
from otel_agentperf.replay.records import BadSpanError
from tests.reading.test_genai import ANYTHING
from tests.reading.test_own_at_one_go import ANYWHERE, NODES, OTHERS, REQUESTS, RUNS, SPANS, TOOLS, written

TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "0123456789abcdef", "eee19b7ec3c1b174"
USED = ("agentperf.node.resources.samples", "agentperf.run.resources.samples", "agentperf.run.resources.blocked_s")
KEYS = (
    *OTHERS,
    *ANYWHERE,
    *REQUESTS,
    *RUNS,
    *NODES,
    *TOOLS,
    *USED,
    *(key for always, _ in SPANS.values() for key in always),
    semconv.OPERATION_NAME,
)
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
    return span_with(listed(attributes), **more)


def span_with(attributes: list[dict[str, Any]], **more: Any) -> Span:
    """A span, decoded, of attributes as OTLP writes them."""
    said: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "x",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
        "attributes": attributes,
        "status": {},
        **more,
    }
    return otlp_json_span.decoded(msgspec.Raw(msgspec.json.encode(said)))


def both_ways(span: Span, scope: str = semconv.SCOPE_LANGGRAPH) -> tuple[str | None, str]:
    """The record of a span, the short way and the way of all spans, as both come out of a pack.

    As text: a decimal of 0.0 equals one of 0, and is another.
    """
    assert otlp_json_span.have_plain_ids([span])
    row = otlp_json_span.row(span, TRACE, scope in semconv.OWN_SCOPES)
    return None if row is None else unpacked(row), unpacked(otlp_json_span.read(READER, span, TRACE, scope))


def unpacked(record: Any) -> str:
    """What comes out of a pack."""
    packed = Packed()
    packed.add(record)
    (found,) = records_in(packed.array())
    return repr(found)


@settings(deadline=None, max_examples=600)
@given(
    said=written(), flags=st.sampled_from([0, 0x100, 0x301]), used=st.sampled_from([{}, *({key: 3} for key in USED)])
)
def test_a_span_of_ours_is_packed_the_short_way_as_any_span_is(
    said: dict[str, Any], flags: int, used: dict[str, Any]
) -> None:
    short, long = both_ways(span_of({**said, **used}, flags=flags))
    assert short is not None
    assert short == long


@settings(deadline=None, max_examples=600)
@given(said=written(), data=st.data())
def test_what_was_changed_on_the_way_is_packed_alike_or_the_long_way(said: dict[str, Any], data: st.DataObject) -> None:
    keys = st.sampled_from([*said, *KEYS])
    changed = data.draw(st.dictionaries(keys, ANYTHING | st.sampled_from(["USD", ""]), min_size=1, max_size=3))
    try:
        span = span_of({**said, **changed})
        short, long = both_ways(span, data.draw(st.sampled_from([semconv.SCOPE_GOOGLE_GENAI, "somebody"])))
    except (BadSpanError, msgspec.MsgspecError):
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


TIMES: list[tuple[dict[str, Any], int, int]] = [
    ({"startTimeUnixNano": -5}, 0, 9),
    ({"endTimeUnixNano": 2**70}, 5, 2**63 - 1),
    ({"endTimeUnixNano": "x"}, 5, 0),
]


@pytest.mark.parametrize(("given", "start_ns", "end_ns"), TIMES)
def test_a_time_that_is_none_is_brought_near_either_way(given: dict[str, Any], start_ns: int, end_ns: int) -> None:
    short, long = both_ways(span_of({semconv.OPERATION_NAME: "invoke_workflow", semconv.WORKFLOW_NAME: "a"}, **given))
    assert short == long
    assert f"start_ns={start_ns}, end_ns={end_ns}," in long


ODD: list[dict[str, Any] | None] = [
    None,
    {},
    {"bytesValue": "AAAA"},
    {"stringValue": ""},
    {"stringValue": "a"},
    {"stringValue": "7"},
    {"stringValue": "true"},
    {"intValue": 0},
    {"intValue": 7},
    {"intValue": -7},
    {"intValue": 2**63},
    {"doubleValue": 0.0},
    {"doubleValue": -0.0},
    {"doubleValue": 2.5},
    {"doubleValue": 1e11},
    {"doubleValue": 1e308},
    {"doubleValue": "NaN"},
    {"doubleValue": "Infinity"},
    {"boolValue": True},
    {"boolValue": False},
    {"arrayValue": {}},
    {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": ""}]}},
    {"arrayValue": {"values": [{"intValue": 3}]}},
    {"arrayValue": {"values": [{"intValue": -3}]}},
    {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": 3}]}},
    {"arrayValue": {"values": [{}]}},
    {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}},
    {"kvlistValue": {}},
]
"""Values as they may come, whatever was meant."""


@pytest.mark.parametrize("more", [{}, {semconv.CONVERSATION_ID: "", "gen_ai.usage.prompt_tokens": 9}])
@pytest.mark.parametrize("operation", SPANS)
def test_one_odd_value_is_packed_alike_or_the_long_way(operation: str, more: dict[str, Any]) -> None:
    scored = {semconv.RUN_EFFICIENCY_SCORE: 3} if operation.startswith("invoke_") else {}
    said: dict[str, Any] = {semconv.OPERATION_NAME: operation, **SPANS[operation][0], **scored, **more}
    differing: list[object] = []
    for key in dict.fromkeys(KEYS):
        others = listed({name: value for name, value in said.items() if name != key})
        for odd in ODD:
            span = span_with([*others, {"key": key, "value": odd}])
            short, long = both_ways(span)
            if short not in (None, long):
                differing.append((key, odd, short, long))
    assert differing == []


@pytest.mark.parametrize("first", SPANS)
@pytest.mark.parametrize("last", SPANS)
def test_of_a_key_that_stands_twice_the_last_counts_either_way(first: str, last: str) -> None:
    twice = [{semconv.OPERATION_NAME: first, **SPANS[first][0]}, {semconv.OPERATION_NAME: last, **SPANS[last][0]}]
    short, long = both_ways(span_with([*listed(twice[0]), *listed(twice[1])]))
    assert short == long if first == last else short in (None, long)


@pytest.mark.parametrize("odd", [None, {}, {"bytesValue": "AAAA"}])
def test_a_value_that_says_nothing_is_left_out(odd: dict[str, Any] | None) -> None:
    said = [{"key": "service.name", "value": {"stringValue": "shop"}}, {"key": "host.id", "value": odd}]
    told = msgspec.json.encode({"attributes": said})
    assert otlp_json_span.process(told) == records.Process("shop", ("service.name=shop",))
    within = {"key": "table", "value": {"kvlistValue": {"values": said}}}
    span = span_with([within])
    assert table(span.attributes) == {"table": {"service.name": "shop"}}


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
