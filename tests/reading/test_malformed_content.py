from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.model import Operation
from otel_agentperf.reading import read
from tests.reading.recorded import PRINTS, WHO, scenarios, spans

BASES: tuple[dict[str, object], ...] = (
    {semconv.OPERATION_NAME: "chat"},
    {semconv.OPERATION_NAME: "execute_tool"},
    {"openinference.span.kind": "LLM"},
    {"openinference.span.kind": "TOOL"},
    {"traceloop.span.kind": "tool"},
    {"traceloop.span.kind": "task"},
    {"llm.request.type": "chat", "gen_ai.system": "x"},
)
KEYS = (
    semconv.INPUT_MESSAGES,
    semconv.OUTPUT_MESSAGES,
    semconv.SYSTEM_INSTRUCTIONS,
    semconv.TOOL_CALL_ARGUMENTS,
    semconv.TOOL_CALL_RESULT,
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.tool.definitions",
    "tool_arguments",
    "tool_response",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "traceloop.entity.name",
    "input.value",
    "output.value",
    "events",
    "llm.input_messages.0.message.role",
    "llm.input_messages.0.message",
    "llm.input_messages.0.message.contents.1.message_content.text",
    "llm.input_messages.x.message.tool_calls.0.tool_call.function.arguments",
    "llm.input_messages.",
    "llm.output_messages.99999999999999999999.message.content",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.tool_calls.0.name",
)
EVENT_NAMES = ("gen_ai.user.message", "gen_ai.choice", "gen_ai.content.prompt", "exception", "gen_ai.tool.message", "x")
WORDS = st.sampled_from(
    [
        "role",
        "parts",
        "type",
        "text",
        "content",
        "tool_call",
        "kwargs",
        "data",
        "message",
        "id",
        "args",
        "name",
        "function",
    ]
)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(max_size=6)
    | st.sampled_from(
        ["\ud800", "{'a': 1}", "[" * 50, '{"a":', "content='x' tool_call_id='", "nan", "1e999", "{1: {2}}"]
    )
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)


def as_text(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


ATTRIBUTE = VALUE | VALUE.map(as_text)


def of(attributes: dict[str, Any], events: list[Any], *, is_error: bool = False) -> Operation:
    return read(
        "x",
        attributes,
        scope="somebody",
        span_id="1",
        parent_id=None,
        trace_id="1",
        start_ns=0,
        end_ns=1,
        is_error=is_error,
        events=events,
        fingerprinter=PRINTS,
    )


@settings(deadline=None, max_examples=200)
@given(
    base=st.sampled_from(BASES),
    attributes=st.dictionaries(st.sampled_from(KEYS), ATTRIBUTE, max_size=6),
    events=st.lists(
        st.tuples(
            st.sampled_from(EVENT_NAMES),
            st.dictionaries(
                st.sampled_from(["content", "role", "message", "tool_calls", "gen_ai.prompt", "exception.message"]),
                ATTRIBUTE,
                max_size=3,
            ),
        ),
        max_size=3,
    ),
    is_error=st.booleans(),
)
def test_content_of_any_shape_is_read_without_a_word(
    base: dict[str, object], attributes: dict[str, object], events: list[Any], *, is_error: bool
) -> None:
    one = of({**attributes, **base}, events, is_error=is_error)
    assert one == of({**attributes, **base}, events, is_error=is_error)
    if one.inference is not None:
        assert len(one.inference.prefix_sizes) == len(one.inference.prefix_hashes)
        assert list(one.inference.prefix_sizes) == sorted(one.inference.prefix_sizes)


ALL = [span for who in WHO for scenario in scenarios(who) for span in spans(who)[scenario]]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_recorded_spans_that_were_cut_or_changed_anywhere_are_read_too(data: st.DataObject) -> None:
    span = data.draw(st.sampled_from(ALL))
    attributes = dict(span["attributes"])
    key = data.draw(st.sampled_from(sorted(attributes)))
    value = attributes[key]
    if isinstance(value, str) and data.draw(st.booleans()):
        attributes[key] = value[: data.draw(st.integers(0, len(value)))]
    else:
        attributes[key] = data.draw(ATTRIBUTE)
    assert of(attributes, [(event["name"], event["attributes"]) for event in span.get("events", ())]).name is not None


@pytest.mark.parametrize("deep", ["[" * 5_000 + "]" * 5_000, '{"parts":' * 3_000 + "1" + "}" * 3_000])
@pytest.mark.parametrize("key", [semconv.INPUT_MESSAGES, "input.value", "llm.input_messages.0.message.content"])
def test_content_nested_thousands_deep_is_no_danger(key: str, deep: str) -> None:
    one = of({semconv.OPERATION_NAME: "chat", key: deep}, [])
    assert one.inference is not None
    called = of({semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_CALL_ARGUMENTS: deep}, [])
    assert called.name == "x"


def test_a_key_of_a_thousand_steps_is_no_danger() -> None:
    said = {semconv.OPERATION_NAME: "chat", "llm.input_messages." + "0." * 1_000 + "x": "y"}
    assert of(said, []).inference is not None


LONG = {
    "a message that never ends": "content='" + "' a=" * 50_000,
    "calls without ids": json.dumps(
        [{"parts": [{"type": "tool_call", "name": "t", "id": "", "arguments": {}}] * 20_000}]
    ),
    "calls that are written twice": json.dumps(
        [
            {
                "parts": [
                    {"type": "tool_call", "name": "t", "id": id_, "arguments": {"n": number}}
                    for number in range(20_000)
                    for id_ in ("", "1")
                ]
            }
        ]
    ),
    "what Python prints of a long list": "[" + "'a', " * 100_000,
}


@pytest.mark.parametrize("form", LONG)
def test_long_content_takes_no_longer_than_its_length(form: str) -> None:
    of({semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_CALL_RESULT: LONG[form]}, [])
    of({semconv.OPERATION_NAME: "chat", semconv.OUTPUT_MESSAGES: LONG[form]}, [])
    of({semconv.OPERATION_NAME: "chat"}, [("gen_ai.user.message", {"content": "a"})] * 20_000)


@pytest.mark.filterwarnings("error")
def test_what_python_prints_with_strange_escapes_is_read_without_a_warning() -> None:
    said = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_CALL_ARGUMENTS: r"{'pattern': '\d+\w'}"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called = of(said, []).tool
    assert not caught
    assert called is not None
    assert called.arguments_hash is not None
