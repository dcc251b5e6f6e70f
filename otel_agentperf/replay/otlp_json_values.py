"""Attributes as OTLP writes them in JSON: a list of keys and values, each value under the name of its type."""

from __future__ import annotations

import msgspec

_MAX_DEPTH = 64
"""How deeply lists in a value may nest."""


class Value(msgspec.Struct, rename="camel", gc=False):
    """One value; at most one of these is there."""

    string_value: str | None = None
    int_value: int | None = None
    double_value: float | None = None
    bool_value: bool | None = None
    array_value: Array | None = None
    kvlist_value: Pairs | None = None


class Array(msgspec.Struct, gc=False):
    """A list."""

    values: list[Value] | None = None


class Pairs(msgspec.Struct, gc=False):
    """A table."""

    values: list[Attribute] | None = None


class Attribute(msgspec.Struct, gc=False):
    """One attribute."""

    key: str = ""
    value: Value = msgspec.field(default_factory=Value)


def table(attributes: list[Attribute] | None) -> dict[str, object]:
    """Values by key, lists as tuples; `None` for a value that says nothing."""
    found: dict[str, object] = {}
    for attribute in attributes or ():
        value = attribute.value
        # Most are text, and not empty.
        found[attribute.key] = value.string_value or value.int_value or value.double_value or _any(value, _MAX_DEPTH)
    return found


def texts(value: Value) -> list[str] | None:
    """A list of texts; `None` where it is none."""
    array = value.array_value
    if array is None:
        return None
    found = [item.string_value for item in array.values or ()]
    return None if None in found else found  # pyright: ignore[reportReturnType] - asked just now


def _any(value: Value, depth: int) -> object:
    found: object
    if (
        (found := value.string_value) is not None
        or (found := value.int_value) is not None
        or (found := value.double_value) is not None
        or (found := value.bool_value) is not None
    ):
        return found
    if depth <= 0:
        return None
    if value.array_value is not None:
        listed = texts(value)
        return (
            listed if listed is not None else tuple([_any(item, depth - 1) for item in value.array_value.values or ()])
        )
    if value.kvlist_value is not None:
        return {pair.key: _any(pair.value, depth - 1) for pair in value.kvlist_value.values or ()}
    return None
