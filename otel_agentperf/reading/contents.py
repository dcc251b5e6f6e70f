"""Fingerprints of content that others recorded, in the place of those that we take ourselves.

One path, one answer: rules compare hashes, whoever wrote the span. The content is read, hashed
and let go; nothing of it is kept. The chain of a request covers what a prompt cache covers, in
its order: system instructions and tools first, then one link a message.

What is absent or malformed has no fingerprint. An error is what the span says is one, by its
status or `error.type`; a result that reads like an error is a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate

import msgspec

from otel_agentperf import guard, semconv
from otel_agentperf.fingerprint import MAX_PREFIX_HASHES, ArgumentPrints, Fingerprinter, canonical_bytes
from otel_agentperf.model import Inference, ToolCall
from otel_agentperf.reading import carriers, payloads, values
from otel_agentperf.reading.carriers import Events, Exchange
from otel_agentperf.reading.messages import Part
from otel_agentperf.reading.values import Attributes

_SETTINGS = (
    semconv.REQUEST_TEMPERATURE,
    semconv.REQUEST_TOP_P,
    semconv.REQUEST_TOP_K,
    semconv.REQUEST_MAX_TOKENS,
    semconv.REQUEST_SEED,
    semconv.REQUEST_CHOICE_COUNT,
    semconv.OUTPUT_TYPE,
    "llm.invocation_parameters",
)
_BLOCKED = ("safety", "content_filter", "blocklist", "prohibited_content", "recitation", "spii")
EXCEPTION = "exception"
_TOOL_MESSAGE = "gen_ai.tool.message"


@lru_cache(maxsize=1)
def default_fingerprinter() -> Fingerprinter:
    """One for this process, under a random key."""
    return Fingerprinter()


# -- tools ---------------------------------------------------------------------------------


def tool_call(
    attributes: Attributes, events: Events, error_type: str | None, status_message: str, fingerprinter: Fingerprinter
) -> ToolCall | None:
    """The fingerprints of a tool execution, from its recorded arguments and result.

    Args:
        attributes: those of the span.
        events: those of the span, by name.
        error_type: the class of its error, where the span says that it ended with one.
        status_message: the description of the span's status.
        fingerprinter: makes the fingerprints.

    Returns:
        `None` where nothing of the kind was recorded.
    """
    try:
        return _tool_call(attributes, events, error_type, status_message, fingerprinter)
    except Exception as error:  # noqa: BLE001 - content that cannot be read costs its fingerprints, not its span
        guard.report("reading.tool", error)
        return None


def _tool_call(
    attributes: Attributes, events: Events, error_type: str | None, status_message: str, fingerprinter: Fingerprinter
) -> ToolCall | None:
    given = payloads.first(attributes, payloads.ARGUMENTS)
    gave = payloads.first(attributes, payloads.RESULT)
    if gave is None and events:
        gave = next((said["content"] for name, said in events if name == _TOOL_MESSAGE and "content" in said), None)
    if given is None and gave is None and error_type is None:
        return None
    prints = ArgumentPrints() if given is None else fingerprinter.arguments(payloads.arguments(given))
    result = None if gave is None else payloads.result(gave)
    result_hash = error_hash = size = None
    if error_type is not None:
        message = _message(attributes, events, status_message) or (result if isinstance(result, str) else "")
        if not message and given is None:
            return None
        error_hash = fingerprinter.error(error_type, message, prints.identifiers) if message else None
    elif gave is not None:
        encoded = canonical_bytes(result)
        if encoded is not None:
            size = len(result) if isinstance(result, str) else _size(encoded)
            result_hash = fingerprinter.digest(encoded)
    return ToolCall(
        prints.arguments_hash,
        prints.context_hash,
        result_hash,
        error_hash,
        prints.no_arguments,
        size,
        prints.argument_is_sentence,
    )


def _message(attributes: Attributes, events: Events, status_message: str) -> str:
    for name, said in events:
        if name == EXCEPTION:
            message = values.text(said, "exception.message")
            if message is not None:
                return message
    return status_message or values.text(attributes, "error.message") or ""


# -- model requests ------------------------------------------------------------------------


def inference(inference: Inference, attributes: Attributes, events: Events, fingerprinter: Fingerprinter) -> Inference:
    """The inference with the fingerprints of its recorded content; as it is where there is none."""
    try:
        content = carriers.exchange(attributes, events)
        if content.asked is None and content.answered is None:
            return inference
        return _answered(_asked(inference, content, attributes, fingerprinter), content, fingerprinter)
    except Exception as error:  # noqa: BLE001 - as above
        guard.report("reading.messages", error)
        return inference


def _asked(inference: Inference, content: Exchange, attributes: Attributes, fingerprinter: Fingerprinter) -> Inference:
    if not content.asked or inference.request_hash is not None:
        return inference
    head: list[object] = [{"system": content.system, "tools": content.tools}]
    items = head if content.system or content.tools else []
    links: list[bytes] = []
    for item in (*items, *([one.role, one.parts] for one in content.asked)):
        encoded = canonical_bytes(item)
        if encoded is None:
            return inference
        links.append(encoded)
    settings = canonical_bytes([attributes.get(key) for key in _SETTINGS]) or b""
    whole = b"\x1e".join([*links, settings])
    return msgspec.structs.replace(
        inference,
        request_hash=fingerprinter.digest(whole),
        prefix_hashes=fingerprinter.chain(links),
        prefix_sizes=tuple(accumulate(_size(link) for link in links[:MAX_PREFIX_HASHES])),
        request_size=_size(whole) - len(links),
        instructions_unknown=not content.system,
    )


def _size(encoded: bytes) -> int:
    return len(encoded) if encoded.isascii() else len(encoded.decode())


def _answered(inference: Inference, content: Exchange, fingerprinter: Fingerprinter) -> Inference:
    if content.answered is None or inference.response_hash is not None:
        return inference
    parts = [part for one in content.answered for part in one.parts]
    reasons = (*inference.finish_reasons, *(one.finish_reason for one in content.answered))
    encoded = canonical_bytes([one.parts for one in content.answered]) if parts else None
    return msgspec.structs.replace(
        inference,
        response_hash=None if encoded is None else fingerprinter.digest(encoded),
        response_kind=inference.response_kind or _kind(parts, reasons),
        function_calls=sum(part[0] == "call" for part in parts),
    )


def _kind(parts: Iterable[Part], reasons: Iterable[str]) -> str:
    kinds = {part[0] for part in parts}
    if "media" in kinds:
        return "media"
    if "call" in kinds:
        return "mixed" if "text" in kinds else "function_call"
    if kinds:
        return "text"
    return "blocked" if any(reason.lower().endswith(_BLOCKED) for reason in reasons) else "empty"
