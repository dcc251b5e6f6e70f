"""Fingerprints of a Gemini request and of its answer.

The request's chain covers what a prompt cache covers, in its order: system instruction and
tools first, then one link a message. The answer's fingerprint does not depend on how a
stream was cut into chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import xxhash

from otel_agentperf.fingerprint import Fingerprinter, canonical_bytes
from otel_agentperf.pricing.gemini_usage import Response

_SIMHASH_CHARACTERS = 2_000


class RequestPrints(NamedTuple):
    """The fingerprints of a request; absent where it has no canonical form."""

    hash: str | None = None
    simhash: str | None = None
    prefix_hashes: tuple[str, ...] = ()


def request_prints(fingerprinter: Fingerprinter, body: Mapping[str, Any]) -> RequestPrints:
    """Fingerprint a request of any of the billed methods.

    Args:
        fingerprinter: makes the fingerprints.
        body: the request's JSON; keys that begin with an underscore are the SDK's own.
    """
    contents = body.get("contents")
    if not isinstance(contents, list):
        encoded = canonical_bytes({key: value for key, value in body.items() if key[:1] != "_"})
        return RequestPrints(None if encoded is None else fingerprinter.digest(encoded))
    links: list[bytes] = []
    head = {key: body[key] for key in ("systemInstruction", "tools", "cachedContent") if body.get(key)}
    for item in ([head] if head else []) + cast("list[Any]", contents):
        encoded = canonical_bytes(item)
        if encoded is None:
            return RequestPrints()
        links.append(encoded)
    settings = canonical_bytes([body.get("generationConfig"), body.get("toolConfig")]) or b""
    return RequestPrints(
        fingerprinter.digest(b"\x1e".join([*links, settings])),
        fingerprinter.simhash(_last_text(cast("list[Any]", contents))),
        fingerprinter.chain(links),
    )


def _last_text(contents: list[Any]) -> str:
    parts = contents[-1].get("parts") if contents and isinstance(contents[-1], Mapping) else None
    if isinstance(parts, list):
        for part in reversed(cast("list[Any]", parts)):
            text = part.get("text") if isinstance(part, Mapping) else None
            if isinstance(text, str):
                return text[:_SIMHASH_CHARACTERS]
    return ""


class AnswerPrint:
    """The fingerprint of an answer, taken chunk by chunk."""

    __slots__ = ("_hasher", "_last_kind", "_parts")

    def __init__(self) -> None:
        self._hasher = xxhash.xxh3_128()
        self._parts = 0
        self._last_kind = b""

    def add(self, response: Response) -> None:
        """Take in a response or one chunk of a stream; thoughts are no answer."""
        for candidate in response.candidates:
            for part in candidate.content.parts if candidate.content is not None else ():
                if part.thought:
                    continue
                if part.function_call is not None:
                    self._part(b"c", part.function_call.name.encode() + b"\x1f" + bytes(part.function_call.args))
                elif text := bytes(part.text)[1:-1]:
                    self._part(b"t", text)
                elif data := bytes(part.inline_data) or bytes(part.file_data):
                    self._part(b"d", data)

    def _part(self, kind: bytes, content: bytes) -> None:
        if kind != b"t" or kind != self._last_kind:
            self._hasher.update(b"\x1e" + kind)
        self._last_kind = kind
        self._hasher.update(content)
        self._parts += 1

    def result(self, fingerprinter: Fingerprinter) -> str | None:
        """The fingerprint, or `None` of an empty answer."""
        return fingerprinter.digest(self._hasher.digest()) if self._parts else None
