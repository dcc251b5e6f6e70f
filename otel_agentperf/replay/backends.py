"""Tempo and Jaeger over HTTP: which traces there are for a filter and a range of time, and each of them.

Tempo is asked with TraceQL and then trace by trace. Jaeger is asked service by service and
answers with the traces themselves. What is sent as a header (such as a token) goes to that address alone and is
shown nowhere, see `fetching`.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec

from otel_agentperf import fetching
from otel_agentperf.fetching import FetchError, without_login
from otel_agentperf.reading import KEYS
from otel_agentperf.replay.pieces import MAX_MESSAGE_BYTES, Layout, Piece
from otel_agentperf.replay.sources import Source

TIMEOUT_S = 60.0
TEMPO, JAEGER = "tempo", "jaeger"
_PREFIXES = {f"{kind}+{scheme}": (kind, scheme) for kind in (TEMPO, JAEGER) for scheme in ("http", "https")}
_DOCUMENT_PATHS = ("/api/traces/", "/api/v2/traces/", "/api/v3/traces", "/trace/")
_US_PER_S = 1_000_000


class BackendError(FetchError):
    """A backend cannot be asked, or answers with something else than traces."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which traces to ask a backend for. Times are Unix seconds."""

    since_s: float
    until_s: float
    query: str = ""
    """TraceQL, for Tempo."""
    service: str = ""
    limit: int = 1_000
    """The most traces to ask for."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class _Found(msgspec.Struct, rename={"trace_id": "traceID"}):
    trace_id: str


class _Search(msgspec.Struct):
    traces: list[_Found] | None = None


class _Services(msgspec.Struct):
    data: list[str] | None = None


def is_backend(name: str) -> bool:
    """Whether a name is the address of a backend rather than a file's."""
    scheme = name.partition("://")[0].lower()
    if scheme in _PREFIXES:
        return True
    if scheme not in ("http", "https"):
        return False
    path = urlsplit(name).path.rstrip("/")
    return "." not in path.rpartition("/")[2]


def source(name: str, wanted: Filter) -> Source:
    """Ask a backend which traces it has.

    Args:
        name: its address, such as `http://localhost:3200`; with `tempo+` or `jaeger+` before it
            it is taken for that, else both are tried. The address of one trace is that trace.
        wanted: which traces.

    Raises:
        BackendError: it cannot be asked, or is neither.
    """
    kind, address = _kind(name)
    parts = urlsplit(address)
    if parts.username is not None:
        address, login = without_login(address)
        name = name.replace(f"{parts.netloc.rpartition('@')[0]}@", "")
        parts, wanted = urlsplit(address), replace(wanted, headers={**wanted.headers, **login})
    if any(part in parts.path for part in _DOCUMENT_PATHS):
        path = parts.path.replace("/trace/", "/api/traces/") if "/api/" not in parts.path else parts.path
        return _source(name, [urlunsplit(parts._replace(path=path))], wanted)
    base = urlunsplit(parts._replace(query="", fragment="", path=parts.path.rstrip("/")))
    kind = kind or _probe(base, wanted.headers)
    urls = _tempo(base, wanted) if kind == TEMPO else _jaeger(base, wanted)
    return _source(name, urls, wanted)


def _kind(name: str) -> tuple[str | None, str]:
    scheme, _, rest = name.partition("://")
    kind, plain = _PREFIXES.get(scheme.lower(), (None, scheme))
    return kind, f"{plain}://{rest}"


def _source(name: str, urls: list[str], wanted: Filter) -> Source:
    headers = tuple(wanted.headers.items())
    pieces = tuple(Piece(source=url, layout=Layout.FETCH, headers=headers) for url in urls)
    return Source(name, pieces=pieces)


def _probe(base: str, headers: Mapping[str, str]) -> str:
    """Which of the two it is."""
    try:
        if fetch(f"{base}/api/echo", headers).strip() == b"echo":
            return TEMPO
    except BackendError as error:
        if error.status is None:
            raise
    try:
        _decoded(f"{base}/api/services", headers, _Services)
    except BackendError:
        raise BackendError(
            f"{base} is neither Tempo nor Jaeger: it answers to neither /api/echo nor /api/services; "
            "write tempo+ or jaeger+ before the address to say which it is"
        ) from None
    return JAEGER


def _tempo(base: str, wanted: Filter) -> list[str]:
    asked = {
        "q": wanted.query or _traceql(wanted.service),
        "start": int(wanted.since_s),
        "end": int(wanted.until_s) + 1,
        "limit": wanted.limit,
    }
    found = _decoded(f"{base}/api/search?{urlencode(asked)}", wanted.headers, _Search)
    return [f"{base}/api/traces/{quote(trace.trace_id, safe='')}" for trace in found.traces or ()]


def _traceql(service: str) -> str:
    """Traces with agent work, of one service if one is named."""
    work = " || ".join(f"span.{key} != nil" for key in sorted(KEYS))
    if not service:
        return f"{{ {work} }}"
    named = service.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{ resource.service.name = "{named}" && ({work}) }}'


def _jaeger(base: str, wanted: Filter) -> list[str]:
    services = [wanted.service] if wanted.service else []
    if not services:
        services = _decoded(f"{base}/api/services", wanted.headers, _Services).data or []
    span = {
        "start": int(wanted.since_s * _US_PER_S),
        "end": int(wanted.until_s * _US_PER_S),
        "lookback": "custom",
        "limit": wanted.limit,
    }
    return [f"{base}/api/traces?{urlencode({'service': name, **span})}" for name in services]


T = TypeVar("T")


def _decoded(url: str, headers: Mapping[str, str], kind: type[T]) -> T:
    try:
        return msgspec.json.decode(fetch(url, headers), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BackendError(f"{fetching.shown(url)}: the answer is not what was asked for", 200) from None


def fetch(url: str, headers: Mapping[str, str]) -> bytes:
    """Fetch one document.

    Args:
        url: where it is. A trace that Tempo's older interface does not know is asked of the newer.
        headers: what to send along.

    Raises:
        BackendError: there is no answer, or an error, or more than is taken.
    """
    try:
        return _fetch(url, headers)
    except BackendError as error:
        if error.status != http.client.NOT_FOUND or "/api/traces/" not in url:
            raise
        try:
            return _fetch(url.replace("/api/traces/", "/api/v2/traces/"), headers)
        except BackendError:
            raise error from None


def _fetch(url: str, headers: Mapping[str, str]) -> bytes:
    try:
        return fetching.fetch(
            url, {"Accept": "application/json", **headers}, most_bytes=MAX_MESSAGE_BYTES, timeout_s=TIMEOUT_S
        )
    except FetchError as error:
        raise BackendError(str(error), error.status) from None
