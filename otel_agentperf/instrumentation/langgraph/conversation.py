"""The conversation a run belongs to: what the program itself calls its thread or session.

The first found of: LangGraph's `thread_id`; `session_id` or `conversation_id` in the config's
metadata (or among its configurable values, which older versions of LangGraph copy there);
`session.id` in the baggage; a key of the input state. A call's own config comes before the
one bound to the graph, and that before the one of the runnable it is called in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables.config import var_child_runnable_config

from otel_agentperf.live.baggage import session_from_baggage

Config = Mapping[str, Any]
_NO_VALUES: Mapping[str, Any] = {}


def configs_of(given: object, bound: object) -> list[Config]:
    """The configs that hold for a run, the one that wins first."""
    ambient = var_child_runnable_config.get()
    return [cast("Config", config) for config in (given, bound, ambient) if config and isinstance(config, Mapping)]


def conversation_id(configs: list[Config], state: object, state_key: str) -> str | None:
    """Find the conversation id of an outermost run.

    Args:
        configs: from `configs_of`.
        state: the run's input.
        state_key: the key of the input that may hold the id.
    """
    for section, key in (
        ("configurable", "thread_id"),
        ("metadata", "session_id"),
        ("metadata", "conversation_id"),
        ("configurable", "session_id"),
        ("configurable", "conversation_id"),
    ):
        for config in configs:
            value = (config.get(section) or _NO_VALUES).get(key)
            found = None if value is None else _text(value)
            if found is not None:
                return found
    return session_from_baggage() or _text(_from_state(state, state_key))


def _from_state(state: object, key: str) -> object:
    if isinstance(state, Mapping):
        return cast("Mapping[str, object]", state).get(key)
    return getattr(state, key, None) if key.isidentifier() else None


def _text(value: object) -> str | None:
    """An id as text; a number or a UUID counts as one, emptiness does not."""
    if value is None or isinstance(value, (bool, Mapping, list, tuple, set)) or callable(value):
        return None
    return str(value) or None
