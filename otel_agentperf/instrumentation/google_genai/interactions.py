"""Interactions and decisions: a client of their own inside the SDK, so wrappers of their own.

Intercepted is `create` of the generated classes, which is called once for each hop of an automatic
continuation, and each hop is billed. `get`, `cancel` and `delete` are billed for what goes on in the
background; see `background`. Two generations exist:

- `google.genai._gaos` (from 2.9): its requests are seen in `generated_client`, where a peer's span is
  current whoever wrapped first and the JSON is at hand; decisions from 3.0;
- `google.genai._interactions` (1.55 to 2.8): a request begins in `create` itself; attempts are not seen.

A stream keeps its type: only the iterator inside it is exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from time import time_ns
from typing import Any

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai import call as calls
from otel_agentperf.instrumentation.google_genai import generated_client
from otel_agentperf.instrumentation.google_genai import interaction_events as events
from otel_agentperf.instrumentation.google_genai.answer import dumped
from otel_agentperf.instrumentation.google_genai.background import (
    CANCEL,
    DELETE,
    GET,
    Background,
    Look,
    Place,
    Replay,
)
from otel_agentperf.instrumentation.google_genai.generated_client import CURRENT, Pending
from otel_agentperf.instrumentation.patching import AnyFunction, MakeWrapper, Patches
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import budgets
from otel_agentperf.live.pipeline import Pipeline

_SDK = "google.genai._gaos"
_OLD = "google.genai._interactions.resources.interactions"
_BODY = (
    "model",
    "agent",
    "input",
    "system_instruction",
    "tools",
    "generation_config",
    "previous_interaction_id",
    "background",
    "stream",
)
_OLD_LOOKS = {"get": GET, "cancel": CANCEL, "delete": DELETE}
_NOWHERE = Place("", vertex=False)
"""Of a look at what is followed: where it was begun is known."""


def patch(patches: Patches, switch: Switch) -> None:
    """Wrap what this version of the SDK has, once the program loads it; versions before 1.55 have nothing.

    The SDK itself loads that client when it is first used: 300 modules, half a second of CPU and 18 MB, which a
    program without it must not pay for us.
    """
    background = Background()
    patches.once_imported(f"{_SDK}.basesdk", lambda: generated_client.patch(patches, switch, background))
    patches.once_imported(f"{_SDK}.interactions", lambda: _patch(patches, switch, background))
    patches.once_imported(f"{_SDK}.decisions", lambda: _patch_decisions(patches, switch))
    patches.once_imported(_OLD, lambda: _patch_old(patches, switch, background))


def _patch(patches: Patches, switch: Switch, background: Background) -> None:
    module = f"{_SDK}.interactions"
    patches.replace(module, "Interactions.create", _wrap_create(switch, background))
    patches.replace(module, "AsyncInteractions.create", _wrap_acreate(switch, background))
    patches.replace(module, "Interactions.get", _wrap_get(switch, background))
    patches.replace(module, "AsyncInteractions.get", _wrap_aget(switch, background))
    patches.replace(f"{_SDK}.utils.eventstreaming", "Stream.close", events.wrap_close)
    patches.replace(f"{_SDK}.utils.eventstreaming", "AsyncStream.close", events.wrap_aclose)


def _patch_decisions(patches: Patches, switch: Switch) -> None:
    patches.replace(f"{_SDK}.decisions", "Decisions.create", _wrap_create(switch, None))
    patches.replace(f"{_SDK}.decisions", "AsyncDecisions.create", _wrap_acreate(switch, None))


def _patch_old(patches: Patches, switch: Switch, background: Background) -> None:
    patches.replace(_OLD, "InteractionsResource.create", _wrap_create(switch, background, at_once=True))
    patches.replace(_OLD, "AsyncInteractionsResource.create", _wrap_acreate(switch, background, at_once=True))
    for name, operation in _OLD_LOOKS.items():
        patches.replace(_OLD, f"InteractionsResource.{name}", _wrap_get(switch, background, operation))
        patches.replace(_OLD, f"AsyncInteractionsResource.{name}", _wrap_aget(switch, background, operation))


# -- create --------------------------------------------------------------------------------


def _wrap_create(switch: Switch, background: Background | None, *, at_once: bool = False) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def create(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return wrapped(self, *args, **kwargs)
            if budgets.in_use and calls.CURRENT.get() is None:
                budgets.check(active)
            pending = Pending(active, background)
            if at_once:
                _begin_from_keywords(switch, pending, self, kwargs)
            token = CURRENT.set(pending)
            try:
                result = wrapped(self, *args, **kwargs)
            except BaseException as error:
                if pending.call is not None:
                    pending.call.fail(error)
                raise
            finally:
                CURRENT.reset(token)
            _finish(pending, result)
            return result

        return create

    return make


def _wrap_acreate(switch: Switch, background: Background | None, *, at_once: bool = False) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return await wrapped(self, *args, **kwargs)
            if budgets.in_use and calls.CURRENT.get() is None:
                budgets.check(active)
            pending = Pending(active, background)
            if at_once:
                _begin_from_keywords(switch, pending, self, kwargs)
            CURRENT.set(pending)
            try:
                result = await wrapped(self, *args, **kwargs)
            except BaseException as error:
                if pending.call is not None:
                    pending.call.fail(error)
                raise
            finally:
                CURRENT.set(None)
            _finish(pending, result)
            return result

        return create

    return make


@guard.guarded("google_genai.interaction.finish", None, timed=False)
def _finish(pending: Pending, result: Any) -> None:
    call = pending.call
    if call is None:
        return
    name = _iterator_in(result)
    if name is not None:
        inner = getattr(result, name)
        setattr(result, name, (events.AsyncEvents if hasattr(inner, "__anext__") else events.Events)(call, inner))
        return
    if not pending.answered and hasattr(result, "model_dump_json"):
        pending.take(dumped(result))
    call.finish()


def _iterator_in(result: Any) -> str | None:
    """The attribute of a stream that gives its events, `None` where the result is no stream."""
    return next((name for name in ("generator", "_iterator") if getattr(result, name, None) is not None), None)


@guard.guarded("google_genai.interaction.begin", None)
def _begin_from_keywords(switch: Switch, pending: Pending, resource: Any, kwargs: Mapping[str, Any]) -> None:
    body = {key: kwargs[key] for key in _BODY if kwargs.get(key) is not None}
    pending.begin(switch, body, *_endpoint_of(resource))


def _endpoint_of(resource: Any) -> tuple[str, bool]:
    """Where a resource of the older generation sends its requests, and whether that is Vertex AI."""
    client = getattr(resource, "_client", None)
    adapter = getattr(client, "client_adapter", None)
    return str(getattr(client, "base_url", "")), adapter is not None and bool(adapter.is_vertex_ai())


# -- get, and in the older generation cancel and delete --------------------------------------


def _wrap_get(switch: Switch, background: Background, operation: str | None = None) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        def get(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return wrapped(self, *args, **kwargs)
            started_ns = time_ns()
            result = wrapped(self, *args, **kwargs)
            _look(switch, active, background, operation, self, args, kwargs, result, started_ns)
            return result

        return get

    return make


def _wrap_aget(switch: Switch, background: Background, operation: str | None = None) -> MakeWrapper:
    def make(wrapped: AnyFunction) -> AnyFunction:
        @wraps(wrapped)
        async def get(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = switch.active()
            if active is None:
                return await wrapped(self, *args, **kwargs)
            started_ns = time_ns()
            result = await wrapped(self, *args, **kwargs)
            _look(switch, active, background, operation, self, args, kwargs, result, started_ns)
            return result

        return get

    return make


@guard.guarded("google_genai.interaction.look", None)
def _look(
    switch: Switch,
    active: Pipeline,
    background: Background,
    operation: str | None,
    resource: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    result: Any,
    started_ns: int,
) -> None:
    """Follow a streamed look, and in the older generation any; the others are seen in `generated_client`."""
    interaction_id = str(kwargs.get("id", args[0] if args else ""))
    name = _iterator_in(result)
    if name is not None:
        if background.follows(interaction_id):
            inner = getattr(result, name)
            made = events.AsyncReplayedEvents if hasattr(inner, "__anext__") else events.ReplayedEvents
            headers = getattr(getattr(result, "response", None), "headers", None)
            look = Look(GET, interaction_id, _NOWHERE, started_ns, headers=headers, streamed=True)
            setattr(result, name, made(Replay(background, switch, active, look), inner))
    elif operation is not None:
        content = dumped(result) if hasattr(result, "model_dump_json") else b"{}"
        look = Look(operation, interaction_id, Place(*_endpoint_of(resource)), started_ns, content)
        background.looked(switch, active, look)
