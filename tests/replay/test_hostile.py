from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.replay.pieces import Layout, Piece
from otel_agentperf.replay.plan import Plan
from otel_agentperf.replay.rounds import join_sessions, map_spans, reduce_spans
from otel_agentperf.report.collection import By
from otel_agentperf.report.document import to_json
from tests.replay.forms import Request, as_lines, messages
from tests.replay.replaying import made_up, put, replayed, request_of, told

FUZZ = settings(
    max_examples=150, deadline=timedelta(seconds=5), suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
TRACE = "5b8efff798038103d269b633813fc60c"
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}


def span(span_id: int, parent: int | None, operation: str, start: Any = 0, end: Any = 1, **more: Any) -> Request:
    """A span; times in seconds after some moment."""
    return {
        "traceId": TRACE,
        "spanId": f"{span_id:016x}",
        "parentSpanId": f"{parent:016x}" if parent is not None else "",
        "name": operation,
        "startTimeUnixNano": str(1_700_000_000_000_000_000 + int(start * 1e9)),
        "endTimeUnixNano": str(1_700_000_000_000_000_000 + int(end * 1e9)),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": operation}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "100"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "gemini-2.5-flash"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": "gcp.gemini"}},
        ],
        **more,
    }


def judged(spans: list[Request], path: Path, **options: Any) -> Outcome:
    return replayed(put(path / "a.jsonl", as_lines([request_of(RESOURCE, "shop", spans)])), **options)


CALL = "generate_content"


@pytest.mark.parametrize(
    ("spans", "runs", "calls"),
    [
        pytest.param([span(1, 2, "invoke_node"), span(2, 1, "invoke_node")], 1, 0, id="two parents of each other"),
        pytest.param([span(1, 1, "invoke_agent"), span(2, 1, CALL)], 1, 1, id="its own parent"),
        pytest.param(
            [span(1, 3, "invoke_agent"), span(2, 1, CALL), span(3, 2, "invoke_node")], 1, 1, id="a ring of three"
        ),
        pytest.param([span(1, None, "invoke_agent"), *[span(2, 1, CALL)] * 5], 1, 1, id="one span five times"),
        pytest.param(
            [span(1, None, "invoke_agent"), span(2, 1, CALL, 0, 1), span(2, 1, CALL, 3, 4)], 1, 1, id="one id for two"
        ),
        pytest.param([span(1, None, "invoke_agent", 5, 1), span(2, 1, CALL, 9, 2)], 1, 1, id="ends before its start"),
        pytest.param(
            [span(1, None, "invoke_agent", 0, 1), span(2, 1, CALL, -3600, -3599)], 1, 1, id="a clock an hour behind"
        ),
        pytest.param(
            [span(1, None, "invoke_agent"), span(2, 1, CALL, startTimeUnixNano="0", endTimeUnixNano="0")],
            1,
            1,
            id="no times",
        ),
        pytest.param(
            [span(1, None, CALL, startTimeUnixNano=-5, endTimeUnixNano=2**200)], 1, 1, id="times out of this world"
        ),
        pytest.param(
            [span(1, None, CALL, startTimeUnixNano="soon", endTimeUnixNano=[1])], 1, 1, id="times that are none"
        ),
        pytest.param([span(1, None, CALL, name=7, attributes="none")], 0, 0, id="nothing of the right type"),
        pytest.param([span(1, None, CALL, status=[], events={}, flags="x")], 1, 1, id="status and events are odd"),
        pytest.param([span(1, None, CALL, events=[{"name": "e"}, 7, None])], 1, 1, id="events of several kinds"),
        pytest.param([span(1, 99, CALL, flags=256), span(2, 99, CALL, flags=256)], 1, 2, id="a root that was lost"),
        pytest.param([span(1, 99, CALL, flags=768), span(2, 99, CALL, flags=768)], 2, 2, id="a root elsewhere"),
        pytest.param([span(1, 99, "invoke_node"), span(2, 1, CALL)], 1, 1, id="a node without its graph"),
        pytest.param([span(2**64 - 1, None, CALL)], 1, 1, id="the largest id"),
    ],
)
def test_odd_traces_get_a_sane_answer(spans: list[Request], runs: int, calls: int, tmp_path: Path) -> None:
    outcome = judged(spans, tmp_path)
    report = told(outcome)
    assert (outcome.sums.runs, report["figures"]["calls"]["model"]) == (runs, calls)
    assert report["figures"]["duration_s"] >= 0
    assert judged(list(reversed(spans)), tmp_path).whole == outcome.whole


@pytest.mark.parametrize("number", [1.7848e12, 1e300])
@pytest.mark.parametrize("key", ["gen_ai.response.time_to_first_chunk", "agentperf.node.resources.blocked_s"])
def test_a_number_that_none_can_hold_costs_no_other_span(key: str, number: float, tmp_path: Path) -> None:
    odd = span(2, 1, CALL)
    odd["attributes"].append({"key": key, "value": {"doubleValue": number}})
    outcome = judged([span(1, None, "invoke_agent"), odd, span(3, 1, CALL)], tmp_path)
    assert outcome.sums.runs == 1
    assert told(outcome)["figures"]["calls"]["model"] == 2


@pytest.mark.parametrize("key", ["agentperf.node.resources.samples", "gen_ai.usage.input_tokens"])
def test_a_whole_number_of_many_digits_costs_no_other_span(key: str, tmp_path: Path) -> None:
    odd = span(2, 1, "invoke_node")
    odd["attributes"] += [{"key": key, "value": {"intValue": str(10**25)}}]
    outcome = judged([span(1, None, "invoke_agent"), odd, span(3, 1, CALL)], tmp_path)
    assert outcome.sums.runs == 1


HUGE = {"doubleValue": -1.7e308}
SCORED = [
    span(
        1,
        None,
        "invoke_workflow",
        attributes=[
            {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_workflow"}},
            {"key": "gen_ai.workflow.name", "value": {"stringValue": "research"}},
            {"key": "agentperf.run.efficiency_score", "value": {"intValue": "90"}},
            {"key": "agentperf.run.score", "value": HUGE},
        ],
    ),
    span(
        1,
        None,
        "invoke_agent",
        events=[
            {
                "name": "gen_ai.evaluation.result",
                "attributes": [{"key": "gen_ai.evaluation.score.value", "value": HUGE}],
            }
        ],
    ),
]


@pytest.mark.parametrize("scored", SCORED, ids=["as we write it", "as an evaluation says it"])
def test_a_score_that_cannot_be_summed_up_is_none(scored: Request, tmp_path: Path) -> None:
    spans = [scored, span(2, 1, CALL)]
    for scope in ("shop", "otel_agentperf.langgraph"):
        file = put(tmp_path / "a.jsonl", as_lines([request_of(RESOURCE, scope, spans)]))
        assert replayed(file).whole.scored == 0


@pytest.mark.parametrize("usd", [1e300, 1e17])
@pytest.mark.parametrize("kind", ["doubleValue", "stringValue"])
@pytest.mark.parametrize("key", ["operation.cost", "gen_ai.usage.cost"])
@pytest.mark.parametrize("scope", ["shop", "otel_agentperf.google_genai"])
def test_an_amount_that_nothing_can_cost_is_none(scope: str, key: str, kind: str, usd: float, tmp_path: Path) -> None:
    dear = span(2, 1, CALL)
    dear["attributes"].append({"key": key, "value": {kind: usd if kind == "doubleValue" else str(usd)}})
    if key == "gen_ai.usage.cost":
        dear["attributes"].append({"key": "agentperf.cost.status", "value": {"stringValue": "priced"}})
    spans = [span(1, None, "invoke_agent"), dear, span(3, 1, "execute_tool")]
    file = put(tmp_path / "a.jsonl", as_lines([request_of(RESOURCE, scope, spans)]))
    outcome = replayed(file, learns=True)
    assert told(outcome)["figures"]["calls"]["model"] == 1
    assert outcome.whole.totals.cost_usd < 1


def test_the_most_that_anything_can_cost_adds_up(tmp_path: Path) -> None:
    cost = {"key": "operation.cost", "value": {"doubleValue": 1e12}}
    calls = [span(number, 1, CALL) for number in range(3, 20_003)]
    for call in calls:
        call["attributes"].append(cost)
    outcome = judged([span(1, None, "invoke_agent"), span(2, 1, "execute_tool"), *calls], tmp_path)
    assert told(outcome)["figures"]["costs"]["total_usd"] == pytest.approx(2e16)


def test_an_empty_fingerprint_ends_no_rule(tmp_path: Path) -> None:
    tool = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
        {"key": "gen_ai.tool.name", "value": {"stringValue": "fetch"}},
        {"key": "agentperf.tool.no_arguments", "value": {"boolValue": False}},
        {"key": "agentperf.tool.arguments_hash", "value": {"stringValue": "0123456789abcdef"}},
        {"key": "agentperf.tool.context_hash", "value": {"stringValue": ""}},
        {"key": "agentperf.tool.argument_is_sentence", "value": {"stringValue": ""}},
    ]
    spans = [
        span(1, None, "invoke_agent", 0, 9),
        *(span(n, 1, "execute_tool", n, n + 0.5, attributes=tool) for n in range(2, 8)),
    ]
    outcome = replayed(put(tmp_path / "a.jsonl", as_lines([request_of(RESOURCE, "otel_agentperf.langgraph", spans)])))
    assert outcome.sums.rule_errors == {}


def test_a_chain_of_ten_thousand_spans_is_followed(tmp_path: Path) -> None:
    spans = [span(1, None, "invoke_agent", 0, 10_000)]
    spans += [span(number, number - 1, "invoke_node", 0, 10_000 - number) for number in range(2, 10_000)]
    assert judged(spans, tmp_path).sums.runs == 1


def test_a_hundred_thousand_attributes_and_a_name_of_a_megabyte_are_read(tmp_path: Path) -> None:
    many = [{"key": f"k{number}", "value": {"stringValue": "v"}} for number in range(100_000)]
    large = span(1, None, CALL)
    large["attributes"] += many
    large["name"] = "x" * 1_000_000
    assert judged([large], tmp_path).sums.runs == 1


def test_of_a_trace_with_too_many_spans_the_first_ones_are_kept_and_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = [span(1, None, "invoke_agent", 0, 10_000)]
    spans += [span(number, 1, CALL, number, number + 1) for number in range(2, 1_002)]
    requests = [request_of(RESOURCE, "shop", [one]) for one in spans]
    reports: list[Any] = []
    for order in (requests, list(reversed(requests)), requests[1::2] + requests[::2]):
        path = put(tmp_path / "a.jsonl", as_lines(order))
        monkeypatch.setattr(LocalEngine, "piece_bytes", 10_000)
        outcome = replayed(path, max_trace_spans=100)
        assert outcome.notes() == ("901 spans are left out: their traces have too many.",)
        reports.append(told(outcome))
    assert reports[0]["figures"]["calls"]["model"] == 99
    assert any("901 spans of its trace are left out" in note for note in reports[0]["runs"][0]["notes"])
    assert reports[0] == reports[1] == reports[2]


# -- fuzz ----------------------------------------------------------------------------------

PLAN = Plan(settings={}, buckets=2)


def survives(piece: Piece) -> Outcome:
    """All three rounds over one piece, and the report on it."""
    from otel_agentperf import config

    outcome = Outcome(PLAN, config.Settings())
    mapped = map_spans(piece, PLAN)
    outcome.mapped(mapped)
    packs: dict[int, list[bytes]] = {}
    for pack in mapped.packs.values():
        reduced = reduce_spans([pack], PLAN)
        outcome.reduced(reduced, 1, 1)
        for bucket, own in reduced.packs.items():
            packs.setdefault(bucket, []).append(own)
    for own in packs.values():
        outcome.joined(join_sessions(own, PLAN), 1, 1)
    to_json(outcome.report("fuzz", By.RUN))
    return outcome


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "gen_ai.operation.name",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cost",
    "gen_ai.request.model",
    "gen_ai.conversation.id",
    "gen_ai.input.messages",
    "gen_ai.tool.call.arguments",
    "agentperf.cost.status",
    "agentperf.request.prefix_hashes",
    "agentperf.request.uses",
    "agentperf.run.efficiency_score",
    "agentperf.tool.no_arguments",
    "agentperf.tool.argument_is_sentence",
    "openinference.span.kind",
    "llm.token_count.prompt",
    "traceloop.span.kind",
    "error.type",
)
OPERATIONS = st.sampled_from(["invoke_workflow", "invoke_agent", "invoke_node", "execute_tool", CALL, "embeddings"])
_VALUES: list[st.SearchStrategy[Any]] = [
    st.fixed_dictionaries({"stringValue": OPERATIONS | st.text(max_size=10)}),
    st.fixed_dictionaries({"intValue": st.integers(-5, 2**70) | st.integers(0, 9999).map(str)}),
    st.fixed_dictionaries({"doubleValue": st.floats() | st.just("NaN")}),
    st.fixed_dictionaries({"boolValue": st.booleans()}),
    st.fixed_dictionaries({"arrayValue": JSON}),
    st.fixed_dictionaries({"kvlistValue": JSON}),
    JSON,
]
ANY_VALUE: st.SearchStrategy[Any] = st.one_of(_VALUES)
ATTRIBUTE: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"key": st.sampled_from(KEYS) | st.text(max_size=5), "value": ANY_VALUE}
)
IDS = st.integers(0, 6).map(lambda number: f"{number:016x}")
_TIMES: list[st.SearchStrategy[Any]] = [st.integers(-10, 2**66), st.integers(0, 10**19).map(str), JSON]
TIMES: st.SearchStrategy[Any] = st.one_of(_TIMES)
# Each in a name of its own: the type of what `|` makes of two strategies is a union otherwise.
_IDS_OR_NOT: st.SearchStrategy[Any] = IDS | JSON
_NAMES: st.SearchStrategy[Any] = st.text(max_size=10) | JSON
_FLAGS: st.SearchStrategy[Any] = st.sampled_from([0, 256, 768]) | JSON
_ATTRIBUTES: st.SearchStrategy[Any] = st.lists(ATTRIBUTE, max_size=8) | JSON
_CODES: st.SearchStrategy[Any] = st.sampled_from([0, 1, 2, "STATUS_CODE_ERROR"]) | JSON
_STATUS: st.SearchStrategy[Any] = st.fixed_dictionaries({"code": _CODES}) | JSON
_EVENT_NAMES: st.SearchStrategy[Any] = st.sampled_from(["agentperf.attempt", "gen_ai.evaluation.result"]) | JSON
_EVENT: st.SearchStrategy[Any] = st.fixed_dictionaries({"name": _EVENT_NAMES}, optional={"attributes": _ATTRIBUTES})
_EVENTS: st.SearchStrategy[Any] = st.lists(_EVENT, max_size=3) | JSON
SPANS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"traceId": st.sampled_from([TRACE, "0" * 32, "xyz"]), "spanId": _IDS_OR_NOT},
    optional={
        "parentSpanId": _IDS_OR_NOT,
        "name": _NAMES,
        "flags": _FLAGS,
        "startTimeUnixNano": TIMES,
        "endTimeUnixNano": TIMES,
        "attributes": _ATTRIBUTES,
        "status": _STATUS,
        "events": _EVENTS,
    },
)


@FUZZ
@given(st.lists(SPANS, max_size=8))
def test_no_span_however_odd_ends_a_replay(spans: list[Request]) -> None:
    data = json.dumps(request_of(RESOURCE, "shop", spans)).encode()
    survives(Piece(source="fuzz", layout=Layout.TEXT, data=data))


@FUZZ
@given(JSON | st.fixed_dictionaries({"resourceSpans": JSON}) | st.fixed_dictionaries({"data": JSON}))
def test_no_document_however_odd_ends_a_replay(document: Any) -> None:
    survives(Piece(source="fuzz", layout=Layout.TEXT, data=json.dumps(document).encode()))


VALID = as_lines(made_up(2))
VALID_MESSAGE = messages(made_up(2))[0]


@FUZZ
@given(st.binary(max_size=200), st.sampled_from([Layout.TEXT, Layout.MESSAGES, Layout.MESSAGE]))
@example(b"\x0a\x00", Layout.MESSAGE)
@example(b"\x00\x00\x00\x02\x0a\x00", Layout.MESSAGES)
def test_no_bytes_however_odd_end_a_replay(data: bytes, layout: Layout) -> None:
    survives(Piece(source="fuzz", layout=layout, data=data))


@FUZZ
@given(st.data())
def test_no_damage_to_a_good_file_ends_a_replay(data: st.DataObject) -> None:
    whole, layout = data.draw(st.sampled_from([(VALID, Layout.TEXT), (VALID_MESSAGE, Layout.MESSAGE)]))
    place = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 50))
    damaged = whole[:place] + data.draw(st.binary(max_size=50)) + whole[place + length :]
    survives(Piece(source="fuzz", layout=layout, data=damaged))
