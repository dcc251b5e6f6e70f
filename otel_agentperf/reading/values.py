"""Attribute values of spans that others wrote, taken as they come: a wrong type is an absent value.

Exporters and backends turn numbers into text and tuples into lists on the way, so a number in
digits counts as one. Nothing here raises.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

import msgspec

Attributes = Mapping[str, object]

_LARGEST = 2**63
MOST_USD = 1e12
"""More than anything can cost."""
MOST_S = 9e9
"""Its nanoseconds fit in 64 bits."""


def text(attributes: Attributes, key: str, *others: str) -> str | None:
    """The first of these attributes that is text and not empty."""
    value = attributes.get(key)
    if value and isinstance(value, str):
        return value
    for other in others:
        value = attributes.get(other)
        if value and isinstance(value, str):
            return value
    return None


def whole(attributes: Attributes, key: str, *others: str) -> int | None:
    """The first of these attributes that is a whole number, 0 or more."""
    value = attributes.get(key)
    if type(value) is int and 0 <= value < _LARGEST:
        return value
    found = None if value is None else _whole(value)
    if found is None:
        for other in others:
            value = attributes.get(other)
            found = None if value is None else _whole(value)
            if found is not None:
                break
    return found


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number < _LARGEST else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def seconds_as_ns(attributes: Attributes, key: str) -> int | None:
    """A duration in seconds as nanoseconds."""
    value = attributes.get(key)
    number = None if value is None else _number(value)
    return None if number is None or number * 1e9 >= _LARGEST else round(number * 1e9)


def money(attributes: Attributes, key: str) -> Decimal | None:
    """An amount of US dollars, exactly as it was written; one that nothing can cost is none."""
    value = attributes.get(key)
    if value is None:
        return None
    if type(value) is float and 0 <= value <= MOST_USD:
        return Decimal(repr(value))
    found = _number(value)
    if found is None or found > MOST_USD:
        return None
    return Decimal(value if isinstance(value, (int, str)) else repr(value))


def balance(attributes: Attributes, key: str) -> Decimal | None:
    """An amount of US dollars as `money` reads it, or a negative one: what was given back."""
    value = attributes.get(key)
    if isinstance(value, (int, float)) and -MOST_USD <= value < 0:
        return Decimal(repr(value))
    return money(attributes, key)


def number(attributes: Attributes, key: str) -> float | None:
    """A number, 0 or more."""
    value = attributes.get(key)
    return None if value is None else _number(value)


def flag(attributes: Attributes, key: str) -> bool | None:
    """A truth value, also where it became text."""
    value = attributes.get(key)
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


def texts(attributes: Attributes, key: str) -> tuple[str, ...]:
    """A list of texts; one text is a list of one."""
    value = attributes.get(key)
    if value is None:
        return ()
    items = as_list(value)
    if items is None:
        return (value,) if isinstance(value, str) else ()
    try:
        "".join(cast("Sequence[str]", items))  # the cheapest way to ask whether all are text
    except TypeError:
        return tuple([item for item in items if isinstance(item, str)])
    return tuple(cast("Sequence[str]", items))


def wholes(attributes: Attributes, key: str) -> tuple[int, ...]:
    """A list of whole numbers, each 0 or more; none where one of them is something else."""
    items = as_list(attributes.get(key))
    if items is None:
        return ()
    try:
        return tuple(array("Q", cast("Sequence[int]", items)))
    except (TypeError, OverflowError):
        numbers = [_whole(item) for item in items]
        return () if None in numbers else tuple(cast("list[int]", numbers))


def decoded(value: object) -> object:
    """What a JSON text holds; anything else as it is."""
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return value


def as_table(value: object) -> Mapping[str, object] | None:
    """The value, where it is an object with names."""
    if type(value) is dict or isinstance(value, Mapping):  # asking an abstract class takes long
        return cast("Mapping[str, object]", value)
    return None


def as_list(value: object) -> Sequence[object] | None:
    """The value, where it is a list."""
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else None


def table(attributes: Attributes, key: str) -> Mapping[str, object]:
    """A JSON object in an attribute, or an empty one."""
    value = decoded(attributes.get(key))
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def signed(attributes: Attributes, key: str) -> float | None:
    """A number of any sign, within what 64 bits hold: sums are made of it."""
    value = attributes.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if -_LARGEST < number < _LARGEST else None
