"""Spans for LangGraph: runs, nodes, tools, cache hits, retries, interrupts.

Intercepted: `Pregel.stream` / `astream` for graph runs (invoke, batch and events go through
them), `run_with_retry` / `arun_with_retry` where the runner imported them for nodes (one place,
in the node's own thread or task, also for compiled graphs, the functional API, subgraphs and
Send), `match_cached_writes` for cache hits, `_should_retry_on` for retries, `BaseTool.run` /
`arun` for tools. A callback handler would be the public way, but its spans cannot be current
while the node's body runs, so what the body calls would be orphaned.

Limits: apart from `Pregel.stream`, `astream` and `BaseTool`, these are private functions; a
missing one is said once and does without. `RemoteGraph` runs elsewhere and is not covered.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_agentperf import semconv
from otel_agentperf.instrumentation.patching import Patches, installed
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import auto

_logger = logging.getLogger("otel_agentperf")
OLDEST = "0.6"
_LOOP = "langgraph.pregel._loop"
_RUNNER = "langgraph.pregel._runner"


class LangGraphInstrumentor(BaseInstrumentor):
    """Instruments LangGraph; the entry point `agentperf-langgraph`."""

    _switch = Switch(semconv.SCOPE_LANGGRAPH)
    _patches = Patches()

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: whether LangGraph is there is checked in `instrument`, for this library alone."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        if not installed("langgraph", OLDEST) or auto.ensure_pipeline() is None:
            return
        try:  # these import LangGraph, which need not be there, or not be whole
            from otel_agentperf.instrumentation.langgraph import nodes, runs, tools  # noqa: PLC0415 - as said
        except ImportError as error:
            _logger.warning("otel-agentperf: %s cannot be imported; langgraph is not instrumented", error.name)
            return
        # A switch of its own each time: a wrapper of last time that another library has kept stays off.
        switch = self._switch = Switch(semconv.SCOPE_LANGGRAPH)
        switch.turn_on(kwargs.get("tracer_provider"))
        patches = self._patches
        patches.replace("langgraph.pregel", "Pregel.stream", runs.wrap_stream(switch))
        patches.replace("langgraph.pregel", "Pregel.astream", runs.wrap_astream(switch))
        patches.replace(_LOOP, "PregelLoop._suppress_interrupt", runs.wrap_suppress_interrupt(switch))
        patches.replace(_RUNNER, "run_with_retry", nodes.wrap_run(switch))
        patches.replace(_RUNNER, "arun_with_retry", nodes.wrap_arun(switch))
        patches.replace(_LOOP, "SyncPregelLoop.match_cached_writes", nodes.wrap_cached(switch))
        patches.replace(_LOOP, "AsyncPregelLoop.amatch_cached_writes", nodes.wrap_acached(switch))
        patches.replace("langgraph.pregel._retry", "_should_retry_on", nodes.wrap_should_retry(switch))
        patches.replace("langchain_core.tools", "BaseTool.run", tools.wrap_run(switch))
        patches.replace("langchain_core.tools", "BaseTool.arun", tools.wrap_arun(switch))

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        self._switch.turn_off()
        self._patches.restore()
