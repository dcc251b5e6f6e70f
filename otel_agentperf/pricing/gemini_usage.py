"""What a Gemini response says of its own usage, tier and kind, parsed once.

`Response` has the fields we need of `generateContent`, a stream's chunk and the embedding
methods; everything else, such as inline images and vectors, is skipped by the decoder. Text and
arguments stay undecoded slices of the body, so that they can be fingerprinted without a copy.

Field names and values as sent by both endpoints: the Gemini API says `serviceTier`, Vertex AI
`trafficType`; over some transports Vertex sends the numbers of its enumerations.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import ModalityTokens, ServiceTier, Usage
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


class GroundingMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The searches behind an answer."""

    web_search_queries: tuple[str, ...] = ()
    image_search_queries: tuple[str, ...] = ()


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer."""

    content: Content | None = None
    finish_reason: str | int = ""
    grounding_metadata: GroundingMetadata | None = None


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


class Prediction(msgspec.Struct, gc=False):
    """One prediction of Vertex AI's `predict`."""

    embeddings: Embedding | None = None


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
        whole.usage_metadata = chunk.usage_metadata or whole.usage_metadata
        whole.model_version = chunk.model_version or whole.model_version
        whole.response_id = chunk.response_id or whole.response_id
        whole.prompt_feedback = chunk.prompt_feedback or whole.prompt_feedback
        whole.error = chunk.error or whole.error
    whole.candidates = tuple(candidates)
    return whole


def service_tier(metadata: UsageMetadata | None) -> ServiceTier:
    """Return the tier that served a request; standard where the response says nothing."""
    if metadata is None:
        return ServiceTier.STANDARD
    if metadata.traffic_type != "":
        tier = tier_named(metadata.traffic_type)
        if tier is not ServiceTier.STANDARD:
            return tier
    return tier_named(metadata.service_tier)


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


def _details(counts: tuple[ModalityCount, ...]) -> ModalityTokens | None:
    for count in counts:
        if count.modality not in _TEXT:
            return modality_tokens((c.modality, c.token_count) for c in counts)
    return None


def to_usage(metadata: UsageMetadata, grounding_queries: int = 0) -> Usage:
    """Return the usage by the rules of the GenAI conventions.

    Input is prompt plus tool-use tokens, output is candidates plus thoughts; cached tokens and
    thoughts are subsets. Modalities stay `None` where everything is text.

    Args:
        metadata: of the response, or of a stream's last chunk that has it.
        grounding_queries: as `grounding_queries` counts them.
    """
    m = metadata
    prompt, candidates = m.prompt_token_count, m.candidates_token_count
    tool_use, thoughts, cached = m.tool_use_prompt_token_count, m.thoughts_token_count, m.cached_content_token_count
    if prompt < 0 or candidates < 0 or tool_use < 0 or thoughts < 0 or cached < 0:
        prompt, candidates, tool_use, thoughts, cached = (
            max(tokens, 0) for tokens in (prompt, candidates, tool_use, thoughts, cached)
        )
    return Usage(
        prompt + tool_use,
        candidates + thoughts,
        cached,
        thoughts,
        tool_use,
        _details((m.prompt_tokens_details or m.prompt_token_details) + m.tool_use_prompt_tokens_details),
        _details(m.cache_tokens_details) if m.cache_tokens_details else None,
        _details(m.candidates_tokens_details) if m.candidates_tokens_details else None,
        grounding_queries,
    )


def usage_of(response: Response) -> Usage | None:
    """Return a response's usage, `None` where it says nothing of it (which is not 0)."""
    if response.usage_metadata is not None:
        return to_usage(response.usage_metadata, grounding_queries((response,)))
    counts = [
        prediction.embeddings.statistics.token_count
        for prediction in response.predictions
        if prediction.embeddings is not None and prediction.embeddings.statistics is not None
    ]
    return Usage(input_tokens=round(sum(counts))) if counts else None


def grounding_queries(responses: Iterable[Response]) -> int:
    """Count the searches billed: unique queries, without the empty ones.

    Source: https://ai.google.dev/gemini-api/docs/google-search#pricing. File search and URL
    context are not searches and have no queries here.

    Args:
        responses: the response, or all chunks of a stream.
    """
    queries: set[str] | None = None
    for response in responses:
        for candidate in response.candidates:
            found = candidate.grounding_metadata
            if found is not None:
                queries = set() if queries is None else queries
                queries.update(found.web_search_queries, found.image_search_queries)
    return 0 if queries is None else len(queries - {""})


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
