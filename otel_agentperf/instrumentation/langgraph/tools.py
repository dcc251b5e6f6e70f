"""Tools: one span around each `BaseTool.run` and `arun`, with fingerprints of what went in and out.

The arguments are those of the model: what LangGraph injects (state, store, runtime) is left
out. A result is compared by its content alone, since a message's id is new each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from functools import wraps
from time import time_ns
from typing import Any, cast

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.fingerprint import ArgumentPrints, canonical_bytes
from otel_agentperf.instrumentation.langgraph import outcomes
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline
from otel_agentperf.model import OperationKind, ToolCall

_SCALARS = (str, int, float, bool, type(None))


def wrap_run(switch: Switch) -> MakeWrapper:
    """Wrap `BaseTool.run`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def run(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            opened = None if active is None else _open(switch, active, self, tool_input, kwargs)
            if active is None or opened is None:
                return wrapped(self, tool_input, *args, **kwargs)
            try:
                result = wrapped(self, tool_input, *args, **kwargs)
            except BaseException as error:
                _close(switch, active, opened, None, error)
                raise
            _close(switch, active, opened, result, None)
            return result

        return run

    return make


def wrap_arun(switch: Switch) -> MakeWrapper:
    """Wrap `BaseTool.arun`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def arun(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            opened = None if active is None else _open(switch, active, self, tool_input, kwargs)
            if active is None or opened is None:
                return await wrapped(self, tool_input, *args, **kwargs)
            try:
                result = await wrapped(self, tool_input, *args, **kwargs)
            except BaseException as error:
                _close(switch, active, opened, None, error)
                raise
            _close(switch, active, opened, result, None)
            return result

        return arun

    return make


class _Open:
    __slots__ = ("frame", "prints", "token")

    def __init__(self, frame: Frame, token: Token[Context], prints: ArgumentPrints) -> None:
        self.frame = frame
        self.token = token
        self.prints = prints


@guard.guarded("langgraph.tool.open", None)
def _open(switch: Switch, active: Pipeline, tool: Any, tool_input: Any, kwargs: dict[str, Any]) -> _Open | None:
    start_ns = time_ns()
    context = context_api.get_current()
    name = str(tool.name)
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.TOOL_NAME: name,
        semconv.TOOL_TYPE: "function",
    }
    call_id = kwargs.get("tool_call_id")
    if call_id is not None:
        attributes[semconv.TOOL_CALL_ID] = str(call_id)
    agent = _agent_name(frames.current(context))
    if agent:
        attributes[semconv.AGENT_NAME] = agent
    prints = active.fingerprinter.arguments(_model_arguments(tool, tool_input))
    attributes.update(argument_attributes(prints))
    span_name = f"{semconv.OP_EXECUTE_TOOL} {name}"
    frame = switch.start(active, OperationKind.TOOL, name, span_name, attributes, start_ns, context)
    if frame is None:
        return None
    return _Open(frame, context_api.attach(frames.enter(frame, context)), prints)


@guard.guarded("langgraph.tool.close", None)
def _close(switch: Switch, active: Pipeline, opened: _Open, result: Any, error: BaseException | None) -> None:
    context_api.detach(opened.token)
    frame = opened.frame
    ended_ns = time_ns()
    error_type, outcome = outcomes.of(error)
    content, status = _content(result)
    call = ToolCall(
        arguments_hash=opened.prints.arguments_hash,
        arguments_simhash=opened.prints.arguments_simhash,
        context_hash=opened.prints.context_hash,
        no_arguments=opened.prints.no_arguments,
    )
    attributes: Attributes = {}
    if error is not None and error_type is not None:
        call = _with(call, error_hash=active.fingerprinter.error(error_type, str(error)))
    elif status == "error":
        error_type = "tool_error"
        call = _with(call, error_hash=active.fingerprinter.error(error_type, str(content)))
    elif outcome is None and (encoded := canonical_bytes(content)) is not None:
        size = len(content) if isinstance(content, str) else len(encoded)
        call = _with(call, result_hash=active.fingerprinter.digest(encoded), result_size=size)
    attributes.update(result_attributes(call))
    service = active.prices.match_service(tool=frame.name)
    if service is not None:
        active.bill_service(service, switch.tracer, frame, frame.start_ns, ended_ns)
    active.close(frame, attributes, error_type=error_type, outcome=outcome, tool=call, end_ns=ended_ns)


def _with(
    call: ToolCall, *, error_hash: str | None = None, result_hash: str | None = None, result_size: int | None = None
) -> ToolCall:
    return ToolCall(
        call.arguments_hash,
        call.arguments_simhash,
        call.context_hash,
        result_hash,
        error_hash,
        call.no_arguments,
        result_size,
    )


def argument_attributes(prints: ArgumentPrints) -> Attributes:
    """What a tool's arguments say on its span."""
    attributes: Attributes = {semconv.TOOL_NO_ARGUMENTS: prints.no_arguments}
    if prints.arguments_hash is not None:
        attributes[semconv.TOOL_ARGUMENTS_HASH] = prints.arguments_hash
    if prints.arguments_simhash is not None:
        attributes[semconv.TOOL_ARGUMENTS_SIMHASH] = prints.arguments_simhash
    if prints.context_hash is not None:
        attributes[semconv.TOOL_CONTEXT_HASH] = prints.context_hash
    return attributes


def result_attributes(call: ToolCall) -> Attributes:
    """What a tool's result or error says on its span."""
    attributes: Attributes = {}
    if call.error_hash is not None:
        attributes[semconv.TOOL_ERROR_HASH] = call.error_hash
    if call.result_hash is not None:
        attributes[semconv.TOOL_RESULT_HASH] = call.result_hash
    if call.result_size is not None:
        attributes[semconv.TOOL_RESULT_SIZE] = call.result_size
    return attributes


def _model_arguments(tool: Any, tool_input: Any) -> Any:
    if not isinstance(tool_input, Mapping):
        return tool_input
    arguments = cast("Mapping[str, Any]", tool_input)
    if all(isinstance(value, _SCALARS) for value in arguments.values()):
        return arguments
    without_injected = getattr(tool, "_filter_injected_args", None)
    return without_injected(dict(arguments)) if callable(without_injected) else arguments


def _content(result: Any) -> tuple[Any, str | None]:
    """The comparable part of a tool's result, and its status where it is a message."""
    status = getattr(result, "status", None)
    if status is not None and hasattr(result, "tool_call_id"):
        return result.content, str(status)
    return result, None


def _agent_name(frame: Frame | None) -> str:
    while frame is not None:
        if frame.kind is OperationKind.AGENT:
            return frame.name
        frame = frame.parent
    return ""
