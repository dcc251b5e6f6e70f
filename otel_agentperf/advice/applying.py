"""Which node lets advice be applied, and which change is tried for a request of it: the `[apply]` table.

    [apply.planner]                     # of every graph; ["researcher/planner"] of one
    models = ["gemini-2.5-flash", "gemini-2.5-flash-lite"]
    timeout = true
    share = 0.1                         # of the runs, to begin with
    max_share = 0.9
    explore = true

Nothing is applied without such a table. Of the models, one that costs less than the one that the
program asks for is tried: the advised one; else, with `explore`, the first of the list that this
node was never seen to use, since nothing can be learned of a model that is never asked. A trial that
has begun goes on until its own runs end it: they were drawn by lot, which other evidence was not.
Whatever is wrong raises `SettingsError` naming key, value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from otel_agentperf.config import wrong
from otel_agentperf.pricing.families import member

FIRST_SHARE, MAX_SHARE = 0.1, 0.9
LEAST_SHARE, MOST_SHARE = 0.01, 0.95
"""At least one run in twenty goes on as the program asks: without any, nothing could be told to be worse."""
SEEN_SAMPLES = 30
"""A model that a node has asked so often has been seen there: then what was learned decides."""
_KEYS = ("models", "timeout", "share", "max_share", "explore")
_OLDEST_GENERATION = 2


@dataclass(frozen=True, slots=True)
class NodeRule:
    """What the user allows at one node."""

    models: tuple[str, ...] = ()
    timeout: bool = False
    share: float = FIRST_SHARE
    max_share: float = MAX_SHARE
    explore: bool = True


class Advised(NamedTuple):
    """What is advised for one request."""

    model: str | None = None
    timeout_s: float | None = None


def choose_model(
    rule: NodeRule, advised: str | None, asked: str, *, begun: Callable[[str], bool], new: Callable[[str], bool]
) -> str | None:
    """The model to try in place of the one asked for.

    Args:
        rule: what is allowed.
        advised: the model that was advised, if any.
        asked: the model that the program asks for.
        begun: whether a trial of a model has begun here and goes on.
        new: whether the node was never seen to use a model, and no trial of it has ended.

    Returns:
        One of the allowed models, or `None` to leave it as it is.
    """
    if advised is not None and advised != asked and advised in rule.models:
        return advised
    candidates = [model for model in rule.models if model != asked]
    for model in candidates:
        if begun(model):
            return model
    return next((model for model in candidates if new(model)), None) if rule.explore else None


def parse_apply(table: Mapping[str, object]) -> dict[str, NodeRule]:
    """The rules of the `[apply]` table by `node` or `graph/node`.

    Raises:
        SettingsError: a key, name or value is wrong.
    """
    return {name: _node(name, value) for name, value in table.items()}


def _node(name: str, value: object) -> NodeRule:
    where = f'[apply."{name}"]'
    if not name.strip() or name.strip() != name:
        raise wrong(where, value, "the name of a node, or graph/node, between the quotes")
    if not isinstance(value, Mapping):
        raise wrong(where, value, f"a table with {', '.join(_KEYS)}")
    rows = cast("Mapping[str, object]", value)
    for key, row in rows.items():
        if key not in _KEYS:
            raise wrong(f"{where} {key}", row, ", ".join(_KEYS))
    models = _models(f"{where} models", rows["models"]) if "models" in rows else ()
    timeout = _boolean(f"{where} timeout", rows.get("timeout", False))
    if not models and not timeout:
        raise wrong(where, dict(rows), "models (a list of names), timeout = true, or both")
    share = _share(f"{where} share", rows.get("share", FIRST_SHARE))
    max_share = _share(f"{where} max_share", rows.get("max_share", max(share, MAX_SHARE)))
    if max_share < share:
        raise wrong(f"{where} max_share", max_share, f"a number from share ({share:g}) to {MOST_SHARE:g}")
    return NodeRule(models, timeout, share, max_share, _boolean(f"{where} explore", rows.get("explore", True)))


def _models(key: str, value: object) -> tuple[str, ...]:
    allowed = 'a list of general Gemini models from generation 2 on, such as ["gemini-2.5-flash"]'
    names = cast("list[object]", value) if isinstance(value, list) else []
    if not names:
        raise wrong(key, cast("object", value), allowed)
    for name in names:
        read = member(name) if isinstance(name, str) else None
        if read is None or read.generation < _OLDEST_GENERATION or "/" in str(name) or str(name) != str(name).lower():
            raise wrong(key, name, allowed)
    return tuple(dict.fromkeys(cast("list[str]", names)))


def _boolean(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise wrong(key, value, "true or false")


def _share(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not LEAST_SHARE <= value <= MOST_SHARE:
        raise wrong(key, value, f"a number from {LEAST_SHARE:g} to {MOST_SHARE:g}")
    return float(value)
