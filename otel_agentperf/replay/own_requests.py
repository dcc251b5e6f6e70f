"""Model requests of ours: what stands on them, and the fields of their operations."""

from __future__ import annotations

from typing import Any

from otel_agentperf import semconv
from otel_agentperf.model import CostStatus, Modality, OperationKind, ServiceTier
from otel_agentperf.reading import agentperf
from otel_agentperf.reading.facts import provider
from otel_agentperf.replay.otlp_json_values import Attribute, flag, seconds, texts, usd, whole, wholes
from otel_agentperf.replay.own_kinds import Fields, Found, Others
from otel_agentperf.replay.packing import Row

TEXTS = (
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.REQUEST_HASH,
    semconv.COST_STATUS,
    semconv.AGENT_NAME,
    semconv.RESPONSE_MODEL,
    semconv.RESPONSE_HASH,
    semconv.RESPONSE_KIND,
    semconv.COST_TIER,
    semconv.COST_REASON,
)
_BY_MODALITY: Others = {
    direction.format(modality=modality.value): (whole, 0)
    for direction in (semconv.USAGE_MODALITY_INPUT, semconv.USAGE_MODALITY_CACHE_READ, semconv.USAGE_MODALITY_OUTPUT)
    for modality in Modality
}
"""In the order of the fields of `ModalityTokens`."""
OTHERS: Others = {
    semconv.REQUEST_STREAM: (flag, False),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: (seconds, None),
    semconv.RESPONSE_FINISH_REASONS: (texts, ()),
    semconv.REQUEST_PREFIX_HASHES: (texts, ()),
    semconv.REQUEST_PREFIX_SIZES: (wholes, ()),
    semconv.REQUEST_SIZE: (whole, None),
    semconv.RESPONSE_FUNCTION_CALLS: (whole, None),
    semconv.REQUEST_USES: (texts, None),
    semconv.USAGE_INPUT_TOKENS: (whole, None),
    semconv.USAGE_OUTPUT_TOKENS: (whole, None),
    semconv.USAGE_CACHE_READ_TOKENS: (whole, 0),
    semconv.USAGE_REASONING_TOKENS: (whole, 0),
    semconv.USAGE_TOOL_USE_TOKENS: (whole, 0),
    semconv.GROUNDING_QUERIES: (whole, 0),
    semconv.USAGE_COST: (usd, None),
    semconv.COST_INPUT: (usd, None),
    semconv.COST_CACHE_READ: (usd, None),
    semconv.COST_OUTPUT: (usd, None),
    semconv.COST_GROUNDING: (usd, None),
    semconv.COST_ESTIMATED: (flag, False),
    **_BY_MODALITY,
}
_PRICED, _UNPRICED = CostStatus.PRICED.value, CostStatus.UNPRICED.value
_STANDARD = ServiceTier.STANDARD.value
_TIERS = frozenset(tier.value for tier in ServiceTier)


def fields(_kind: OperationKind, found: Found, _attributes: list[Attribute]) -> Fields | None:
    """The fields of a request; see `Kind`."""
    # fmt: off
    (
        given_provider, model, request_hash, status, agent, answered_by, response_hash, response_kind, tier, reason,
        streamed, first_chunk_s, reasons, prefix_hashes, prefix_sizes, request_size, calls, uses, fresh, output,
        cached, reasoning, tool_use, queries, total_usd, fresh_usd, cached_usd, output_usd, grounding_usd,
        is_estimated, *tokens,
    ) = found
    # fmt: on
    if given_provider is None or model is None or request_hash is None or status is None:
        return None
    usage = None
    if fresh is not None or output is not None:
        of_input, of_cache, of_output = _by_modality(tokens) if any(tokens) else (None, None, None)
        usage = fresh or 0, output or 0, cached, reasoning, tool_use, of_input, of_cache, of_output, queries
    zero = 0 if fresh_usd is not None and output_usd is not None else None
    # A decimal is read from the shortest text of a number, which is how it was written.
    cost = (
        _UNPRICED if total_usd is None else _PRICED,
        total_usd,
        fresh_usd,
        zero if cached_usd is None else cached_usd,
        output_usd,
        (zero if total_usd is not None else None) if grounding_usd is None else grounding_usd,
        tier if tier in _TIERS else _STANDARD,
        reason,
        is_estimated,
    )
    inference = (
        provider(given_provider),
        model,
        answered_by,
        streamed,
        None if first_chunk_s is None else round(first_chunk_s * 1e9),
        reasons,
        request_hash,
        prefix_hashes,
        response_hash,
        response_kind,
        1,
        prefix_sizes,
        request_size,
        calls if calls is not None else agentperf.calls_of(response_kind),
        uses,
    )
    return model, agent or "", usage, cost, inference, None, None, None, None


def _by_modality(tokens: list[Any]) -> list[Row | None]:
    """The tokens by modality of the input, of what was cached of it, and of the output."""
    size = len(Modality)
    by_direction = [tuple(tokens[begin : begin + size]) for begin in range(0, len(tokens), size)]
    return [row if any(row) else None for row in by_direction]
