"""The requests of the SDK's generated client (`google.genai._gaos`), which has HTTP clients of its own.

`BaseSDK.do_request` is called once for each request, with the operation's name; its attempts are
seen in `utils.retry`. A request that is billed begins here, for the method around it that
`interactions` has wrapped; and here the SDK's looks at an interaction are seen (see `background`).
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
from otel_agentperf.instrumentation.google_genai import opening
from otel_agentperf.instrumentation.google_genai.background import LOOKS, Background, Begun, Look, Place, id_in
from otel_agentperf.instrumentation.google_genai.call import Call
from otel_agentperf.instrumentation.google_genai.endpoints import interaction
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper, Patches
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.pricing import interaction_usage

_SDK = "google.genai._gaos"
_CREATES = frozenset({"CreateInteraction", "CreateDecision"})
_FIRST_ERROR = 400


class Pending:
    """A `create` that has begun; its request, once that is on its way.

    Args:
        active: the pipeline.
        background: follows what goes on in the background; `None` where nothing does.
    """

    __slots__ = ("active", "answered", "background", "call")

    def __init__(self, active: Pipeline, background: Background | None) -> None:
        self.active = active
        self.background = background
        self.call: Call | None = None
        self.answered = False
        """Whether the answer was taken in."""

    def begin(self, switch: Switch, body: Mapping[str, Any], url: str, vertex: bool) -> None:  # noqa: FBT001 - unpacked
        """Begin the request.

        Args:
            switch: the instrumentation's.
            body: its JSON.
            url: where it goes.
            vertex: whether that is Vertex AI.
        """
        at = Place(url, vertex)
        endpoint = interaction(str(body.get("model") or body.get("agent") or ""))
        call = self.call = opening.begin(
            switch,
            self.active,
            endpoint,
            vertex=vertex,
            base_url=url,
            body=body,
            streamed=body.get("stream") is True,
            location=at.location,
        )
        background = self.background
        if call is not None and background is not None:
            active, in_background = self.active, body.get("background") is True

            def look(ended: Call) -> None:
                background.created(active, ended, Begun(endpoint, at), in_background=in_background)

            call.before_end = look

    def take(self, content: bytes) -> None:
        """Take in a whole answer."""
        call = self.call
        if call is None:
            return
        self.answered = True
        if self.background is None:
            call.answer.take_decision(content)
        else:
            call.answer.take_interaction(interaction_usage.decode_interaction(content))
        call.keep(content)


CURRENT: ContextVar[Pending | None] = ContextVar("otel_agentperf_interaction", default=None)


def patch(patches: Patches, switch: Switch, background: Background) -> None:
    """Wrap the functions that every request of this client passes."""
    patches.replace(f"{_SDK}.basesdk", "BaseSDK.do_request", _wrap_send(switch, background))
    patches.replace(f"{_SDK}.basesdk", "AsyncBaseSDK.do_request_async", _wrap_asend(switch, background))
    patches.replace(f"{_SDK}.utils", "retry", _wrap_retry)
    patches.replace(f"{_SDK}.utils", "retry_async", _wrap_aretry)


def _operation_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    return getattr(kwargs.get("hook_ctx", args[0] if args else None), "operation_id", "")


def _request_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return kwargs.get("request", args[1] if len(args) > 1 else None)


@guard.guarded("google_genai.interaction.begin", None)
def _begin(switch: Switch, pending: Pending, request: Any) -> None:
    url = str(request.url)
    pending.begin(switch, msgspec.json.decode(request.content, type=dict[str, Any]), url, "/projects/" in url)


@guard.guarded("google_genai.interaction.look", None)
def _look(
    switch: Switch,
    active: Pipeline,
    background: Background,
    operation: str,
    request: Any,
    response: Any,
    started_ns: int,
) -> None:
    if response.status_code < _FIRST_ERROR:
        url = str(request.url)
        at = Place(url, "/projects/" in url)
        look = Look(operation, id_in(url), at, started_ns, response.content, response.headers)
        background.looked(switch, active, look)


def _wrap_send(switch: Switch, background: Background) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def do_request(self: Any, *args: Any, **kwargs: Any) -> Any:
            operation = _operation_of(args, kwargs)
            if operation in LOOKS and not kwargs.get("stream") and (active := switch.active()) is not None:
                started_ns = time_ns()
                response = wrapped(self, *args, **kwargs)
                _look(switch, active, background, operation, _request_of(args, kwargs), response, started_ns)
                return response
            pending = CURRENT.get()
            if pending is None or pending.call is not None or operation not in _CREATES:
                return wrapped(self, *args, **kwargs)
            _begin(switch, pending, _request_of(args, kwargs))
            call = pending.call
            if call is None:
                return wrapped(self, *args, **kwargs)
            call.enter()
            try:
                response = wrapped(self, *args, **kwargs)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            _answered(pending, call, response, kwargs)
            return response

        return do_request

    return make


def _wrap_asend(switch: Switch, background: Background) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def do_request_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            operation = _operation_of(args, kwargs)
            if operation in LOOKS and not kwargs.get("stream") and (active := switch.active()) is not None:
                started_ns = time_ns()
                response = await wrapped(self, *args, **kwargs)
                _look(switch, active, background, operation, _request_of(args, kwargs), response, started_ns)
                return response
            pending = CURRENT.get()
            if pending is None or pending.call is not None or operation not in _CREATES:
                return await wrapped(self, *args, **kwargs)
            _begin(switch, pending, _request_of(args, kwargs))
            call = pending.call
            if call is None:
                return await wrapped(self, *args, **kwargs)
            call.enter()
            try:
                response = await wrapped(self, *args, **kwargs)
            except BaseException as error:
                call.leave()
                call.fail(error)
                raise
            call.leave()
            _answered(pending, call, response, kwargs)
            return response

        return do_request_async

    return make


class _RefusedError(Exception):
    """A response with an error status, which the SDK turns into an exception of its own later."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@guard.guarded("google_genai.interaction.response", None, timed=False)
def _answered(pending: Pending, call: Call, response: Any, kwargs: Mapping[str, Any]) -> None:
    """Take in a response; the method around it ends the request, once it has made an object of it.

    On a peer's span the request ends here: a peer inside that method may end its span before we return.
    """
    call.headers = response.headers
    if response.status_code >= _FIRST_ERROR:
        call.fail(_RefusedError(response.status_code))
    elif not kwargs.get("stream"):
        pending.take(response.content)
        if call.on_peer:
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
