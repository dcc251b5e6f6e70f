"""The command line, `otel-agentperf`. It needs the extra `cli`; without it, it says what to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

INSTALL = 'pip install "otel-agentperf[cli]"'
_EXTRA = frozenset({"click", "rich"})


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the command line; the console script's entry point.

    Args:
        args: passed to the click group.
        kwargs: passed to the click group.

    Raises:
        SystemExit: with 2 where click or rich is missing, else as click ends.
    """
    try:
        import_module("rich")  # the commands need it: better said now than halfway
        from otel_agentperf.cli.group import group  # noqa: PLC0415 - it needs click
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        print(INSTALL)
        raise SystemExit(2) from None
    return group(*args, **kwargs)
