"""What stands on our own spans, by types: all of it is taken out of the attributes at one go, in C.

Where a value has another type than we write, since something on the way changed it, or where
somebody else wrote on the span, converting fails, and the span has to be read with more care.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import ServiceTier
from otel_agentperf.reading import agentperf, openllmetry, values

_Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_USD: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=values.MOST_USD)]
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=values.MOST_S)]
_Never: TypeAlias = Annotated[int, msgspec.Meta(gt=0, lt=1)]
"""No value is that: of what we do not write there. Where it stands, the span was written on by others."""
_NAMES = {
    "session_id": semconv.CONVERSATION_ID,
    "other_session_id": semconv.SESSION_ID,
    "other_workflow": openllmetry.WORKFLOW,
    "error_type": semconv.ERROR_TYPE,
    "outcome": semconv.LANGGRAPH_OUTCOME,
    "abandoned": semconv.STREAM_ABANDONED,
    "counted": semconv.COUNTED,
    "workflow": semconv.WORKFLOW_NAME,
    "agent": semconv.AGENT_NAME,
    "other_kind": openllmetry.KEY,
    "other_nodes": openllmetry.GRAPH_NODES,
    "node": semconv.NODE_NAME,
    "step": semconv.LANGGRAPH_STEP,
    "node_samples": semconv.NODE_RESOURCES + semconv.RESOURCE_KEYS["samples"],
    "node_blocked_s": semconv.NODE_RESOURCES + semconv.RESOURCE_KEYS["blocked_ns"],
    "samples": semconv.RUN_RESOURCES + semconv.RESOURCE_KEYS["samples"],
    "blocked_s": semconv.RUN_RESOURCES + semconv.RESOURCE_KEYS["blocked_ns"],
    "state_hash": semconv.STATE_HASH,
    "attempts": semconv.NODE_ATTEMPTS,
    "tool": semconv.TOOL_NAME,
    "arguments_hash": semconv.TOOL_ARGUMENTS_HASH,
    "argument_is_sentence": semconv.TOOL_ARGUMENT_IS_SENTENCE,
    "context_hash": semconv.TOOL_CONTEXT_HASH,
    "result_hash": semconv.TOOL_RESULT_HASH,
    "error_hash": semconv.TOOL_ERROR_HASH,
    "no_arguments": semconv.TOOL_NO_ARGUMENTS,
    "result_size": semconv.TOOL_RESULT_SIZE,
    "model": semconv.REQUEST_MODEL,
    "provider": semconv.PROVIDER_NAME,
    "answered_by": semconv.RESPONSE_MODEL,
    "streamed": semconv.REQUEST_STREAM,
    "first_chunk_s": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "reasons": semconv.RESPONSE_FINISH_REASONS,
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cached_tokens": semconv.USAGE_CACHE_READ_TOKENS,
    "reasoning_tokens": semconv.USAGE_REASONING_TOKENS,
    "tool_use_tokens": semconv.USAGE_TOOL_USE_TOKENS,
    "queries": semconv.GROUNDING_QUERIES,
    "maps_queries": semconv.MAPS_QUERIES,
    "enterprise_queries": semconv.ENTERPRISE_QUERIES,
    "search_context_tokens": semconv.SEARCH_CONTEXT_TOKENS,
    "cache_write_tokens": semconv.USAGE_CACHE_WRITE_TOKENS,
    "cache_write_1h_tokens": semconv.USAGE_CACHE_WRITE_1H_TOKENS,
    "images": semconv.USAGE_IMAGES,
    "media_s": semconv.USAGE_MEDIA_S,
    "media_resolution": semconv.USAGE_MEDIA_RESOLUTION,
    "usage_assumption": semconv.USAGE_ASSUMPTION,
    "request_hash": semconv.REQUEST_HASH,
    "prefix_hashes": semconv.REQUEST_PREFIX_HASHES,
    "prefix_sizes": semconv.REQUEST_PREFIX_SIZES,
    "request_size": semconv.REQUEST_SIZE,
    "uses": semconv.REQUEST_USES,
    "response_hash": semconv.RESPONSE_HASH,
    "response_kind": semconv.RESPONSE_KIND,
    "function_calls": semconv.RESPONSE_FUNCTION_CALLS,
    "status": semconv.COST_STATUS,
    "total_usd": semconv.USAGE_COST,
    "other_total_usd": agentperf.LOGFIRE_COST,
    "draft_currency": agentperf.DRAFT_CURRENCY,
    "input_usd": semconv.COST_INPUT,
    "cached_usd": semconv.COST_CACHE_READ,
    "output_usd": semconv.COST_OUTPUT,
    "grounding_usd": semconv.COST_GROUNDING,
    "tier": semconv.COST_TIER,
    "reason": semconv.COST_REASON,
    "estimated": semconv.COST_ESTIMATED,
    "prompt_tokens": "gen_ai.usage.prompt_tokens",
    "completion_tokens": "gen_ai.usage.completion_tokens",
    "llm_prompt_tokens": "llm.usage.prompt_tokens",
    "llm_completion_tokens": "llm.usage.completion_tokens",
    "aggregated_input": "gen_ai.aggregated_usage.input_tokens",
    "aggregated_output": "gen_ai.aggregated_usage.output_tokens",
    "reasoning_usd": semconv.COST_REASONING,
    "cache_write_usd": semconv.COST_CACHE_WRITE,
    "storage_usd": semconv.COST_STORAGE,
    "assumption": semconv.COST_ASSUMPTION,
}


class Said(msgspec.Struct, gc=False, kw_only=True, rename=_NAMES):
    """What may stand on any span of ours."""

    session_id: _Name | None = None
    error_type: _Name | None = None
    outcome: _Name | None = None
    abandoned: bool = False
    counted: bool = True
    other_session_id: _Never = 0
    other_workflow: _Never = 0


class _Run(Said, gc=False, kw_only=True, rename=_NAMES):
    """A run of a graph or agent. Usage on it was written by others: we write none."""

    status: _Never = 0
    total_usd: _Never = 0
    other_total_usd: _Never = 0
    draft_currency: _Never = 0
    input_tokens: _Never = 0
    output_tokens: _Never = 0
    prompt_tokens: _Never = 0
    completion_tokens: _Never = 0
    llm_prompt_tokens: _Never = 0
    llm_completion_tokens: _Never = 0
    aggregated_input: _Never = 0
    aggregated_output: _Never = 0


class Workflow(_Run, gc=False, kw_only=True, rename=_NAMES):
    """A run of a graph."""

    workflow: _Name
    samples: object = None
    """Whether there is any says whether more is to be read of what was used."""
    blocked_s: object = None


class Agent(_Run, gc=False, kw_only=True, rename=_NAMES):
    """A run of an agent."""

    agent: _Name
    samples: object = None
    blocked_s: object = None
    other_kind: _Never = 0
    other_nodes: _Never = 0


class Node(Said, gc=False, kw_only=True, rename=_NAMES):
    """A node of a graph."""

    node: _Name
    step: _Whole | None = None
    state_hash: _Name | None = None
    attempts: _Whole = 1
    node_samples: object = None
    node_blocked_s: object = None


class Tool(Said, gc=False, kw_only=True, rename=_NAMES):
    """A tool or an action."""

    tool: _Name
    agent: _Name | None = None
    arguments_hash: _Name | None = None
    argument_is_sentence: bool | None = None
    context_hash: _Name | None = None
    result_hash: _Name | None = None
    error_hash: _Name | None = None
    no_arguments: bool
    result_size: _Whole | None = None
    status: _Never = 0
    total_usd: _Never = 0
    other_total_usd: _Never = 0
    draft_currency: _Never = 0


class Request(Said, gc=False, kw_only=True, rename=_NAMES):
    """A model request, or one for embeddings."""

    provider: _Name
    model: _Name
    agent: _Name | None = None
    answered_by: _Name | None = None
    streamed: bool = False
    first_chunk_s: _Seconds | None = None
    input_tokens: _Whole | None = None
    output_tokens: _Whole | None = None
    cached_tokens: _Whole = 0
    reasoning_tokens: _Whole = 0
    tool_use_tokens: _Whole = 0
    queries: _Whole = 0
    maps_queries: _Whole = 0
    enterprise_queries: _Whole = 0
    search_context_tokens: _Whole = 0
    cache_write_tokens: _Whole = 0
    cache_write_1h_tokens: _Whole = 0
    images: _Whole = 0
    media_s: _Seconds = 0.0
    media_resolution: str = ""
    usage_assumption: _Name | None = None
    total_usd: _USD | None = None
    status: str
    tier: str = ServiceTier.STANDARD.value
    input_usd: _USD | None = None
    cached_usd: _USD | None = None
    output_usd: _USD | None = None
    grounding_usd: _USD | None = None
    reasoning_usd: _USD | None = None
    cache_write_usd: _USD | None = None
    storage_usd: _USD | None = None
    assumption: _Name | None = None
    request_hash: _Name
    prefix_hashes: tuple[str, ...] = ()
    prefix_sizes: tuple[_Whole, ...] = ()
    request_size: _Whole | None = None
    uses: tuple[str, ...] | None = None
    response_hash: _Name | None = None
    response_kind: _Name | None = None
    function_calls: _Whole | None = None
    reasons: tuple[str, ...] = ()
    reason: _Name | None = None
    estimated: bool = False
