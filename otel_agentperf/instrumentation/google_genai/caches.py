"""Context caches: what keeping one costs, as a billed service of its own.

Written when the cache is created, from its size and its time to live, hence marked estimated:
a cache that is deleted early costs less, one that is prolonged costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from time import time_ns
from typing import Any, cast

import msgspec

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.google_genai.endpoints import CACHED_CONTENTS
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames, services
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus

SERVICE = "context_cache"


class _Usage(msgspec.Struct, rename="camel"):
    total_token_count: int = 0


class _CachedContent(msgspec.Struct, rename="camel"):
    model: str = ""
    create_time: str = ""
    expire_time: str = ""
    usage_metadata: _Usage | None = None


def note(switch: Switch, active: Pipeline, client: Any, path: Any, request_dict: Any, response: Any) -> None:
    """Note the creation of a context cache, if this request was one."""
    if isinstance(path, str) and path.endswith(CACHED_CONTENTS):
        _note(switch, active, client, request_dict, response)


@guard.guarded("google_genai.cache", None)
def _note(switch: Switch, active: Pipeline, client: Any, request_dict: Any, response: Any) -> None:
    if not isinstance(request_dict, Mapping) or "model" not in request_dict:
        return
    created = msgspec.json.decode(response.body, type=_CachedContent)
    now_ns = time_ns()
    provider = semconv.PROVIDER_VERTEX if client.vertexai else semconv.PROVIDER_GEMINI
    usage = created.usage_metadata
    ttl_s = _ttl_s(cast("Mapping[str, Any]", request_dict).get("ttl"), created)
    if usage is None or ttl_s is None:
        cost = Cost(CostStatus.UNPRICED, reason="the response reports no size or no expiry", estimated=True)
    else:
        cost = active.prices.cache_storage(
            created.model, usage.total_token_count, ttl_s, when_ns=now_ns, provider=provider
        )
    services.write(active, SERVICE, switch.tracer, frames.current(), now_ns, now_ns, cost)


def _ttl_s(ttl: object, created: _CachedContent) -> float | None:
    """The time to live in seconds: as asked for (``"3600s"``), else from the cache's own times."""
    if isinstance(ttl, str) and ttl.endswith("s"):
        return float(ttl[:-1])
    try:
        begin = datetime.fromisoformat(created.create_time)
        end = datetime.fromisoformat(created.expire_time)
    except ValueError:
        return None
    return (end - begin).total_seconds()
