"""OpenInference: `openinference.span.kind` with `llm.*`, `tool.*` and LangChain's metadata.

A `CHAIN` may be a graph, one of its nodes or any other runnable. LangChain's metadata tells:
a node bears the name that `langgraph_node` gives, a graph has no `langgraph_node`. A chain
without a parent and without metadata is taken for a workflow; the rest is `OTHER`.

Limit: `llm.token_count.completion` includes reasoning, `llm.token_count.prompt` includes
cached tokens; both as the conventions ask.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import BILLED_BY_TOKEN, Cost, CostStatus, Inference, NodeStep, OperationKind, Usage
from otel_agentperf.reading import agentperf, facts, usages, values
from otel_agentperf.reading.facts import Facts, provider
from otel_agentperf.reading.values import Attributes

KEY = "openinference.span.kind"

_KINDS = {
    "LLM": OperationKind.INFERENCE,
    "EMBEDDING": OperationKind.EMBEDDINGS,
    "TOOL": OperationKind.TOOL,
    "AGENT": OperationKind.AGENT,
    "RETRIEVER": OperationKind.RETRIEVAL,
}
_MODEL_KEYS = ("llm.model_name", "embedding.model_name")
_PROVIDER_KEYS = ("llm.provider", "llm.system")
_AGENT_INTEGRATION = "langchain_create_agent"


def read(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that has `openinference.span.kind`; `None` where that is no text."""
    del scope
    said = attributes.get(KEY)
    if not isinstance(said, str):
        return None
    kind = _KINDS.get(said.upper(), OperationKind.OTHER)
    if kind in BILLED_BY_TOKEN:
        model = values.text(attributes, *_MODEL_KEYS)
        return Facts(kind, model or name, _usage(attributes), _cost(attributes), _inference(attributes, model))
    if kind is OperationKind.TOOL:
        return Facts(kind, values.text(attributes, "tool.name") or name, tool=agentperf.tool_call(attributes))
    if kind is OperationKind.AGENT:
        return _agent_or_graph(kind, values.text(attributes, "agent.name") or name, attributes)
    if said.upper() == "CHAIN":
        return _chain(name, attributes, parent_id)
    return Facts(kind, name)


def _chain(name: str, attributes: Attributes, parent_id: str | None) -> Facts:
    metadata = values.table(attributes, "metadata")
    node = values.text(metadata, "langgraph_node")
    if node is not None:
        if node != name:
            return Facts(OperationKind.OTHER, name)
        return Facts(OperationKind.NODE, name, node=NodeStep(step=values.whole(metadata, "langgraph_step")))
    integration = values.text(metadata, "ls_integration")
    if integration == _AGENT_INTEGRATION:
        return _agent_or_graph(OperationKind.AGENT, name, attributes)
    if integration == "langgraph" or parent_id is None:
        return _agent_or_graph(OperationKind.WORKFLOW, name, attributes)
    return Facts(OperationKind.OTHER, name)


def _agent_or_graph(kind: OperationKind, named: str, attributes: Attributes) -> Facts:
    usage, cost = _usage(attributes), _cost(attributes)
    provider_name, model = values.text(attributes, *_PROVIDER_KEYS), values.text(attributes, *_MODEL_KEYS)
    return facts.agent_or_graph(kind, named, usage, cost, provider_name, model)


def _usage(attributes: Attributes) -> Usage | None:
    # Where our processor completed the span, the conventions' names hold the exact figures.
    exact = usages.usage(attributes)
    if exact is not None:
        return exact
    prompt = values.whole(attributes, "llm.token_count.prompt")
    completion = values.whole(attributes, "llm.token_count.completion")
    if prompt is None and completion is None:
        return None
    cached = values.whole(attributes, "llm.token_count.prompt_details.cache_read") or 0
    written = values.whole(attributes, "llm.token_count.prompt_details.cache_write") or 0
    if cached or written:
        prompt = usages.with_cache(prompt or 0, completion or 0, cached, written, attributes)
    return Usage(
        input_tokens=prompt or 0,
        output_tokens=completion or 0,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=values.whole(attributes, "llm.token_count.completion_details.reasoning") or 0,
    )


def _cost(attributes: Attributes) -> Cost | None:
    ours = agentperf.cost(attributes)
    if ours is not None:
        return ours
    total = values.money(attributes, "llm.cost.total")
    return None if not total else Cost(CostStatus.PRICED, total)


def _inference(attributes: Attributes, model: str | None) -> Inference:
    return Inference(
        provider=provider(values.text(attributes, *_PROVIDER_KEYS)),
        request_model=model or "",
        response_model=values.text(attributes, semconv.RESPONSE_MODEL),
        finish_reasons=values.texts(attributes, "llm.finish_reason"),
        request_hash=values.text(attributes, semconv.REQUEST_HASH),
        prefix_hashes=values.texts(attributes, semconv.REQUEST_PREFIX_HASHES),
        response_hash=values.text(attributes, semconv.RESPONSE_HASH),
        response_kind=values.text(attributes, semconv.RESPONSE_KIND),
        prefix_sizes=values.wholes(attributes, semconv.REQUEST_PREFIX_SIZES),
        request_size=values.whole(attributes, semconv.REQUEST_SIZE),
        function_calls=agentperf.function_calls(attributes),
        uses=agentperf.uses(attributes),
        location=agentperf.location(attributes),
        tier=agentperf.served_tier(attributes),
    )
