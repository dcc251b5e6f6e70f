"""Exchanges with Gemini that were written for these tests: one of each shape that the recordings have.

The recordings are not in this repository. What is checked on each of them is checked on these too, so that a checkout
alone can see a wrong count or a wrong price.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from tests.replay_server import Exchange, exchanges, parse_exchange

_FLASH, _PRO, _EMBEDDING = "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001"
_Body = dict[str, Any]


def _said(role: str, text: str) -> _Body:
    return {"role": role, "parts": [{"text": text}]}


def _counts(**counts: int) -> list[_Body]:
    return [{"modality": name.upper(), "tokenCount": count} for name, count in counts.items()]


def _answer(usage: _Body | None, *parts: _Body, model: str = _FLASH, finish: str | None = "STOP") -> _Body:
    candidate: _Body = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    body: _Body = {"candidates": [candidate], "modelVersion": model, "responseId": "handmade"}
    return body if usage is None else {**body, "usageMetadata": usage}


def _stream(*bodies: _Body) -> str:
    return "".join(f"data: {json.dumps(body)}\r\n\r\n" for body in bodies)


def _events(*events: _Body) -> str:
    return "".join(f"event: {event['event_type']}\ndata: {json.dumps(event)}\n\n" for event in events)


_INTERACTION_USAGE: _Body = {
    "total_tokens": 131,
    "total_input_tokens": 40,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 40}],
    "total_cached_tokens": 0,
    "total_output_tokens": 30,
    "total_tool_use_tokens": 0,
    "total_thought_tokens": 61,
}
_INTERACTION: _Body = {
    "id": "interaction-1",
    "status": "completed",
    "model": _FLASH,
    "object": "interaction",
    "usage": _INTERACTION_USAGE,
    "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Nine planks."}]}],
}

_TURNS = (
    ("How many planks does the small shed need?", "Forty-two.", {"prompt": 9, "candidates": 3}),
    ("And with a floor?", "Sixty.", {"prompt": 18, "candidates": 2}),
    ("And with a second door?", "Fifty-seven.", {"prompt": 26, "candidates": 4}),
)


def _conversation() -> list[_Body]:
    """A talk of three turns, each with all that was said before it, as a stateless API needs it."""
    rows: list[_Body] = []
    contents: list[_Body] = []
    for question, answer, tokens in _TURNS:
        contents = [*contents, _said("user", question)]
        usage = {
            "promptTokenCount": tokens["prompt"],
            "candidatesTokenCount": tokens["candidates"],
            "totalTokenCount": tokens["prompt"] + tokens["candidates"],
            "promptTokensDetails": _counts(text=tokens["prompt"]),
        }
        request = {"contents": contents, "systemInstruction": _said("user", "Answer with a number.")}
        rows.append({"request": request, "response": _answer(usage, {"text": answer})})
        contents = [*contents, _said("model", answer)]
    return rows


_CONTENT = {"contents": [_said("user", "Draw up a list of tools.")]}
_OF_EACH_SHAPE: tuple[_Body, ...] = (
    {
        "file": "thoughts and cached tokens",
        "model": _PRO,
        "response": _answer(
            {
                "promptTokenCount": 5_000,
                "cachedContentTokenCount": 4_096,
                "candidatesTokenCount": 120,
                "thoughtsTokenCount": 700,
                "totalTokenCount": 5_820,
                "promptTokensDetails": _counts(text=5_000),
                "cacheTokensDetails": _counts(text=4_096),
            },
            {"text": "A saw, a plane, a rule."},
            model=_PRO,
        ),
    },
    {
        "file": "a picture and a sound in the prompt",
        "response": _answer(
            {
                "promptTokenCount": 700,
                "candidatesTokenCount": 11,
                "totalTokenCount": 711,
                "promptTokensDetails": _counts(text=42, image=258, audio=400),
                "candidatesTokensDetails": _counts(text=11),
            },
            {"text": "A hammer falls."},
        ),
    },
    {
        "file": "the prompt of a tool that runs at Google",
        "response": _answer(
            {
                "promptTokenCount": 30,
                "toolUsePromptTokenCount": 450,
                "candidatesTokenCount": 25,
                "totalTokenCount": 505,
                "promptTokensDetails": _counts(text=30),
                "toolUsePromptTokensDetails": _counts(text=450),
            },
            {"executableCode": {"language": "PYTHON", "code": "print(6 * 7)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}},
        ),
    },
    {
        "file": "a call of a function",
        "response": _answer(
            {"promptTokenCount": 80, "candidatesTokenCount": 12, "totalTokenCount": 92},
            {"functionCall": {"name": "price_of", "args": {"tool": "saw"}}},
        ),
    },
    {
        "file": "an answer that was cut off",
        "response": _answer(
            {"promptTokenCount": 8, "thoughtsTokenCount": 64, "totalTokenCount": 72}, finish="MAX_TOKENS"
        ),
    },
    {"file": "an answer without usage", "response": _answer(None, {"text": "A chisel."})},
    {
        "file": "Vertex, on demand",
        "vertex": True,
        "response": _answer(
            {
                "promptTokenCount": 15,
                "candidatesTokenCount": 6,
                "totalTokenCount": 21,
                "trafficType": "ON_DEMAND",
                "promptTokensDetails": _counts(text=15),
            },
            {"text": "A vice."},
        ),
    },
    {
        "file": "a stream whose usage grows",
        "method": "streamGenerateContent",
        "response": _stream(
            *(
                _answer(
                    {"promptTokenCount": 20, "candidatesTokenCount": count, "totalTokenCount": 20 + count},
                    {"text": text},
                    finish=finish,
                )
                for count, text, finish in ((4, "A saw ", None), (8, "and a ", None), (11, "plane.", "STOP"))
            )
        ),
    },
    {
        "file": "a stream whose usage comes last",
        "method": "streamGenerateContent",
        "vertex": True,
        "response": _stream(
            _answer(None, {"text": "A "}, finish=None),
            _answer(
                {"promptTokenCount": 20, "candidatesTokenCount": 3, "thoughtsTokenCount": 40, "totalTokenCount": 63},
                {"text": "file."},
            ),
        ),
    },
    {
        "file": "a request that was refused",
        "status": 400,
        "response": {"error": {"code": 400, "message": "that schema is not allowed", "status": "INVALID_ARGUMENT"}},
    },
    {
        "file": "too many requests",
        "status": 429,
        "vertex": True,
        "response": {"error": {"code": 429, "message": "try again later", "status": "RESOURCE_EXHAUSTED"}},
    },
    {
        "file": "embeddings",
        "method": "batchEmbedContents",
        "model": _EMBEDDING,
        "request": {
            "requests": [{"content": {"parts": [{"text": name}]}, "model": f"models/{_EMBEDDING}"} for name in "ab"]
        },
        "response": {"embeddings": [{"values": [0.25, -0.5]}, {"values": [0.5, 0.125]}]},
    },
    {
        "file": "counted tokens",
        "method": "countTokens",
        "response": {"totalTokens": 7, "promptTokensDetails": _counts(text=7)},
    },
    {
        "file": "a cache",
        "method": "cachedContents",
        "model": None,
        "request": {**_CONTENT, "model": f"models/{_FLASH}", "ttl": "60s"},
        "response": {
            "name": "cachedContents/handmade",
            "model": f"models/{_FLASH}",
            "createTime": "2026-11-23T12:00:00Z",
            "expireTime": "2026-11-23T12:01:00Z",
            "usageMetadata": {"totalTokenCount": 2_048},
        },
    },
    {
        "file": "an interaction",
        "method": "interactions",
        "model": None,
        "request": {"model": _FLASH, "input": "How many planks?"},
        "response": _INTERACTION,
    },
    {
        "file": "a streamed interaction",
        "method": "interactions",
        "model": None,
        "request": {"model": _FLASH, "input": "How many planks?", "stream": True},
        "response": _events(
            {
                "event_type": "interaction.created",
                "interaction": {"id": "interaction-2", "status": "in_progress", "model": _FLASH},
            },
            {
                "event_type": "interaction.completed",
                "interaction": {**_INTERACTION, "id": "interaction-2"},
            },
        ),
    },
)


@functools.cache
def handmade() -> tuple[Exchange, ...]:
    """All of them; exchanges of one `file` are one conversation."""
    talk = [{"file": "a conversation", "index": index, **row} for index, row in enumerate(_conversation())]
    defaults: _Body = {
        "index": 0,
        "method": "generateContent",
        "model": _FLASH,
        "vertex": False,
        "status": 200,
        "request": _CONTENT,
        "source": "handmade",
    }
    return tuple(parse_exchange({**defaults, **row}) for row in (*_OF_EACH_SHAPE, *talk))


EITHER = pytest.mark.parametrize(
    "given",
    [pytest.param(handmade, id="handmade"), pytest.param(exchanges, id="recorded", marks=pytest.mark.recorded)],
)
"""For a test that holds for these and for the recordings alike; `given` returns the exchanges."""
