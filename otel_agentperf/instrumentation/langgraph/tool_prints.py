"""Fingerprints of what a tool is called with and of what it answers.

The arguments are those of the model: what LangGraph injects (state, store, runtime, the id
of the call) is left out, or the same call would look new each time. A result is compared by
its content alone, for the same reason: the ids of a message are new each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from langchain_core.messages import BaseMessage
from langgraph.types import Command

from otel_agentperf import guard
from otel_agentperf.fingerprint import ArgumentPrints, Fingerprinter, canonical_bytes
from otel_agentperf.model import ToolCall

_ERROR = "error"
_NONE: frozenset[str] = frozenset()
_injected_by_schema: WeakKeyDictionary[type, frozenset[str]] = WeakKeyDictionary()


def of_arguments(fingerprinter: Fingerprinter, tool: Any, tool_input: Any) -> ArgumentPrints:
    """Fingerprints of a tool's arguments; none where they cannot be read."""
    try:
        return fingerprinter.arguments(model_arguments(tool, tool_input))
    except Exception as error:  # noqa: BLE001 - arguments that cannot be read cost their hash, not their span
        guard.report("langgraph.tool.arguments", error)
        return ArgumentPrints()


def of_call(
    fingerprinter: Fingerprinter,
    prints: ArgumentPrints,
    result: Any,
    error: BaseException | None,
    error_type: str | None,
) -> ToolCall:
    """All fingerprints of a finished call.

    Args:
        fingerprinter: makes them.
        prints: those of the arguments.
        result: what the tool returned.
        error: what it raised.
        error_type: the class of its error, where it ended with one.
    """
    result_hash = error_hash = size = None
    try:
        if error_type is not None:
            message = str(error) if error is not None else str(content_of(result))
            error_hash = fingerprinter.error(error_type, message, prints.identifiers)
        elif error is None:
            content = content_of(result)
            encoded = canonical_bytes(content)
            if encoded is not None:
                size = len(content) if isinstance(content, str) else len(encoded)
                result_hash = fingerprinter.digest(encoded)
    except Exception as unreadable:  # noqa: BLE001 - a result that cannot be read costs its hash, not its span
        guard.report("langgraph.tool.result", unreadable)
    return ToolCall(
        prints.arguments_hash,
        prints.context_hash,
        result_hash,
        error_hash,
        prints.no_arguments,
        size,
        prints.argument_is_sentence,
    )


def is_error(result: Any) -> bool:
    """Whether a tool's result says itself that it is an error."""
    return isinstance(result, BaseMessage) and getattr(result, "status", None) == _ERROR


def model_arguments(tool: Any, tool_input: Any) -> Any:
    """What the model asked a tool for, without what LangGraph injects."""
    if not isinstance(tool_input, Mapping):
        return tool_input
    arguments = cast("Mapping[str, Any]", tool_input)
    injected = _injected(tool)
    if injected.isdisjoint(arguments):
        return arguments
    return {name: value for name, value in arguments.items() if name not in injected}


def _injected(tool: Any) -> frozenset[str]:
    """The names of the arguments that a tool does not get from the model."""
    by_signature = getattr(tool, "_injected_args_keys", _NONE)
    schema = getattr(tool, "args_schema", None)
    if not isinstance(schema, type):
        return by_signature
    by_schema = _injected_by_schema.get(schema)
    if by_schema is None:
        by_schema = _injected_by_schema[schema] = _ask(tool, schema)
    return by_schema | by_signature if by_signature else by_schema


def _ask(tool: Any, schema: type) -> frozenset[str]:
    without_injected = getattr(tool, "_filter_injected_args", None)
    fields = getattr(schema, "model_fields", None)
    if fields is None:  # a schema of pydantic 1
        fields = getattr(schema, "__fields__", None)
    if not fields:
        return _NONE
    if callable(without_injected):
        kept = cast("Mapping[str, Any]", without_injected(dict.fromkeys(fields)))
    else:  # langchain-core before 1
        called_with = getattr(tool, "tool_call_schema", schema)
        kept = getattr(called_with, "model_fields", None) or getattr(called_with, "__fields__", fields)
    return frozenset(fields).difference(kept)


def content_of(result: Any) -> Any:
    """The part of a result that is the same when the same is said again."""
    if isinstance(result, BaseMessage):
        return result.content
    if isinstance(result, Command):
        command = cast("Command[Any]", result)
        return [command.graph, content_of(command.goto), content_of(command.update)]
    if isinstance(result, (list, tuple)):
        return [content_of(item) for item in cast("list[Any]", result)]
    if isinstance(result, Mapping):
        return {key: content_of(value) for key, value in cast("Mapping[Any, Any]", result).items()}
    return result
