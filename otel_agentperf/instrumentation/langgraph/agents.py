"""Whether a graph is a prebuilt agent: LangChain's says so in its config, LangGraph's shows by its nodes.

Only what the graph itself holds is looked at, never the config of a call, since that is handed
down to every graph beneath an agent. A graph that only looks like an agent is a workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_agentperf import guard

_INTEGRATION = "langchain_create_agent"
_NOTHING: Mapping[str, Any] = {}
_MODEL_NODES = ("agent", "model")
_FACTORIES = frozenset({"langgraph.prebuilt.chat_agent_executor", "langchain.agents.factory"})


@guard.guarded("langgraph.agent", default=False, timed=False)
def is_prebuilt_agent(graph: Any) -> bool:
    """Whether `create_react_agent` or `create_agent` has made this graph."""
    config: Mapping[str, Any] = getattr(graph, "config", None) or _NOTHING
    metadata = config.get("metadata")
    if metadata and metadata.get("ls_integration") == _INTEGRATION:
        return True
    nodes: Mapping[str, Any] = getattr(graph, "nodes", None) or _NOTHING
    for name in _MODEL_NODES:
        node = nodes.get(name)
        if node is not None:
            bound = getattr(node, "bound", None)
            function = getattr(bound, "func", None) or getattr(bound, "afunc", None)
            if getattr(function, "__module__", None) in _FACTORIES:
                return True
    return False
