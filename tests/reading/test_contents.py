from __future__ import annotations

import json
from typing import Any

import pytest

from otel_agentperf import semconv
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import Inference, Operation, OperationKind, ToolCall
from otel_agentperf.reading import read
from tests.reading.recorded import PRINTS

ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be short."}]},
    {"role": "user", "parts": [{"type": "text", "content": "How is the weather in Paris and in London today?"}]},
]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "Sunny."}], "finish_reason": "stop"}]
TOOL = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "weather"}
CHAT = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "m"}
ARGUMENTS: dict[str, Any] = {"city": "Paris", "days": 2}
RESULT: dict[str, Any] = {"sky": "sunny", "celsius": 21}


def span(attributes: dict[str, Any], *, fingerprinter: Fingerprinter = PRINTS, **more: Any) -> Operation:
    said: dict[str, Any] = {"is_error": False, "scope": "somebody", "parent_id": None, **more}
    return read("x", attributes, span_id="1", trace_id="1", start_ns=0, end_ns=1, fingerprinter=fingerprinter, **said)


def tool(attributes: dict[str, Any], **more: Any) -> ToolCall:
    call = span(attributes, **more).tool
    assert call is not None
    return call


def inference(attributes: dict[str, Any], **more: Any) -> Inference:
    found = span(attributes, **more).inference
    assert found is not None
    return found


# -- tools -----------------------------------------------------------------------------------

LANGCHAIN_MESSAGE = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "schema", "messages", "ToolMessage"],
    "kwargs": {"content": json.dumps(RESULT), "type": "tool", "tool_call_id": "new each time", "status": "success"},
}
CALLBACK = {"input_str": str(ARGUMENTS), "tags": ["seq:step:1"], "inputs": ARGUMENTS, "metadata": {"step": 7}}
ARGUMENT_FORMS: dict[str, object] = {
    "an object": ARGUMENTS,
    "JSON text": json.dumps(ARGUMENTS),
    "JSON text in another order": '{ "days": 2,\n "city": "PARIS"}',
    "what Python prints": str(ARGUMENTS),
    "the arguments of a callback": json.dumps(CALLBACK),
    "those of a callback without inputs": json.dumps({**CALLBACK, "inputs": None}),
    "those of a decorated function": json.dumps({"args": [], "kwargs": ARGUMENTS}),
}
RESULT_FORMS: dict[str, object] = {
    "an object": RESULT,
    "JSON text": json.dumps(RESULT),
    "a message of LangChain": json.dumps(LANGCHAIN_MESSAGE),
    "the arguments of a callback": json.dumps({"output": LANGCHAIN_MESSAGE, "kwargs": {"name": "weather"}}),
    "a message as a dictionary": json.dumps({"type": "tool", "data": {"content": json.dumps(RESULT)}}),
    "a message as Python prints it": f"content='{json.dumps(RESULT)}' name='weather' tool_call_id='1f'",
}


@pytest.mark.parametrize("form", ARGUMENT_FORMS)
def test_arguments_fingerprint_alike_in_every_form(form: str) -> None:
    said = tool({**TOOL, semconv.TOOL_CALL_ARGUMENTS: ARGUMENT_FORMS[form]})
    assert said.arguments_hash == PRINTS.arguments(ARGUMENTS).arguments_hash
    assert not said.no_arguments


@pytest.mark.parametrize("form", RESULT_FORMS)
def test_a_result_fingerprints_alike_in_every_form(form: str) -> None:
    said = tool({**TOOL, semconv.TOOL_CALL_RESULT: RESULT_FORMS[form]})
    plain = tool({**TOOL, semconv.TOOL_CALL_RESULT: RESULT})
    assert (said.result_hash, said.result_size) == (plain.result_hash, plain.result_size)
    assert said.result_hash is not None


ARGUMENT_KEYS = (
    {semconv.OPERATION_NAME: "execute_tool", "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS)},
    {semconv.OPERATION_NAME: "execute_tool", "tool_arguments": json.dumps(ARGUMENTS)},
    {semconv.OPERATION_NAME: "execute_tool", "gen_ai.tool.args": json.dumps(ARGUMENTS)},
    {"traceloop.span.kind": "tool", "traceloop.entity.input": json.dumps(ARGUMENTS)},
    {"openinference.span.kind": "TOOL", "input.value": json.dumps(ARGUMENTS)},
)


@pytest.mark.parametrize("said", ARGUMENT_KEYS, ids=lambda said: list(said)[-1])
def test_arguments_are_found_where_each_convention_puts_them(said: dict[str, Any]) -> None:
    assert tool(said).arguments_hash == PRINTS.arguments(ARGUMENTS).arguments_hash


def test_arguments_in_words_get_a_context_and_are_known_as_a_sentence() -> None:
    said = tool({**TOOL, semconv.TOOL_CALL_ARGUMENTS: {"query": "all flights from Paris to London", "page": 2}})
    expected = PRINTS.arguments({"query": "all flights from Paris to London", "page": 2})
    assert (said.argument_is_sentence, said.context_hash) == (True, expected.context_hash)
    assert said.context_hash is not None


def test_a_call_without_arguments_is_told_from_one_whose_arguments_are_not_known() -> None:
    assert tool({**TOOL, semconv.TOOL_CALL_ARGUMENTS: "{}"}).no_arguments
    unknown = tool({**TOOL, semconv.TOOL_CALL_RESULT: "x"})
    assert (unknown.no_arguments, unknown.arguments_hash) == (False, None)
    assert span(TOOL).tool is None


def test_a_tools_schema_is_not_taken_for_its_arguments() -> None:
    said = {"openinference.span.kind": "TOOL", "tool.name": "t", "tool.parameters": '{"city": {"type": "string"}}'}
    assert span(said).tool is None


def test_a_result_that_reads_like_an_error_is_a_result_unless_the_span_says_error() -> None:
    said = {**TOOL, semconv.TOOL_CALL_ARGUMENTS: "{}", semconv.TOOL_CALL_RESULT: "Error: no such flight 'HAT001'"}
    fine, failed = tool(said), tool(said, is_error=True)
    assert (fine.error_hash, fine.result_size) == (None, 30)
    assert fine.result_hash is not None
    assert failed.result_hash is None
    assert failed.error_hash == PRINTS.error("_OTHER", "Error: no such flight 'HAT123'")
    assert span(said).error_type is None


EXCEPTION = ("exception", {"exception.type": "KeyError", "exception.message": "no 'a'"})
ERROR_FORMS: dict[str, dict[str, Any]] = {
    "an event": {"events": [EXCEPTION], "is_error": True},
    "the status": {"status_message": "no 'b'", "is_error": True},
}


@pytest.mark.parametrize("form", ERROR_FORMS)
def test_an_error_is_told_by_its_type_and_its_message(form: str) -> None:
    said = {**TOOL, semconv.ERROR_TYPE: "KeyError"}
    assert tool(said, **ERROR_FORMS[form]).error_hash == PRINTS.error("KeyError", "no 'c'")
    assert tool({**said, "error.message": "no 'd'"}).error_hash == PRINTS.error("KeyError", "no 'c'")


def test_the_class_of_an_error_is_taken_from_its_event_where_nothing_else_tells_it() -> None:
    assert span(TOOL, events=[EXCEPTION], is_error=True).error_type == "KeyError"
    assert span(TOOL, events=[EXCEPTION]).error_type is None  # the span itself went well


def test_an_error_without_a_message_is_not_held_to_be_the_same_as_another() -> None:
    said = {**TOOL, semconv.ERROR_TYPE: "KeyError", semconv.TOOL_CALL_ARGUMENTS: "{}"}
    assert tool(said, is_error=True).error_hash is None


# -- model requests --------------------------------------------------------------------------

FLAT = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be short.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "How is the weather in Paris ",
    "llm.input_messages.1.message.contents.1.message_content.text": "and in London today?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Sunny.",
}
OLD_FLAT = {
    "gen_ai.system": "Google",
    "gen_ai.request.model": "m",
    "llm.request.type": "chat",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be short.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": '[{"type": "text", "text": "How is the weather in Paris and in London today?"}]',
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Sunny.",
}
QUESTION = "How is the weather in Paris and in London today?"
EVENTS = [
    ("gen_ai.system.message", {"content": "Be short."}),
    ("gen_ai.user.message", {"content": QUESTION, "role": "user"}),
    ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"role": "assistant", "content": "Sunny."}'}),
]
OLD_EVENTS = [
    (
        "gen_ai.content.prompt",
        {
            "gen_ai.prompt": json.dumps(
                [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUESTION}]
            )
        },
    ),
    ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([{"role": "assistant", "content": "Sunny."}])}),
]
ATTRIBUTES = {semconv.INPUT_MESSAGES: json.dumps(ASKED), semconv.OUTPUT_MESSAGES: json.dumps(ANSWERED)}
GEMINI = {
    "contents": [{"role": "user", "parts": [{"text": "Be"}]}, {"role": "model", "parts": [{"text": "so"}]}],
}
LANGCHAIN = {
    "messages": [
        [
            {
                "lc": 1,
                "type": "constructor",
                "id": ["SystemMessage"],
                "kwargs": {"content": "Be short.", "type": "system"},
            },
            {"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {"content": QUESTION, "type": "human"}},
        ]
    ]
}
GENERATIONS = {
    "generations": [
        [
            {
                "text": "Sunny.",
                "type": "ChatGeneration",
                "message": {"kwargs": {"content": "Sunny.", "type": "ai"}, "id": ["AIMessage"], "type": "constructor"},
            }
        ]
    ]
}
REQUEST_FORMS: dict[str, dict[str, Any]] = {
    "attributes as JSON text": {"attributes": {**CHAT, **ATTRIBUTES}},
    "structured attributes": {"attributes": {**CHAT, semconv.INPUT_MESSAGES: ASKED, semconv.OUTPUT_MESSAGES: ANSWERED}},
    "instructions apart": {
        "attributes": {
            **CHAT,
            semconv.SYSTEM_INSTRUCTIONS: json.dumps(ASKED[0]["parts"]),
            semconv.INPUT_MESSAGES: json.dumps(ASKED[1:]),
            semconv.OUTPUT_MESSAGES: json.dumps(ANSWERED),
        }
    },
    "flattened": {"attributes": FLAT},
    "flattened in the older way": {"attributes": OLD_FLAT},
    "span events": {"attributes": CHAT, "events": EVENTS},
    "older span events": {"attributes": CHAT, "events": OLD_EVENTS},
    "the details as a span event": {"attributes": CHAT, "events": [(semconv.EVENT_INFERENCE_DETAILS, ATTRIBUTES)]},
    "a list of events": {
        "attributes": {**CHAT, "events": json.dumps([{"event.name": name, **said} for name, said in EVENTS])}
    },
    "LangChain's own, as one value": {
        "attributes": {
            "openinference.span.kind": "LLM",
            "input.value": json.dumps(LANGCHAIN),
            "output.value": json.dumps(GENERATIONS),
        }
    },
}


@pytest.mark.parametrize("form", REQUEST_FORMS)
def test_an_exchange_fingerprints_alike_wherever_it_stands(form: str) -> None:
    said, plain = inference(**REQUEST_FORMS[form]), inference({**CHAT, **ATTRIBUTES})
    assert said.request_hash == plain.request_hash
    assert (said.prefix_hashes, said.prefix_sizes) == (plain.prefix_hashes, plain.prefix_sizes)
    assert (said.request_size, said.response_hash) == (plain.request_size, plain.response_hash)
    assert (said.response_kind, said.function_calls) == ("text", 0)
    assert None not in (said.request_hash, said.response_hash, said.request_size)


def test_a_request_of_gemini_as_one_value_has_a_link_for_each_message() -> None:
    said = {"openinference.span.kind": "LLM", "input.value": json.dumps(GEMINI)}
    assert len(inference(said).prefix_hashes) == 2


CALL = {"type": "tool_call", "name": "weather", "arguments": ARGUMENTS, "id": "1"}
CALL_FORMS: dict[str, object] = {
    "the conventions'": {"role": "assistant", "parts": [CALL]},
    "with JSON text": {"role": "assistant", "parts": [{**CALL, "arguments": json.dumps(ARGUMENTS), "id": "2"}]},
    "twice, the first time without its id": {"role": "assistant", "parts": [{**CALL, "id": ""}, CALL]},
    "beside a text that is none": {"role": "assistant", "parts": [{"type": "text", "content": "None"}, CALL]},
    "after a thought": {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}, CALL]},
    "Gemini's after a thought": {
        "role": "model",
        "parts": [{"text": "Hm.", "thought": True}, {"functionCall": {"name": "weather", "args": ARGUMENTS}}],
    },
    "Gemini's": {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": ARGUMENTS}}]},
    "OpenAI's": {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "3", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}],
    },
    "LangChain's": {"type": "ai", "data": {"content": "", "tool_calls": [{**CALL, "args": ARGUMENTS}]}},
}


@pytest.mark.parametrize("form", CALL_FORMS)
def test_an_answer_that_calls_a_function_fingerprints_alike_in_every_form(form: str) -> None:
    said = inference({**CHAT, semconv.OUTPUT_MESSAGES: json.dumps([CALL_FORMS[form]])})
    plain = inference({**CHAT, semconv.OUTPUT_MESSAGES: json.dumps([CALL_FORMS["the conventions'"]])})
    assert (said.response_kind, said.function_calls) == ("function_call", 1)
    assert said.response_hash == plain.response_hash


KINDS: dict[str, list[dict[str, Any]]] = {
    "text": [{"type": "text", "content": "x"}],
    "function_call": [CALL],
    "mixed": [{"type": "text", "content": "x"}, CALL],
    "media": [{"type": "blob", "mime_type": "image/png", "content": "aGk="}],
    "empty": [],
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_of_the_kind_of_its_parts(kind: str) -> None:
    said = {**CHAT, semconv.OUTPUT_MESSAGES: [{"role": "assistant", "parts": KINDS[kind]}]}
    assert inference(said).response_kind == kind


def test_an_answer_without_parts_that_was_held_back_is_blocked() -> None:
    said = {**CHAT, semconv.OUTPUT_MESSAGES: "[]", semconv.RESPONSE_FINISH_REASONS: ["SAFETY"]}
    assert inference(said).response_kind == "blocked"
    assert inference(said).response_hash is None


@pytest.mark.parametrize(
    "change",
    [
        {semconv.INPUT_MESSAGES: json.dumps([*ASKED, ASKED[1]])},
        {semconv.INPUT_MESSAGES: json.dumps(ASKED[1:])},
        {semconv.REQUEST_TEMPERATURE: 0.5},
        {"gen_ai.tool.definitions": '[{"name": "weather"}]'},
    ],
    ids=["one message more", "no instructions", "another temperature", "tools"],
)
def test_another_request_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert inference({**CHAT, **ATTRIBUTES, **change}).request_hash != inference({**CHAT, **ATTRIBUTES}).request_hash


def test_our_own_fingerprints_win_over_content_that_stands_beside_them() -> None:
    ours = {semconv.REQUEST_HASH: "a" * 16, semconv.RESPONSE_HASH: "b" * 16}
    said = inference({**CHAT, **ATTRIBUTES, **ours})
    assert (said.request_hash, said.response_hash, said.prefix_hashes) == ("a" * 16, "b" * 16, ())
    prints = {semconv.TOOL_NO_ARGUMENTS: False, semconv.TOOL_ARGUMENTS_HASH: "c" * 16}
    assert tool({**TOOL, semconv.TOOL_CALL_ARGUMENTS: "{}", **prints}).arguments_hash == "c" * 16


def test_content_is_left_alone_where_only_the_kind_is_asked_for() -> None:
    assert inference({**CHAT, **ATTRIBUTES}, with_content=False).request_hash is None
    assert span({**TOOL, semconv.TOOL_CALL_ARGUMENTS: "{}"}, with_content=False).tool is None


def test_values_under_different_keys_are_never_equal() -> None:
    one = inference({**CHAT, **ATTRIBUTES})
    other = inference({**CHAT, **ATTRIBUTES}, fingerprinter=Fingerprinter("another"))
    assert one.request_hash != other.request_hash
    assert set(one.prefix_hashes).isdisjoint(other.prefix_hashes)


def test_one_key_serves_the_whole_process_where_none_is_given() -> None:
    given: dict[str, Any] = {
        "scope": "",
        "span_id": "1",
        "parent_id": None,
        "trace_id": "1",
        "start_ns": 0,
        "end_ns": 1,
    }
    one, other = (read("x", {**CHAT, **ATTRIBUTES}, is_error=False, **given) for _ in range(2))
    assert one.inference is not None
    assert one.inference.request_hash is not None
    assert one == other


def test_nothing_of_the_content_is_kept() -> None:
    said = span({**CHAT, **ATTRIBUTES, "input.value": "Be short."})
    called = span({**TOOL, semconv.TOOL_CALL_ARGUMENTS: json.dumps(ARGUMENTS), semconv.TOOL_CALL_RESULT: "sunny"})
    assert said.kind is OperationKind.INFERENCE
    for word in ("short", "Paris", "unny"):
        assert word not in repr(said)
        assert word not in repr(called)


@pytest.mark.parametrize(
    ("said", "unknown"),
    [
        ({}, True),
        ({semconv.SYSTEM_INSTRUCTIONS: '[{"type": "text", "content": "Be brief."}]'}, False),
        (
            {
                semconv.INPUT_MESSAGES: '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]'
            },
            False,
        ),
    ],
)
def test_it_is_known_whether_the_instructions_of_a_request_were_recorded(said: dict[str, Any], unknown: bool) -> None:
    asked = {semconv.INPUT_MESSAGES: '[{"role": "user", "content": "hello"}]'}
    attributes = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "gpt-4o", **asked, **said}
    found = span(attributes).inference
    assert found is not None
    assert found.request_hash is not None
    assert found.instructions_unknown is unknown
