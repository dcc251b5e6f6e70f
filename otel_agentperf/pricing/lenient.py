"""Decodes JSON into structs at full speed, and field by field when a field is not as expected.

A response is another company's document: a field of the wrong type counts as absent and spoils
nothing around it. The slow way is taken only after the fast one failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def decode(decoder: msgspec.json.Decoder[S], kind: type[S], body: bytes | str) -> S:
    """Return the body as a struct; what is not JSON, or not an object, gives an empty one.

    Args:
        decoder: the decoder of `kind`, made once.
        kind: the struct's type; each of its fields has a default.
        body: the JSON text.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return build(kind, msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return kind()


def build(kind: type[S], value: object) -> S:
    """Return a struct from plain data; a field that does not fit keeps its default."""
    if not isinstance(value, Mapping):
        return kind()
    data = cast("Mapping[str, object]", value)
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in data:
            fitted = _fit(field.type, data[field.encode_name])
            if fitted is not None:
                fields[field.name] = fitted
    return kind(**fields)


def _fit(kind: Any, value: object) -> Any:
    """Return the value as `kind`, or `None` if it cannot be that."""
    if value is None:
        return None
    members = get_args(kind)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            return None
        items = (_fit(members[0], item) for item in cast("list[object]", value))
        return tuple(item for item in items if item is not None)
    for member in members or (kind,):
        if isinstance(member, type) and issubclass(member, msgspec.Struct):
            return build(member, cast("object", value)) if isinstance(value, Mapping) else None
    if kind is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    try:
        return msgspec.convert(value, kind, strict=kind is not int)
    except msgspec.ValidationError:
        return None
