"""The GenAI semantic conventions, in both generations that are about, and our own spans on top.

Usage on workflow, agent and node spans is left alone: it repeats what the model requests
beneath them say. Operations that do no billed or repeatable work (`create_agent`, `plan`,
memory, `fetch_response`) are `OTHER`.

Limit: the official google-genai instrumentation leaves reasoning out of the output of
`interactions.create` (measured, 1.3b0); it is added back there, unless we corrected the span
already.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import BILLED_BY_TOKEN, Inference, ModalityTokens, NodeStep, OperationKind, Usage
from otel_agentperf.reading import agentperf, values
from otel_agentperf.reading.facts import Facts, provider
from otel_agentperf.reading.values import Attributes

KEY = semconv.OPERATION_NAME

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
    semconv.OP_INVOKE_WORKFLOW: OperationKind.WORKFLOW,
    semconv.OP_INVOKE_NODE: OperationKind.NODE,
    semconv.OP_USE_SERVICE: OperationKind.SERVICE,
}

_NAME_KEYS = {
    OperationKind.WORKFLOW: (semconv.WORKFLOW_NAME, semconv.AGENT_NAME),
    OperationKind.AGENT: (semconv.AGENT_NAME,),
    OperationKind.NODE: (semconv.NODE_NAME,),
    OperationKind.TOOL: (semconv.TOOL_NAME,),
    OperationKind.SERVICE: (semconv.SERVICE_NAME,),
    OperationKind.INFERENCE: (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL),
    OperationKind.EMBEDDINGS: (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL),
    OperationKind.RETRIEVAL: ("gen_ai.data_source.id",),
    OperationKind.OTHER: (),
}
_MODALITIES = ("text", "image", "audio", "video", "document")
_INPUT_KEYS, _OUTPUT_KEYS, _CACHE_KEYS = (
    tuple((modality, key.format(modality=modality)) for modality in _MODALITIES)
    for key in (semconv.USAGE_MODALITY_INPUT, semconv.USAGE_MODALITY_OUTPUT, semconv.USAGE_MODALITY_CACHE_READ)
)


def read(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    """Read a span that has `gen_ai.operation.name`; `None` where that is no text."""
    del scope, parent_id
    operation = attributes.get(KEY)
    if not isinstance(operation, str):
        return None
    kind = KINDS.get(operation, OperationKind.OTHER)
    named = values.text(attributes, *_NAME_KEYS[kind]) or name.removeprefix(operation).strip() or name
    if kind in BILLED_BY_TOKEN:
        return Facts(kind, named, usage(attributes, operation), agentperf.cost(attributes), _inference(attributes))
    if kind is OperationKind.TOOL:
        return Facts(kind, named, cost=agentperf.cost(attributes), tool=agentperf.tool_call(attributes))
    if kind is OperationKind.NODE:
        return Facts(kind, named, node=_node(attributes))
    if kind is OperationKind.SERVICE:
        return Facts(kind, named, cost=agentperf.cost(attributes))
    return Facts(kind, named)


def usage(attributes: Attributes, operation: str = "") -> Usage | None:
    """The tokens of a model request, or `None` where it says nothing of them."""
    fresh = values.whole(attributes, semconv.USAGE_INPUT_TOKENS)
    output = values.whole(attributes, semconv.USAGE_OUTPUT_TOKENS)
    if fresh is None and output is None:
        return None
    reasoning = values.whole(attributes, semconv.USAGE_REASONING_TOKENS) or 0
    if operation == "interactions.create" and semconv.COST_STATUS not in attributes:
        output = (output or 0) + reasoning
    return Usage(
        input_tokens=fresh or 0,
        output_tokens=output or 0,
        cache_read_tokens=values.whole(attributes, semconv.USAGE_CACHE_READ_TOKENS) or 0,
        reasoning_tokens=reasoning,
        tool_use_tokens=values.whole(attributes, semconv.USAGE_TOOL_USE_TOKENS) or 0,
        input_modalities=_modalities(attributes, _INPUT_KEYS),
        cache_modalities=_modalities(attributes, _CACHE_KEYS),
        output_modalities=_modalities(attributes, _OUTPUT_KEYS),
        grounding_queries=values.whole(attributes, semconv.GROUNDING_QUERIES) or 0,
    )


def _modalities(attributes: Attributes, keys: tuple[tuple[str, str], ...]) -> ModalityTokens | None:
    found: dict[str, int] = {}
    for modality, key in keys:
        tokens = values.whole(attributes, key)
        if tokens:
            found[modality] = tokens
    return ModalityTokens(**found) if found else None


def _inference(attributes: Attributes) -> Inference:
    return Inference(
        provider=provider(values.text(attributes, semconv.PROVIDER_NAME, "gen_ai.system")),
        request_model=values.text(attributes, semconv.REQUEST_MODEL) or "",
        response_model=values.text(attributes, semconv.RESPONSE_MODEL),
        streamed=values.flag(attributes, semconv.REQUEST_STREAM) is True,
        time_to_first_chunk_ns=values.seconds_as_ns(attributes, semconv.RESPONSE_TIME_TO_FIRST_CHUNK),
        finish_reasons=values.texts(attributes, semconv.RESPONSE_FINISH_REASONS),
        request_hash=values.text(attributes, semconv.REQUEST_HASH),
        request_simhash=agentperf.hex_digits(attributes, semconv.REQUEST_SIMHASH),
        prefix_hashes=values.texts(attributes, semconv.REQUEST_PREFIX_HASHES),
        response_hash=values.text(attributes, semconv.RESPONSE_HASH),
        response_kind=values.text(attributes, semconv.RESPONSE_KIND),
    )


def _node(attributes: Attributes) -> NodeStep:
    return NodeStep(
        step=values.whole(attributes, semconv.LANGGRAPH_STEP),
        state_hash=values.text(attributes, semconv.STATE_HASH),
        attempts=values.whole(attributes, semconv.NODE_ATTEMPTS) or 1,
    )
