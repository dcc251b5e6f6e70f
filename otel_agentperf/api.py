"""What a program may say itself: switch us on, mark actions and services, report outcomes and usage.

Everything here works, and does nothing, when no telemetry is set up.
"""

from __future__ import annotations

import asyncio
import inspect
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
from otel_agentperf.live import auto, frames, pipeline
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ServiceTier, ToolCall, Usage

F = TypeVar("F", bound=Callable[..., Any])

_switch = Switch(semconv.SCOPE_API)
_NS_PER_MINUTE = Decimal(60_000_000_000)


def instrument(settings: config.Settings | None = None, *, tracer_provider: TracerProvider | None = None) -> None:
    """Switch everything on in a program that sets its SDK up in code.

    Call it after the tracer provider exists. Under `opentelemetry-instrument` it is not
    needed, and calling it twice does no harm.

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
        pipeline.use(Pipeline(chosen))
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
        """Decorate a function or coroutine function."""
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
        frame = _switch.start(active, OperationKind.TOOL, self._name, span_name, attributes, start_ns, context)
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

    def record(self, *, minutes: float | None = None, calls: int = 1) -> None:
        """Bill what was measured elsewhere.

        Args:
            minutes: how long the service was used.
            calls: how many calls that were.

        Raises:
            ValueError: a number is negative.
        """
        if (minutes is not None and minutes < 0) or calls < 0:
            raise ValueError(f"minutes={minutes!r}, calls={calls!r}: neither may be negative")
        end_ns = time_ns()
        used_ns = int((minutes or 0) * 60e9)
        self._bill(end_ns - used_ns, end_ns, Decimal(str(minutes or 0)), calls)

    def _bill(self, start_ns: int, end_ns: int, minutes: Decimal | None, calls: int) -> None:
        try:
            active = _active()
            if active is None:
                return
            used = minutes if minutes is not None else Decimal(end_ns - start_ns) / _NS_PER_MINUTE
            rate = active.prices.service(self._name)
            cost = rate.cost(minutes=used, calls=calls) if rate is not None else _unpriced_service(self._name)
            active.service_span(self._name, _switch.tracer, frames.current(), start_ns, end_ns, cost, used)
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.service", error)


def _unpriced_service(name: str) -> Cost:
    return Cost(CostStatus.UNPRICED, reason=f"no [prices.services.{name}] in the settings file")


def outcome(*, success: bool | None = None, score: float | None = None) -> None:
    """Say how the current run went, where an exception does not.

    Args:
        success: whether the run did what it was for; it overrides what errors suggest.
        score: a figure of merit on a scale of your own.
    """
    frame = frames.current()
    run = frame.run if frame is not None else None
    if run is None:
        return
    if success is not None:
        run.success = bool(success)
    if score is not None:
        run.score = float(score)


def record_model_usage(
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    provider: str = semconv.PROVIDER_GEMINI,
    cache_read_tokens: int = 0,
    reasoning_tokens: int = 0,
    start_time_ns: int | None = None,
) -> None:
    """Report a model request that was made by other means, as a priced inference span.

    Args:
        model: the model's name, as its provider spells it.
        input_tokens: all input tokens, cached ones included.
        output_tokens: all output tokens, reasoning included.
        provider: `gen_ai.provider.name`, such as ``"gcp.gemini"`` or ``"openai"``.
        cache_read_tokens: the cached part of the input tokens.
        reasoning_tokens: the reasoning part of the output tokens.
        start_time_ns: when the request began, Unix nanoseconds; now when absent.

    Raises:
        ValueError: a number of tokens is negative, or a part is larger than its whole.
    """
    if min(input_tokens, output_tokens, cache_read_tokens, reasoning_tokens) < 0:
        raise ValueError("record_model_usage: tokens may not be negative")
    if cache_read_tokens > input_tokens or reasoning_tokens > output_tokens:
        raise ValueError("record_model_usage: cached and reasoning tokens are parts of input and output tokens")
    usage = Usage(input_tokens, output_tokens, cache_read_tokens, reasoning_tokens)
    try:
        _record(model, provider, usage, start_time_ns)
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.record_model_usage", error)


def _record(model: str, provider: str, usage: Usage, start_time_ns: int | None) -> None:
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
        active, OperationKind.INFERENCE, model, span_name, attributes, start_ns, context, span_kind=SpanKind.CLIENT
    )
    if frame is None:
        return
    cost = active.prices.price(provider, model, usage, ServiceTier.STANDARD, when_ns=start_ns)
    active.close(frame, {}, usage=usage, cost=cost, inference=Inference(provider, model))
