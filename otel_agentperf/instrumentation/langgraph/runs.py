"""Graph runs: one span from the first step of `Pregel.stream` to its end, however it ends.

The span is current while the graph works, never while the caller has a chunk in hand: the
context is attached and detached around each step, so a caller may abandon the stream, close
it from another thread or drive each step in another context. The wrappers are generators as
the originals are, and as lazy. The inner asynchronous generator is kept out of the event
loop's hooks: ours closes it, and two closings at shutdown would collide.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Mapping
from functools import wraps
from time import time_ns
from typing import Any, cast

from langgraph.errors import GraphInterrupt
from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.langgraph import outcomes
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline, session_from_baggage
from otel_agentperf.model import OperationKind

_SESSION_METADATA = ("session_id", "conversation_id")
_AGENT_INTEGRATIONS = frozenset({"langchain_create_agent"})


def wrap_stream(switch: Switch) -> MakeWrapper:
    """Wrap `Pregel.stream`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def stream(self: Any, *args: Any, **kwargs: Any) -> Any:
            inner = wrapped(self, *args, **kwargs)
            active = switch.active()
            return inner if active is None else _drive(switch, active, self, args, kwargs, inner)

        return stream

    return make


def wrap_astream(switch: Switch) -> MakeWrapper:
    """Wrap `Pregel.astream`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def astream(self: Any, *args: Any, **kwargs: Any) -> Any:
            inner = wrapped(self, *args, **kwargs)
            active = switch.active()
            return inner if active is None else _adrive(switch, active, self, args, kwargs, inner)

        return astream

    return make


def wrap_suppress_interrupt(switch: Switch) -> MakeWrapper:
    """Wrap `PregelLoop._suppress_interrupt`, the one place that sees static interrupts too."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def _suppress_interrupt(self: Any, exc_type: Any, *args: Any, **kwargs: Any) -> Any:
            if switch.active() is not None and isinstance(exc_type, type) and issubclass(exc_type, GraphInterrupt):
                frame = frames.current()
                if frame is not None and frame.kind in (OperationKind.WORKFLOW, OperationKind.AGENT):
                    frame.outcome = outcomes.INTERRUPTED
            return wrapped(self, exc_type, *args, **kwargs)

        return _suppress_interrupt

    return make


def _drive(
    switch: Switch,
    active: Pipeline,
    graph: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    inner: Generator[Any, Any, Any],
) -> Generator[Any, Any, Any]:
    opened = _open(switch, active, graph, args, kwargs)
    if opened is None:
        return (yield from inner)
    frame, context = opened
    attach, detach = context_api.attach, context_api.detach
    ended_by: BaseException | None = None
    try:
        step, argument = inner.__next__, None
        while True:
            token = attach(context)
            try:
                chunk = step() if argument is None else inner.throw(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                detach(token)
            argument = None
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as thrown:  # noqa: BLE001 - handed on to the generator it was meant for
                argument = thrown
    except BaseException as error:
        ended_by = error
        raise
    finally:
        if isinstance(ended_by, GeneratorExit):
            token = attach(context)
            try:
                inner.close()
            finally:
                detach(token)
                _close(active, frame, ended_by)
        else:
            _close(active, frame, ended_by)


async def _adrive(
    switch: Switch,
    active: Pipeline,
    graph: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    inner: AsyncGenerator[Any, Any],
) -> AsyncIterator[Any]:
    opened = _open(switch, active, graph, args, kwargs)
    if opened is None:
        async for chunk in inner:
            yield chunk
        return
    frame, context = opened
    ended_by: BaseException | None = None
    try:
        first = True
        argument: BaseException | None = None
        while True:
            token = context_api.attach(context)
            in_place = True
            try:
                if argument is not None:
                    chunk = await inner.athrow(argument)
                else:
                    chunk = await (_first_step(inner) if first else inner.__anext__())
            except StopAsyncIteration:
                return
            except GeneratorExit:
                in_place = False  # destroyed while waiting, maybe in another context
                raise
            finally:
                if in_place:
                    context_api.detach(token)
            first, argument = False, None
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as thrown:  # noqa: BLE001 - handed on to the generator it was meant for
                argument = thrown
    except BaseException as error:
        ended_by = error
        raise
    finally:
        if isinstance(ended_by, GeneratorExit):
            token = context_api.attach(context)
            try:
                await inner.aclose()
            finally:
                context_api.detach(token)
                _close(active, frame, ended_by)
        else:
            _close(active, frame, ended_by)


def _first_step(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Begin the inner generator without the event loop noticing; see the module's docstring."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


@guard.guarded("langgraph.run.open", None)
def _open(
    switch: Switch, active: Pipeline, graph: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Frame, Context] | None:
    start_ns = time_ns()
    context = context_api.get_current()
    parent = frames.current(context)
    name = str(getattr(graph, "name", None) or "LangGraph")
    config = _config(graph, args, kwargs)
    is_agent = _is_agent(graph, config)
    kind = OperationKind.AGENT if is_agent else OperationKind.WORKFLOW
    attributes: Attributes = (
        {semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT, semconv.AGENT_NAME: name}
        if is_agent
        else {semconv.OPERATION_NAME: semconv.OP_INVOKE_WORKFLOW, semconv.WORKFLOW_NAME: name}
    )
    session_id = None
    if parent is None or parent.run is None:
        session_id = _session_id(config, args[0] if args else kwargs.get("input"), active.settings.session_key)
    elif parent.run.session.id:
        session_id = parent.run.session.id
    if session_id is not None:
        attributes[semconv.CONVERSATION_ID] = session_id
    span_name = f"{attributes[semconv.OPERATION_NAME]} {name}"
    frame = switch.start(active, kind, name, span_name, attributes, start_ns, context, session_id=session_id)
    return None if frame is None else (frame, frames.enter(frame, context))


@guard.guarded("langgraph.run.close", None)
def _close(active: Pipeline, frame: Frame, error: BaseException | None) -> None:
    error_type, outcome = outcomes.of(error)
    active.close(frame, {}, error_type=error_type, outcome=outcome or (frame.outcome if error is None else None))


def _config(graph: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The configs that hold for a run, the call's own first."""
    given = args[1] if len(args) > 1 else kwargs.get("config")
    bound = getattr(graph, "config", None)
    return tuple(cast("Mapping[str, Any]", c) for c in (given, bound) if isinstance(c, Mapping))


def _session_id(configs: tuple[Mapping[str, Any], ...], state: object, state_key: str) -> str | None:
    for config in configs:
        thread_id = (config.get("configurable") or {}).get("thread_id")
        if thread_id is not None:
            return str(thread_id)
    for key in _SESSION_METADATA:
        for config in configs:
            value = (config.get("metadata") or {}).get(key)
            if value is not None:
                return str(value)
    if (from_baggage := session_from_baggage()) is not None:
        return from_baggage
    if isinstance(state, Mapping):
        value = cast("Mapping[str, object]", state).get(state_key)
        if isinstance(value, (str, int)):
            return str(value)
    return None


def _is_agent(graph: Any, configs: tuple[Mapping[str, Any], ...]) -> bool:
    """Whether a graph is a prebuilt agent: LangChain's says so, LangGraph's shows by its nodes."""
    for config in configs:
        if (config.get("metadata") or {}).get("ls_integration") in _AGENT_INTEGRATIONS:
            return True
    del graph
    return False
