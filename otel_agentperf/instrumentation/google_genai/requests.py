"""The seam of google-genai: `BaseApiClient.request` and its three sisters.

They exist from 1.0 to 3.4 with one signature, take one plain dictionary, and are called once
for each billed HTTP request; the public methods above them may make several such requests in
one call (automatic function calling, continuation). The asynchronous stream is given back as
an iterator object: an asynchronous generator around the SDK's would collide with it at close.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from functools import wraps
from time import time_ns
from typing import Any, cast

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai import call as calls
from otel_agentperf.instrumentation.google_genai import caches
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint, classify
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live.pipeline import Pipeline

_NO_BODY: Mapping[str, Any] = {}


def _billed(switch: Switch, http_method: Any, path: Any, request_dict: Any) -> tuple[Pipeline, Endpoint] | None:
    active = switch.active()
    if active is None:
        return None
    body = cast("Mapping[str, Any]", request_dict) if isinstance(request_dict, Mapping) else _NO_BODY
    endpoint = classify(http_method, path, body)
    return None if endpoint is None else (active, endpoint)


def _begin(
    switch: Switch, billed: tuple[Pipeline, Endpoint] | None, client: Any, body: Any, options: Any, *, streamed: bool
) -> Call | None:
    if billed is None:
        return None
    active, endpoint = billed
    base_url = getattr(options, "base_url", None)
    if base_url is None and isinstance(options, Mapping):
        base_url = cast("Mapping[str, Any]", options).get("base_url")
    if base_url is None:
        base_url = getattr(client._http_options, "base_url", None)  # noqa: SLF001 - the SDK keeps it nowhere else
    return calls.begin(
        switch,
        active,
        endpoint,
        vertex=bool(client.vertexai),
        base_url=str(base_url or ""),
        body=cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else _NO_BODY,
        streamed=streamed,
    )


def wrap_request(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.request`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def request(self: Any, http_method: Any, path: Any, request_dict: Any, http_options: Any = None) -> Any:
            billed = _billed(switch, http_method, path, request_dict)
            call = _begin(switch, billed, self, request_dict, http_options, streamed=False)
            if call is None:
                return caches.noting(
                    switch, path, request_dict, wrapped(self, http_method, path, request_dict, http_options)
                )
            call.enter()
            try:
                response = wrapped(self, http_method, path, request_dict, http_options)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            call.take(response.body)
            call.finish()
            return response

        return request

    return make


def wrap_async_request(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.async_request`."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def async_request(
            self: Any, http_method: Any, path: Any, request_dict: Any, http_options: Any = None
        ) -> Any:
            billed = _billed(switch, http_method, path, request_dict)
            call = _begin(switch, billed, self, request_dict, http_options, streamed=False)
            if call is None:
                return caches.noting(
                    switch, path, request_dict, await wrapped(self, http_method, path, request_dict, http_options)
                )
            call.enter()
            try:
                response = await wrapped(self, http_method, path, request_dict, http_options)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            call.take(response.body)
            call.finish()
            return response

        return async_request

    return make


def wrap_request_streamed(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.request_streamed`, a generator that sends nothing before its first step."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def request_streamed(
            self: Any, http_method: Any, path: Any, request_dict: Any, http_options: Any = None
        ) -> Any:
            inner = wrapped(self, http_method, path, request_dict, http_options)
            billed = _billed(switch, http_method, path, request_dict)
            return inner if billed is None else _stream(switch, billed, self, request_dict, http_options, inner)

        return request_streamed

    return make


def _stream(
    switch: Switch,
    billed: tuple[Pipeline, Endpoint],
    client: Any,
    body: Any,
    options: Any,
    inner: Generator[Any, None, None],
) -> Generator[Any, None, None]:
    call = _begin(switch, billed, client, body, options, streamed=True)
    if call is None:
        yield from inner
        return
    try:
        while True:
            call.enter()
            try:
                chunk = next(inner)
            except StopIteration:
                break
            finally:
                call.leave()
            call.take(chunk.body)
            yield chunk
    except GeneratorExit:
        inner.close()
        call.finish(abandoned=True)
        raise
    except BaseException as error:
        call.fail(error)
        raise
    call.finish()


def wrap_async_request_streamed(switch: Switch) -> MakeWrapper:
    """Wrap `BaseApiClient.async_request_streamed`, which returns an asynchronous generator."""

    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def async_request_streamed(
            self: Any, http_method: Any, path: Any, request_dict: Any, http_options: Any = None
        ) -> Any:
            billed = _billed(switch, http_method, path, request_dict)
            call = _begin(switch, billed, self, request_dict, http_options, streamed=True)
            if call is None:
                return await wrapped(self, http_method, path, request_dict, http_options)
            call.enter()
            try:
                inner = await wrapped(self, http_method, path, request_dict, http_options)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            return AsyncStream(call, inner)

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
        in_place = True
        try:
            chunk = await self._inner.__anext__()
        except GeneratorExit:
            in_place = False  # destroyed while waiting, maybe in another context
            raise
        except StopAsyncIteration:
            call.finish()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            if in_place:
                call.leave()
        call.take(chunk.body)
        return chunk

    async def aclose(self) -> None:
        """Close the SDK's stream; what has come so far is what is counted."""
        try:
            await self._inner.aclose()
        finally:
            self._call.finish(abandoned=True)

    def __del__(self) -> None:
        self._call.finish(abandoned=True)


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


@guard.guarded("google_genai.attempt", None)
def _attempt(call: Call, started_ns: int, error: BaseException | None) -> None:
    call.attempt(started_ns, None, error)
