"""The recordings that `counterfactual` rests on, read without any code of ours: bodies, tokens, timestamps."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

BILLED = ("generateContent", "streamGenerateContent")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One billed answer."""

    number: int
    """Its line in the file, from 1."""
    conversation: str
    model: str
    input: int
    prompt: int
    """The input without what tools of Google's added to it."""
    output: int
    """With thoughts."""
    thoughts: int
    cached: int
    modalities: bool
    """Whether anything but text went in or out."""
    head: str
    """Instruction and tools, as JSON."""
    messages: tuple[str, ...]

    @property
    def span_id(self) -> str:
        """As the runs made of these exchanges number their spans."""
        return format(self.number, "016x")


def exchanges(path: Path) -> list[Exchange]:
    """All billed exchanges with usage."""
    if not path.exists():
        raise SystemExit(f"{path} is absent: the folder must hold the recorded exchanges")
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return [one for number, line in lines if (one := _exchange(number, json.loads(line))) is not None]


def _exchange(number: int, row: dict[str, Any]) -> Exchange | None:
    if row["status"] != 200 or row["method"] not in BILLED:
        return None
    usage: dict[str, Any] = {}
    for body in _bodies(row["response"]):
        usage = body.get("usageMetadata") or usage
    if not usage:
        return None
    request = row["request"]
    head = {key: request.get(key) for key in ("systemInstruction", "tools", "toolConfig")}
    told = usage.get("promptTokensDetails", []) + usage.get("candidatesTokensDetails", [])
    thoughts = usage.get("thoughtsTokenCount") or 0
    return Exchange(
        number,
        row["file"],
        row["model"],
        (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
        usage.get("promptTokenCount") or 0,
        (usage.get("candidatesTokenCount") or 0) + thoughts,
        thoughts,
        usage.get("cachedContentTokenCount") or 0,
        any(one.get("modality") not in {"TEXT", 1} for one in told),
        json.dumps(head, sort_keys=True),
        tuple(json.dumps(one, sort_keys=True) for one in request.get("contents") or ()),
    )


def _bodies(response: Any) -> list[dict[str, Any]]:
    if isinstance(response, str):
        data = (line.removeprefix("data:").strip() for line in response.splitlines() if line.startswith("data:"))
        return [json.loads(line) for line in data if line.startswith("{")]
    return cast("list[dict[str, Any]]", response if isinstance(response, list) else [response])


@dataclass(frozen=True, slots=True)
class Timed:
    """One span of a file of traces."""

    trace_id: str
    span_id: str
    seconds: float
    attributes: dict[str, Any]


def spans(path: Path) -> Iterator[Timed]:
    """Every span of OTLP JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            for resource in json.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        lasted = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
                        told = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
                        yield Timed(span["traceId"], span["spanId"], lasted / 1e9, told)
