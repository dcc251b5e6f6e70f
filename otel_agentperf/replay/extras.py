"""What an extra brings, imported when it is needed; without it, the line that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

INSTALL = 'pip install "otel-agentperf[{extra}]"'


class MissingExtraError(RuntimeError):
    """A library that an extra brings is absent. The message holds the line that installs it."""


def needed(module: str, what: str, *, extra: str = "replay", library: str = "") -> Any:
    """Import a module of an extra.

    Args:
        module: its full name.
        what: what needs it, for the message.
        extra: the extra that brings it.
        library: what is to be installed, where that has another name.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(error.name or module):
            raise
        raise MissingExtraError(f"{what} needs {library or module}: {INSTALL.format(extra=extra)}") from None
