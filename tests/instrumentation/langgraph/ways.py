"""Every way to run a graph, each giving its final state, and which of them a version has."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

LANGGRAPH = Version(version("langgraph"))


def since(oldest: str, feature: str) -> pytest.MarkDecorator:
    """Runs a test only from a version on, and says which version lacks what."""
    return pytest.mark.skipif(Version(oldest) > LANGGRAPH, reason=f"langgraph {LANGGRAPH} has no {feature}")


def invoke(graph: Any, given: Any, config: Any = None) -> Any:
    return graph.invoke(given, config)


def ainvoke(graph: Any, given: Any, config: Any = None) -> Any:
    return asyncio.run(graph.ainvoke(given, config))


def stream(graph: Any, given: Any, config: Any = None) -> Any:
    return list(graph.stream(given, config, stream_mode="values"))[-1]


def stream_all_modes(graph: Any, given: Any, config: Any = None) -> Any:
    modes = ["values", "updates", "messages", "custom"]
    return [
        chunk for _, mode, chunk in graph.stream(given, config, stream_mode=modes, subgraphs=True) if mode == "values"
    ][-1]


def astream(graph: Any, given: Any, config: Any = None) -> Any:
    async def run() -> Any:
        return [chunk async for chunk in graph.astream(given, config, stream_mode="values")][-1]

    return asyncio.run(run())


def astream_all_modes(graph: Any, given: Any, config: Any = None) -> Any:
    modes = ["values", "updates", "messages", "custom"]

    async def run() -> Any:
        chunks = graph.astream(given, config, stream_mode=modes, subgraphs=True)
        return [chunk async for _, mode, chunk in chunks if mode == "values"][-1]

    return asyncio.run(run())


def batch(graph: Any, given: Any, config: Any = None) -> Any:
    return graph.batch([given], config)[0]


def abatch(graph: Any, given: Any, config: Any = None) -> Any:
    return asyncio.run(graph.abatch([given], config))[0]


def astream_events(graph: Any, given: Any, config: Any = None) -> Any:
    async def run() -> Any:
        events = [event async for event in graph.astream_events(given, config, version="v2")]
        return events[-1]["data"]["output"]

    return asyncio.run(run())


def stream_events_v3(graph: Any, given: Any, config: Any = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a beta, and says so
        run = graph.stream_events(given, config, version="v3")
    return run.output


def astream_events_v3(graph: Any, given: Any, config: Any = None) -> Any:
    async def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = await graph.astream_events(given, config, version="v3")
        output: Any = started.output
        return await output()

    return asyncio.run(run())


@dataclass(frozen=True)
class Way:
    """How a graph is run."""

    run: Callable[..., Any]
    aio: bool
    oldest: str = "0"

    @property
    def available(self) -> pytest.MarkDecorator:
        return since(self.oldest, self.run.__name__)


WAYS = [
    Way(invoke, aio=False),
    Way(stream, aio=False),
    Way(stream_all_modes, aio=False),
    Way(batch, aio=False),
    Way(ainvoke, aio=True),
    Way(astream, aio=True),
    Way(astream_all_modes, aio=True),
    Way(abatch, aio=True),
    Way(astream_events, aio=True),
    Way(stream_events_v3, aio=False, oldest="1.2"),
    Way(astream_events_v3, aio=True, oldest="1.2"),
]
