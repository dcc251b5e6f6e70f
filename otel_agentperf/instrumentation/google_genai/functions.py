"""Functions that the SDK calls for the model: an `execute_tool` span for each.

Seen where the SDK calls them, before it turns an exception into ``{'error': ...}`` for the
model. Tools of MCP sessions do not come this way and are not covered.
"""

from __future__ import annotations

import asyncio
from contextvars import Token
from functools import wraps
from time import time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.budgets import BudgetExceeded
from otel_agentperf.fingerprint import ArgumentPrints, canonical_bytes
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper, error_type
from otel_agentperf.instrumentation.switch import Switch, leave
from otel_agentperf.live import budgets, content, frames, services
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import OperationKind, ToolCall


class _Open:
    __slots__ = ("frame", "held", "prints", "token")

    def __init__(self, frame: Frame, token: Token[Context], prints: ArgumentPrints) -> None:
        self.frame = frame
        self.held = frames.hold(frame)
        self.token = token
        self.prints = prints


def wrap_invoke(switch: Switch) -> MakeWrapper:
    """Wrap `invoke_function_from_dict_args`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def invoke_function_from_dict_args(args: Any, function_to_invoke: Any, *more: Any, **named: Any) -> Any:
            active = switch.active()
            if active is not None and budgets.in_use:
                budgets.check(active)  # the SDK tells the model that it failed, and its next request is refused
            opened = None if active is None else _open(switch, active, args, function_to_invoke)
            if active is None or opened is None:
                return wrapped(args, function_to_invoke, *more, **named)
            try:
                result = wrapped(args, function_to_invoke, *more, **named)
            except BaseException as error:
                _close(switch, active, opened, None, error)
                raise
            _close(switch, active, opened, result, None)
            return result

        return invoke_function_from_dict_args

    return make


def wrap_ainvoke(switch: Switch) -> MakeWrapper:
    """Wrap `invoke_function_from_dict_args_async`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def invoke_function_from_dict_args_async(
            args: Any, function_to_invoke: Any, *more: Any, **named: Any
        ) -> Any:
            active = switch.active()
            if active is not None and budgets.in_use:
                budgets.check(active)  # the SDK tells the model that it failed, and its next request is refused
            opened = None if active is None else _open(switch, active, args, function_to_invoke)
            if active is None or opened is None:
                return await wrapped(args, function_to_invoke, *more, **named)
            try:
                result = await wrapped(args, function_to_invoke, *more, **named)
            except BaseException as error:
                _close(switch, active, opened, None, error)
                raise
            _close(switch, active, opened, result, None)
            return result

        return invoke_function_from_dict_args_async

    return make


@guard.guarded("google_genai.function.open", None)
def _open(switch: Switch, active: Pipeline, args: Any, function: Any) -> _Open | None:
    start_ns = time_ns()
    context = frames.rightful(context_api.get_current())
    name = str(getattr(function, "__name__", type(function).__name__))
    prints = active.fingerprinter.arguments(args)
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.TOOL_NAME: name,
        semconv.TOOL_TYPE: "function",
    }
    if content.on_spans(active.settings):
        attributes.update(content.tool_content_attributes(args))
    span_name = f"{semconv.OP_EXECUTE_TOOL} {name}"
    parent = frames.current(context)
    frame = switch.start(active, OperationKind.TOOL, name, span_name, attributes, start_ns, context, parent)
    if frame is None:
        return None
    return _Open(frame, context_api.attach(frames.enter(frame, context)), prints)


@guard.guarded("google_genai.function.close", None)
def _close(switch: Switch, active: Pipeline, opened: _Open, result: Any, error: BaseException | None) -> None:
    leave(opened.token)
    frames.release(opened.held)
    frame, prints = opened.frame, opened.prints
    try:
        ended_ns = time_ns()
        # The SDK wraps what the function raised; the message of its wrapper quotes the arguments.
        cause = error.__context__ if error is not None and error.__context__ is not None else error
        cancelled = isinstance(cause, (asyncio.CancelledError, GeneratorExit))
        failed = error_type(cause) if cause is not None and not cancelled else None
        encoded = canonical_bytes(result) if error is None else None
        call = ToolCall(
            prints.arguments_hash,
            prints.context_hash,
            active.fingerprinter.digest(encoded) if encoded is not None else None,
            active.fingerprinter.error(failed, str(cause), prints.identifiers) if failed is not None else None,
            prints.no_arguments,
            (len(result) if isinstance(result, str) else len(encoded)) if encoded is not None else None,
            prints.argument_is_sentence,
        )
        attributes: Attributes = {}
        if content.on_spans(active.settings) and error is None:
            attributes = content.tool_content_attributes(result=result)
        service = active.prices.match_service(tool=frame.name)
        if service is not None:
            services.bill(active, service, switch.tracer, frame, frame.start_ns, ended_ns)
        outcome = "cancelled" if cancelled else None
        if isinstance(cause, BudgetExceeded):
            outcome = semconv.OUTCOME_BUDGET_EXCEEDED
        active.close(frame, attributes, error_type=failed, outcome=outcome, tool=call, end_ns=ended_ns)
    except BaseException:
        active.drop(frame)
        raise
