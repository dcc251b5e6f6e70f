"""The GenAI semantic conventions, in both generations that are about, and our own spans on top.

OpenLIT, Logfire and Pydantic AI, and OpenLLMetry's newer spans follow them as well.

Usage on workflow and agent spans mostly repeats what the model requests beneath them say: `reported`
finds what of it counts. Usage on node spans is left alone. Operations that do no billed or repeatable work (`create_agent`, `plan`,
memory, `fetch_response`) are `OTHER`.

An operation name that nobody knows says little, so the rest of the span decides: with a model and
tokens it is a model request (which does not count where others stand beneath it), with a
tool's name a tool, else `OTHER`.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import BILLED_BY_TOKEN, Inference, NodeStep, OperationKind
from otel_agentperf.reading import agentperf, facts, openllmetry, usages, values
from otel_agentperf.reading.facts import Facts, provider
from otel_agentperf.reading.values import Attributes

KEY = semconv.OPERATION_NAME
AGENT_KEY = "agent_name"
_PYDANTIC_AI = "pydantic-ai"
_PYDANTIC_AI_MODEL = "model_name"
_REPORTING = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})

_NO_WORK = (
    "create_agent",
    "plan",
    "fetch_response",
    "create_memory_store",
    "delete_memory_store",
    "create_memory",
    "update_memory",
    "upsert_memory",
    "search_memory",
    "delete_memory",
)

KINDS = {
    "chat": OperationKind.INFERENCE,
    "text_completion": OperationKind.INFERENCE,
    "interactions.create": OperationKind.INFERENCE,
    "retrieval": OperationKind.RETRIEVAL,
    semconv.OP_GENERATE_CONTENT: OperationKind.INFERENCE,
    semconv.OP_EMBEDDINGS: OperationKind.EMBEDDINGS,
    semconv.OP_EXECUTE_TOOL: OperationKind.TOOL,
    semconv.OP_EXECUTE_ACTION: OperationKind.TOOL,
    semconv.OP_INVOKE_AGENT: OperationKind.AGENT,
    "handle_conversation_turn": OperationKind.AGENT,  # a draft of 2026 for agents in the process
    semconv.OP_INVOKE_WORKFLOW: OperationKind.WORKFLOW,
    semconv.OP_INVOKE_NODE: OperationKind.NODE,
    semconv.OP_USE_SERVICE: OperationKind.SERVICE,
    **dict.fromkeys(_NO_WORK, OperationKind.OTHER),
}

_NAME_KEYS = {
    OperationKind.WORKFLOW: (semconv.WORKFLOW_NAME, semconv.AGENT_NAME),
    OperationKind.AGENT: (semconv.AGENT_NAME,),
    OperationKind.NODE: (semconv.NODE_NAME,),
    OperationKind.TOOL: (semconv.TOOL_NAME, "tool.name"),
    OperationKind.SERVICE: (semconv.SERVICE_NAME,),
    OperationKind.INFERENCE: (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL),
    OperationKind.EMBEDDINGS: (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL),
    OperationKind.RETRIEVAL: ("gen_ai.data_source.id",),
    OperationKind.OTHER: (),
}


def read(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that has `gen_ai.operation.name`; `None` where that is no text."""
    operation = attributes.get(KEY)
    if not isinstance(operation, str):
        return None
    kind = KINDS.get(operation)
    if kind is None:
        if openllmetry.KEY in attributes:
            return openllmetry.read(name, attributes, scope, parent_id)
        kind = _unknown(attributes)
    elif kind is OperationKind.AGENT:
        kind = openllmetry.graph(attributes)
    keys = _NAME_KEYS[kind]
    named = (values.text(attributes, *keys) if keys else None) or name.removeprefix(operation).strip() or name
    return _facts(kind, named, attributes, operation, scope)


def _facts(kind: OperationKind, named: str, attributes: Attributes, operation: str, scope: str) -> Facts:
    if kind in BILLED_BY_TOKEN:
        usage, inference = usages.usage(attributes, operation, scope), _inference(attributes)
        agent = values.text(attributes, semconv.AGENT_NAME) or ""
        return Facts(kind, named, usage, agentperf.cost(attributes), inference, agent=agent)
    if kind is OperationKind.TOOL:
        agent = values.text(attributes, semconv.AGENT_NAME)
        agent = "" if agent is None or agent == named else agent  # some call a tool an agent
        return Facts(kind, named, cost=agentperf.cost(attributes), tool=agentperf.tool_call(attributes), agent=agent)
    if kind is OperationKind.NODE:
        return Facts(kind, named, node=_node(attributes))
    if kind is OperationKind.SERVICE:
        return Facts(kind, named, cost=agentperf.cost(attributes))
    return agent_or_graph(kind, named, attributes, scope) if kind in _REPORTING else Facts(kind, named)


def agent_or_graph(kind: OperationKind, named: str, attributes: Attributes, scope: str) -> Facts:
    """An agent or graph, with the usage that its span reports under the conventions' names."""
    return facts.agent_or_graph(
        kind,
        named,
        usages.of_agent(attributes, scope),
        agentperf.cost(attributes),
        values.text(attributes, semconv.PROVIDER_NAME, "gen_ai.system"),
        values.text(attributes, semconv.RESPONSE_MODEL, semconv.REQUEST_MODEL, _PYDANTIC_AI_MODEL),
    )


def read_workflow(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that names its workflow and no operation: OpenLIT's graphs that failed."""
    del parent_id
    return agent_or_graph(
        OperationKind.WORKFLOW, values.text(attributes, semconv.WORKFLOW_NAME) or name, attributes, scope
    )


def read_tool(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that names its tool and no operation: Pydantic AI before its version 2."""
    del name, scope, parent_id
    named = values.text(attributes, semconv.TOOL_NAME)
    return None if named is None else Facts(OperationKind.TOOL, named, tool=agentperf.tool_call(attributes))


def read_agent(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read the run of an agent that names no operation: Pydantic AI before its version 2."""
    del name, parent_id
    named = values.text(attributes, AGENT_KEY) if scope == _PYDANTIC_AI else None
    return None if named is None else agent_or_graph(OperationKind.AGENT, named, attributes, scope)


def _unknown(attributes: Attributes) -> OperationKind:
    """What an operation is whose name is nobody's: told by what else it says."""
    if values.text(attributes, semconv.REQUEST_MODEL) is not None:
        tokens = usages.usage(attributes)
        if tokens is not None and tokens.input_tokens + tokens.output_tokens > 0:
            return OperationKind.INFERENCE
    return (
        OperationKind.OTHER if values.text(attributes, *_NAME_KEYS[OperationKind.TOOL]) is None else OperationKind.TOOL
    )


def _inference(attributes: Attributes) -> Inference:
    return Inference(
        provider=provider(values.text(attributes, semconv.PROVIDER_NAME, "gen_ai.system")),
        request_model=values.text(attributes, semconv.REQUEST_MODEL) or "",
        response_model=values.text(attributes, semconv.RESPONSE_MODEL),
        streamed=values.flag(attributes, semconv.REQUEST_STREAM) is True,
        time_to_first_chunk_ns=values.seconds_as_ns(attributes, semconv.RESPONSE_TIME_TO_FIRST_CHUNK),
        finish_reasons=values.texts(attributes, semconv.RESPONSE_FINISH_REASONS),
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


def _node(attributes: Attributes) -> NodeStep:
    return NodeStep(
        step=values.whole(attributes, semconv.LANGGRAPH_STEP),
        state_hash=values.text(attributes, semconv.STATE_HASH),
        attempts=values.whole(attributes, semconv.NODE_ATTEMPTS) or 1,
    )
