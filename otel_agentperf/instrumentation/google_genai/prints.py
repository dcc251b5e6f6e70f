"""Fingerprints of a Gemini request, its size, and which earlier answers stand in it.

The chain covers what a prompt cache covers, in its order: system instruction and tools first,
then one link a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from otel_agentperf.fingerprint import MAX_PREFIX_HASHES, Fingerprinter, canonical_bytes, canonical_each
from otel_agentperf.live.answers import Answers

_HEAD = ("systemInstruction", "system_instruction", "tools", "cachedContent", "previous_interaction_id")
_SETTINGS = ("generationConfig", "generation_config", "toolConfig")
_NO_SETTINGS = frozenset({*_HEAD, *_SETTINGS, "model", "agent", "input", "stream", "background", "store"})
"""Of an interaction or a decision; what else its request has, such as the questions, makes it another request."""


class RequestPrints(msgspec.Struct, frozen=True, gc=False):
    """The fingerprints of a request; absent where it has no canonical form. Sizes in characters."""

    hash: str | None = None
    prefix_hashes: tuple[str, ...] = ()
    prefix_sizes: tuple[int, ...] = ()
    size: int | None = None
    uses: tuple[str, ...] | None = None


def request_prints(
    fingerprinter: Fingerprinter, body: Mapping[str, Any], answers: Answers | None = None
) -> RequestPrints:
    """Fingerprint a request of any of the billed methods.

    Args:
        fingerprinter: makes the fingerprints.
        body: the request's JSON; keys that begin with an underscore are the SDK's own.
        answers: those of its run so far; none when absent.
    """
    contents: Any = body.get("contents")
    if contents is None:
        given = body.get("input")
        contents = [{"text": given}] if isinstance(given, str) else given
    if contents.__class__ is not list:
        encoded = canonical_bytes({key: value for key, value in body.items() if key[:1] != "_"})
        if encoded is None:
            return RequestPrints()
        return RequestPrints(fingerprinter.digest(encoded), size=_size(encoded), uses=_uses(body, [encoded], answers))
    messages: list[Any] = contents
    head: dict[str, Any] = {}
    for key in _HEAD:
        value = body.get(key)
        if value:
            head[key] = value
    settings = [body.get(key) for key in _SETTINGS]
    if "input" in body:
        settings += [(key, body[key]) for key in sorted(body) if key not in _NO_SETTINGS]
    items: list[Any] = [head, *messages, settings] if head else [*messages, settings]
    links = canonical_each(items)
    if links is None:
        return RequestPrints()
    whole = b"\x1e".join(links)
    uses = _uses(body, links, answers)
    separators = len(links) - 1
    del links[min(separators, MAX_PREFIX_HASHES) :]
    measure = len if whole.isascii() else _size
    return RequestPrints(
        fingerprinter.digest(whole),
        fingerprinter.chain(links),
        tuple(accumulate(map(measure, links))),
        measure(whole) - separators,
        uses,
    )


def _size(encoded: bytes) -> int:
    return len(encoded) if encoded.isascii() else len(encoded.decode())


def _uses(body: Mapping[str, Any], messages: Sequence[bytes], answers: Answers | None) -> tuple[str, ...] | None:
    if body.get("previous_interaction_id"):
        return None  # what was said before is kept on the server
    return () if answers is None else answers.used_in(messages)
