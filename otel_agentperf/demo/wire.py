"""What crosses the wire of the loopback server: one request, one reply, and who answers.

The paths are those of the Gemini API (`/v1beta/models/...`) and of Vertex AI
(`/v1beta1/projects/.../publishers/google/models/...`). A path that is none of them is
`Call.OTHER` and keeps its text, so that a responder may still answer it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, cast
from urllib.parse import parse_qsl, unquote, urlsplit

Json: TypeAlias = Mapping[str, Any]

_PATH = re.compile(
    r"/(?P<version>v\d\w*)/"
    r"(?P<scope>projects/[^/]+/locations/[^/]+/)?"
    r"(?:"
    r"(?P<publisher>publishers/[^/]+/)?(?:models|tunedModels|endpoints)/(?P<model>[^/:]+):(?P<method>\w+)"
    r"|(?P<resource>cachedContents|interactions)(?:/(?P<name>[^/:]+))?"
    r")$"
)


class Call(StrEnum):
    """What is asked of the API, by the name that stands in the path."""

    GENERATE = "generateContent"
    STREAM = "streamGenerateContent"
    EMBED = "embedContent"
    EMBED_BATCH = "batchEmbedContents"
    COUNT = "countTokens"
    PREDICT = "predict"
    CACHE = "cachedContents"
    INTERACTION = "interactions"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GeminiRequest:
    """One HTTP request as the server received it."""

    number: int
    """Counts from 1 in order of arrival."""
    verb: str
    path: str
    call: Call = Call.OTHER
    model: str = ""
    """Without `models/`; for a cache or an interaction, the model that the body names."""
    vertex: bool = False
    name: str = ""
    """The resource that a cache or interaction path names, else empty."""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case."""
    body: Json = field(default_factory=dict[str, Any])

    @property
    def streaming(self) -> bool:
        """Whether the client expects a stream of events."""
        return self.call is Call.STREAM or (self.call is Call.INTERACTION and self.body.get("stream") is True)

    @property
    def text(self) -> str:
        """The user's words: the text parts of the last content, or an interaction's input."""
        given = self.body.get("input")
        if isinstance(given, str):
            return given
        contents = cast("list[Json]", self.body.get("contents") or [])
        parts = cast("list[Json]", contents[-1].get("parts") or []) if contents else []
        return "".join(str(part.get("text", "")) for part in parts)

    @property
    def system_instruction(self) -> str:
        """The text of the system instruction, empty where there is none."""
        instruction = cast("Json", self.body.get("systemInstruction") or {})
        parts = cast("list[Json]", instruction.get("parts") or [])
        return "".join(str(part.get("text", "")) for part in parts)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: a JSON body, or server-sent events where `events` is given."""

    body: Json | list[Any] | None = None
    status: int = 200
    events: tuple[str, ...] | None = None
    """Each with its closing blank line; `sse` makes one."""
    latency_s: float = 0.0
    """Waited before the first byte, divided by the server's speed."""
    between_s: float = 0.0
    """Waited before each event after the first, divided by the server's speed."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    """Breaks the connection off: after the last event, or before any answer."""


class Responder(Protocol):
    """Answers requests. Called from the connections' threads, so it guards its own state."""

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Return the answer; what it raises becomes a 500 that names the exception."""
        ...


ResponderLike: TypeAlias = Responder | Callable[[GeminiRequest], Reply]


def sse(data: Json | str, event: str | None = None) -> str:
    """One server-sent event, in the form that Gemini sends it."""
    text = data if isinstance(data, str) else json.dumps(data)
    return f"event: {event}\ndata: {text}\n\n" if event else f"data: {text}\r\n\r\n"


def parse_request(number: int, verb: str, target: str, headers: Mapping[str, str], content: bytes) -> GeminiRequest:
    """Read one HTTP request.

    Args:
        number: Its place in the order of arrival, from 1.
        verb: The HTTP method.
        target: Path and query.
        headers: Names in lower case.
        content: The raw body, empty for none.

    Raises:
        ValueError: The body is no JSON.
    """
    parts = urlsplit(target)
    body: Any = json.loads(content) if content else None
    facts: Json = cast("Json", body) if isinstance(body, dict) else {}
    query = dict(parse_qsl(parts.query))
    path = unquote(parts.path)
    found = _PATH.search(path)
    if found is None:
        return GeminiRequest(number, verb, path, query=query, headers=headers, body=facts)
    return GeminiRequest(
        number,
        verb,
        path,
        call=_call(found["method"] or found["resource"]),
        model=found["model"] or _model_in(facts),
        vertex=bool(found["scope"] or found["publisher"]),
        name=found["name"] or "",
        query=query,
        headers=headers,
        body=facts,
    )


def _call(name: str) -> Call:
    try:
        return Call(name)
    except ValueError:
        return Call.OTHER


def _model_in(body: Json) -> str:
    return str(body.get("model") or "").rpartition("/")[2]
