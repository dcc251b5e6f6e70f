"""Nodes and tasks that a cache answers for: spans too, and told from those that ran."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.cache.memory import InMemoryCache  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import CachePolicy

from otel_agentperf import semconv
from tests.instrumentation.langgraph.graphs import START, as_task, entry, new, node
from tests.instrumentation.langgraph.trees import assert_tree, attributes, outcomes
from tests.instrumentation.langgraph.ways import WAYS, Way
from tests.telemetry import observed

EVERY_WAY = [pytest.param(way, id=way.run.__name__, marks=way.available) for way in WAYS]


def cached(*, aio: bool = False) -> Any:
    """Three branches, two of which are cached."""
    builder = new()
    for name, policy in (("a", CachePolicy()), ("b", CachePolicy()), ("c", None)):
        builder.add_node(name, node(name, aio=aio), cache_policy=policy)
        builder.add_edge(START, name)
    return builder.compile(name="graph", cache=InMemoryCache())


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_node_that_the_cache_answers_for_is_a_cache_hit(way: Way) -> None:
    graph = cached(aio=way.aio)
    with observed() as telemetry:
        for _ in range(2):
            way.run(graph, {"seen": []})
    assert_tree(telemetry, ["invoke_workflow graph", *(f"  invoke_node {name}" for name in "abc")] * 2)
    for name, hits in (("a", 1), ("b", 1), ("c", 0)):
        said = [attributes(span).get(semconv.LANGGRAPH_OUTCOME) for span in telemetry.named(f"invoke_node {name}")]
        assert said == [None, "cache_hit"[: 9 * hits] or None], name
    first, hit = telemetry.named("invoke_node a")
    assert attributes(first)[semconv.STATE_HASH] == attributes(hit)[semconv.STATE_HASH]
    assert hit.start_time == hit.end_time


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
def test_a_task_that_the_cache_answers_for_is_a_cache_hit_beneath_its_entrypoint(aio: bool) -> None:
    ran: list[int] = []

    @as_task(cache_policy=CachePolicy())
    def double(number: int) -> int:
        ran.append(number)
        return 2 * number

    @as_task(cache_policy=CachePolicy())
    async def adouble(number: int) -> int:
        ran.append(number)
        return 2 * number

    @entry(cache=InMemoryCache())
    def flow(number: int) -> int:
        return int(double(number).result())

    @entry(cache=InMemoryCache())
    async def aflow(number: int) -> int:
        return int(await adouble(number))

    with observed() as telemetry:
        for _ in range(2):
            assert (asyncio.run(aflow.ainvoke(4)) if aio else flow.invoke(4)) == 8
    assert ran == [4]
    prefix = "a" if aio else ""
    tree = [f"invoke_workflow {prefix}flow", f"  invoke_node {prefix}flow", f"    invoke_node {prefix}double"]
    assert_tree(telemetry, tree * 2)
    assert outcomes(telemetry) == {f"invoke_node {prefix}double": "cache_hit"}
