"""Prices of models that genai-prices has none for, from `builtin.toml`.

Gemini API and Vertex AI have rows of their own; a model that has only one is sold at that price by
both. A dated or staged name (`-001`) of a model in the file is that model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, cast

import msgspec

from otel_agentperf.pricing.matching import is_version
from otel_agentperf.pricing.rates import Price, PriceTable

_ABOUT = ("model", "provider", "source", "assumption")


class BuiltIn(msgspec.Struct, frozen=True):
    """One row of the file."""

    model: str
    provider: str
    table: PriceTable
    source: str
    as_of: date
    assumption: str | None = None


@cache
def rows() -> Mapping[tuple[str, str], BuiltIn]:
    """All rows by model and provider."""
    text = files("otel_agentperf.pricing").joinpath("builtin.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text, parse_float=Decimal)
    found: dict[tuple[str, str], BuiltIn] = {}
    for row in cast("list[dict[str, Any]]", data["models"]):
        table = {key: Price(Decimal(usd)) for key, usd in row.items() if key not in _ABOUT}
        one = BuiltIn(row["model"], row["provider"], table, row["source"], data["as_of"], row.get("assumption"))
        found[one.model, one.provider] = one
    return found


def names() -> tuple[str, ...]:
    """The models of the file, sorted."""
    return tuple(sorted({model for model, _ in rows()}))


def find(provider: str, name: str) -> BuiltIn | None:
    """Return the row of a model, `None` if there is none.

    Args:
        provider: `gcp.gemini`, `gcp.vertex_ai` or any other spelling of Google's.
        name: the model's plain name, in lower case.
    """
    own = "gcp.vertex_ai" if "vertex" in provider.lower() else "gcp.gemini"
    known = [model for model in names() if name.startswith(model) and is_version(name[len(model) :])]
    if not known:
        return None
    model = max(known, key=len)
    found = rows()
    return found.get((model, own)) or next(row for (named, _), row in found.items() if named == model)
