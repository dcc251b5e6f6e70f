"""What was used while an operation ran, read back from its span as it was written."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import OperationKind, Resources
from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

_PREFIXES = {
    OperationKind.NODE: semconv.NODE_RESOURCES,
    OperationKind.WORKFLOW: semconv.RUN_RESOURCES,
    OperationKind.AGENT: semconv.RUN_RESOURCES,
}
_KEYS = {
    kind: {name: prefix + key for name, key in semconv.RESOURCE_KEYS.items()} for kind, prefix in _PREFIXES.items()
}
_LARGEST = 2**63
"""Larger numbers are none that a host can have, and cannot be carried."""
_MAY_FALL = tuple(name for name in semconv.RESOURCE_KEYS if name.endswith("_delta"))
_ARE_SHARES = frozenset(name for name in semconv.RESOURCE_KEYS if "percent" in name)


def of(kind: OperationKind, attributes: Attributes) -> Resources | None:
    """The resources on a span; `None` where there are none. A wrong type is an absent value.

    Args:
        kind: what the span is.
        attributes: its attributes.
    """
    keys = _KEYS.get(kind)
    if keys is None or (keys["samples"] not in attributes and keys["blocked_ns"] not in attributes):
        return None
    found = {name: value for name, key in keys.items() if (value := _value(name, key, attributes)) is not None}
    return msgspec.convert(_whole(found), Resources)


def _value(name: str, key: str, attributes: Attributes) -> float | None:
    if name in _MAY_FALL:
        return values.signed(attributes, key)
    if name.endswith("_ns"):
        return values.seconds_as_ns(attributes, key)
    return values.number(attributes, key)


def _whole(found: Mapping[str, float]) -> dict[str, float]:
    return {
        name: value if name in _ARE_SHARES else int(value)
        for name, value in found.items()
        if abs(value) < _LARGEST or name in _ARE_SHARES
    }
