"""Calls of the real SDK that repeat a recorded exchange against the loopback server."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from otel_agentperf.demo.server import GeminiServer
from tests.replay_server import Exchange


def gemini_client(server: GeminiServer, *, vertex: bool = False, **http_options: Any) -> genai.Client:
    """A real client of the loopback server; keywords go to `HttpOptions`.

    Keep it in a variable: the SDK closes a client that nothing refers to, its `models` notwithstanding.
    """
    options = types.HttpOptions(base_url=server.base_url, **http_options)
    if vertex:
        token = Credentials(token="loopback")
        return genai.Client(vertexai=True, project="demo", location="global", credentials=token, http_options=options)
    return genai.Client(vertexai=False, api_key="loopback", http_options=options)


def replay(client: genai.Client, exchange: Exchange) -> list[Any]:
    """Make the recorded call with the public method for it.

    Returns:
        The answer, or the chunks or events of a stream in order.

    Raises:
        google.genai.errors.APIError: Where an error was recorded.
        NotImplementedError: No public method makes this call.
    """
    model, body = exchange.model, exchange.request
    models: Any = client.models
    match exchange.method:
        case "generateContent":
            return [models.generate_content(model=model, contents=_contents(body), config=_config(body))]
        case "streamGenerateContent":
            return list(models.generate_content_stream(model=model, contents=_contents(body), config=_config(body)))
        case "countTokens":
            return [models.count_tokens(model=model, contents=_contents(body))]
        case "batchEmbedContents":
            return [models.embed_content(model=model, contents=[_content(row["content"]) for row in body["requests"]])]
        case "cachedContents" if body:
            named = body["model"].rpartition("/")[2]
            config = types.CreateCachedContentConfig(contents=_contents(body), ttl="60s")
            return [client.caches.create(model=named, config=config)]
        case "interactions":
            answer: Any = client.interactions.create(**body)
            return list(answer) if body.get("stream") else [answer]
        case other:
            raise NotImplementedError(other)


def _contents(body: dict[str, Any]) -> list[types.Content]:
    return [_content(row) for row in body["contents"]]


def _content(row: dict[str, Any]) -> types.Content:
    """One recorded content; parts that this version of the SDK or the cutting made unreadable become text."""
    parts: list[dict[str, Any]] = row.get("parts") or []
    return types.Content(role=row.get("role", "user"), parts=[_part(part) for part in parts])


def _part(part: dict[str, Any]) -> types.Part:
    try:
        return types.Part.model_validate(part)
    except ValueError:
        return types.Part(text=str(part))


def _config(body: dict[str, Any]) -> types.GenerateContentConfig:
    """The recorded system instruction; the rest of the configuration does not change the answer."""
    instruction = body.get("systemInstruction")
    return types.GenerateContentConfig(
        system_instruction=_content(instruction) if instruction else None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
