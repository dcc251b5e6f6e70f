"""Explicit context caches: what goes into one and what keeping it costs, as a billed service of its own.

Creating a cache charges its content as input at the standard price, and its storage until the cache
expires; both are on one span, marked estimated, since the cache may be deleted before. `update`
charges the time that it adds. `delete` before the end gives back the storage that was not used, as
a negative cost; an `update` to a shorter life does so too. Only a cache that this process has
created is known well enough for that: the process that created it has its storage on a span.
Up to 1,024 caches are remembered; the oldest is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from time import time_ns
from typing import Any, cast

import msgspec

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.google_genai.endpoints import CACHED_CONTENTS, location_in
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames, services
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, Usage
from otel_agentperf.pricing import lenient
from otel_agentperf.pricing.rates import add

SERVICE = "context_cache"
MAX_CACHES = 1_024
_WHOLE_LIFE = "the cache is kept until it expires"
_UNKNOWN = "the cache was not created in this process: by how much its life changes is not known"
_UNSIZED = "the response reports no size or no expiry"


class _Usage(msgspec.Struct, rename="camel"):
    total_token_count: int = 0


class _CachedContent(msgspec.Struct, rename="camel"):
    name: str = ""
    model: str = ""
    create_time: str = ""
    update_time: str = ""
    expire_time: str = ""
    usage_metadata: _Usage | None = None


_cached_content = msgspec.json.Decoder(_CachedContent)


class _Kept(msgspec.Struct):
    """A cache that this process has created."""

    model: str
    tokens: int
    provider: str
    expires: datetime | None
    """By the server's clock."""
    ends_ns: int
    """The same by ours, Unix nanoseconds."""


class Caches:
    """Sees the requests that create, change and delete context caches.

    Args:
        switch: the instrumentation's.
    """

    __slots__ = ("_kept", "_switch")

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._kept: dict[str, _Kept] = {}

    def note(self, active: Pipeline, client: Any, http_method: Any, path: Any, request: Any, response: Any) -> None:
        """Note what a request does to a context cache, if it is one of these.

        Args:
            active: the pipeline.
            client: the SDK's.
            http_method: the request's.
            path: the request's.
            request: its JSON.
            response: the SDK's.
        """
        if isinstance(path, str) and CACHED_CONTENTS in path:
            self._note(active, client, str(http_method).lower(), path.partition("?")[0], request, response)

    @guard.guarded("google_genai.cache", None)
    def _note(self, active: Pipeline, client: Any, http_method: str, path: str, request: Any, response: Any) -> None:
        body: Mapping[str, Any] = cast("Mapping[str, Any]", request) if isinstance(request, Mapping) else {}
        now_ns = time_ns()
        cost: Cost | None = None
        if http_method == "delete":
            cost = self._delete(active, path, now_ns)
        elif http_method == "patch" or (path.endswith(CACHED_CONTENTS) and "model" in body):
            answered = lenient.decode(_cached_content, _CachedContent, response.body or b"{}")
            if http_method == "patch":
                cost = self._update(active, path, body, answered, now_ns)
            else:
                cost = self._create(active, client, path, body, answered, now_ns)
        if cost is not None:
            services.write(active, SERVICE, self._switch.tracer, frames.current(), now_ns, now_ns, cost)

    def _create(
        self, active: Pipeline, client: Any, path: str, body: Mapping[str, Any], made: _CachedContent, now_ns: int
    ) -> Cost:
        provider = semconv.PROVIDER_VERTEX if client.vertexai else semconv.PROVIDER_GEMINI
        location = (location_in(path) or client.location or "") if client.vertexai else ""
        expires = _moment(made.expire_time)
        life_s = _seconds(body.get("ttl")) or _between(_moment(made.create_time), expires)
        usage = made.usage_metadata
        if usage is None or life_s is None:
            return Cost(CostStatus.UNPRICED, reason=_UNSIZED, estimated=True)
        tokens = usage.total_token_count
        kept = _Kept(made.model, tokens, provider, expires, now_ns + round(life_s * 1e9))
        while len(self._kept) >= MAX_CACHES:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[_key(made.name)] = kept
        entry = active.prices.price(provider, made.model, Usage(tokens), when_ns=now_ns, location=location)
        return _together(entry, self._storage(active, kept, life_s, now_ns))

    def _update(
        self, active: Pipeline, path: str, body: Mapping[str, Any], changed: _CachedContent, now_ns: int
    ) -> Cost | None:
        kept = self._kept.get(_key(path))
        if kept is None:
            return Cost(CostStatus.UNPRICED, reason=_UNKNOWN, estimated=True)
        expires = _moment(changed.expire_time)
        added_s = _between(kept.expires, expires)
        if added_s is None:
            life_s = _seconds(body.get("ttl")) or _between(_moment(changed.update_time), expires)
            if life_s is None:
                return Cost(CostStatus.UNPRICED, reason=_UNSIZED, estimated=True)
            added_s = life_s - (kept.ends_ns - now_ns) / 1e9
        kept.expires = expires or kept.expires
        kept.ends_ns += round(added_s * 1e9)
        return self._storage(active, kept, added_s, now_ns) if added_s else None

    def _delete(self, active: Pipeline, path: str, now_ns: int) -> Cost | None:
        kept = self._kept.pop(_key(path), None)
        if kept is None or kept.ends_ns <= now_ns:
            return None
        return self._storage(active, kept, (now_ns - kept.ends_ns) / 1e9, now_ns)

    @staticmethod
    def _storage(active: Pipeline, kept: _Kept, seconds: float, now_ns: int) -> Cost:
        """What the storage of a cache costs for some seconds; those that are given back are negative."""
        cost = active.prices.cache_storage(
            kept.model, kept.tokens, abs(seconds), when_ns=now_ns, provider=kept.provider
        )
        if cost.total_usd is None:
            return cost
        total = cost.total_usd if seconds > 0 else -cost.total_usd
        return Cost(
            CostStatus.PRICED, total, storage_usd=total, estimated=True, assumption=_WHOLE_LIFE if seconds > 0 else None
        )


def _together(entry: Cost, storage: Cost) -> Cost:
    """What a new cache costs: its content as input, and its storage."""
    total: Decimal | None = None
    if entry.total_usd is not None and storage.total_usd is not None:
        total = add(entry.total_usd, storage.total_usd)
    return Cost(
        CostStatus.UNPRICED if total is None else CostStatus.PRICED,
        total,
        entry.input_usd,
        storage_usd=storage.total_usd,
        reason=entry.reason or storage.reason,
        estimated=True,
        assumption=storage.assumption,
    )


def _key(name: str) -> str:
    return name.rpartition("/")[2]


def _seconds(ttl: object) -> float | None:
    """A time to live (``"3600s"``) in seconds, `None` where it is none."""
    if not isinstance(ttl, str) or not ttl.endswith("s"):
        return None
    try:
        return float(ttl[:-1])
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    """The seconds from one moment to another, `None` where they are not comparable."""
    if begin is None or end is None or (begin.tzinfo is None) is not (end.tzinfo is None):
        return None
    return (end - begin).total_seconds()
