"""Rules that users add, through the entry-point group `otel_agentperf_rules`.

Each entry point names a class that derives from `rules.base.Rule`. They are loaded once in a
process. One that cannot be loaded, or is no rule, is said once in the log and left out; the
others and ours go on.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from otel_agentperf.config import Settings
from otel_agentperf.model import Complexity, OperationKind
from otel_agentperf.rules import RULES, AnyRule, make_rules
from otel_agentperf.rules.base import Group, Option, Rule, Scope

GROUP = "otel_agentperf_rules"

_logger = logging.getLogger("otel_agentperf")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,31}")
_KINDS = frozenset(OperationKind)
_DECLARED = {
    "code": "text such as MINE001",
    "name": "text such as slow_checkout",
    "group": "a rules.base.Group",
    "scope": "a rules.base.Scope",
    "watches": "a frozenset of model.OperationKind",
    "complexity": "a model.Complexity",
    "options": "a dictionary of rules.base.Option by name",
}


class NoRuleError(TypeError):
    """An entry point does not name a rule. The message says what is wrong with it."""


def chosen_rules(settings: Settings) -> tuple[AnyRule, ...]:
    """The rules that the settings ask for, ours and the users'.

    Raises:
        SettingsError: a code, group, option or value is unknown or not allowed.
    """
    return make_rules(settings.rules, settings.rules_select, settings.rules_ignore, users_rules())


def all_rules() -> tuple[type[AnyRule], ...]:
    """Ours and the users', in their order."""
    return (*RULES, *users_rules())


@lru_cache(maxsize=1)
def users_rules() -> tuple[type[AnyRule], ...]:
    """The rules of the entry-point group, by name of their entry points."""
    try:
        found = entry_points(group=GROUP)
    except Exception as error:  # noqa: BLE001 - one that is written wrongly, of whatever package, may spoil the list
        _logger.error("otel-agentperf: no rules of your own: entry points cannot be listed (%r)", error)  # noqa: TRY400 - as below
        return ()
    return load(found)


def load(found: Iterable[EntryPoint]) -> tuple[type[AnyRule], ...]:
    """Load rules, and say in the log what cannot be one.

    Args:
        found: entry points; of two with the same name and value, one counts.
    """
    taken = {rule.code: "otel-agentperf itself" for rule in RULES}
    rules: list[type[AnyRule]] = []
    for (name, value), entry in sorted({(entry.name, entry.value): entry for entry in found}.items()):
        try:
            rule = _rule(entry.load(), taken)
        except NoRuleError as error:
            _logger.error("otel-agentperf: the rule %s (%s) is left out: %s", name, value, error)  # noqa: TRY400 - as below
        except Exception as error:  # noqa: BLE001 - whatever importing it raises
            _logger.error(  # noqa: TRY400 - the message says it all
                "otel-agentperf: the rule %s (%s) is left out: it cannot be loaded (%s: %s)",
                name,
                value,
                type(error).__name__,
                error,
            )
        else:
            taken[rule.code] = value
            rules.append(rule)
    return tuple(rules)


def _rule(loaded: object, taken: Mapping[str, str]) -> type[AnyRule]:
    if not isinstance(loaded, type) or not issubclass(loaded, Rule):
        raise NoRuleError("it is no class that derives from otel_agentperf.rules.base.Rule")
    rule = cast("type[AnyRule]", loaded)
    missing = [*_missing(rule)]
    if missing:
        raise NoRuleError(f"{rule.__qualname__} lacks {', '.join(missing)}")
    if rule.code in taken:
        raise NoRuleError(f"its code {rule.code} belongs to {taken[rule.code]}")
    rule()  # a rule is made from its options alone, and each has a default
    return rule


def _missing(rule: type[AnyRule]) -> Iterator[str]:
    """What a class still needs in order to be a rule."""
    for name, form in _DECLARED.items():
        if not _is_declared(name, getattr(rule, name, None)):
            yield f"{name} ({form})"
    yield from sorted(f"{name}()" for name in getattr(rule, "__abstractmethods__", ()))
    if getattr(rule, "scope", None) in (Scope.SESSION, Scope.PROCESS):
        for name in ("merge", "judge"):
            if getattr(rule, name) is getattr(Rule, name):
                yield f"{name}(), which a rule over a {rule.scope.value} needs, since runs may be judged apart"


def _is_declared(name: str, value: object) -> bool:
    if name == "code":
        return isinstance(value, str) and _CODE.fullmatch(value) is not None
    if name == "name":
        return isinstance(value, str) and bool(value.strip())
    if name == "watches":
        return isinstance(value, (frozenset, set)) and cast("frozenset[object]", value) <= _KINDS
    if name == "options":
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and isinstance(option, Option)
            for key, option in cast("Mapping[object, object]", value).items()
        )
    kinds: dict[str, type] = {"group": Group, "scope": Scope, "complexity": Complexity}
    return isinstance(value, kinds[name])


def doc_of(rule: type[AnyRule]) -> str:
    """The doc of a rule: its module's where that begins with its code, as ours do, else its own."""
    module = inspect.getmodule(rule)
    text = inspect.cleandoc(module.__doc__ or "") if module is not None else ""
    return text if text.startswith(rule.code) else f"{rule.code} {rule.name}"
