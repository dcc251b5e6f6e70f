"""What is said, once for each function, of a call that makes no sense; the program goes on."""

from __future__ import annotations

import logging
from decimal import Decimal

_logger = logging.getLogger("otel_agentperf")
_refused: set[str] = set()


def refuse(name: str, given: str, allowed: str) -> None:
    """Say once for each function that it was given what it cannot take; the program goes on."""
    if name not in _refused:
        _refused.add(name)
        _logger.warning("otel-agentperf: %s(%s) is not recorded; allowed: %s", name, given, allowed)


def shown(value: object) -> str:
    """A number as it is; of anything else its type alone, since it may be someone's text."""
    return str(value) if isinstance(value, (int, float, Decimal, type(None))) else f"a {type(value).__name__}"
