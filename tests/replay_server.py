"""Recorded Gemini exchanges, served again by the loopback server.

The recordings lie beside the checkout in `../shared/data`, or where `AGENTPERF_TEST_DATA` says, and are not in this
repository: tests that read them have the mark `recorded`, and the nox session of that name runs them.
They were cut for size; `ReplayResponder` mends what the SDK could not decode (base64 that ends in
a "chars cut" mark, enums as numbers) and leaves all else, token counts above all, as recorded.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from otel_agentperf.demo import replies
from otel_agentperf.demo.wire import GeminiRequest, Reply, sse

DATA = Path(os.environ.get("AGENTPERF_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
EXCHANGES = DATA / "gemini_exchanges.jsonl"
CUT_MARK = " chars cut]"
BASE64_KEYS = frozenset({"data", "thoughtSignature", "bytesBase64Encoded", "signature"})
NAMES_OF_NUMBERS: dict[str, dict[int, str]] = {
    "finishReason": {1: "STOP"},
    "modality": {1: "TEXT"},
    "trafficType": {1: "ON_DEMAND"},
}
"""Clients over gRPC recorded enums as numbers, which Gemini's HTTP API never sends."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and what was answered."""

    file: str
    index: int
    method: str
    model: str
    vertex: bool
    status: int
    request: dict[str, Any]
    response: Any
    """Parsed JSON, or the raw text of an event stream."""
    source: str

    @property
    def key(self) -> str:
        """Names the exchange among all; also a test's id."""
        return f"{self.file}#{self.index}"

    @property
    def usage(self) -> dict[str, Any]:
        """The response's own usage: of a stream, the last one that any event carried; else empty."""
        found: dict[str, Any] = {}
        for body in self.bodies:
            inner = body.get("interaction") or body
            found = inner.get("usageMetadata") or inner.get("usage") or found
        return found

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The response as JSON objects: one, or one for each event of a stream."""
        if isinstance(self.response, str):
            lines = self.response.splitlines()
            data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
            return [json.loads(row) for row in data if row.startswith("{")]
        whole: Any = self.response
        return cast("list[dict[str, Any]]", whole) if isinstance(whole, list) else [whole]

    def reply(self) -> Reply:
        """The recorded answer, to be served."""
        if isinstance(self.response, str):
            return Reply(status=self.status, events=tuple(_events(self.response)))
        if isinstance(self.response, list):  # recorded without alt=sse
            return Reply(status=self.status, events=tuple(sse(_mended(body)) for body in self.bodies))
        return Reply(_mended(self.response), status=self.status)


@functools.cache
def exchanges() -> tuple[Exchange, ...]:
    """All recorded exchanges, in the file's order. Fails the test where the data is absent."""
    if not EXCHANGES.exists():
        pytest.fail(f"the recorded exchanges are absent: {EXCHANGES} (AGENTPERF_TEST_DATA may name their folder)")
    return tuple(parse_exchange(json.loads(line)) for line in EXCHANGES.read_text(encoding="utf-8").splitlines())


class ReplayResponder:
    """Serves recorded exchanges, one after another.

    Args:
        recorded: The exchanges to serve.
    """

    def __init__(self, recorded: Sequence[Exchange]) -> None:
        self._recorded = tuple(recorded)
        self._turn = 0
        self._lock = threading.Lock()

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Answer with the recording."""
        with self._lock:
            turn = self._turn
            self._turn += 1
        if turn >= len(self._recorded):
            return replies.error(500, f"request {turn + 1} is beyond the recording: {request.path}")
        return self._recorded[turn].reply()


def parse_exchange(row: Mapping[str, Any]) -> Exchange:
    """The exchange that a row describes; what else the row has is left out."""
    fields = {name: value for name, value in row.items() if name in Exchange.__dataclass_fields__}
    fields["model"] = row["model"] or ""
    return Exchange(**fields)


def _events(text: str) -> Iterable[str]:
    """The events of a recorded stream, each with the line ends it had."""
    event: list[str] = []
    for line in text.splitlines(keepends=True):
        event.append(line)
        if not line.strip():
            yield "".join(event)
            event = []
    if event:
        yield "".join(event)


def _mended(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _mended(inner, name) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_mended(inner, key) for inner in cast("list[Any]", value)]
    if isinstance(value, str) and key in BASE64_KEYS and value.endswith(CUT_MARK):
        whole = value[: value.rindex("…[")]
        return whole[: len(whole) // 4 * 4]
    if isinstance(value, int):
        return NAMES_OF_NUMBERS.get(key, {}).get(value, value)
    return value
