"""Attributes as OTLP writes them in JSON: a list of keys and values, each value under the name of its type.

Where one value has several types, which no writer may give it, any of them is taken.
"""

from __future__ import annotations

import msgspec

from otel_agentperf.reading.values import MOST_S, MOST_USD

_MAX_DEPTH = 64
"""How deeply lists in a value may nest."""
_MAX_WHOLE = 2**63 - 1


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


# -- whatever a value is -------------------------------------------------------------------


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


# -- what it is expected to be; `None` where it is something else --------------------------


def flag(value: Value) -> bool | None:
    """A truth value."""
    return value.bool_value


def whole(value: Value) -> int | None:
    """A whole number, 0 or more."""
    number = value.int_value
    return number if number is not None and 0 <= number <= _MAX_WHOLE else None


def usd(value: Value) -> float | None:
    """An amount of US dollars."""
    number = value.double_value
    return number if number is not None and 0 <= number <= MOST_USD else None


def seconds(value: Value) -> float | None:
    """A duration in seconds."""
    number = value.double_value
    return number if number is not None and 0 <= number <= MOST_S else None


def signed(value: Value) -> float | None:
    """A number of any sign."""
    number = value.double_value
    return number if number is not None and -_MAX_WHOLE < number < _MAX_WHOLE else None


def texts(value: Value) -> list[str] | None:
    """A list of texts."""
    array = value.array_value
    if array is None:
        return None
    found = [item.string_value for item in array.values or ()]
    return None if None in found else found  # pyright: ignore[reportReturnType] - asked just now


def wholes(value: Value) -> list[int] | None:
    """A list of whole numbers, each 0 or more."""
    array = value.array_value
    if array is None:
        return None
    found = [whole(item) for item in array.values or ()]
    return None if None in found else found  # pyright: ignore[reportReturnType] - asked just now
