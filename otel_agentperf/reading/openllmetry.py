"""OpenLLMetry: `traceloop.span.kind` for the framework's spans, and its older model requests.

Its model requests of today have the GenAI conventions' names; the older ones have `gen_ai.system`
or `llm.request.type` without an operation name, and tokens as `gen_ai.usage.prompt_tokens`.
A `task` may be a node of a graph or any other runnable: LangGraph's metadata tells, which
stands under `traceloop.association.properties`.

Limit: its spans for LangGraph say `invoke_agent` for every graph. A graph is told from an agent
by `ls_integration`, where LangChain gives it; the outer of the two spans of one graph has none
and is taken for the graph.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import Inference, NodeStep, OperationKind
from otel_agentperf.reading import agentperf, facts, usages, values
from otel_agentperf.reading.facts import Facts, provider
from otel_agentperf.reading.values import Attributes

KEY = "traceloop.span.kind"
REQUEST_TYPE = "llm.request.type"
SYSTEM = "gen_ai.system"
WORKFLOW = "traceloop.workflow.name"
"""It stands on every span of a workflow."""

_PROPERTIES = "traceloop.association.properties."
_NODE = _PROPERTIES + "langgraph_node"
_STEP = _PROPERTIES + "langgraph_step"
_INTEGRATION = _PROPERTIES + "ls_integration"
_CREATE_AGENT = "langchain_create_agent"
GRAPH_NODES = "gen_ai.workflow.nodes"
_NAME = "traceloop.entity.name"
SESSION_KEYS = tuple(_PROPERTIES + name for name in ("thread_id", "session_id", "conversation_id"))

_REQUESTS = {
    "chat": OperationKind.INFERENCE,
    "completion": OperationKind.INFERENCE,
    "embedding": OperationKind.EMBEDDINGS,
}


def read(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that has `traceloop.span.kind`; `None` where that is no text."""
    del parent_id
    said = attributes.get(KEY)
    if not isinstance(said, str):
        return None
    named = values.text(attributes, _NAME) or name.rpartition(".")[0] or name
    if said == "task":
        if attributes.get(_NODE) == named:
            return Facts(OperationKind.NODE, named, node=NodeStep(step=values.whole(attributes, _STEP)))
        return Facts(OperationKind.OTHER, named)
    if said == "tool":
        return Facts(OperationKind.TOOL, named, tool=agentperf.tool_call(attributes))
    if said not in ("workflow", "agent"):
        return Facts(OperationKind.OTHER, named)
    return facts.agent_or_graph(
        graph(attributes) if said == "workflow" else OperationKind.AGENT,
        named,
        usages.of_agent(attributes, scope),
        agentperf.cost(attributes),
        values.text(attributes, semconv.PROVIDER_NAME, SYSTEM),
        values.text(attributes, semconv.RESPONSE_MODEL, semconv.REQUEST_MODEL),
    )


def graph(attributes: Attributes) -> OperationKind:
    """What a span is that says `invoke_agent`: a graph of LangGraph that is no agent, or an agent."""
    if attributes.get(KEY) == "workflow":
        made_by = attributes.get(_INTEGRATION)
        return OperationKind.AGENT if made_by == _CREATE_AGENT else OperationKind.WORKFLOW
    return OperationKind.WORKFLOW if GRAPH_NODES in attributes else OperationKind.AGENT


def read_request(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a model request without an operation name; `None` where it names no model."""
    del parent_id
    model = values.text(attributes, semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
    said = attributes.get(REQUEST_TYPE)
    kind = _REQUESTS.get(said) if isinstance(said, str) else OperationKind.INFERENCE
    if model is None or kind is None:
        return Facts(OperationKind.OTHER, name)
    return Facts(
        kind,
        model,
        usages.usage(attributes, scope=scope),
        agentperf.cost(attributes),
        Inference(
            provider=provider(values.text(attributes, semconv.PROVIDER_NAME, SYSTEM)),
            request_model=values.text(attributes, semconv.REQUEST_MODEL) or "",
            response_model=values.text(attributes, semconv.RESPONSE_MODEL),
            streamed=values.flag(attributes, "llm.is_streaming") is True,
            finish_reasons=values.texts(attributes, semconv.RESPONSE_FINISH_REASONS),
            location=agentperf.location(attributes),
            tier=agentperf.served_tier(attributes),
        ),
    )
