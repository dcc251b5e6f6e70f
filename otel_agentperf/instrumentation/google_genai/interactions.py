"""Interactions: a client of their own inside the SDK, so a seam of their own.

Intercepted is `create` of the generated class, which is called once for each hop of an automatic
continuation, and each hop is billed; `get`, `cancel` and `delete` are not. Two generations exist:

- `google.genai._gaos` (from 2.9): the request is begun in `BaseSDK.do_request`, where a peer's
  span is current whoever wrapped first and the JSON is at hand; attempts in `_gaos.utils.retry`;
- `google.genai._interactions` (1.55 to 2.8): begun in `create` itself; attempts are not seen.

An interaction in the background is answered before it is done: its usage is unknown here, and so
is its price. A stream keeps its type: only the iterator inside it is exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import wraps
from time import time_ns
from typing import Any

import msgspec

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai import call as calls
from otel_agentperf.instrumentation.google_genai import interaction_events as events
from otel_agentperf.instrumentation.google_genai import opening
from otel_agentperf.instrumentation.google_genai.answer import dumped
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.instrumentation.google_genai.endpoints import interaction
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper, Patches
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import budgets
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.pricing import interaction_usage

_SDK = "google.genai._gaos"
_OLD = "google.genai._interactions.resources.interactions"
_CREATE = "CreateInteraction"
_BODY = ("model", "agent", "input", "system_instruction", "tools", "generation_config", "previous_interaction_id")
_FIRST_ERROR = 400
_GOES_ON = frozenset({"in_progress", "queued"})
_LATER = "the interaction goes on in the background: its usage is not known yet"


class _Pending:
    """A `create` that has begun; its request, once that is on its way."""

    __slots__ = ("active", "call")

    def __init__(self, active: Pipeline) -> None:
        self.active = active
        self.call: Call | None = None


_pending: ContextVar[_Pending | None] = ContextVar("otel_agentperf_interaction", default=None)


def patch(patches: Patches, switch: Switch) -> None:
    """Wrap what this version of the SDK has, once the program loads it; versions before 1.55 have nothing.

    The SDK itself loads that client when it is first asked for: 300 modules, half a second of CPU and 18 MB, which a
    program without Interactions shall not pay for us.
    """
    patches.once_imported(f"{_SDK}.interactions", lambda: _patch(patches, switch))
    patches.once_imported(_OLD, lambda: _patch_old(patches, switch))


def _patch(patches: Patches, switch: Switch) -> None:
    patches.replace(f"{_SDK}.interactions", "Interactions.create", _wrap_create(switch))
    patches.replace(f"{_SDK}.interactions", "AsyncInteractions.create", _wrap_acreate(switch))
    patches.replace(f"{_SDK}.basesdk", "BaseSDK.do_request", _wrap_send(switch))
    patches.replace(f"{_SDK}.basesdk", "AsyncBaseSDK.do_request_async", _wrap_asend(switch))
    patches.replace(f"{_SDK}.utils", "retry", _wrap_retry)
    patches.replace(f"{_SDK}.utils", "retry_async", _wrap_aretry)
    patches.replace(f"{_SDK}.utils.eventstreaming", "Stream.close", events.wrap_close)
    patches.replace(f"{_SDK}.utils.eventstreaming", "AsyncStream.close", events.wrap_aclose)


def _patch_old(patches: Patches, switch: Switch) -> None:
    patches.replace(_OLD, "InteractionsResource.create", _wrap_create(switch, at_once=True))
    patches.replace(_OLD, "AsyncInteractionsResource.create", _wrap_acreate(switch, at_once=True))


# -- create --------------------------------------------------------------------------------


def _wrap_create(switch: Switch, *, at_once: bool = False) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def create(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return wrapped(self, *args, **kwargs)
            if budgets.in_use and calls.CURRENT.get() is None:
                budgets.check(active)
            pending = _Pending(active)
            if at_once:
                _begin_from_keywords(switch, pending, self, kwargs)
            token = _pending.set(pending)
            try:
                result = wrapped(self, *args, **kwargs)
            except BaseException as error:
                if pending.call is not None:
                    pending.call.fail(error)
                raise
            finally:
                _pending.reset(token)
            _finish(pending, result)
            return result

        return create

    return make


def _wrap_acreate(switch: Switch, *, at_once: bool = False) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return await wrapped(self, *args, **kwargs)
            if budgets.in_use and calls.CURRENT.get() is None:
                budgets.check(active)
            pending = _Pending(active)
            if at_once:
                _begin_from_keywords(switch, pending, self, kwargs)
            _pending.set(pending)
            try:
                result = await wrapped(self, *args, **kwargs)
            except BaseException as error:
                if pending.call is not None:
                    pending.call.fail(error)
                raise
            finally:
                _pending.set(None)
            _finish(pending, result)
            return result

        return create

    return make


@guard.guarded("google_genai.interaction.finish", None, timed=False)
def _finish(pending: _Pending, result: Any) -> None:
    call = pending.call
    if call is None:
        return
    name = "generator" if hasattr(result, "generator") else "_iterator"
    inner = getattr(result, name, None)
    if inner is not None:
        setattr(result, name, (events.AsyncEvents if hasattr(inner, "__anext__") else events.Events)(call, inner))
        return
    if hasattr(result, "model_dump_json"):
        _take_whole(call, dumped(result))
    call.finish()


def _take_whole(call: Call, content: bytes) -> None:
    found = interaction_usage.decode_interaction(content)
    call.answer.take_interaction(found)
    call.keep(content)
    if found.usage is None and found.status in _GOES_ON:
        call.answer.no_usage = _LATER


# -- the request inside it -----------------------------------------------------------------


@guard.guarded("google_genai.interaction.begin", None)
def _begin(switch: Switch, pending: _Pending, request: Any) -> Call | None:
    body = msgspec.json.decode(request.content, type=dict[str, Any])
    url = str(request.url)
    return _open(switch, pending, body, url, vertex="/projects/" in url)


@guard.guarded("google_genai.interaction.begin", None)
def _begin_from_keywords(switch: Switch, pending: _Pending, resource: Any, kwargs: Mapping[str, Any]) -> None:
    body = {key: kwargs[key] for key in (*_BODY, "stream") if kwargs.get(key) is not None}
    client = getattr(resource, "_client", None)
    url = str(getattr(client, "base_url", ""))
    adapter = getattr(client, "client_adapter", None)
    pending.call = _open(switch, pending, body, url, vertex=adapter is not None and bool(adapter.is_vertex_ai()))


def _open(switch: Switch, pending: _Pending, body: dict[str, Any], url: str, *, vertex: bool) -> Call | None:
    asked = str(body.get("model") or body.get("agent") or "")
    return opening.begin(
        switch,
        pending.active,
        interaction(asked),
        vertex=vertex,
        base_url=url,
        body=body,
        streamed=body.get("stream") is True,
    )


def _request_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The HTTP request of a `do_request`, where it creates an interaction."""
    context = kwargs.get("hook_ctx", args[0] if args else None)
    if getattr(context, "operation_id", None) != _CREATE:
        return None
    return kwargs.get("request", args[1] if len(args) > 1 else None)


def _wrap_send(switch: Switch) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def do_request(self: Any, *args: Any, **kwargs: Any) -> Any:
            pending = _pending.get()
            request = _request_of(args, kwargs) if pending is not None and pending.call is None else None
            call = None if pending is None or request is None else _begin(switch, pending, request)
            if pending is None or call is None:
                return wrapped(self, *args, **kwargs)
            pending.call = call
            call.enter()
            try:
                response = wrapped(self, *args, **kwargs)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            _answered(call, response, kwargs)
            return response

        return do_request

    return make


def _wrap_asend(switch: Switch) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def do_request_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            pending = _pending.get()
            request = _request_of(args, kwargs) if pending is not None and pending.call is None else None
            call = None if pending is None or request is None else _begin(switch, pending, request)
            if pending is None or call is None:
                return await wrapped(self, *args, **kwargs)
            pending.call = call
            call.enter()
            try:
                response = await wrapped(self, *args, **kwargs)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            _answered(call, response, kwargs)
            return response

        return do_request_async

    return make


class _RefusedError(Exception):
    """A response with an error status, which the SDK turns into an exception of its own later."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@guard.guarded("google_genai.interaction.response", None, timed=False)
def _answered(call: Call, response: Any, kwargs: Mapping[str, Any]) -> None:
    """End a request whose answer is whole here: a peer inside `create` may end its span before we return."""
    if response.status_code >= _FIRST_ERROR:
        call.fail(_RefusedError(response.status_code))
    elif not kwargs.get("stream"):
        _take_whole(call, response.content)
        call.finish()


# -- attempts ------------------------------------------------------------------------------


def _wrap_retry(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    def retry(func: Any, *args: Any, **kwargs: Any) -> Any:
        call = calls.CURRENT.get()
        if call is None:
            return wrapped(func, *args, **kwargs)

        def attempt(*inner: Any, **more: Any) -> Any:
            started_ns = time_ns()
            try:
                response = func(*inner, **more)
            except BaseException as error:
                _attempt(call, started_ns, None, error)
                raise
            _attempt(call, started_ns, response, None)
            return response

        return wrapped(attempt, *args, **kwargs)

    return retry


def _wrap_aretry(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    async def retry_async(func: Any, *args: Any, **kwargs: Any) -> Any:
        call = calls.CURRENT.get()
        if call is None:
            return await wrapped(func, *args, **kwargs)

        async def attempt(*inner: Any, **more: Any) -> Any:
            started_ns = time_ns()
            try:
                response = await func(*inner, **more)
            except BaseException as error:
                _attempt(call, started_ns, None, error)
                raise
            _attempt(call, started_ns, response, None)
            return response

        return await wrapped(attempt, *args, **kwargs)

    return retry_async


@guard.guarded("google_genai.attempt", None, timed=False)
def _attempt(call: Call, started_ns: int, response: Any, error: BaseException | None) -> None:
    call.attempt(started_ns, getattr(response, "status_code", None), error)
