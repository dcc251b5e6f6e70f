"""What a Gemini response says of its own usage, tier and kind, parsed once.

`Response` has the fields we need of `generateContent`, a stream's chunk and the embedding
methods; everything else, such as inline images and vectors, is skipped by the decoder. Text and
arguments stay undecoded slices of the body, so that they can be fingerprinted without a copy.

Field names and values as sent by both endpoints: the Gemini API says `serviceTier`, Vertex AI
`trafficType`; over some transports Vertex sends the numbers of its enumerations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from otel_agentperf.model import ModalityTokens, ServiceTier
from otel_agentperf.pricing import lenient
from otel_agentperf.pricing.tiers import tier_named

_NOTHING = msgspec.Raw(b"")
_EMPTY_TEXT = b'""'


class ModalityCount(msgspec.Struct, gc=False, rename="camel"):
    """One entry of a token breakdown; the number is absent where it is 0."""

    modality: str | int = ""
    token_count: int = 0


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata` of a response. Cumulative in a stream: the last chunk counts."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: tuple[ModalityCount, ...] = ()
    prompt_token_details: tuple[ModalityCount, ...] = ()
    """The same, as embedding responses spell it."""
    cache_tokens_details: tuple[ModalityCount, ...] = ()
    candidates_tokens_details: tuple[ModalityCount, ...] = ()
    tool_use_prompt_tokens_details: tuple[ModalityCount, ...] = ()
    service_tier: str | int = ""
    traffic_type: str | int = ""


class FunctionCall(msgspec.Struct, gc=False):
    """A function that the model asks for; `args` is its undecoded JSON."""

    name: str = ""
    id: str = ""
    args: msgspec.Raw = _NOTHING


class Part(msgspec.Struct, gc=False, rename="camel"):
    """One part of the answer, by kind. `text` is its JSON string, quotes included."""

    text: msgspec.Raw = _NOTHING
    thought: bool = False
    function_call: FunctionCall | None = None
    inline_data: msgspec.Raw = _NOTHING
    file_data: msgspec.Raw = _NOTHING
    executable_code: msgspec.Raw = _NOTHING
    code_execution_result: msgspec.Raw = _NOTHING


class Content(msgspec.Struct, gc=False):
    """The content of a candidate."""

    parts: tuple[Part, ...] = ()


class GroundingChunk(msgspec.Struct, gc=False, rename="camel"):
    """One source of an answer, by kind; its content undecoded."""

    web: msgspec.Raw = _NOTHING
    maps: msgspec.Raw = _NOTHING
    retrieved_context: msgspec.Raw = _NOTHING


class GroundingMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The searches and the sources behind an answer."""

    web_search_queries: tuple[str, ...] = ()
    image_search_queries: tuple[str, ...] = ()
    grounding_chunks: tuple[GroundingChunk, ...] = ()
    google_maps_widget_context_token: str = ""


class UrlContextMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The pages that were read by their address."""

    url_metadata: tuple[msgspec.Raw, ...] = ()


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer."""

    content: Content | None = None
    finish_reason: str | int = ""
    grounding_metadata: GroundingMetadata | None = None
    url_context_metadata: UrlContextMetadata | None = None


class PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    """Why a prompt was refused."""

    block_reason: str | int = ""


class ErrorStatus(msgspec.Struct, gc=False):
    """The error that a body carries in place of an answer; its message is not read."""

    code: int = 0
    status: str = ""


class EmbeddingStatistics(msgspec.Struct, gc=False):
    """Tokens of one text embedded through Vertex AI's `predict`."""

    token_count: float = 0.0


class Embedding(msgspec.Struct, gc=False):
    """One embedding of Vertex AI's `predict`, without its vector."""

    statistics: EmbeddingStatistics | None = None


class Prediction(msgspec.Struct, gc=False, rename="camel"):
    """One prediction of Vertex AI's `predict`: an embedding or an image."""

    embeddings: Embedding | None = None
    mime_type: str = ""
    bytes_base64_encoded: msgspec.Raw = _NOTHING


class Response(msgspec.Struct, gc=False, rename="camel"):
    """The fields we need of one response or chunk."""

    candidates: tuple[Candidate, ...] = ()
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""
    prompt_feedback: PromptFeedback | None = None
    predictions: tuple[Prediction, ...] = ()
    error: ErrorStatus | None = None


_response = msgspec.json.Decoder(Response)
_NO_TIER = ("", 0, "unspecified", "TRAFFIC_TYPE_UNSPECIFIED", "SERVICE_TIER_UNSPECIFIED")
_TIER_FIELDS = ("service_tier", "traffic_type")
_KEPT_FIELDS = (
    "prompt_token_count",
    "candidates_token_count",
    "tool_use_prompt_token_count",
    "total_token_count",
    "prompt_tokens_details",
    "prompt_token_details",
    "cache_tokens_details",
    "candidates_tokens_details",
    "tool_use_prompt_tokens_details",
)

# Numbers of google.cloud.aiplatform Modality.
_MODALITIES: dict[str | int, str] = {1: "text", 2: "image", 3: "video", 4: "audio", 5: "document"}
_TEXT = frozenset({"TEXT", "text", "", 0, 1, "MODALITY_UNSPECIFIED"})
_FINISH_REASONS = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
)
_REFUSALS = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR", 3, 4, 6, 7, 8}
)


def decode_response(body: bytes | str) -> Response:
    """Return the response in a body. It never raises: what does not fit counts as absent.

    A body that is an array of chunks (a stream without `alt=sse`) gives them merged.
    """
    if body[:1] in ("[", b"["):
        try:
            chunks = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return Response()
        return merge(decode_response(bytes(chunk)) for chunk in chunks)
    return lenient.decode(_response, Response, body)


def merge(chunks: Iterable[Response]) -> Response:
    """Return a stream's chunks as one response: all candidates, and the last word on the rest."""
    whole = Response()
    candidates: list[Candidate] = []
    for chunk in chunks:
        candidates.extend(chunk.candidates)
        whole.usage_metadata = carried(whole.usage_metadata, chunk.usage_metadata)
        whole.model_version = chunk.model_version or whole.model_version
        whole.response_id = chunk.response_id or whole.response_id
        whole.prompt_feedback = chunk.prompt_feedback or whole.prompt_feedback
        whole.error = chunk.error or whole.error
        whole.predictions += chunk.predictions
    whole.candidates = tuple(candidates)
    return whole


def carried(before: UsageMetadata | None, after: UsageMetadata | None) -> UsageMetadata | None:
    """Return the usage so far, after one more chunk of a stream.

    Usage is cumulative, so the last chunk counts. What it leaves out of an earlier chunk of the
    same prompt still holds: the cached tokens, the tool-use tokens, the thoughts, the breakdowns
    and the tier. Thoughts that it leaves out follow from its total.
    """
    if after is None or before is None:
        return after or before
    changes: dict[str, Any] = {
        name: getattr(before, name)
        for name in _TIER_FIELDS
        if getattr(after, name) == "" and getattr(before, name) != ""
    }
    if after.prompt_token_count in (0, before.prompt_token_count):
        changes |= {
            name: getattr(before, name) for name in _KEPT_FIELDS if getattr(before, name) and not getattr(after, name)
        }
        if before.cached_content_token_count > after.cached_content_token_count:
            changes["cached_content_token_count"] = before.cached_content_token_count
            changes["cache_tokens_details"] = before.cache_tokens_details
        if after.thoughts_token_count <= 0 < before.thoughts_token_count:
            changes["thoughts_token_count"] = before.thoughts_token_count
            whole = msgspec.structs.replace(after, **changes)
            named = whole.prompt_token_count + whole.candidates_token_count + whole.tool_use_prompt_token_count
            if after.total_token_count > named:
                changes["thoughts_token_count"] = after.total_token_count - named
    return msgspec.structs.replace(after, **changes) if changes else after


def service_tier(metadata: UsageMetadata | None) -> ServiceTier:
    """Return the tier that served a request; standard where the response says nothing."""
    return served_tier(metadata) or ServiceTier.STANDARD


def served_tier(metadata: UsageMetadata | None) -> ServiceTier | None:
    """Return the tier that a response reports, `None` where it reports none; a header may then have it."""
    if metadata is None:
        return None
    traffic, named = metadata.traffic_type, metadata.service_tier
    if traffic not in _NO_TIER:
        tier = tier_named(traffic)
        if tier is not ServiceTier.STANDARD or named in _NO_TIER:
            return tier
    return None if named in _NO_TIER else tier_named(named)


def modality_tokens(counts: Iterable[tuple[str | int, int]]) -> ModalityTokens | None:
    """Return the tokens by modality, `None` where all of it is text."""
    kept: dict[str, int] = {}
    media = False
    for modality, tokens in counts:
        is_text = modality in _TEXT
        name = "text" if is_text else _MODALITIES.get(modality) or str(modality).lower()
        if name in ModalityTokens.__struct_fields__ and tokens > 0:
            kept[name] = kept.get(name, 0) + tokens
            media = media or not is_text
    return ModalityTokens(**kept) if media else None


def details(counts: tuple[ModalityCount, ...]) -> ModalityTokens | None:
    """Return the tokens of a breakdown by modality, `None` where all of it is text."""
    for count in counts:
        if count.modality not in _TEXT:
            return modality_tokens((c.modality, c.token_count) for c in counts)
    return None


def finish_reasons(response: Response) -> tuple[str, ...]:
    """Return why each candidate ended, by the API's names."""
    reasons: list[str] = []
    for candidate in response.candidates:
        reason = candidate.finish_reason
        if not isinstance(reason, str):
            reason = _FINISH_REASONS[reason] if 0 <= reason < len(_FINISH_REASONS) else str(reason)
        if reason:
            reasons.append(reason)
    return tuple(reasons)


def response_kind(responses: Iterable[Response]) -> str:
    """Return what the answer is: `text`, `function_call`, `mixed`, `media`, `blocked` or `empty`.

    Thoughts are no answer. Text beside function calls is `mixed`; any media makes it `media`.

    Args:
        responses: the response, or all chunks of a stream.
    """
    text = call = media = blocked = False
    for response in responses:
        blocked = blocked or (response.prompt_feedback is not None and response.prompt_feedback.block_reason != "")
        for candidate in response.candidates:
            blocked = blocked or candidate.finish_reason in _REFUSALS
            for part in candidate.content.parts if candidate.content is not None else ():
                if part.function_call is not None:
                    call = True
                elif part.inline_data or part.file_data:
                    media = True
                elif not part.thought and bytes(part.text) not in (b"", _EMPTY_TEXT):
                    text = True
    if media:
        return "media"
    if call:
        return "mixed" if text else "function_call"
    if text:
        return "text"
    return "blocked" if blocked else "empty"
