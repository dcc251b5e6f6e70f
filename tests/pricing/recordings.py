"""The recorded Gemini exchanges that report usage, as the price tests need them."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

DATA = Path(os.environ.get("AGENTPERF_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
EXCHANGES = DATA / "gemini_exchanges.jsonl"
_MODALITIES = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}
_GENERATED = ("generateContent", "streamGenerateContent", "batchEmbedContents", "interactions")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange that was billed: its model, its endpoint, and the bodies of its answer."""

    name: str
    model: str
    vertex: bool
    interaction: bool
    bodies: tuple[dict[str, Any], ...]

    @property
    def provider(self) -> str:
        return "gcp.vertex_ai" if self.vertex else "gcp.gemini"

    @property
    def usage(self) -> dict[str, Any]:
        """The last usage that any body carried, with names where numbers stand for modalities."""
        found: dict[str, Any] = {}
        for body in self.bodies:
            inner = body.get("interaction") or body
            found = inner.get("usageMetadata") or inner.get("usage") or found
        return _named(found)


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            key: _MODALITIES[inner] if key == "modality" and isinstance(inner, int) else _named(inner)
            for key, inner in fields.items()
        }
    return [_named(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value


def _bodies(response: Any) -> tuple[dict[str, Any], ...]:
    if isinstance(response, str):
        lines = (line.removeprefix("data:").strip() for line in response.splitlines() if line.startswith("data:"))
        return tuple(json.loads(line) for line in lines if line.startswith("{"))
    return tuple(cast("list[dict[str, Any]]", response)) if isinstance(response, list) else (response,)


@functools.cache
def recorded() -> tuple[Recorded, ...]:
    """All exchanges that report usage; fails where the recordings are absent."""
    if not EXCHANGES.exists():
        pytest.fail(f"the recorded exchanges are absent: {EXCHANGES} (AGENTPERF_TEST_DATA may name their folder)")
    found: list[Recorded] = []
    for line in EXCHANGES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["method"] not in _GENERATED or row["status"] != 200:
            continue
        one = Recorded(
            name=f"{row['file']}#{row['index']}",
            model=row["model"] or row["request"]["model"],
            vertex=row["vertex"],
            interaction=row["method"] == "interactions",
            bodies=_bodies(row["response"]),
        )
        if one.usage:
            found.append(one)
    return tuple(found)
