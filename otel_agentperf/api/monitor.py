"""Advice as a node of a LangGraph graph, and around a node.

Nothing of LangGraph is imported: a node is a callable that takes a state and gives an update.
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import wraps
from typing import Any, TypeVar, cast

from otel_agentperf import guard
from otel_agentperf.api.advise import advise
from otel_agentperf.api.refusals import refuse

F = TypeVar("F", bound=Callable[..., Any])
Said = str | Callable[[Any], Any] | None
DEFAULT_KEY = "optimizations"
_MISSING = object()
_logger = logging.getLogger("otel_agentperf")
_told: set[str] = set()


class PerformanceMonitor:
    """A node that writes advice into the state: ``graph.add_node("monitor", performance_monitor)``.

    Called with keywords it gives one that is configured: ``performance_monitor(key="advice", action="plan")``.
    As the state's schema decides what a graph keeps, it has to have the key; where two monitors run in one
    step, the key needs a reducer there, as any key that two nodes write in one step.

    Args:
        key: where in the state the advice goes, as plain dictionaries and lists.
        action: what is about to be done; a function is asked with the state.
        node: the node that comes next; without it the advice is for the run and the action alone.
        pending: the steps that are still to be done; a function is asked with the state.
        models: the models that may be used.
    """

    __name__ = "performance_monitor"

    def __init__(
        self,
        key: str = DEFAULT_KEY,
        action: Said = None,
        node: str | None = None,
        pending: Any = (),
        models: Iterable[str] | None = None,
    ) -> None:
        self._key = key
        self._action = action
        self._node = node
        self._pending = pending
        # What is no model at all is for `advise` to refuse.
        self._models = tuple(models) if isinstance(models, Iterable) and not isinstance(models, str) else models

    def __call__(
        self,
        state: Any = _MISSING,
        *_context: Any,
        key: str | None = None,
        action: Said = None,
        node: str | None = None,
        pending: Any = None,
        models: Iterable[str] | None = None,
    ) -> Any:
        """Advise on a state, as a node does; without a state, configure another monitor.

        What a caller hands over beside the state, such as a config, is not needed. LangGraph asks the
        signature for it by name, and warns of a `config` whose type is not its own.
        """
        if state is _MISSING:
            return PerformanceMonitor(
                self._key if key is None else key,
                self._action if action is None else action,
                self._node if node is None else node,
                self._pending if pending is None else pending,
                self._models if models is None else models,
            )
        if not _is_keyed(state):
            _tell("root", f"a state without keys cannot take {self._key}, so no advice is in it")
            return None
        try:
            return {self._key: self._advice(state, self._node or "")}
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.monitor", error)
            return None

    def _advice(self, state: Any, node: str | None) -> dict[str, Any]:
        action, pending = self._asked(self._action, state), self._asked(self._pending, state)
        action, pending = "" if action is None else action, () if pending is None else pending
        told = advise(action, node=node, pending=pending, models=self._models).as_dict()
        return cast("dict[str, Any]", told)

    def _asked(self, value: Any, state: Any) -> Any:
        if not callable(value):
            return value
        try:
            said = value(state)
        except Exception as error:  # noqa: BLE001 - the user's own function, whose failure must not end the run
            _tell("ask", f"a function given to performance_monitor raised {type(error).__name__}; it is left out")
            return None
        if inspect.iscoroutine(said):
            said.close()
            _tell("async", "a coroutine function given to performance_monitor is not waited for; it is left out")
            return None
        return said

    def wrap(self, node: Callable[..., Any] | None = None, *, action: Said = None, key: str | None = None) -> Any:
        """Make a node that finds advice for itself in its state.

        The function keeps its name, signature and colour. The advice is in the state that this node sees alone: what
        the node gives stays as it is, so that any number of wrapped nodes may run in one step. A node that
        wants the advice kept gives it itself; one that gives back its whole state does so too. A state that cannot
        take the key (a dataclass or model without it) is handed on as it is.

        Args:
            node: the node's function; absent where this is a decorator with arguments.
            action: what the node does, where its name does not say.
            key: where in the state the advice goes.
        """
        made = PerformanceMonitor(
            self._key if key is None else key,
            self._action if action is None else action,
            None,
            self._pending,
            self._models,
        )
        return made._around if node is None else made._around(node)

    def _around(self, node: F) -> F:
        if inspect.isgeneratorfunction(node) or inspect.isasyncgenfunction(node) or not _is_function(node):
            refuse("performance_monitor.wrap", f"a {type(node).__name__}", "functions, coroutine functions and methods")
            return node
        if inspect.iscoroutinefunction(node):

            @wraps(node)
            async def arun(*args: Any, **kwargs: Any) -> Any:
                args, kwargs = self._advised(args, kwargs)
                return await node(*args, **kwargs)

            return cast("F", arun)

        @wraps(node)
        def run(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = self._advised(args, kwargs)
            return node(*args, **kwargs)

        return cast("F", run)

    def _advised(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """What a node is called with, its state with the advice in it."""
        try:
            state = args[0] if args else kwargs.get("state")
            told = self._advice(state, None)
            if args:
                return (_with(state, self._key, told), *args[1:]), kwargs
            if "state" in kwargs:
                return args, {**kwargs, "state": _with(state, self._key, told)}
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.monitor", error)
        return args, kwargs


def _is_function(node: object) -> bool:
    return inspect.isfunction(node) or inspect.ismethod(node) or inspect.isbuiltin(node)


def _is_keyed(state: object) -> bool:
    """Whether an update of this state is a dictionary of its keys."""
    return isinstance(state, Mapping) or dataclasses.is_dataclass(state) or hasattr(type(state), "model_fields")


def _with(state: Any, key: str, told: dict[str, Any]) -> Any:
    """The state with the advice in it; as it is where it cannot take it."""
    if type(state) is dict:
        return {**cast("dict[str, Any]", state), key: told}
    if isinstance(state, dict):
        mapping = copy(cast("dict[str, Any]", state))
        mapping[key] = told
        return mapping
    fields: object = getattr(cast("type[object]", type(state)), "model_fields", None)
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        known = any(each.name == key for each in dataclasses.fields(state))
    else:
        known = isinstance(fields, Mapping) and key in fields
    if not known:
        _tell("state", f"the state of a node has no {key}, so the advice is not in it")
        return state
    changed = copy(state)
    try:
        setattr(changed, key, told)
    except (AttributeError, TypeError, ValueError):  # frozen, or of another type
        _tell("frozen", f"{key} of a node's state cannot be set, so the advice is not in it")
        return state
    return changed


def _tell(what: str, message: str) -> None:
    if what not in _told:
        _told.add(what)
        _logger.warning("otel-agentperf: %s", message)


performance_monitor = PerformanceMonitor()
"""The monitor with its defaults."""
