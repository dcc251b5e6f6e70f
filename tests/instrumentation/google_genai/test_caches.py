"""Explicit context caches: created, kept longer or shorter, and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from otel_agentperf import semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from otel_agentperf.instrumentation.google_genai import caches
from otel_agentperf.reading.sdk import read_span
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry, observed

NAME = "use_service context_cache"
MODEL = "gemini-2.5-flash"
TOKENS = 200_000
INPUT_USD, HOUR_USD = 0.3 * 0.2, 1.0 * 0.2
"""Of gemini-2.5-flash: $0.30 a million tokens of input, $1 a million tokens an hour."""


def _time(hour: int, minute: int = 0) -> str:
    return f"2026-11-30T{hour:02}:{minute:02}:00Z"


def _cache(created: str = _time(0), expires: str = _time(1), **more: Any) -> dict[str, Any]:
    return {
        "name": "cachedContents/c1",
        "model": f"models/{MODEL}",
        "createTime": created,
        "updateTime": created,
        "expireTime": expires,
        "usageMetadata": {"totalTokenCount": TOKENS},
        **more,
    }


def _server(*, made: Any = None, changed: Any = None) -> Callable[[GeminiRequest], Reply]:
    def answer(request: GeminiRequest) -> Reply:
        if request.verb == "PATCH":
            return Reply(changed)
        return Reply({} if request.verb == "DELETE" else made or _cache())

    return answer


def _create(client: Any, ttl: str | None = "3600s") -> Any:
    config = {"contents": "long", "ttl": ttl} if ttl else {"contents": "long"}
    return client.caches.create(model=MODEL, config=config)


def _usd(telemetry: Telemetry) -> list[float | None]:
    return [(span.attributes or {}).get(semconv.USAGE_COST) for span in telemetry.named(NAME)]  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", f"async on {ways.TRANSPORT}"])
@pytest.mark.parametrize("vertex", [False, True], ids=["gemini", "vertex"])
def test_what_goes_into_a_cache_is_input_beside_the_storage(is_async: bool, vertex: bool) -> None:
    with GeminiServer(_server()) as server, observed() as telemetry:
        client: Any = ways.client_of(server, vertex=vertex)
        if is_async:

            async def create() -> None:
                await client.aio.caches.create(model=MODEL, config={"contents": "long", "ttl": "7200s"})
                await ways.close(client)

            asyncio.run(create())
        else:
            _create(client, "7200s")
        telemetry.assert_sound()
        span = telemetry.one(NAME)
        assert len(telemetry.spans) == 1
    attributes = dict(span.attributes or {})
    assert attributes[semconv.COST_INPUT] == pytest.approx(INPUT_USD)
    assert attributes[semconv.COST_STORAGE] == pytest.approx(2 * HOUR_USD)
    assert attributes[semconv.USAGE_COST] == pytest.approx(INPUT_USD + 2 * HOUR_USD)
    assert attributes[semconv.COST_ESTIMATED] is True
    assert attributes[semconv.COST_ASSUMPTION] == "the cache is kept until it expires"
    assert attributes[semconv.RUN_INFERENCE_CALLS] == 0
    assert attributes[semconv.RUN_COST] == attributes[semconv.USAGE_COST]


def test_a_cache_without_a_time_to_live_of_its_own_is_priced_by_its_own_times() -> None:
    with GeminiServer(_server(made=_cache(expires=_time(3)))) as server, observed() as telemetry:
        _create(ways.client_of(server), None)
        assert _usd(telemetry) == [pytest.approx(INPUT_USD + 3 * HOUR_USD)]


@pytest.mark.parametrize(
    ("changed", "config", "added_hours"),
    [
        (_cache(expires=_time(5)), {"ttl": "14400s"}, 4),
        (_cache(expires=_time(1, 30)), {"expire_time": "2026-11-30T01:30:00Z"}, 0.5),
        ({"name": "cachedContents/c1"}, {"ttl": "7200s"}, 1),
        (_cache(expires=_time(0, 15)), {"ttl": "900s"}, -0.75),
    ],
    ids=["by its times", "to a moment", "by the time to live alone", "shorter"],
)
def test_another_life_costs_the_storage_that_it_adds(changed: Any, config: dict[str, Any], added_hours: float) -> None:
    with GeminiServer(_server(changed=changed)) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        made = _create(client)
        client.caches.update(name=made.name, config=config)
        telemetry.assert_sound()
        _, update = _usd(telemetry)
    assert update == pytest.approx(added_hours * HOUR_USD, abs=1e-4)


def test_each_update_adds_to_the_one_before() -> None:
    changes = iter([_cache(expires=_time(2)), _cache(expires=_time(4)), _cache(expires=_time(4))])

    def answer(request: GeminiRequest) -> Reply:
        return Reply(next(changes) if request.verb == "PATCH" else _cache())

    with GeminiServer(answer) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        made = _create(client)
        for _ in range(3):
            client.caches.update(name=made.name, config={"ttl": "7200s"})
        assert _usd(telemetry)[1:] == pytest.approx([HOUR_USD, 2 * HOUR_USD])


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", f"async on {ways.TRANSPORT}"])
def test_deleting_early_gives_back_the_storage_that_was_not_used(is_async: bool) -> None:
    with GeminiServer(_server(changed=_cache(expires=_time(2)))) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        made = _create(client)
        client.caches.update(name=made.name, config={"ttl": "7200s"})
        if is_async:

            async def delete() -> None:
                await client.aio.caches.delete(name=made.name)
                await ways.close(client)

            asyncio.run(delete())
        else:
            client.caches.delete(name=made.name)
        client.caches.delete(name=made.name)
        telemetry.assert_sound()
        found = _usd(telemetry)
        spans = telemetry.named(NAME)
        points = telemetry.points(semconv.METRIC_COST)
    assert len(found) == 3
    assert sum(usd or 0 for usd in found) == pytest.approx(INPUT_USD, abs=1e-3)
    operation = read_span(spans[-1])
    assert operation is not None
    assert operation.operation.cost is not None
    assert float(operation.operation.cost.total_usd or 0) == pytest.approx(-2 * HOUR_USD, abs=1e-3)
    counted = sum(getattr(point, "value", 0.0) for point in points)
    assert counted == pytest.approx(INPUT_USD + 2 * HOUR_USD), "a sum never falls"


def test_a_cache_of_another_process_is_not_charged_for_being_deleted() -> None:
    with GeminiServer(_server()) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.caches.delete(name="cachedContents/other")
        telemetry.assert_sound()
        assert telemetry.spans == []


def test_the_longer_life_of_a_cache_of_another_process_is_unpriced() -> None:
    with GeminiServer(_server(changed=_cache(expires=_time(5)))) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.caches.update(name="cachedContents/other", config={"ttl": "7200s"})
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert "not created in this process" in str(attributes[semconv.COST_REASON])


@pytest.mark.parametrize(
    "made", [{**_cache(), "usageMetadata": None}, {**_cache(), "expireTime": "soon"}], ids=["no size", "no expiry"]
)
def test_a_cache_whose_size_or_expiry_is_not_reported_is_unpriced(made: Any) -> None:
    with GeminiServer(_server(made=made)) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        body = {"model": f"models/{MODEL}", "contents": [{"parts": [{"text": "long"}]}]}
        client._api_client.request("post", "cachedContents", body)
        attributes = dict(telemetry.one(NAME).attributes or {})
    assert attributes[semconv.COST_STATUS] == "unpriced"
    assert semconv.USAGE_COST not in attributes


def test_reading_caches_costs_nothing() -> None:
    with GeminiServer(_server()) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.caches.get(name="cachedContents/c1")
        list(client.caches.list())
        assert telemetry.spans == []


def test_no_more_caches_are_remembered_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_CACHES", 2)

    def answer(request: GeminiRequest) -> Reply:
        if request.verb == "DELETE":
            return Reply({})
        return Reply(_cache(name=f"cachedContents/c{request.number}"))

    with GeminiServer(answer) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        names = [_create(client).name for _ in range(4)]
        for name in names:
            client.caches.delete(name=name)
        telemetry.assert_sound()
        assert len(telemetry.named(NAME)) == 4 + 2
