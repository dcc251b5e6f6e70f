"""Context managers that are decorators too, for synchronous and asynchronous code."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from otel_agentperf.api.refusals import refuse
from otel_agentperf.budgets import BudgetExceeded
from otel_agentperf.instrumentation.patching import error_type
from otel_agentperf.semconv import OUTCOME_BUDGET_EXCEEDED

F = TypeVar("F", bound=Callable[..., Any])


def how_it_ended(error: BaseException | None) -> tuple[str | None, str | None]:
    """`error.type` and outcome; what LangGraph expresses as an exception is no error."""
    if error is not None and "langgraph.errors" in sys.modules:
        from otel_agentperf.instrumentation.langgraph import outcomes  # noqa: PLC0415 - needs LangGraph

        return outcomes.of(error)
    if isinstance(error, asyncio.CancelledError):
        return None, "cancelled"
    outcome = OUTCOME_BUDGET_EXCEEDED if isinstance(error, BudgetExceeded) else None
    return (None if error is None else error_type(error)), outcome


class Spanned:
    """A context manager and decorator, synchronous and asynchronous, each use with its own state."""

    def _fresh(self, arguments: Any) -> Spanned:
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
            refuse(type(self).__name__, f"generator function {function.__qualname__}", "functions and coroutines")
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
