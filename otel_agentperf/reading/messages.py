"""Messages of whatever make in one canonical form, so that the same words fingerprint alike.

A message becomes a role and its parts: `["text", words]`, `["call", name, arguments]`,
`["result", value]`, `["media", value]`. Neighbouring texts are one, since a stream may have been
cut anywhere; thoughts, ids and empty texts are left out; arguments and results that are JSON
text count as what they hold. Known shapes: those of the GenAI conventions (parts and span
events), Gemini, OpenAI, LangChain's two serialisations, OpenInference.

It errs towards a part of kind `media`: what is unknown is kept whole. Nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, cast

from otel_agentperf.reading import payloads, values

Part: TypeAlias = list[object]
Table: TypeAlias = Mapping[str, object]

_ROLES = {
    "model": "assistant",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "human": "user",
    "function": "tool",
    "developer": "system",
}
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking", "thought"})
_WRAPPERS = ("message", "message_content", "tool_call")
_SERIALISED = ("kwargs", "data")
_WRAPPING = frozenset((*_WRAPPERS, *_SERIALISED))
_MAX_WRAPPERS = 4
_MAX_TWICE = 256
"""Parts among which a call that stands there twice is looked for."""
_CALLS = ("function_call", "functionCall", "function")
_CALL_TYPES = frozenset({"tool_call", "tool_use", "function_call"})
_TEXTS = frozenset({None, "text", "output_text", "input_text"})
_RESULTS = ("function_response", "functionResponse")
_RESULT_TYPES = frozenset({"tool_call_response", "tool_result"})
_NO_TEXT = frozenset({"", "None"})
"""`None` is what OpenLIT writes as the text of an answer that only calls a function."""
_PAIR = 2


class Message(NamedTuple):
    """One message."""

    role: str
    parts: list[Part]
    finish_reason: str = ""


def messages(value: object) -> list[Message]:
    """All messages in a decoded value: a list of them, or one."""
    value = values.decoded(value)
    table = values.as_table(value)
    if table is not None:
        value = next((table[key] for key in ("messages", "contents") if values.as_list(table.get(key))), value)
    items = values.as_list(value)
    if items is None:
        return [message(value)]
    batch = values.as_list(items[0]) if len(items) == 1 else None
    if batch is not None and _pair(batch) is None:
        items = batch  # of one
    return [message(item) for item in items]


def message(value: object, role: str = "user") -> Message:
    """One message of any known shape; `role` where it names none."""
    pair = _pair(value)
    if pair is not None:
        role, value = pair
    table = values.as_table(value)
    if table is None:
        return _made(role, parts(value))
    table = _unwrapped(table)
    said = table.get("role") or table.get("type")
    if isinstance(said, str):
        role = said
    content = next((table[key] for key in ("parts", "content", "contents", "text") if table.get(key)), None)
    found = parts(content)
    calls = values.as_list(table.get("tool_calls"))
    if calls is not None:
        if not any(part[0] == "call" for part in found):
            found += parts(calls)
    elif isinstance(table.get("function_call_name"), str):
        found.append(_call(table["function_call_name"], table.get("function_call_arguments_json")))
    reason = table.get("finish_reason")
    return _made(role, found, reason if isinstance(reason, str) else "")


def _pair(value: object) -> tuple[str, object] | None:
    """LangChain's short form: role and content."""
    pair = values.as_list(value)
    if pair is None or len(pair) != _PAIR:
        return None
    role, content = pair
    if not isinstance(role, str) or not isinstance(content, (str, list)):
        return None
    return role, cast("object", content)


def _unwrapped(table: Table) -> Table:
    if _WRAPPING.isdisjoint(table):
        return table
    for _ in range(_MAX_WRAPPERS):
        inner = _inner(table, _WRAPPERS)
        if inner is None and ("id" in table or "type" in table):
            inner = _inner(table, _SERIALISED)
        if inner is None:
            break
        table = inner if "type" in inner or "role" in inner else {"type": table.get("type"), **inner}
    return table


def _inner(table: Table, keys: tuple[str, ...]) -> Table | None:
    for key in keys:
        inner = values.as_table(table.get(key))
        if inner is not None:
            return inner
    return None


def _made(role: str, found: list[Part], reason: str = "") -> Message:
    role = _ROLES.get(role, role)
    if role == "tool":
        found = [["result", payloads.plain(part[1])] if part[0] == "text" else part for part in found]
    elif found and all(part[0] == "result" for part in found):
        role = "tool"
    if any(part[0] == "call" for part in found):
        found = [part for part in found if part[0] != "text" or part[1] not in _NO_TEXT]
    joined: list[Part] = []
    for part in found:
        if part[0] == "text" and joined and joined[-1][0] == "text":
            joined[-1] = ["text", f"{joined[-1][1]}{part[1]}"]
        elif part[0] != "text" or part[1] != "":
            joined.append(part)
    return Message(role, joined, reason)


def parts(value: object) -> list[Part]:
    """The parts of a message's content, thoughts left out."""
    if value is None:
        return []
    items = values.as_list(value)
    if items is None:
        items = (value,)
    found: list[Part] = []
    without_id: Part | None = None
    for item in items:
        part = _part(item)
        if part is None:
            continue
        if part[0] == "call":
            table = values.as_table(item)
            call_id = None if table is None else table.get("id")
            if call_id == "":
                without_id = without_id or part
            elif call_id and part == without_id and len(found) < _MAX_TWICE:
                # OpenLLMetry's LangChain writes a call twice, the first time without its id.
                found.remove(part)
                without_id = None
        found.append(part)
    return found


def _part(value: object) -> Part | None:
    if isinstance(value, str):
        return ["text", value]
    table = values.as_table(value)
    if table is None:
        return ["media", value]
    table = _unwrapped(table)
    said = table.get("type")
    kind = said if isinstance(said, str) else None
    if kind in _THOUGHTS or table.get("thought") is True:
        return None
    text = table.get("text", table.get("content"))
    if isinstance(text, str) and kind in _TEXTS and "name" not in table:
        return ["text", text]
    return _work(table, kind) or ["media", dict(table)]


def _work(table: Table, kind: str | None) -> Part | None:
    """A part that calls a function, or says what one gave."""
    function = _inner(table, _CALLS)
    if function is not None:
        return _call_of(function)
    answer = _inner(table, _RESULTS)
    if answer is not None:
        return ["result", payloads.plain(answer.get("response"))]
    if kind in _RESULT_TYPES:
        given = next((table[key] for key in ("response", "result", "content") if key in table), None)
        return ["result", payloads.plain(given)]
    if kind in _CALL_TYPES or ("name" in table and "arguments" in table):
        return _call_of(table)
    return None


def _call_of(table: Table) -> Part:
    given = next((table[key] for key in ("arguments", "args", "input") if key in table), None)
    return _call(table.get("name"), given)


def _call(name: object, arguments: object) -> Part:
    return ["call", name if isinstance(name, str) else "", payloads.plain(arguments)]
