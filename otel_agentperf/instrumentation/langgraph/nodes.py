"""Nodes and tasks: one span around each execution, retries included, current while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Token
from functools import wraps
from time import time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.budgets import BudgetExceeded
from otel_agentperf.instrumentation.langgraph import outcomes
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper, error_type
from otel_agentperf.instrumentation.switch import Switch, leave
from otel_agentperf.live import budgets, frames, loops, services
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Attributes, Pipeline
from otel_agentperf.model import NodeStep, OperationKind

_NODE = OperationKind.NODE
_HIDDEN = "langsmith:hidden"
_START = "__start__"


def wrap_run(switch: Switch) -> MakeWrapper:
    """Wrap `run_with_retry`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def run_with_retry(task: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is not None and budgets.in_use:
                _hold(active, task)
            opened = None if active is None else _open(switch, active, task)
            if active is None or opened is None:
                return wrapped(task, *args, **kwargs)
            try:
                result = wrapped(task, *args, **kwargs)
            except BaseException as error:
                _close(switch, active, opened, error)
                raise
            _close(switch, active, opened, None)
            return result

        return run_with_retry

    return make


def wrap_arun(switch: Switch) -> MakeWrapper:
    """Wrap `arun_with_retry`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def arun_with_retry(task: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is not None and budgets.in_use:
                _hold(active, task)
            opened = None if active is None else _open(switch, active, task)
            if active is None or opened is None:
                return await wrapped(task, *args, **kwargs)
            entered = loops.enter()
            try:
                result = await wrapped(task, *args, **kwargs)
            except BaseException as error:
                loops.leave(entered)
                _close(switch, active, opened, error)
                raise
            loops.leave(entered)
            _close(switch, active, opened, None)
            return result

        return arun_with_retry

    return make


def wrap_cached(switch: Switch) -> MakeWrapper:
    """Wrap `SyncPregelLoop.match_cached_writes`: each match is a node that did not have to run."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def match_cached_writes(*args: Any, **kwargs: Any) -> Any:
            matched = wrapped(*args, **kwargs)
            if matched and (active := switch.active()) is not None:
                _cache_hits(switch, active, matched)
            return matched

        return match_cached_writes

    return make


def wrap_acached(switch: Switch) -> MakeWrapper:
    """Wrap `AsyncPregelLoop.amatch_cached_writes`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def amatch_cached_writes(*args: Any, **kwargs: Any) -> Any:
            matched = await wrapped(*args, **kwargs)
            if matched and (active := switch.active()) is not None:
                _cache_hits(switch, active, matched)
            return matched

        return amatch_cached_writes

    return make


def wrap_should_retry(switch: Switch) -> MakeWrapper:
    """Wrap `_should_retry_on`: asked about each failed attempt under a retry policy."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def _should_retry_on(*args: Any, **kwargs: Any) -> Any:
            error = args[1] if len(args) > 1 else kwargs.get("exc")
            if isinstance(error, BudgetExceeded):
                return False  # whatever the policy says: it would be raised again
            answer = wrapped(*args, **kwargs)
            active = switch.active()
            if isinstance(error, Exception) and active is not None:
                _failed_attempt(error, retryable=bool(answer))
                if answer and budgets.in_use:
                    # Time may be up meanwhile, or this error is what became of a `BudgetExceeded`.
                    budgets.check(active)
            return answer

        return _should_retry_on

    return make


def _hold(active: Pipeline, task: Any) -> None:
    """Hold the budgets before a node runs. Outside of any guard: what this raises is meant for the program."""
    if _is_step(task):
        budgets.check(active, is_step=True)


@guard.guarded("langgraph.node.hold", None, timed=False)
def _is_step(task: Any) -> bool:
    return not _is_hidden(task)


def _is_hidden(task: Any) -> bool:
    return task.name == _START or _HIDDEN in (task.config.get("tags") or ())


def _step(task: Any) -> int | None:
    metadata: Mapping[str, object] | None = task.config.get("metadata")
    step = metadata.get("langgraph_step") if metadata else None
    return step if isinstance(step, int) else None


class _Place:
    """Where a node runs: the graph, the step and the state it starts from."""

    __slots__ = ("_name", "_task", "graph", "state_hash", "step")

    def __init__(self, graph: str, name: str, step: int | None, state_hash: str | None, task: Any) -> None:
        self._name = name
        self.graph = graph
        self.step = step
        self.state_hash = state_hash
        self._task = task

    def node_step(self, attempts: int = 1) -> NodeStep:
        return NodeStep(self.graph, self.step, self.state_hash, attempts)

    def attributes(self, attempts: int = 1) -> Attributes:
        """What its span says of it as it ends."""
        task = self._task
        attributes: Attributes = {
            semconv.OPERATION_NAME: semconv.OP_INVOKE_NODE,
            semconv.NODE_NAME: self._name,
            semconv.LANGGRAPH_TRIGGERS: tuple(map(str, task.triggers)),
            semconv.LANGGRAPH_TASK_ID: str(task.id),
        }
        if self.step is not None:
            attributes[semconv.LANGGRAPH_STEP] = self.step
        if self.state_hash is not None:
            attributes[semconv.STATE_HASH] = self.state_hash
        if attempts > 1:
            attributes[semconv.NODE_ATTEMPTS] = attempts
        return attributes


class _Open:
    """A node that runs, and the tokens of the contexts to go back to."""

    __slots__ = ("frame", "held", "place", "token")

    def __init__(self, frame: Frame, place: _Place, token: Token[Context]) -> None:
        self.frame = frame
        self.held = frames.hold(frame)
        self.place = place
        self.token = token


def _start(switch: Switch, active: Pipeline, task: Any) -> tuple[Frame, Context, _Place] | None:
    if _is_hidden(task):
        return None
    start_ns = time_ns()
    context = context_api.get_current()
    parent = frames.current(context)
    name = str(task.name)
    step = _step(task)
    state_hash = None
    try:
        state_hash = active.fingerprinter.state(task.input)
    except Exception as error:  # noqa: BLE001 - a state that cannot be read costs its hash, not its span
        guard.report("langgraph.node.state", error)
    # Its name says all that a sampler may want to know: attributes at the start cost four times those at the end.
    span_name = f"{semconv.OP_INVOKE_NODE} {name}"
    frame = switch.start(active, _NODE, name, span_name, None, start_ns, context, parent)
    if frame is None:
        return None
    return frame, context, _Place(parent.name if parent is not None else "", name, step, state_hash, task)


@guard.guarded("langgraph.node.open", None)
def _open(switch: Switch, active: Pipeline, task: Any) -> _Open | None:
    started = _start(switch, active, task)
    if started is None:
        return None
    frame, context, place = started
    return _Open(frame, place, context_api.attach(frames.enter(frame, context)))


@guard.guarded("langgraph.node.close", None)
def _close(switch: Switch, active: Pipeline, opened: _Open, error: BaseException | None) -> None:
    leave(opened.token)
    frames.release(opened.held)
    frame = opened.frame
    try:
        ended_ns = time_ns()
        error_type, outcome = outcomes.of(error)
        if outcome is outcomes.INTERRUPTED:
            outcomes.interrupt_run(frame.parent)  # the reader may leave at the question, before the loop ends
        attempts = frame.failed_attempts
        if attempts == 0 or error_type is None or id(error) != frame.last_error_id:
            attempts += 1
        service = active.prices.match_service(node=frame.name)
        if service is not None:
            services.bill(active, service, switch.tracer, frame, frame.start_ns, ended_ns)
        node, attributes = opened.place.node_step(attempts), opened.place.attributes(attempts)
        active.close(frame, attributes, error_type=error_type, outcome=outcome, node=node, end_ns=ended_ns)
    except BaseException:
        active.drop(frame)
        raise


@guard.guarded("langgraph.cache", None)
def _cache_hits(switch: Switch, active: Pipeline, tasks: Sequence[Any]) -> None:
    for task in tasks:
        started = _start(switch, active, task)
        if started is None:
            continue
        frame, _, place = started
        try:
            node, attributes = place.node_step(), place.attributes()
            active.close(frame, attributes, outcome=outcomes.CACHE_HIT, node=node, end_ns=frame.start_ns)
        except BaseException:
            active.drop(frame)
            raise


@guard.guarded("langgraph.retry", None)
def _failed_attempt(error: Exception, *, retryable: bool) -> None:
    frame = frames.current()
    if frame is None or frame.kind is not OperationKind.NODE:
        return
    if not retryable:
        frame.last_error_id = 0
        return
    frame.last_error_id = id(error)
    frame.failed_attempts += 1
    if frame.span.is_recording():
        frame.span.add_event(
            semconv.EVENT_ATTEMPT,
            {semconv.ATTEMPT_NUMBER: frame.failed_attempts, semconv.ERROR_TYPE: error_type(error)},
        )
