"""The seam of google-genai: `BaseApiClient.request` and its three sisters.

They exist from 1.0 to 3.4 with one signature, take one plain dictionary, and are called once
for each billed HTTP request; the public methods above them may make several such requests in
one call (automatic function calling, continuation). The asynchronous stream is given back as
an iterator object: an asynchronous generator around the SDK's would collide with it at close.
What a later version may add to the signature is handed on as it comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping
from functools import partial, wraps
from time import time_ns
from typing import Any, cast

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai import call as calls
from otel_agentperf.instrumentation.google_genai import conversion, opening
from otel_agentperf.instrumentation.google_genai.applied import consider
from otel_agentperf.instrumentation.google_genai.caches import Caches
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.instrumentation.google_genai.endpoints import classify, location_in
from otel_agentperf.instrumentation.google_genai.holding import hold
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import budgets
from otel_agentperf.live.pipeline import Pipeline

_NO_BODY: Mapping[str, Any] = {}


@guard.guarded("google_genai.begin", None)
def _begin(
    switch: Switch,
    active: Pipeline,
    client: Any,
    http_method: Any,
    path: Any,
    request_dict: Any,
    options: Any,
    streamed: bool = False,  # noqa: FBT001, FBT002 - one of our own calls on the hot path
) -> Call | None:
    body: Mapping[str, Any] = request_dict if request_dict.__class__ is dict else _body(request_dict)
    endpoint = classify(http_method, path, body)
    if endpoint is None:
        return None
    applied = None
    if active.applying is not None and calls.CURRENT.get() is None:
        applied = consider(active, active.applying, client, http_method, path, body, options, request_dict)
        if applied is not None:
            endpoint = applied.endpoint
    base_url = None
    if options is not None:
        base_url = options.get("base_url") if options.__class__ is dict else getattr(options, "base_url", None)
    if base_url is None:
        base_url = getattr(client._http_options, "base_url", None)
    vertex = bool(client.vertexai)
    call = opening.begin(
        switch,
        active,
        endpoint,
        vertex=vertex,
        base_url=str(base_url or ""),
        body=body,
        streamed=streamed,
        location=(location_in(path) or client.location or "") if vertex else "",
    )
    if call is not None:
        converting = conversion.CURRENT.get()
        if converting is not None:
            converting.begins(call)
        if applied is not None:
            applied.opened(call)
    return call


def _body(request_dict: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", request_dict) if isinstance(request_dict, Mapping) else _NO_BODY


def wrap_request(switch: Switch, caches: Caches) -> MakeWrapper:
    """Wrap `BaseApiClient.request`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def request(
            self: Any,
            http_method: Any,
            path: Any,
            request_dict: Any,
            http_options: Any = None,
            *more: Any,
            **named: Any,
        ) -> Any:
            active = switch.active()
            if active is None:
                return wrapped(self, http_method, path, request_dict, http_options, *more, **named)
            if budgets.in_use:
                hold(active, http_method, path, request_dict)
            call = _begin(switch, active, self, http_method, path, request_dict, http_options)
            if call is None:
                response = wrapped(self, http_method, path, request_dict, http_options, *more, **named)
                caches.note(active, self, http_method, path, request_dict, response)
                return response
            sent = (path, request_dict, http_options) if call.applied is None else call.applied.request
            call.enter()
            try:
                response = wrapped(self, http_method, *sent, *more, **named)
            except BaseException as error:
                call.leave()
                call.fail(error)
                if call.applied is None or not call.applied.undone(error):
                    raise
            else:
                call.leave()
                call.take(response)
                call.answered()
                return response
            return request(self, http_method, path, request_dict, http_options, *more, **named)

        return request

    return make


def wrap_async_request(switch: Switch, caches: Caches) -> MakeWrapper:
    """Wrap `BaseApiClient.async_request`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def async_request(
            self: Any,
            http_method: Any,
            path: Any,
            request_dict: Any,
            http_options: Any = None,
            *more: Any,
            **named: Any,
        ) -> Any:
            active = switch.active()
            if active is None:
                return await wrapped(self, http_method, path, request_dict, http_options, *more, **named)
            if budgets.in_use:
                hold(active, http_method, path, request_dict)
            call = _begin(switch, active, self, http_method, path, request_dict, http_options)
            if call is None:
                response = await wrapped(self, http_method, path, request_dict, http_options, *more, **named)
                caches.note(active, self, http_method, path, request_dict, response)
                return response
            sent = (path, request_dict, http_options) if call.applied is None else call.applied.request
            call.enter()
            try:
                response = await wrapped(self, http_method, *sent, *more, **named)
            except BaseException as error:
                call.leave()
                call.fail(error)
                if call.applied is None or not call.applied.undone(error):
                    raise
            else:
                call.leave()
                call.take(response)
                call.answered()
                return response
            return await async_request(self, http_method, path, request_dict, http_options, *more, **named)

        return async_request

    return make


def wrap_request_streamed(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.request_streamed`, a generator that sends nothing before its first step."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def request_streamed(
            self: Any,
            http_method: Any,
            path: Any,
            request_dict: Any,
            http_options: Any = None,
            *more: Any,
            **named: Any,
        ) -> Any:
            inner = wrapped(self, http_method, path, request_dict, http_options, *more, **named)
            active = switch.active()
            if active is None:
                return inner
            send = None
            if active.applying is not None:
                send = partial(_send, wrapped, request_streamed, (self, http_method), more, named)
            return _stream(switch, active, self, http_method, path, request_dict, http_options, inner, send)

        return request_streamed

    return make


def _send(
    wrapped: AnyFunction,
    ours: AnyFunction,
    before: tuple[Any, ...],
    more: tuple[Any, ...],
    named: dict[str, Any],
    sent: tuple[Any, Any, Any],
    *,
    again: bool = False,
) -> Generator[Any, None, None]:
    """Send a request through the SDK's function, or once more through ours."""
    return (ours if again else wrapped)(*before, *sent, *more, **named)


def _stream(
    switch: Switch,
    active: Pipeline,
    client: Any,
    http_method: Any,
    path: Any,
    body: Any,
    options: Any,
    inner: Generator[Any, None, None],
    send: Callable[..., Generator[Any, None, None]] | None,
) -> Generator[Any, None, None]:
    if budgets.in_use:
        hold(active, http_method, path, body)
    call = _begin(switch, active, client, http_method, path, body, options, True)  # noqa: FBT003 - streamed
    if call is None:
        yield from inner
        return
    applied = call.applied
    if applied is not None and send is not None:
        inner.close()  # it has not begun
        inner = send(applied.request)
    try:
        while True:
            call.enter()
            try:
                chunk = next(inner)
            except StopIteration:
                break
            finally:
                call.leave()
            call.take(chunk)
            yield chunk
    except GeneratorExit:
        try:
            inner.close()
        finally:
            call.left()
        raise
    except BaseException as error:
        call.fail(error)
        if applied is None or send is None or call.has_begun or not applied.undone(error):
            raise
    else:
        call.finish()
        return
    yield from send((path, body, options), again=True)


def wrap_async_request_streamed(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.async_request_streamed`, which returns an asynchronous generator."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def async_request_streamed(
            self: Any,
            http_method: Any,
            path: Any,
            request_dict: Any,
            http_options: Any = None,
            *more: Any,
            **named: Any,
        ) -> Any:
            active = switch.active()
            call = None
            if active is not None:
                if budgets.in_use:
                    hold(active, http_method, path, request_dict)
                call = _begin(switch, active, self, http_method, path, request_dict, http_options, True)  # noqa: FBT003 - a stream
            if call is None:
                return await wrapped(self, http_method, path, request_dict, http_options, *more, **named)
            sent = (path, request_dict, http_options) if call.applied is None else call.applied.request
            call.enter()
            try:
                inner = await wrapped(self, http_method, *sent, *more, **named)
            except BaseException as error:
                call.leave()
                call.fail(error)
                if call.applied is None or not call.applied.undone(error):
                    raise
            else:
                call.leave()
                return AsyncStream(call, inner)
            return await async_request_streamed(self, http_method, path, request_dict, http_options, *more, **named)

        return async_request_streamed

    return make


class AsyncStream:
    """The chunks of an asynchronous stream, as the SDK gives them."""

    def __init__(self, call: Call, inner: Any) -> None:
        self._call = call
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        call = self._call
        call.enter()
        try:
            chunk = await self._inner.__anext__()
        except StopAsyncIteration:
            call.finish()
            raise
        except GeneratorExit:  # destroyed while it waited
            call.left()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.leave()
        call.take(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the SDK's stream; what has come so far is what is counted."""
        try:
            await self._inner.aclose()
        finally:
            self._call.left()

    def __del__(self) -> None:
        self._call.left()


def wrap_request_once(wrapped: AnyFunction) -> AnyFunction:
    """Wrap `BaseApiClient._request_once`: one HTTP attempt."""

    @wraps(wrapped)
    def _request_once(*args: Any, **kwargs: Any) -> Any:
        call = calls.CURRENT.get()
        if call is None:
            return wrapped(*args, **kwargs)
        started_ns = time_ns()
        try:
            response = wrapped(*args, **kwargs)
        except BaseException as error:
            _attempt(call, started_ns, error)
            raise
        _attempt(call, started_ns, None)
        return response

    return _request_once


def wrap_async_request_once(wrapped: AnyFunction) -> AnyFunction:
    """Wrap `BaseApiClient._async_request_once`."""

    @wraps(wrapped)
    async def _async_request_once(*args: Any, **kwargs: Any) -> Any:
        call = calls.CURRENT.get()
        if call is None:
            return await wrapped(*args, **kwargs)
        started_ns = time_ns()
        try:
            response = await wrapped(*args, **kwargs)
        except BaseException as error:
            _attempt(call, started_ns, error)
            raise
        _attempt(call, started_ns, None)
        return response

    return _async_request_once


@guard.guarded("google_genai.attempt", None, timed=False)
def _attempt(call: Call, started_ns: int, error: BaseException | None) -> None:
    call.attempt(started_ns, None, error)
