"""Our own attributes, which stand beside the GenAI conventions' on our spans and on enriched ones.

What is written for an operation is read back as it was: a cost line that is 0 is not written,
so it is absent on a span whose other lines are there.
"""

from __future__ import annotations

import re
from decimal import Decimal

from otel_agentperf import semconv
from otel_agentperf.model import (
    ZERO_USD,
    Cost,
    CostStatus,
    ServiceTier,
    ToolCall,
)
from otel_agentperf.pricing.tiers import tier_named
from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

_KINDS_WITHOUT_CALLS = ("text", "media", "blocked", "empty")
LOGFIRE_COST = "operation.cost"
_DRAFT_COST, DRAFT_CURRENCY = "gen_ai.usage.cost.amount", "gen_ai.usage.cost.currency"
"""Proposed for the conventions in 2026 (semantic-conventions-genai #443)."""
_TIERS = {tier.value: tier for tier in ServiceTier}
_SERVED_TIER = ("openai.response.service_tier", "gen_ai.openai.response.service_tier", "gen_ai.response.service_tier")
_REGIONAL_HOST = re.compile(r"(?:([a-z0-9-]+)-)?aiplatform(?:\.([a-z]+)\.rep)?\.googleapis\.com$")


def cost(attributes: Attributes) -> Cost | None:
    """The cost on a span: ours with its lines, or the total that another instrumentation gave."""
    status = attributes.get(semconv.COST_STATUS)
    total = values.money(attributes, semconv.USAGE_COST)
    if status is None:
        total = total or values.money(attributes, LOGFIRE_COST)
        if not total and attributes.get(DRAFT_CURRENCY) == "USD":
            total = values.money(attributes, _DRAFT_COST)
        # OpenLIT writes 0 where it knows no price.
        return Cost(CostStatus.PRICED, total) if total else None
    storage = _line(attributes, semconv.COST_STORAGE, zero=False)
    if semconv.SERVICE_NAME in attributes:  # a cache that was deleted early gives storage back
        total = values.balance(attributes, semconv.USAGE_COST)
        storage = values.balance(attributes, semconv.COST_STORAGE)
    fresh = values.money(attributes, semconv.COST_INPUT)
    output = values.money(attributes, semconv.COST_OUTPUT)
    has_lines = fresh is not None and output is not None
    tier = attributes.get(semconv.COST_TIER)
    return Cost(
        status=CostStatus.UNPRICED if total is None else CostStatus.PRICED,
        total_usd=total,
        input_usd=fresh,
        cache_read_usd=_line(attributes, semconv.COST_CACHE_READ, zero=has_lines),
        output_usd=output,
        grounding_usd=_line(attributes, semconv.COST_GROUNDING, zero=has_lines and total is not None),
        tier=_TIERS.get(tier, ServiceTier.STANDARD) if isinstance(tier, str) else ServiceTier.STANDARD,
        reason=values.text(attributes, semconv.COST_REASON),
        estimated=values.flag(attributes, semconv.COST_ESTIMATED) is True,
        reasoning_usd=_line(attributes, semconv.COST_REASONING, zero=has_lines),
        cache_write_usd=_line(attributes, semconv.COST_CACHE_WRITE, zero=has_lines),
        storage_usd=ZERO_USD if storage is None and has_lines else storage,
        assumption=values.text(attributes, semconv.COST_ASSUMPTION),
    )


def location(attributes: Attributes) -> str:
    """The region of the endpoint: as the span has it, else from the host name of Vertex AI; empty where unknown."""
    named = values.text(attributes, semconv.CLOUD_REGION)
    if named is not None:
        return named
    host = attributes.get(semconv.SERVER_ADDRESS)
    if not isinstance(host, str) or "aiplatform" not in host:
        return ""
    found = _REGIONAL_HOST.search(host.lower())
    return "" if found is None else found[1] or found[2] or "global"


def served_tier(attributes: Attributes) -> ServiceTier:
    """The tier that served a request, as OpenAI's spans report it; standard where nothing is reported."""
    if semconv.COST_STATUS in attributes:  # the cost has it
        return ServiceTier.STANDARD
    named = values.text(attributes, *_SERVED_TIER)
    return ServiceTier.STANDARD if named is None else tier_named(named)


def _line(attributes: Attributes, key: str, *, zero: bool) -> Decimal | None:
    usd = values.money(attributes, key)
    return ZERO_USD if usd is None and zero else usd


def tool_call(attributes: Attributes) -> ToolCall | None:
    """The fingerprints of a tool execution, where we took them."""
    if semconv.TOOL_NO_ARGUMENTS not in attributes:
        return None
    return ToolCall(
        arguments_hash=values.text(attributes, semconv.TOOL_ARGUMENTS_HASH),
        context_hash=values.text(attributes, semconv.TOOL_CONTEXT_HASH),
        result_hash=values.text(attributes, semconv.TOOL_RESULT_HASH),
        error_hash=values.text(attributes, semconv.TOOL_ERROR_HASH),
        no_arguments=values.flag(attributes, semconv.TOOL_NO_ARGUMENTS) is True,
        result_size=values.whole(attributes, semconv.TOOL_RESULT_SIZE),
        argument_is_sentence=values.flag(attributes, semconv.TOOL_ARGUMENT_IS_SENTENCE),
    )


def function_calls(attributes: Attributes) -> int | None:
    """The functions that an answer asks for: where it asks for none, its kind says so alone."""
    number = values.whole(attributes, semconv.RESPONSE_FUNCTION_CALLS)
    return calls_of(attributes.get(semconv.RESPONSE_KIND)) if number is None else number


def calls_of(kind: object) -> int | None:
    """The functions that an answer of a kind asks for, where the kind alone says it."""
    return 0 if kind in _KINDS_WITHOUT_CALLS else None


def uses(attributes: Attributes) -> tuple[str, ...] | None:
    """The spans of earlier answers that stand in a request; an empty list says that none does."""
    is_said = values.as_list(attributes.get(semconv.REQUEST_USES)) is not None
    return values.texts(attributes, semconv.REQUEST_USES) if is_said else None


def outcome(attributes: Attributes) -> str | None:
    """How an operation ended where that is no error."""
    said = values.text(attributes, semconv.LANGGRAPH_OUTCOME)
    if said is None and attributes.get(semconv.STREAM_ABANDONED) is True:
        return "abandoned"
    return said
