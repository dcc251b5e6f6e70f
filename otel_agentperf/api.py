"""What a program may say itself: switch us on, mark actions and services, report outcomes and usage.

Everything here works, and does nothing, when no telemetry is set up.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable
from contextvars import Token
from decimal import Decimal
from functools import wraps
from time import time_ns
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from opentelemetry import _logs, trace
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, TracerProvider

from otel_agentperf import config, guard, semconv
from otel_agentperf.fingerprint import ArgumentPrints, canonical_bytes
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.instrumentation.patching import error_type
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import auto, frames, pipeline, services
from otel_agentperf.live.answers import Pieces
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ServiceTier, ToolCall, Usage

F = TypeVar("F", bound=Callable[..., Any])

_logger = logging.getLogger("otel_agentperf")
_switch = Switch(semconv.SCOPE_API)
_NS_PER_MINUTE = Decimal(60_000_000_000)


def instrument(settings: config.Settings | None = None, *, tracer_provider: TracerProvider | None = None) -> None:
    """Switch everything on in a program that sets its SDK up in code.

    Call it after the tracer provider exists. Under `opentelemetry-instrument` it is not
    needed. What is on already stays as it is; other settings are then not used, which is said
    in the log.

    Args:
        settings: the settings; read from the environment when absent.
        tracer_provider: where spans go; the global one when absent.

    Raises:
        SettingsError: a setting is wrong; the message names it and what is allowed.
    """
    chosen = settings if settings is not None else config.load()
    if not chosen.enabled:
        return
    if settings is not None or pipeline.current() is None:
        pipeline.begin_with(chosen)
    auto.attach(tracer_provider or trace.get_tracer_provider(), _logs.get_logger_provider())
    for instrumentor in (LangGraphInstrumentor(), GoogleGenAIInstrumentor()):
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=tracer_provider)


_tracing: Pipeline | None = None


def _active() -> Pipeline | None:
    """The pipeline, with our tracer taken from the provider that it is bound to."""
    global _tracing  # noqa: PLW0603 - follows the pipeline of the process
    active = pipeline.current()
    if active is not _tracing:
        _switch.turn_on(active.tracer_provider if active is not None else None)
        _tracing = active
    return _switch.active()


def _how_it_ended(error: BaseException | None) -> tuple[str | None, str | None]:
    """`error.type` and outcome; what LangGraph expresses as an exception is no error."""
    if error is not None and "langgraph.errors" in sys.modules:
        from otel_agentperf.instrumentation.langgraph import outcomes  # noqa: PLC0415 - needs LangGraph

        return outcomes.of(error)
    if isinstance(error, asyncio.CancelledError):
        return None, "cancelled"
    return (None if error is None else error_type(error)), None


class _Spanned:
    """A context manager and decorator, synchronous and asynchronous, each use with its own state."""

    def _fresh(self, arguments: Any) -> _Spanned:
        raise NotImplementedError

    def begin(self) -> None:
        """Begin one use."""
        raise NotImplementedError

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(None, exc)

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(None, exc)

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function.

        A generator function is given back as it is, which is said in the log: its body runs in
        pieces, between which the program does other things.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            _refuse(type(self).__name__, f"generator function {function.__qualname__}", "functions and coroutines")
            return function
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def arun(*args: Any, **kwargs: Any) -> Any:
                use = self._fresh((args, kwargs))
                use.begin()
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    use.end(None, error)
                    raise
                use.end(result, None)
                return result

            return cast("F", arun)

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            use = self._fresh((args, kwargs))
            use.begin()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                use.end(None, error)
                raise
            use.end(result, None)
            return result

        return cast("F", run)


_NO_RESULT = object()


class action(_Spanned):  # noqa: N801 - reads as a statement, `with action("click"):`
    """Marks an action of an agent that is no tool, as an `execute_action` span.

    As a decorator it fingerprints the call's arguments and result, so that repeats are found;
    as a context manager it knows what it is given. Nothing but fingerprints is recorded.

    Args:
        name: the action, low in cardinality, such as ``"click"``.
        arguments: what it acts on, for a context manager.
    """

    def __init__(self, name: str, *, arguments: Any = None) -> None:
        self._name = name
        self._arguments = arguments
        self._has_arguments = arguments is not None
        self._result: Any = _NO_RESULT
        self._pipeline: Pipeline | None = None
        self._frame: Frame | None = None
        self._token: Token[Context] | None = None
        self._prints = ArgumentPrints()

    def result(self, value: Any) -> None:
        """Say what the action came to, so that a repeat with the same result is recognised."""
        self._result = value

    def _fresh(self, arguments: Any) -> action:
        use = action(self._name)
        use._arguments, use._has_arguments = arguments, True
        return use

    def begin(self) -> None:
        """Begin one use."""
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.action.open", error)

    def _open(self) -> None:
        active = _active()
        if active is None:
            return
        start_ns = time_ns()
        context = context_api.get_current()
        attributes: Attributes = {
            semconv.OPERATION_NAME: semconv.OP_EXECUTE_ACTION,
            semconv.TOOL_NAME: self._name,
        }
        if self._has_arguments:
            self._prints = active.fingerprinter.arguments(self._arguments)
        span_name = f"{semconv.OP_EXECUTE_ACTION} {self._name}"
        parent = frames.current(context)
        frame = _switch.start(active, OperationKind.TOOL, self._name, span_name, attributes, start_ns, context, parent)
        if frame is not None:
            self._pipeline, self._frame = active, frame
            self._token = context_api.attach(frames.enter(frame, context))

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        try:
            self._close(result, error)
        except Exception as failure:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.action.close", failure)

    def _close(self, result: Any, error: BaseException | None) -> None:
        active, frame = self._pipeline, self._frame
        if active is None or frame is None or self._token is None:
            return
        self._frame = None
        context_api.detach(self._token)
        failed, outcome = _how_it_ended(error)
        value = self._result if self._result is not _NO_RESULT else result
        encoded = canonical_bytes(value) if value is not None and error is None else None
        prints = self._prints
        active.close(
            frame,
            {},
            error_type=failed,
            outcome=outcome,
            tool=ToolCall(
                prints.arguments_hash,
                prints.arguments_simhash,
                prints.context_hash,
                active.fingerprinter.digest(encoded) if encoded is not None else None,
                active.fingerprinter.error(failed, str(error)) if failed is not None else None,
                prints.no_arguments,
                (len(value) if isinstance(value, str) else len(encoded)) if encoded is not None else None,
            ),
        )


class service(_Spanned):  # noqa: N801 - reads as a statement, `with service("steel_browser"):`
    """Marks the use of a billed service; its price stands in the settings file.

    As a context manager or decorator the time inside is billed, as a `use_service` span.
    `service(name).record(minutes=...)` bills time or calls that were measured elsewhere.

    Args:
        name: a name under `[prices.services]`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._start_ns = 0

    def _fresh(self, arguments: Any) -> service:
        del arguments
        return service(self._name)

    def begin(self) -> None:
        """Begin one use."""
        self._start_ns = time_ns()

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        del result, error
        self._bill(self._start_ns, time_ns(), None, 1)

    def record(self, *, minutes: float | Decimal | None = None, calls: int = 1) -> None:
        """Bill what was measured elsewhere. What makes no sense is said in the log and not billed.

        Args:
            minutes: how long the service was used, 0 or more.
            calls: how many calls that were, 0 or more.
        """
        try:
            used = Decimal(str(minutes if minutes is not None else 0))
            sensible = used.is_finite() and used >= 0 and calls >= 0
        except (ArithmeticError, TypeError, ValueError):
            sensible, used = False, Decimal(0)
        if not sensible:
            _refuse("service.record", f"minutes={_shown(minutes)}, calls={_shown(calls)}", "numbers from 0 up")
            return
        end_ns = time_ns()
        self._bill(end_ns - int(used * _NS_PER_MINUTE), end_ns, used, calls)

    def _bill(self, start_ns: int, end_ns: int, minutes: Decimal | None, calls: int) -> None:
        try:
            active = _active()
            if active is None:
                return
            user = frames.current()
            if services.will_bill(active, self._name, user):
                return
            used = minutes if minutes is not None else Decimal(end_ns - start_ns) / _NS_PER_MINUTE
            cost = services.cost_of(active, self._name, used, calls)
            services.write(active, self._name, _switch.tracer, user, start_ns, end_ns, cost, used)
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.service", error)


def outcome(*, success: bool | None = None, score: float | None = None) -> None:
    """Say how the current run went, where an exception does not.

    Args:
        success: whether the run did what it was for; it overrides what errors suggest.
        score: a figure of merit on a scale of your own.
    """
    try:
        frame = frames.current()
        run = frame.run if frame is not None else None
        if run is None:
            return
        if success is not None:
            run.success = bool(success)
        if score is not None:
            run.score = float(score)
    except (TypeError, ValueError):
        _refuse("outcome", f"score={_shown(score)}", "a number")
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.outcome", error)


def _refuse(name: str, given: str, allowed: str) -> None:
    """Say once for each function that it was given what it cannot take; the program goes on."""
    if name not in _refused:
        _refused.add(name)
        _logger.warning("otel-agentperf: %s(%s) is not recorded; allowed: %s", name, given, allowed)


def _shown(value: object) -> str:
    """A number as it is; of anything else its type alone, since it may be someone's text."""
    return str(value) if isinstance(value, (int, float, Decimal, type(None))) else f"a {type(value).__name__}"


_refused: set[str] = set()


def record_model_usage(
    model: str,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    provider: str = semconv.PROVIDER_GEMINI,
    cache_read_tokens: int = 0,
    reasoning_tokens: int = 0,
    start_time_ns: int | None = None,
) -> None:
    """Report a model request that was made by other means, as a priced inference span.

    Args:
        model: the model's name, as its provider spells it.
        input_tokens: all input tokens, cached ones included; `None` where they are unknown.
        output_tokens: all output tokens, reasoning included; `None` where they are unknown.
        provider: `gen_ai.provider.name`, such as ``"gcp.gemini"`` or ``"openai"``.
        cache_read_tokens: the cached part of the input tokens.
        reasoning_tokens: the reasoning part of the output tokens.
        start_time_ns: when the request began, Unix nanoseconds; now when absent.

    Where tokens are unknown, the request is counted and its cost is unknown. Numbers that cannot
    be (negative ones, a part larger than its whole) are said in the log and not recorded.
    """
    parts = (input_tokens, output_tokens, cache_read_tokens, reasoning_tokens)
    if not _make_sense(*parts):
        allowed = "whole numbers from 0 up, cached and reasoning tokens as parts of the others"
        _refuse("record_model_usage", f"tokens={', '.join(map(_shown, parts))}", allowed)
        return
    usage = None
    if input_tokens is not None and output_tokens is not None:
        usage = Usage(input_tokens, output_tokens, cache_read_tokens, reasoning_tokens)
    try:
        _record(str(model), provider, usage, start_time_ns)
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.record_model_usage", error)


def _make_sense(input_tokens: object, output_tokens: object, cached: object, reasoning: object) -> bool:
    for whole, part in ((input_tokens, cached), (output_tokens, reasoning)):
        if not isinstance(part, int) or not isinstance(whole, (int, type(None))):
            return False
        if part < 0 or (whole is not None and part > whole):
            return False
    return True


def _record(model: str, provider: str, usage: Usage | None, start_time_ns: int | None) -> None:
    active = _active()
    if active is None:
        return
    start_ns = start_time_ns if start_time_ns is not None else time_ns()
    context = context_api.get_current()
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_GENERATE_CONTENT,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
    }
    span_name = f"{semconv.OP_GENERATE_CONTENT} {model}"
    frame = _switch.start(
        active,
        OperationKind.INFERENCE,
        model,
        span_name,
        attributes,
        start_ns,
        context,
        frames.current(context),
        span_kind=SpanKind.CLIENT,
    )
    if frame is None:
        return
    frame.answers.keep(frame.span_id, Pieces())  # what it answered is not known
    if usage is None:
        cost = Cost(CostStatus.UNPRICED, reason="the tokens are unknown")
    else:
        cost = active.prices.price(provider, model, usage, ServiceTier.STANDARD, when_ns=start_ns)
    active.close(frame, {}, usage=usage, cost=cost, inference=Inference(provider, model))
