"""Generators around generators: a context that is current while the graph works, and never else.

The context is attached and detached around each step, so a caller may abandon the stream,
close it from another thread, or drive each step in another context or task. What comes out
has the type and the laziness of what went in: nothing begins before the first step.

The inner asynchronous generator is kept out of the event loop's hooks. Ours is in them and
closes it; at shutdown the loop would close both at once, and one would find the other at it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Protocol

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf.instrumentation.switch import leave


class Opened(Protocol):
    """What stands for a stream under way."""

    context: Context

    def close(self, error: BaseException | None) -> None:
        """Say how the stream ended."""


class _Nothing:
    """Stands for a stream that is left alone."""

    def __init__(self) -> None:
        self.context = context_api.get_current()

    def close(self, error: BaseException | None) -> None:
        """Nothing to end."""


Open = Callable[..., Opened | None]


def drive(inner: Generator[Any, Any, Any], begin: Open, *arguments: Any) -> Generator[Any, Any, Any]:
    """Hand on the chunks of a generator.

    Args:
        inner: the generator.
        begin: called with `arguments` at the first step; `None` leaves the generator alone.
        arguments: for `begin`.
    """
    opened = begin(*arguments)
    if opened is None:
        return (yield from inner)
    attach, detach, context = context_api.attach, context_api.detach, opened.context
    thrown: BaseException | None = None
    try:
        while True:
            token = attach(context)
            try:
                chunk = next(inner) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                result = stop.value
                break
            finally:
                detach(token)
                thrown = None
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - handed on to the generator it was meant for
                thrown = error
    except GeneratorExit as left:
        token = attach(context)
        try:
            inner.close()
        finally:
            detach(token)
            opened.close(left)
        raise
    except BaseException as error:
        opened.close(error)
        raise
    opened.close(None)
    return result


async def adrive(inner: AsyncGenerator[Any, Any], begin: Open, *arguments: Any) -> AsyncGenerator[Any, Any]:
    """Hand on the chunks of an asynchronous generator. Arguments as for `drive`."""
    opened = begin(*arguments)
    if opened is None:
        opened = _Nothing()
    context = opened.context
    attach = context_api.attach
    step: Callable[[], Awaitable[Any]] = lambda: _first_step(inner)  # noqa: E731 - replaced after the first step
    thrown: BaseException | None = None
    try:
        while True:
            token = attach(context)
            try:
                chunk = await (step() if thrown is None else inner.athrow(thrown))
            except StopAsyncIteration:
                break
            finally:
                leave(token)
                thrown = None
            step = inner.__anext__
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - handed on to the generator it was meant for
                thrown = error
    except GeneratorExit as left:
        token = attach(context)
        try:
            await inner.aclose()
        finally:
            leave(token)
            opened.close(left)
        raise
    except BaseException as error:
        opened.close(error)
        raise
    opened.close(None)


def _first_step(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Begin an asynchronous generator without the event loop noticing."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _let_go)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _let_go(_inner: AsyncGenerator[Any, Any]) -> None:
    """The finalizer of an inner generator whose outer one is gone: there is no loop left to close it in."""
