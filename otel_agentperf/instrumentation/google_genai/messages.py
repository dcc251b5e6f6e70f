"""The content of one exchange in the form of the GenAI conventions, for those who opted in.

Messages have a role and parts: `text`, `reasoning`, `tool_call`, `tool_call_response`, `blob`,
`uri`, `server_tool_call`, `server_tool_call_response`. A part of a kind that is unknown here is
left out. Chunks of a stream are put together again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec
from opentelemetry.trace import Span

from otel_agentperf import semconv
from otel_agentperf.live import content
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.pipeline import Pipeline

Json = dict[str, Any]

_ROLES = {"model": "assistant", "user": "user", "function": "tool", "tool": "tool", "system": "system"}
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "FINISH_REASON_UNSPECIFIED": "error", "OTHER": "error"}


class Exchange:
    """Collects the content of one request and of its answer.

    Args:
        body: the request's JSON.
    """

    __slots__ = ("_answers", "_body")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._answers: list[Any] = []

    def answered(self, body: str | bytes) -> None:
        """Take in the body of the response, or of one chunk."""
        decoded = msgspec.json.decode(body)
        self._answers.extend(cast("list[Any]", decoded) if isinstance(decoded, list) else [decoded])

    def streamed(self, text: str) -> None:
        """Take in a piece of text that an interaction streams."""
        self._answers.append({"steps": [{"type": "model_output", "content": [{"type": "text", "text": text}]}]})

    def finish(self, attributes: Attributes, pipeline: Pipeline, span: Span) -> None:
        """Put the content where the settings ask for it.

        Args:
            attributes: those of the span; get the content as JSON text.
            pipeline: holds the settings, and the logs that an event goes to.
            span: the request's span.
        """
        found = self.content()
        if content.on_spans(pipeline.settings):
            attributes.update({key: content.as_text(value) for key, value in found.items()})
        if content.in_events(pipeline.settings):
            present = cast("Mapping[str, Any]", getattr(span, "attributes", None) or {})
            facts: Json = {**present, **attributes, **found}
            content.emit_details(pipeline, semconv.SCOPE_GOOGLE_GENAI, span, facts)

    def content(self) -> Json:
        """Messages and instructions by attribute name; what is absent has none."""
        body = self._body
        if "input" in body or not body:  # an interaction, or a look at one
            instructions, asked = _texts(body.get("system_instruction")), _interaction_input(body.get("input"))
            answered = _interaction_output(self._answers)
        else:
            instructions = _parts(_table(body.get("systemInstruction")).get("parts"))
            asked = [_message(one) for one in _items(body.get("contents"))]
            answered = _output(self._answers)
        found = {
            semconv.SYSTEM_INSTRUCTIONS: instructions,
            semconv.INPUT_MESSAGES: asked,
            semconv.OUTPUT_MESSAGES: answered,
        }
        return {key: value for key, value in found.items() if value}


def _items(value: object) -> list[Mapping[str, Any]]:
    items: Iterable[object] = cast("list[object]", value) if isinstance(value, list) else ()
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]


def _table(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _texts(value: object) -> list[Json]:
    return [{"type": "text", "content": value}] if isinstance(value, str) and value else []


def _message(given: Mapping[str, Any]) -> Json:
    role = str(given.get("role") or "user")
    return {"role": _ROLES.get(role, role), "parts": _parts(given.get("parts"))}


def _output(answers: list[Any]) -> list[Json]:
    messages: dict[int, Json] = {}
    for answer in _items(answers):
        for place, candidate in enumerate(_items(answer.get("candidates"))):
            index = candidate.get("index", place)
            message = messages.setdefault(index, {"role": "assistant", "parts": [], "finish_reason": ""})
            for part in _parts(_table(candidate.get("content")).get("parts")):
                _append(message["parts"], part)
            reason = candidate.get("finishReason")
            if reason:
                message["finish_reason"] = _FINISH.get(reason, reason)
    return list(messages.values())


def _append(parts: list[Json], part: Json) -> None:
    last = parts[-1] if parts else None
    if last is not None and part["type"] in ("text", "reasoning") and last["type"] == part["type"]:
        last["content"] += part["content"]
    else:
        parts.append(part)


def _parts(given: object) -> list[Json]:
    return [part for place, one in enumerate(_items(given)) if (part := _part(one, place)) is not None]


def _part(given: Mapping[str, Any], place: int) -> Json | None:
    if (text := given.get("text")) is not None:
        return {"type": "reasoning" if given.get("thought") else "text", "content": text}
    for key, make in _MAKERS.items():
        value = given.get(key)
        if isinstance(value, Mapping):
            return make(cast("Mapping[str, Any]", value), place)
    return None


def _media(given: Mapping[str, Any], kind: str, name: str, value: object) -> Json:
    mime = given.get("mimeType", given.get("mime_type")) or ""
    return {"type": kind, "mime_type": mime, "modality": mime.partition("/")[0], name: value}


def _call_id(given: Mapping[str, Any], place: int) -> str:
    return given.get("id") or f"{given.get('name')}_{place}"


_MAKERS: dict[str, Callable[[Mapping[str, Any], int], Json]] = {
    "functionCall": lambda call, place: {
        "type": "tool_call",
        "id": _call_id(call, place),
        "name": call.get("name", ""),
        "arguments": call.get("args"),
    },
    "functionResponse": lambda given, place: {
        "type": "tool_call_response",
        "id": _call_id(given, place),
        "response": given.get("response"),
    },
    "inlineData": lambda given, _: _media(given, "blob", "content", given.get("data", "")),
    "fileData": lambda given, _: _media(given, "uri", "uri", given.get("fileUri", given.get("file_uri", ""))),
    "executableCode": lambda code, _: {
        "type": "server_tool_call",
        "id": code.get("id"),
        "name": "code_execution",
        "server_tool_call": {"type": "code_execution", **code},
    },
    "codeExecutionResult": lambda result, _: {
        "type": "server_tool_call_response",
        "id": result.get("id"),
        "server_tool_call_response": {"type": "code_execution", **result},
    },
}


# -- Interactions --------------------------------------------------------------------------


def _interaction_input(given: object) -> list[Json]:
    if isinstance(given, str):
        return [{"role": "user", "parts": _texts(given)}]
    steps = [cast("Mapping[str, Any]", given)] if isinstance(given, Mapping) else _items(given)
    messages = [message for step in steps if (message := _step(step, "user"))["parts"]]
    joined: list[Json] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["parts"].extend(message["parts"])
        else:
            joined.append(message)
    return joined


def _interaction_output(answers: list[Any]) -> list[Json]:
    parts: list[Json] = []
    reason = ""
    for answer in _items(answers):
        reason = answer.get("status") or reason
        for step in _items(answer.get("steps")):
            for part in _step(step, "assistant")["parts"]:
                _append(parts, part)
    return [{"role": "assistant", "parts": parts, "finish_reason": reason}] if parts else []


def _step(step: Mapping[str, Any], role: str) -> Json:
    """A step, a turn or a bare piece of content as a message."""
    kind = step.get("type")
    if kind in ("model_output", "thought"):
        role = "assistant"
    elif kind == "function_result":
        response = {"type": "tool_call_response", "id": step.get("call_id"), "response": step.get("result")}
        return {"role": "tool", "parts": [response]}
    elif kind == "function_call":
        call = {"type": "tool_call", "id": step.get("id"), "name": step.get("name"), "arguments": step.get("arguments")}
        return {"role": "assistant", "parts": [call]}
    role = _ROLES.get(str(step.get("role") or role), role)
    if kind == "text":
        return {"role": role, "parts": _texts(step.get("text"))}
    given = step.get("content", step.get("summary"))
    if isinstance(given, str):
        return {"role": role, "parts": _texts(given)}
    texts = [part for one in _items(given) for part in _texts(one.get("text"))]
    if kind == "thought":
        texts = [{**part, "type": "reasoning"} for part in texts]
    return {"role": role, "parts": texts}
