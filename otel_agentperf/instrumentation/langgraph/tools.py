"""Tools: one span around each `BaseTool.run` and `arun`, with fingerprints of what went in and out.

`invoke`, `ainvoke`, `ToolNode` and the prebuilt agents all end in one of the two, and none in
both. A tool that handles its own error returns it as a message with the status `error`, which
counts as an error here; called without a tool call it returns plain text, which cannot be told
from an answer and counts as one.
"""

from __future__ import annotations

from contextvars import Token
from functools import wraps
from time import time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.fingerprint import ArgumentPrints
from otel_agentperf.instrumentation.langgraph import outcomes, tool_prints
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch, leave
from otel_agentperf.live import budgets, content, frames, services
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline
from otel_agentperf.model import OperationKind

_TOOL_ERROR = "tool_error"


def wrap_run(switch: Switch) -> MakeWrapper:
    """Wrap `BaseTool.run`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def run(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is not None and budgets.in_use:
                budgets.check(active)
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
            if active is not None and budgets.in_use:
                budgets.check(active)
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
    """A tool that runs, and the tokens of the contexts to go back to."""

    __slots__ = ("frame", "held", "prints", "token")

    def __init__(self, frame: Frame, prints: ArgumentPrints, token: Token[Context]) -> None:
        self.frame = frame
        self.held = frames.hold(frame)
        self.prints = prints
        self.token = token


@guard.guarded("langgraph.tool.open", None)
def _open(switch: Switch, active: Pipeline, tool: Any, tool_input: Any, kwargs: dict[str, Any]) -> _Open | None:
    start_ns = time_ns()
    context, parent = frames.place(context_api.get_current())
    name = str(tool.name)
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.TOOL_NAME: name,
        semconv.TOOL_TYPE: "function",
    }
    call_id = kwargs.get("tool_call_id")
    if call_id is not None:
        attributes[semconv.TOOL_CALL_ID] = str(call_id)
    agent = _agent_name(parent)
    if agent:
        attributes[semconv.AGENT_NAME] = agent
    prints = tool_prints.of_arguments(active.fingerprinter, tool, tool_input)
    if content.on_spans(active.settings):
        attributes.update(content.tool_content_attributes(tool_prints.model_arguments(tool, tool_input)))
    span_name = f"{semconv.OP_EXECUTE_TOOL} {name}"
    frame = switch.start(active, OperationKind.TOOL, name, span_name, attributes, start_ns, context, parent)
    if frame is None:
        return None
    return _Open(frame, prints, context_api.attach(frames.enter(frame, context)))


@guard.guarded("langgraph.tool.close", None)
def _close(switch: Switch, active: Pipeline, opened: _Open, result: Any, error: BaseException | None) -> None:
    leave(opened.token)
    frames.release(opened.held)
    frame = opened.frame
    try:
        ended_ns = time_ns()
        error_type, outcome = outcomes.of(error)
        if error is None and tool_prints.is_error(result):
            error_type = _TOOL_ERROR
        call = tool_prints.of_call(active.fingerprinter, opened.prints, result, error, error_type)
        service = active.prices.match_service(tool=frame.name)
        if service is not None:
            services.bill(active, service, switch.tracer, frame, frame.start_ns, ended_ns)
        attributes: Attributes = {}
        if content.on_spans(active.settings) and error is None:
            attributes = content.tool_content_attributes(result=tool_prints.content_of(result))
        active.close(frame, attributes, error_type=error_type, outcome=outcome, tool=call, end_ns=ended_ns)
    except BaseException:
        active.drop(frame)
        raise


def _agent_name(frame: Frame | None) -> str:
    while frame is not None:
        if frame.kind is OperationKind.AGENT:
            return frame.name
        frame = frame.parent
    return ""
