"""Replacing functions of other libraries, and putting them back without harm.

The functions we replace are partly private, so each is looked up defensively: a missing one
is said once in the log and the rest goes on. Another library may wrap the same function after
us; then ours stays beneath it when we uninstrument, as a plain pass-through. What a library
loads only when it is needed is not loaded for us: it is patched as it is imported.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import wrapt  # pyright: ignore[reportMissingTypeStubs] - only its newest versions have types
from packaging.version import InvalidVersion, Version

from otel_agentperf import guard
from otel_agentperf.budgets import ERROR_TYPE, BudgetExceeded

_logger = logging.getLogger("otel_agentperf")

AnyFunction = Callable[..., Any]
MakeWrapper = Callable[[AnyFunction], AnyFunction]
_register: Callable[[Callable[[Any], object], str], object] = cast("Any", wrapt).register_post_import_hook


@dataclass(slots=True)
class _Replaced:
    owner: Any
    name: str
    original: AnyFunction
    wrapper: AnyFunction
    inherited: bool


class Patches:
    """The functions that one instrumentation has replaced."""

    def __init__(self) -> None:
        self._replaced: list[_Replaced] = []
        self._missed: set[str] = set()
        self._times_restored = 0

    def replace(self, module: str, path: str, make_wrapper: MakeWrapper, *, required: bool = True) -> bool:
        """Replace `path` (such as ``"Pregel.stream"``) in a module by a wrapper around it.

        Args:
            module: dotted name of the module; it is imported.
            path: name of the function, through a class if need be.
            make_wrapper: makes the replacement from the original.
            required: whether its absence is worth a warning.

        Returns:
            Whether it was there.
        """
        *parents, name = path.split(".")
        try:
            owner: Any = importlib.import_module(module)
            for parent in parents:
                owner = getattr(owner, parent)
            original = getattr(owner, name)
        except (ImportError, AttributeError):
            if required and f"{module}.{path}" not in self._missed:
                self._missed.add(f"{module}.{path}")
                _logger.warning(
                    "otel-agentperf: %s.%s is missing in this version; what depends on it is not recorded", module, path
                )
            return False
        wrapper = make_wrapper(original)
        inherited = isinstance(owner, type) and name not in vars(owner)
        setattr(owner, name, wrapper)
        self._replaced.append(_Replaced(owner, name, original, wrapper, inherited))
        return True

    def once_imported(self, module: str, patch: Callable[[], object]) -> None:
        """Make replacements in a module as soon as it has been imported: now, if it is, or in the import itself.

        Args:
            module: dotted name of the module, which need not exist.
            patch: makes the replacements; not called where they were all put back before the import.
        """
        began_after = self._times_restored

        @guard.guarded("patching.import", None, timed=False)
        def imported(_module: Any) -> None:
            if self._times_restored == began_after:
                patch()

        _register(imported, module)

    def restore(self) -> None:
        """Put every original back, except where someone has wrapped ours since."""
        self._times_restored += 1
        for item in reversed(self._replaced):
            if getattr(item.owner, item.name, None) is not item.wrapper:
                continue
            if item.inherited:
                delattr(item.owner, item.name)
            else:
                setattr(item.owner, item.name, item.original)
        self._replaced.clear()


def installed(distribution: str, oldest: str) -> bool:
    """Whether a library is installed in a version that we support; says so once if too old."""
    try:
        found = version(distribution)
    except PackageNotFoundError:
        return False
    try:
        if Version(found) >= Version(oldest):
            return True
    except InvalidVersion:
        return True
    _logger.warning(
        "otel-agentperf: %s %s is installed, %s or newer is needed; it is not instrumented", distribution, found, oldest
    )
    return False


def error_type(error: BaseException) -> str:
    """The `error.type` of an exception: its qualified class name, without its message."""
    if isinstance(error, BudgetExceeded):
        return ERROR_TYPE
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
