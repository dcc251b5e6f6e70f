"""Attributes as OTLP writes them in JSON: a list of keys and values, each value under the name of its type.

A value that has several types, which OTLP does not allow, is read as the first of them.
"""

from __future__ import annotations

import msgspec

_MAX_DEPTH = 64
"""How deeply lists in a value may nest."""


class Value(msgspec.Struct, rename="camel", gc=False):
    """One value."""

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
    value: Value | None = None


def table(attributes: list[Attribute] | None, depth: int = _MAX_DEPTH) -> dict[str, object]:
    """Values by key, lists as tuples; a value that says nothing is left out.

    Args:
        attributes: the list.
        depth: how deeply lists in it may nest.
    """
    found: dict[str, object] = {}
    for attribute in attributes or ():
        value = attribute.value
        # Most are text, and not empty.
        said = None if value is None else value.string_value or _any(value, depth)
        if said is not None:
            found[attribute.key] = said
    return found


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
        return tuple([_any(item, depth - 1) for item in value.array_value.values or ()])
    return table(value.kvlist_value.values, depth - 1) if value.kvlist_value is not None else None
