"""Facts as span attributes, under the names of the telemetry contract. Absent is unknown."""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.analysis.engine import RunSummary
from otel_agentperf.analysis.scores import not_scored
from otel_agentperf.live.lots import Happened
from otel_agentperf.live.sdk_core import CleanAttributes
from otel_agentperf.model import (
    Cost,
    CostStatus,
    Inference,
    ModalityTokens,
    Operation,
    OperationKind,
    Resources,
    ServiceTier,
    ToolCall,
    Usage,
)

Attributes = CleanAttributes

_STANDARD = ServiceTier.STANDARD
_VALUES: dict[str, str] = {member: member.value for enum in (ServiceTier, CostStatus) for member in enum}
"""In Python 3.11 `value` costs as much as five other look-ups."""
_MODALITIES = ("text", "image", "audio", "video", "document")
_MODALITY_KEYS = {
    direction: tuple((modality, key.format(modality=modality)) for modality in _MODALITIES)
    for direction, key in (
        ("input", semconv.USAGE_MODALITY_INPUT),
        ("output", semconv.USAGE_MODALITY_OUTPUT),
        ("cache", semconv.USAGE_MODALITY_CACHE_READ),
    )
}


def add_cost(attributes: Attributes, cost: Cost) -> None:  # noqa: C901 - a loop over the keys takes twice as long
    """What a cost says. An unknown part has no attribute."""
    attributes[semconv.COST_STATUS] = _VALUES[cost.status]
    if cost.total_usd is not None:
        attributes[semconv.USAGE_COST] = float(cost.total_usd)
    if cost.input_usd is not None:
        attributes[semconv.COST_INPUT] = float(cost.input_usd)
    if cost.output_usd is not None:
        attributes[semconv.COST_OUTPUT] = float(cost.output_usd)
    if cost.output_usd is not None or cost.tier is not _STANDARD:
        attributes[semconv.COST_TIER] = _VALUES[cost.tier]
    if cost.cache_read_usd:
        attributes[semconv.COST_CACHE_READ] = float(cost.cache_read_usd)
    if cost.reasoning_usd:
        attributes[semconv.COST_REASONING] = float(cost.reasoning_usd)
    if cost.grounding_usd:
        attributes[semconv.COST_GROUNDING] = float(cost.grounding_usd)
    if cost.cache_write_usd:
        attributes[semconv.COST_CACHE_WRITE] = float(cost.cache_write_usd)
    if cost.storage_usd:
        attributes[semconv.COST_STORAGE] = float(cost.storage_usd)
    if cost.reason is not None:
        attributes[semconv.COST_REASON] = cost.reason
    if cost.estimated:
        attributes[semconv.COST_ESTIMATED] = True
        if cost.assumption is not None:
            attributes[semconv.COST_ASSUMPTION] = cost.assumption


def add_usage(attributes: Attributes, usage: Usage) -> None:
    """Tokens under the conventions' names; subsets that are 0 stay away."""
    attributes[semconv.USAGE_INPUT_TOKENS] = usage.input_tokens
    attributes[semconv.USAGE_OUTPUT_TOKENS] = usage.output_tokens
    if usage.cache_read_tokens:
        attributes[semconv.USAGE_CACHE_READ_TOKENS] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        attributes[semconv.USAGE_REASONING_TOKENS] = usage.reasoning_tokens
    if usage.tool_use_tokens:
        attributes[semconv.USAGE_TOOL_USE_TOKENS] = usage.tool_use_tokens
    if usage.grounding_queries:
        attributes[semconv.GROUNDING_QUERIES] = usage.grounding_queries
    _add_pieces(attributes, usage)
    if usage.input_modalities is not None:
        _add_modalities(attributes, "input", usage.input_modalities)
    if usage.output_modalities is not None:
        _add_modalities(attributes, "output", usage.output_modalities)
    if usage.cache_modalities is not None:
        _add_modalities(attributes, "cache", usage.cache_modalities)


def _add_pieces(attributes: Attributes, usage: Usage) -> None:
    """What few requests have."""
    if usage.maps_queries:
        attributes[semconv.MAPS_QUERIES] = usage.maps_queries
    if usage.enterprise_queries:
        attributes[semconv.ENTERPRISE_QUERIES] = usage.enterprise_queries
    if usage.search_context_tokens:
        attributes[semconv.SEARCH_CONTEXT_TOKENS] = usage.search_context_tokens
    if usage.cache_write_tokens:
        attributes[semconv.USAGE_CACHE_WRITE_TOKENS] = usage.cache_write_tokens
    if usage.cache_write_1h_tokens:
        attributes[semconv.USAGE_CACHE_WRITE_1H_TOKENS] = usage.cache_write_1h_tokens
    if usage.images:
        attributes[semconv.USAGE_IMAGES] = usage.images
    if usage.media_s:
        attributes[semconv.USAGE_MEDIA_S] = usage.media_s
        if usage.media_resolution:
            attributes[semconv.USAGE_MEDIA_RESOLUTION] = usage.media_resolution
    if usage.assumption is not None:
        attributes[semconv.USAGE_ASSUMPTION] = usage.assumption


def _add_modalities(attributes: Attributes, direction: str, tokens: ModalityTokens) -> None:
    for modality, key in _MODALITY_KEYS[direction]:
        number = getattr(tokens, modality)
        if number:
            attributes[key] = number


def add_inference(attributes: Attributes, inference: Inference) -> None:  # noqa: C901 - a loop over the keys takes twice as long
    """The response's facts and the fingerprints of a model request."""
    if inference.finish_reasons:
        attributes[semconv.RESPONSE_FINISH_REASONS] = inference.finish_reasons
    if inference.time_to_first_chunk_ns is not None:
        attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = inference.time_to_first_chunk_ns / 1e9
    if inference.prefix_hashes:
        attributes[semconv.REQUEST_PREFIX_HASHES] = inference.prefix_hashes
        attributes[semconv.REQUEST_PREFIX_SIZES] = inference.prefix_sizes
    if inference.function_calls:
        attributes[semconv.RESPONSE_FUNCTION_CALLS] = inference.function_calls
    if inference.request_hash is not None:
        attributes[semconv.REQUEST_HASH] = inference.request_hash
    if inference.request_size is not None:
        attributes[semconv.REQUEST_SIZE] = inference.request_size
    if inference.uses is not None:
        attributes[semconv.REQUEST_USES] = inference.uses
    if inference.response_model is not None:
        attributes[semconv.RESPONSE_MODEL] = inference.response_model
    if inference.response_hash is not None:
        attributes[semconv.RESPONSE_HASH] = inference.response_hash
    if inference.response_kind is not None:
        attributes[semconv.RESPONSE_KIND] = inference.response_kind
    if inference.location:
        attributes[semconv.CLOUD_REGION] = inference.location


def add_tool(attributes: Attributes, call: ToolCall) -> None:
    """The fingerprints of a tool execution."""
    attributes[semconv.TOOL_NO_ARGUMENTS] = call.no_arguments
    for key, value in (
        (semconv.TOOL_ARGUMENTS_HASH, call.arguments_hash),
        (semconv.TOOL_CONTEXT_HASH, call.context_hash),
        (semconv.TOOL_RESULT_HASH, call.result_hash),
        (semconv.TOOL_ERROR_HASH, call.error_hash),
        (semconv.TOOL_RESULT_SIZE, call.result_size),
        (semconv.TOOL_ARGUMENT_IS_SENTENCE, call.argument_is_sentence),
    ):
        if value is not None:
            attributes[key] = value


_NOTHING_USED = Resources()
_RESOURCES = tuple(
    (name, getattr(_NOTHING_USED, name), semconv.NODE_RESOURCES + key, semconv.RUN_RESOURCES + key)
    for name, key in semconv.RESOURCE_KEYS.items()
)


def add_resources(attributes: Attributes, kind: OperationKind, resources: Resources) -> None:
    """What was used while an operation ran: on a node as the node's, on a root as the run's."""
    is_node = kind is OperationKind.NODE
    for name, absent, of_node, of_run in _RESOURCES:
        value = getattr(resources, name)
        if value != absent:
            attributes[of_node if is_node else of_run] = value / 1e9 if name.endswith("_ns") else value


def add_operation(attributes: Attributes, operation: Operation) -> None:
    """All that an operation says on its own span, but for what only its frame knows."""
    if operation.session_id is not None:
        attributes[semconv.CONVERSATION_ID] = operation.session_id
    if operation.usage is not None:
        add_usage(attributes, operation.usage)
    if operation.inference is not None:
        add_inference(attributes, operation.inference)
    if operation.tool is not None:
        add_tool(attributes, operation.tool)
    if operation.cost is not None:
        add_cost(attributes, operation.cost)
    if operation.outcome is not None:
        attributes[semconv.LANGGRAPH_OUTCOME] = operation.outcome
    if operation.error_type is not None:
        attributes[semconv.ERROR_TYPE] = operation.error_type
    if operation.resources is not None:
        add_resources(attributes, operation.kind, operation.resources)


def add_run(attributes: Attributes, summary: RunSummary) -> None:
    """What a finished run says on its root span."""
    totals = summary.totals
    attributes[semconv.RUN_INPUT_TOKENS] = totals.input_tokens
    attributes[semconv.RUN_OUTPUT_TOKENS] = totals.output_tokens
    attributes[semconv.RUN_INFERENCE_CALLS] = totals.inference_calls
    attributes[semconv.RUN_TOOL_CALLS] = totals.tool_calls
    attributes[semconv.RUN_ERRORS] = totals.errors
    attributes[semconv.RUN_SUGGESTIONS] = len(summary.suggestions)
    attributes[semconv.RUN_CRITICAL_PATH] = summary.critical_path
    attributes[semconv.RUN_SUCCESS] = summary.success
    if totals.priced_calls:
        attributes[semconv.RUN_COST] = float(totals.cost_usd)
    if totals.unpriced_calls:
        attributes[semconv.RUN_UNPRICED_CALLS] = totals.unpriced_calls
    if summary.efficiency_score is not None:
        attributes[semconv.RUN_EFFICIENCY_SCORE] = summary.efficiency_score
    else:
        attributes[semconv.RUN_NOT_SCORED] = not_scored(totals) or "nothing was measured"
    if summary.rating is not None:
        attributes[semconv.RUN_RATING] = summary.rating
    if summary.score is not None:
        attributes[semconv.RUN_SCORE] = summary.score


def taken_back_attributes(happened: Happened) -> Attributes:
    """Why a change was taken back, for the event that tells it."""
    key, told = happened
    attributes: Attributes = {
        semconv.WORKFLOW_NAME: key.graph,
        semconv.NODE_NAME: key.node,
        semconv.REQUEST_MODEL_ASKED: key.asked,
        semconv.ADVICE_CHANGE: key.change,
        semconv.REASON: told.watched.value,
        semconv.TAKEN_BACK_EVIDENCE: round(told.evidence, 1),
        semconv.TAKEN_BACK_TREATED: told.treated,
        semconv.TAKEN_BACK_CONTROLS: told.controls,
        semconv.TAKEN_BACK_REST: told.rest_s,
    }
    if key.model:
        attributes[semconv.REQUEST_MODEL] = key.model
    return attributes
