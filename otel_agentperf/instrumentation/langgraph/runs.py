"""Graph runs: one span from the first step of a stream to its end, however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from time import time_ns
from typing import Any

from langgraph.errors import GraphInterrupt
from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import budgets, guard, semconv
from otel_agentperf.instrumentation.langgraph import outcomes, streams
from otel_agentperf.instrumentation.langgraph.agents import is_prebuilt_agent
from otel_agentperf.instrumentation.langgraph.conversation import configs_of, conversation_id
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline
from otel_agentperf.model import OperationKind

_UNNAMED = "LangGraph"


def wrap_stream(switch: Switch) -> MakeWrapper:
    """Wrap `Pregel.stream`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def stream(self: Any, *args: Any, **kwargs: Any) -> Any:
            inner = wrapped(self, *args, **kwargs)
            active = switch.active()
            if active is None:
                return inner
            return streams.drive(inner, _open, switch, active, self, args, kwargs)

        return stream

    return make


def wrap_astream(switch: Switch) -> MakeWrapper:
    """Wrap `Pregel.astream`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def astream(self: Any, *args: Any, **kwargs: Any) -> Any:
            inner = wrapped(self, *args, **kwargs)
            active = switch.active()
            if active is None:
                return inner
            return streams.adrive(inner, _open, switch, active, self, args, kwargs)

        return astream

    return make


def wrap_suppress_interrupt(switch: Switch) -> MakeWrapper:
    """Wrap `PregelLoop._suppress_interrupt`, the one place that sees static interrupts too."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def _suppress_interrupt(self: Any, exc_type: Any, *args: Any, **kwargs: Any) -> Any:
            if exc_type is not None and switch.active() is not None:
                _interrupted(exc_type)
            return wrapped(self, exc_type, *args, **kwargs)

        return _suppress_interrupt

    return make


class OpenRun:
    """A graph run under way: its frame, and the context in which its steps run."""

    __slots__ = ("_active", "_closed", "_frame", "context")

    def __init__(self, active: Pipeline, frame: Frame, context: Context) -> None:
        self._active = active
        self._frame = frame
        self._closed = False
        self.context = context

    def close(self, error: BaseException | None) -> None:
        """End the run's span, once; `error` is what the stream ended with, if anything."""
        if not self._closed:
            self._closed = True
            _close(self._active, self._frame, error)

    def __del__(self) -> None:
        """End the span of a stream that nobody could close: its event loop was gone before it."""
        if not self._closed:
            self.close(GeneratorExit())


@guard.guarded("langgraph.run.open", None)
def _open(
    switch: Switch, active: Pipeline, graph: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> OpenRun | None:
    start_ns = time_ns()
    context, parent = frames.place(context_api.get_current())
    name = _name(graph)
    if is_prebuilt_agent(graph):
        if name == _UNNAMED and parent is not None and parent.kind is OperationKind.NODE:
            name = parent.name  # an agent without a name of its own goes by the node it is
        kind, span_name = OperationKind.AGENT, f"{semconv.OP_INVOKE_AGENT} {name}"
        attributes: Attributes = {semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT, semconv.AGENT_NAME: name}
    else:
        kind, span_name = OperationKind.WORKFLOW, f"{semconv.OP_INVOKE_WORKFLOW} {name}"
        attributes = {semconv.OPERATION_NAME: semconv.OP_INVOKE_WORKFLOW, semconv.WORKFLOW_NAME: name}
    session_id = None
    if parent is None or parent.run is None or not parent.within_agentic():
        configs = configs_of(args[1] if len(args) > 1 else kwargs.get("config"), getattr(graph, "config", None))
        state = args[0] if args else kwargs.get("input")
        session_id = conversation_id(configs, state, active.settings.session_key)
    frame = switch.start(active, kind, name, span_name, attributes, start_ns, context, parent, session_id=session_id)
    return None if frame is None else OpenRun(active, frame, frames.enter(frame, context))


def _name(graph: Any) -> str:
    """The graph's name; an entrypoint of the functional API, which has none, goes by its function's."""
    name = str(getattr(graph, "name", None) or _UNNAMED)
    if name == _UNNAMED:
        nodes: Mapping[str, object] = getattr(graph, "nodes", None) or {}
        if len(nodes) == 1:  # any other graph has a start node too
            return str(next(iter(nodes)))
    return name


@guard.guarded("langgraph.run.interrupted", None)
def _interrupted(exc_type: type[BaseException]) -> None:
    if issubclass(exc_type, GraphInterrupt):
        outcomes.interrupt_run(frames.current())


@guard.guarded("langgraph.run.close", None)
def _close(active: Pipeline, frame: Frame, error: BaseException | None) -> None:
    if frame.owns_run and frame.run is not None and frame.run.finished:
        return  # the processor has ended it already, at shutdown
    try:
        error_type, outcome = outcomes.of(error)
        if error_type is None and frame.outcome is not None:
            outcome = frame.outcome
            if outcome == outcomes.BUDGET_EXCEEDED:  # the program caught it on the way
                error_type = budgets.ERROR_TYPE
        active.close(frame, {}, error_type=error_type, outcome=outcome)
    except BaseException:
        active.drop(frame)
        raise
