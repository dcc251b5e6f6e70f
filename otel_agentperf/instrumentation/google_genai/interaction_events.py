"""The events of a streamed interaction, on their way from the SDK to the program.

They are iterator objects: an asynchronous generator around the SDK's would collide with it at
close. An event carries what is known so far, and the last word counts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import wraps
from typing import Any, cast

import msgspec

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai.answer import dumped
from otel_agentperf.instrumentation.google_genai.background import Replay
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.instrumentation.patching import AnyFunction
from otel_agentperf.pricing import interaction_usage
from otel_agentperf.pricing.interaction_usage import InteractionUsage


class Events:
    """The events of a streamed interaction, as the SDK gives them."""

    def __init__(self, call: Call, inner: Iterator[Any]) -> None:
        self.call = call
        self._inner = inner

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            event = next(self._inner)
        except StopIteration:
            self.call.finish()
            raise
        except BaseException as error:
            self.call.fail(error)
            raise
        _take(self.call, event)
        return event

    def close(self) -> None:
        """Close the SDK's stream; what has come so far is what is counted."""
        close = getattr(self._inner, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self.call.abandon()

    def __del__(self) -> None:
        self.call.abandon()


class AsyncEvents:
    """The same for an asynchronous stream."""

    def __init__(self, call: Call, inner: AsyncIterator[Any]) -> None:
        self.call = call
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            event = await self._inner.__anext__()
        except StopAsyncIteration:
            self.call.finish()
            raise
        except BaseException as error:
            self.call.fail(error)
            raise
        _take(self.call, event)
        return event

    async def aclose(self) -> None:
        """Close the SDK's stream; what has come so far is what is counted."""
        close: Any = getattr(self._inner, "aclose", None)
        try:
            if close is not None:
                await cast("Awaitable[Any]", close())
        finally:
            self.call.abandon()

    def __del__(self) -> None:
        self.call.abandon()


class ReplayedEvents:
    """The events of a streamed look at an interaction, as the SDK gives them."""

    def __init__(self, replay: Replay, inner: Iterator[Any]) -> None:
        self._replay = replay
        self._inner = inner

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        event = next(self._inner)
        _look(self._replay, event)
        return event

    def close(self) -> None:
        """Close the SDK's stream."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


class AsyncReplayedEvents:
    """The same for an asynchronous stream."""

    def __init__(self, replay: Replay, inner: AsyncIterator[Any]) -> None:
        self._replay = replay
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        event = await self._inner.__anext__()
        _look(self._replay, event)
        return event

    async def aclose(self) -> None:
        """Close the SDK's stream."""
        close: Any = getattr(self._inner, "aclose", None)
        if close is not None:
            await cast("Awaitable[Any]", close())


@guard.guarded("google_genai.interaction.event", None)
def _look(replay: Replay, event: Any) -> None:
    found = getattr(event, "interaction", None)
    if found is not None:
        replay.take(dumped(found))


def wrap_close(wrapped: AnyFunction) -> AnyFunction:
    """Wrap `Stream.close`, which closes the response and not its events."""

    @wraps(wrapped)
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return wrapped(self, *args, **kwargs)
        finally:
            _abandon(self)

    return close


def wrap_aclose(wrapped: AnyFunction) -> AnyFunction:
    """Wrap `AsyncStream.close`."""

    @wraps(wrapped)
    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await wrapped(self, *args, **kwargs)
        finally:
            _abandon(self)

    return close


def _abandon(stream: Any) -> None:
    events = getattr(stream, "generator", None)
    if isinstance(events, (Events, AsyncEvents)):
        events.call.abandon()


@guard.guarded("google_genai.interaction.event", None)
def _take(call: Call, event: Any) -> None:
    call.first_chunk()
    answer = call.answer
    found = getattr(event, "interaction", None)
    if found is not None:
        content = dumped(found)
        decoded = interaction_usage.decode_interaction(content)
        if answer.has_content:
            content = msgspec.json.encode({"status": decoded.status})
        answer.take_interaction(decoded)
        call.keep(content)
        return
    metadata = getattr(event, "metadata", None)
    for usage in (
        getattr(event, "usage", None),
        getattr(metadata, "total_usage", None),
        getattr(metadata, "usage", None),
    ):
        if usage is not None:
            answer.take_usage(msgspec.json.decode(dumped(usage), type=InteractionUsage))
    text = getattr(getattr(event, "delta", None), "text", None)
    if isinstance(text, str):
        answer.take_text(msgspec.json.encode(text)[1:-1])
        call.keep_text(text)
        return
    step = getattr(event, "step", None)
    kind = getattr(step, "type", None)
    if isinstance(kind, str):
        answer.take_step(kind)
    if kind == "function_call":
        answer.take_call(str(getattr(step, "name", "")), b"")
