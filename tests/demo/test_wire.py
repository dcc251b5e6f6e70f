from __future__ import annotations

import json
from typing import Any

import pytest

from otel_agentperf.demo.wire import Call, GeminiRequest, parse_request, sse

PUBLISHER = "/v1beta1/projects/p/locations/us-central1/publishers/google/models"
PATHS = [
    ("/v1beta/models/gemini-2.5-pro:generateContent", Call.GENERATE, "gemini-2.5-pro", False),
    ("/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse", Call.STREAM, "gemini-2.5-pro", False),
    ("/v1beta/models/gemini-embedding-001:batchEmbedContents", Call.EMBED_BATCH, "gemini-embedding-001", False),
    ("/v1beta/tunedModels/mine:generateContent", Call.GENERATE, "mine", False),
    (f"{PUBLISHER}/gemini-2.5-pro:generateContent", Call.GENERATE, "gemini-2.5-pro", True),
    (
        "/v1beta1/publishers/google/models/imagen-4.0-generate-001:predict",
        Call.PREDICT,
        "imagen-4.0-generate-001",
        True,
    ),
    ("/v1beta/models/gemini-2.5-pro:batchGenerateContent", Call.OTHER, "gemini-2.5-pro", False),
    ("/v1beta/files/abc", Call.OTHER, "", False),
]


def parsed(target: str, body: dict[str, Any] | None = None) -> GeminiRequest:
    return parse_request(1, "POST", target, {}, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(("target", "call", "model", "vertex"), PATHS)
def test_a_path_says_what_is_asked_of_which_model(target: str, call: Call, model: str, vertex: bool) -> None:
    request = parsed(target)

    assert (request.call, request.model, request.vertex) == (call, model, vertex)


def test_a_cache_or_interaction_names_its_model_in_the_body() -> None:
    body = {"model": "models/gemini-2.5-flash", "stream": True}

    assert parsed("/v1beta/cachedContents", body).model == "gemini-2.5-flash"
    assert parsed("/v1beta/interactions", body).streaming
    assert parsed("/v1beta/interactions/abc").name == "abc"


def test_the_text_of_a_request_is_that_of_its_last_content() -> None:
    contents: list[dict[str, Any]] = [
        {"parts": [{"text": "before"}]},
        {"parts": [{"text": "a"}, {"inlineData": {}}, {"text": "b"}]},
    ]
    request = parsed(PATHS[0][0], {"contents": contents, "systemInstruction": {"parts": [{"text": "Be brief."}]}})

    assert request.text == "ab"
    assert request.system_instruction == "Be brief."
    assert parsed("/v1beta/interactions", {"input": "hello"}).text == "hello"


def test_an_event_ends_with_a_blank_line() -> None:
    assert sse({"a": 1}) == 'data: {"a": 1}\r\n\r\n'
    assert sse("[DONE]", event="done") == "event: done\ndata: [DONE]\n\n"
