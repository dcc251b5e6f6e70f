"""Answers in the shapes that Gemini gives them, from plain facts.

Only what a client reads is made: no safety ratings, no signatures. Usage is written as the
API writes it: the prompt's count includes the cached tokens, thoughts stand beside candidates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from otel_agentperf.demo.wire import Call, GeminiRequest, Json, Reply, sse

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
PIXEL_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer says it consumed."""

    prompt: int = 10
    """Includes `cached`."""
    candidates: int = 5
    cached: int = 0
    thoughts: int = 0
    tool_use: int = 0
    tier: str | None = "standard"

    def metadata(self) -> Json:
        """As `usageMetadata`."""
        usage: dict[str, Any] = {
            "promptTokenCount": self.prompt,
            "candidatesTokenCount": self.candidates,
            "totalTokenCount": self.prompt + self.candidates + self.thoughts + self.tool_use,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.prompt}],
        }
        if self.cached:
            usage["cachedContentTokenCount"] = self.cached
            usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": self.cached}]
        if self.thoughts:
            usage["thoughtsTokenCount"] = self.thoughts
        if self.tool_use:
            usage["toolUsePromptTokenCount"] = self.tool_use
        if self.tier:
            usage["serviceTier"] = self.tier
        return usage

    def interaction(self) -> Json:
        """As the `usage` of an interaction."""
        return {
            "total_tokens": self.prompt + self.candidates + self.thoughts + self.tool_use,
            "total_input_tokens": self.prompt,
            "input_tokens_by_modality": [{"modality": "text", "tokens": self.prompt}],
            "total_cached_tokens": self.cached,
            "total_output_tokens": self.candidates,
            "total_tool_use_tokens": self.tool_use,
            "total_thought_tokens": self.thoughts,
        }


FEW = Tokens()


def response_id(request: GeminiRequest) -> str:
    """The same id for the same request number, different for different ones."""
    return f"loopback-{request.number}"


def content(
    request: GeminiRequest,
    parts: Sequence[Json],
    tokens: Tokens = FEW,
    *,
    latency_s: float = 0.0,
    between_s: float = 0.0,
    finish_reason: str = "STOP",
) -> Reply:
    """An answer to `generateContent`, or the same as a stream, one event for each part.

    The events carry cumulative usage, as Gemini's do: only the last one is the bill.
    """
    if request.call is not Call.STREAM:
        body = _content_body(request, parts, tokens, finish_reason)
        return Reply(body, latency_s=latency_s)
    pieces = list(parts) or [{}]
    last = len(pieces)
    events = tuple(
        sse(
            _content_body(
                request,
                [piece] if piece else [],
                replace(tokens, candidates=tokens.candidates * place // last),
                finish_reason if place == last else None,
            )
        )
        for place, piece in enumerate(pieces, 1)
    )
    return Reply(events=events, latency_s=latency_s, between_s=between_s)


def _content_body(request: GeminiRequest, parts: Sequence[Json], tokens: Tokens, finish_reason: str | None) -> Json:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    return {
        "candidates": [candidate],
        "usageMetadata": tokens.metadata(),
        "modelVersion": request.model,
        "responseId": response_id(request),
    }


def text(*pieces: str) -> list[Json]:
    """Text parts; a stream sends each as one event."""
    return [{"text": piece} for piece in pieces]


def function_call(name: str, arguments: Json | None = None) -> Json:
    """The part with which a model asks for a function."""
    return {"functionCall": {"name": name, "args": dict(arguments or {})}}


def error(status: int, message: str = "", *, retry_after_s: float | None = None, latency_s: float = 0.0) -> Reply:
    """An error in Google's form; `retry_after_s` adds a `Retry-After` header (whole seconds, rounded up)."""
    headers: Mapping[str, str] = {} if retry_after_s is None else {"Retry-After": str(-int(-retry_after_s // 1))}
    name = STATUS_NAMES.get(status, "UNKNOWN")
    body = {"error": {"code": status, "message": message or name.replace("_", " ").lower(), "status": name}}
    return Reply(body, status=status, headers=headers, latency_s=latency_s)


def embeddings(request: GeminiRequest, *, latency_s: float = 0.0, dimensions: int = 8) -> Reply:
    """Vectors made from a digest of each text, in the form the called method answers with.

    Tokens are one for each 4 characters. `gemini-embedding-001` reports none on the Gemini API,
    as it was recorded; the newer models do.
    """
    if request.call is Call.PREDICT:
        instances: list[Json] = request.body.get("instances") or []
        rows = [str(row.get("content", "")) for row in instances]
        predictions = [
            {"embeddings": {"values": _vector(row, dimensions), "statistics": {"token_count": _tokens(row)}}}
            for row in rows
        ]
        return Reply({"predictions": predictions}, latency_s=latency_s)
    asked = request.body.get("requests") or [request.body]
    rows = ["".join(str(part.get("text", "")) for part in one["content"]["parts"]) for one in asked]
    count = sum(_tokens(row) for row in rows)
    counts = {"promptTokenCount": count, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": count}]}
    usage = {} if request.model == "gemini-embedding-001" else {"usageMetadata": counts}
    vectors = [{"values": _vector(row, dimensions)} for row in rows]
    if request.call is Call.EMBED:
        return Reply({"embedding": vectors[0], **usage}, latency_s=latency_s)
    return Reply({"embeddings": vectors, **usage}, latency_s=latency_s)


def _tokens(row: str) -> int:
    return max(1, len(row) // 4)


def _vector(row: str, dimensions: int) -> list[float]:
    digest = hashlib.blake2b(row.encode(), digest_size=dimensions).digest()
    return [round(byte / 127.5 - 1, 6) for byte in digest]


def images(request: GeminiRequest) -> Reply:
    """As many one-pixel pictures as Imagen was asked for."""
    parameters: Json = request.body.get("parameters") or {}
    asked = int(parameters.get("sampleCount") or 1)
    return Reply({"predictions": [{"bytesBase64Encoded": PIXEL_PNG, "mimeType": "image/png"}] * asked})


def cache(request: GeminiRequest, tokens: int = 4096) -> Reply:
    """What creating a context cache answers; it is never stored."""
    times = dict.fromkeys(("createTime", "updateTime"), "2026-01-01T00:00:00Z")
    return Reply(
        {
            "name": f"cachedContents/{response_id(request)}",
            "model": request.body.get("model", ""),
            "displayName": request.body.get("displayName", ""),
            **times,
            "expireTime": request.body.get("expireTime", "2026-01-01T01:00:00Z"),
            "usageMetadata": {"totalTokenCount": tokens},
        }
    )


def interaction(request: GeminiRequest, words: str, tokens: Tokens = FEW, *, latency_s: float = 0.0) -> Reply:
    """An answer of the Interactions API, plain or as its events."""
    facts = {"id": response_id(request), "object": "interaction", "model": request.model}
    done = {
        **facts,
        "status": "completed",
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        "service_tier": tokens.tier or "standard",
        "usage": tokens.interaction(),
    }
    if not request.streaming:
        step = {"type": "model_output", "content": [{"type": "text", "text": words}]}
        return Reply({**done, "steps": [step]}, latency_s=latency_s)
    story: list[tuple[str, Json]] = [
        ("interaction.created", {"interaction": {**facts, "status": "in_progress"}}),
        ("step.start", {"index": 0, "step": {"type": "model_output"}}),
        ("step.delta", {"index": 0, "delta": {"type": "text", "text": words}}),
        ("step.stop", {"index": 0}),
        ("interaction.completed", {"interaction": done}),
    ]
    events = [sse({**data, "event_type": kind}, event=kind) for kind, data in story]
    return Reply(events=(*events, sse("[DONE]", event="done")), latency_s=latency_s)
