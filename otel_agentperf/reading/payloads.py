"""What a tool was called with and what it gave, out of the wrappings of those who recorded it.

Instrumentations write a tool's arguments as an object, as JSON text or as Python's `repr`, alone
or among a callback's other arguments, and a result as itself or inside a LangChain message with
ids that are new each time. Here both become the plain value. What has no known wrapping is the
value itself. Nothing raises.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import cast

from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

ARGUMENTS = (
    "gen_ai.tool.call.arguments",
    "tool_arguments",
    "gen_ai.tool.args",
    "traceloop.entity.input",
    "input.value",
)
RESULT = ("gen_ai.tool.call.result", "tool_response", "traceloop.entity.output", "output.value")
"""By convention: GenAI, Pydantic AI's older form, OpenLIT's, OpenLLMetry, OpenInference.
`tool.parameters` is left alone: some write a tool's schema there, which is the same for all calls."""

_MAX_REPR = 16_384
_CONTENT, _CALL_ID = "content=", " tool_call_id="
_AFTER_CONTENT = (" id=", " name=", " response_metadata=", " additional_kwargs=")
"""How LangChain prints a message, from its end."""
_MAX_WRAPPERS = 4
_CALLBACK = frozenset({"output", "kwargs"})
"""The arguments of LangChain's callback at the end of a tool."""
_REPR_STARTS = ("{'", '{"', "[", "('", "(")


def first(attributes: Attributes, keys: tuple[str, ...]) -> object:
    """The first of these attributes that is there, else `None`."""
    for key in keys:
        value = attributes.get(key)
        if value is not None:
            return value
    return None


def plain(value: object) -> object:
    """What JSON text, or Python's `repr` of plain data, holds; anything else as it is."""
    if not isinstance(value, str):
        return value
    decoded = values.decoded(value)
    return _evaluated(value) if decoded is value and value.startswith(_REPR_STARTS) else decoded


def _evaluated(text: str) -> object:
    """The data that Python printed; the text where it is long, or has escapes, of which Python may warn."""
    if len(text) > _MAX_REPR or "\\" in text:
        return text
    try:
        return cast("object", ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


def arguments(value: object) -> object:
    """A tool's arguments as the model gave them."""
    value = plain(value)
    table = values.as_table(value)
    if table is None:
        return value
    if "input_str" in table:  # the arguments of LangChain's callback
        inputs = table.get("inputs")
        return plain(table["input_str"]) if inputs is None else inputs
    if set(table) == {"args", "kwargs"} and not table["args"]:  # a decorated function
        return table["kwargs"]
    return table


def result(value: object) -> object:
    """A tool's result without the message around it."""
    for _ in range(_MAX_WRAPPERS):
        value = plain(value)
        table = values.as_table(value)
        if table is None:
            break
        inner = _inside(table)
        if inner is None:
            return table
        value = inner
    return _printed(value) if isinstance(value, str) and value.startswith(_CONTENT) else value


def _printed(text: str) -> object:
    """The content of a message as Python prints it; the rest of it is new each time."""
    end = text.rfind(_CALL_ID)
    if end < 0:
        return text
    content = text[len(_CONTENT) : end]
    for key in _AFTER_CONTENT:
        cut = content.rfind(key)
        if cut > 0 and content[cut - 1] in "'\"]}":
            content = content[:cut]
    return plain(_evaluated(content))


def _inside(table: Mapping[str, object]) -> object:
    """The content of a message that LangChain made of a result, or `None`."""
    if "output" in table and table.keys() <= _CALLBACK:
        return table["output"]
    for key in ("kwargs", "data"):
        message = values.as_table(table.get(key))
        if message is not None and "content" in message and "type" in table:
            return message["content"]
    return table.get("content") if "tool_call_id" in table else None
