"""A span of OTLP's JSON straight in the form in which it is packed, without the objects in between.

A record is packed as an array of arrays, in the order of its fields, and what is left out at the end
has its default. Of a span of ours, or of one that is no agent work, a tuple of tuples says the
same. What stands on a span of ours, and how, is known: each value is put where it belongs as soon as
its key is met. Everything else goes the way of all spans, through `reading.read`: what has another
type than we write, what somebody else wrote on a span of ours, and what is seldom, an error or an
event. Both ways say the same: a test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, TypeAlias

from otel_agentperf import semconv
from otel_agentperf.model import CostStatus, Modality, OperationKind, Resources, ServiceTier
from otel_agentperf.reading import agentperf, openllmetry, resources
from otel_agentperf.reading.facts import provider
from otel_agentperf.replay.otlp_json_values import Attribute, Value, table, texts

Row: TypeAlias = tuple[object, ...]
"""The fields of a record, or of what it is made of, in their order."""
Recorded: TypeAlias = dict[str, object]
"""What our processor wrote about a run."""
_Found: TypeAlias = list[Any]
"""What stands on a span, in the order of its kind's keys."""
_Fields: TypeAlias = tuple[
    str, str, str, Row | None, Row | None, Row | None, Row | None, Row | None, Resources | None, Recorded | None
]
"""Kind, name, agent, usage, cost, inference, tool, node, what was used, and what was said of its run."""
_Reader: TypeAlias = Callable[[Value], object]
"""Takes a value; `None` where it is not as we write it."""

_MAX_NS = 2**63 - 1
_MAX_AMOUNT = 1e12
"""US dollars, or seconds."""
OTHER = OperationKind.OTHER.value
"""An operation that no agent did is this, its name, and what every operation has."""
_OF_NODE, _OF_TOOL = OperationKind.NODE.value, OperationKind.TOOL.value
_OF_INFERENCE, _OF_EMBEDDINGS = OperationKind.INFERENCE.value, OperationKind.EMBEDDINGS.value
_OF_AGENT, _OF_WORKFLOW = OperationKind.AGENT.value, OperationKind.WORKFLOW.value
_PRICED, _UNPRICED = CostStatus.PRICED.value, CostStatus.UNPRICED.value
_STANDARD = ServiceTier.STANDARD.value
_TIERS = frozenset(tier.value for tier in ServiceTier)
_NO_TOKENS = (None, None, None)


# -- how single values stand on our spans --------------------------------------------------


def _text(value: Value) -> str | None:
    return value.string_value


def _flag(value: Value) -> bool | None:
    return value.bool_value


def _whole(value: Value) -> int | None:
    number = value.int_value
    return number if number is not None and 0 <= number <= _MAX_NS else None


def _amount(value: Value) -> float | None:
    number = value.double_value
    return number if number is not None and 0 <= number <= _MAX_AMOUNT else None


def _signed(value: Value) -> float | None:
    number = value.double_value
    return number if number is not None and -inf < number < inf else None


def _wholes(value: Value) -> list[int] | None:
    array = value.array_value
    if array is None:
        return None
    numbers = [_whole(item) for item in array.values or ()]
    return None if None in numbers else numbers  # pyright: ignore[reportReturnType] - asked just now


def _anything(value: Value) -> Value:
    return value


def _nothing(value: Value) -> None:
    """Reads what we never write there: the span was written on by others."""
    del value


# -- what stands on each kind --------------------------------------------------------------

_NOWHERE = (semconv.SESSION_ID, openllmetry.WORKFLOW, semconv.RUN_EFFICIENCY_SCORE)
"""What we do not write, or on a few kinds only."""
_Others: TypeAlias = dict[str, tuple[_Reader, object]]
"""What is no text, by its key: how it is read, and what it is where it does not stand there."""

_TEXTS_ANYWHERE = (semconv.CONVERSATION_ID, semconv.ERROR_TYPE, semconv.LANGGRAPH_OUTCOME)
_ANYWHERE: _Others = {semconv.STREAM_ABANDONED: (_flag, False), semconv.COUNTED: (_flag, True)}


class _Kind:
    """The spans of one kind.

    What is found on one is first `_TEXTS_ANYWHERE`, then what is given here, then `_ANYWHERE`.

    Args:
        fields: makes a row's fields of what is found; `None` where something that always stands there does not.
        texts: the keys of texts.
        others: what is no text.
        never: what we do not write on them.
    """

    __slots__ = ("_defaults", "_places", "_readers", "_texts", "fields")

    def __init__(
        self,
        fields: Callable[[_Found, list[Attribute]], _Fields | None],
        texts: tuple[str, ...],
        others: _Others,
        never: tuple[str, ...] = (),
    ) -> None:
        self.fields = fields
        known = (*_TEXTS_ANYWHERE, *texts)
        more = {**others, **_ANYWHERE}
        self._texts = len(known)
        self._defaults = [*[None] * len(known), *(default for _, default in more.values())]
        self._readers = [*[_text] * len(known), *(read for read, _ in more.values()), _nothing]
        unwritten = dict.fromkeys((*_NOWHERE, *never), len(self._defaults))
        self._places = unwritten | {key: place for place, key in enumerate((*known, *more))}

    def found(self, attributes: list[Attribute]) -> _Found | None:
        """The values of a span in their places; `None` where one is not as we write it."""
        found, places, texts = self._defaults.copy(), self._places, self._texts
        for attribute in attributes:
            place = places.get(attribute.key)
            if place is None:
                continue
            value = attribute.value.string_value if place < texts else self._readers[place](attribute.value)
            if value is None:
                return None
            found[place] = value
        return found


def own(
    attributes: list[Attribute],
    span_id: str,
    start_ns: int,
    end_ns: int,
    parent_id: str | None,
    trace_id: str,
    parent_is_near: bool | None,  # noqa: FBT001 - quicker by place
) -> Row | None:
    """The record of a span of ours; `None` where it has to be read with more care.

    Args:
        attributes: those of a span of one of our scopes, which did not fail.
        span_id: 16 hex digits.
        start_ns: Unix nanoseconds.
        end_ns: Unix nanoseconds.
        parent_id: 16 hex digits, or `None` for a root.
        trace_id: 32 hex digits.
        parent_is_near: whether its parent is of the same process, where that is known.
    """
    first = attributes[0]
    kind = _KINDS.get(first.value.string_value if first.key == semconv.OPERATION_NAME else _operation(attributes))
    if kind is None or (found := kind.found(attributes)) is None or (fields := kind.fields(found, attributes)) is None:
        return None
    of_kind, name, agent, usage, cost, inference, tool, node, used, recorded = fields
    operation = (
        of_kind,
        name,
        span_id,
        start_ns,
        end_ns,
        parent_id,
        trace_id,
        agent,
        found[1] or None,
        found[2] or ("abandoned" if found[-2] else None),
        usage,
        cost,
        inference,
        tool,
        node,
        False,
        found[0] or None,
        found[-1],
    )
    if used is not None:
        operation = *operation, "", used
    return (operation, parent_is_near) if recorded is None else (operation, parent_is_near, recorded)


def _operation(attributes: list[Attribute]) -> str | None:
    for attribute in attributes:
        if attribute.key == semconv.OPERATION_NAME:
            return attribute.value.string_value
    return None


# -- runs ----------------------------------------------------------------------------------


def _used(prefix: str) -> _Others:
    """What tells that resources are there; what they are is read apart, it is seldom."""
    return {prefix + semconv.RESOURCE_KEYS[name]: (_anything, None) for name in ("samples", "blocked_ns")}


_RECORDED: _Others = {
    semconv.RUN_EFFICIENCY_SCORE: (_whole, None),
    semconv.RUN_CRITICAL_PATH: (texts, ()),
    semconv.RUN_SUCCESS: (_flag, True),
    semconv.RUN_SCORE: (_signed, None),
    semconv.RUN_SUGGESTIONS: (_whole, 0),
    semconv.RUN_COST: (_amount, 0),
    semconv.RUN_INPUT_TOKENS: (_whole, 0),
    semconv.RUN_OUTPUT_TOKENS: (_whole, 0),
    semconv.RUN_INFERENCE_CALLS: (_whole, 0),
    semconv.RUN_TOOL_CALLS: (_whole, 0),
    semconv.RUN_UNPRICED_CALLS: (_whole, 0),
    semconv.RUN_ERRORS: (_whole, 0),
}
"""What our processor wrote on the root of a run."""


def _workflow(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    return _run(_OF_WORKFLOW, found, attributes)


def _agent(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    return _run(_OF_AGENT, found, attributes)


def _run(kind: str, found: _Found, attributes: list[Attribute]) -> _Fields | None:
    _, _, _, name, rating, samples, blocked_s, efficiency_score, *more = found
    if not name:
        return None
    is_told = samples is not None or blocked_s is not None
    used = resources.of(OperationKind(kind), table(attributes)) if is_told else None
    recorded = None if efficiency_score is None else _recorded(rating, efficiency_score, more)
    return kind, name, "", None, None, None, None, None, used, recorded


def _recorded(rating: str | None, efficiency_score: int, more: list[Any]) -> Recorded:
    critical_path, success, score, suggestions, cost, fresh, output, inference, tools, unpriced, errors, *_ = more
    return {
        "efficiency_score": min(100, efficiency_score),
        "rating": rating or None,
        "critical_path": critical_path,
        "success": success,
        "score": score,
        "suggestions": suggestions,
        "totals": {
            "cost_usd": cost,
            "input_tokens": fresh,
            "output_tokens": output,
            "inference_calls": inference,
            "tool_calls": tools,
            "unpriced_calls": unpriced,
            "errors": errors,
        },
    }


# -- nodes and tools -----------------------------------------------------------------------


def _node(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    _, _, _, name, state_hash, samples, blocked_s, step, attempts, _, _ = found
    if not name:
        return None
    is_told = samples is not None or blocked_s is not None
    used = resources.of(OperationKind.NODE, table(attributes)) if is_told else None
    return _OF_NODE, name, "", None, None, None, None, ("", step, state_hash or None, attempts or 1), used, None


def _tool(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    del attributes
    _, _, _, name, agent, arguments, simhash, context, result, error, has_none, size, _, _ = found
    if not name or has_none is None:
        return None
    call = (
        arguments or None,
        simhash and agentperf.hex_digits(simhash),
        context or None,
        result or None,
        error or None,
        has_none,
        size,
    )
    return _OF_TOOL, name, agent if agent and agent != name else "", None, None, None, call, None, None, None


# -- model requests ------------------------------------------------------------------------

_REQUEST: _Others = {
    semconv.REQUEST_STREAM: (_flag, False),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: (_amount, None),
    semconv.RESPONSE_FINISH_REASONS: (texts, ()),
    semconv.REQUEST_PREFIX_HASHES: (texts, ()),
    semconv.REQUEST_PREFIX_SIZES: (_wholes, ()),
    semconv.REQUEST_SIZE: (_whole, None),
    semconv.RESPONSE_FUNCTION_CALLS: (_whole, None),
    semconv.REQUEST_USES: (texts, None),
    semconv.USAGE_INPUT_TOKENS: (_whole, None),
    semconv.USAGE_OUTPUT_TOKENS: (_whole, None),
    semconv.USAGE_CACHE_READ_TOKENS: (_whole, 0),
    semconv.USAGE_REASONING_TOKENS: (_whole, 0),
    semconv.USAGE_TOOL_USE_TOKENS: (_whole, 0),
    semconv.GROUNDING_QUERIES: (_whole, 0),
    semconv.USAGE_COST: (_amount, None),
    semconv.COST_INPUT: (_amount, None),
    semconv.COST_CACHE_READ: (_amount, None),
    semconv.COST_OUTPUT: (_amount, None),
    semconv.COST_GROUNDING: (_amount, None),
    semconv.COST_ESTIMATED: (_flag, False),
}
_MODALITIES: _Others = {
    direction.format(modality=modality.value): (_whole, 0)
    for direction in (semconv.USAGE_MODALITY_INPUT, semconv.USAGE_MODALITY_CACHE_READ, semconv.USAGE_MODALITY_OUTPUT)
    for modality in Modality
}


def _inference(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    del attributes
    return _request(_OF_INFERENCE, found)


def _embeddings(found: _Found, attributes: list[Attribute]) -> _Fields | None:
    del attributes
    return _request(_OF_EMBEDDINGS, found)


def _request(kind: str, found: _Found) -> _Fields | None:
    # fmt: off
    (
        _, _, _, given_provider, model, request_hash, status, agent, answered_by, response_hash, response_kind, tier,
        reason, streamed, first_chunk_s, reasons, prefix_hashes, prefix_sizes, request_size, calls, uses, fresh,
        output, cached, reasoning, tool_use, queries, total_usd, fresh_usd, cached_usd, output_usd, grounding_usd,
        is_estimated, *tokens,
    ) = found
    # fmt: on
    if not given_provider or not model or not request_hash or status is None:
        return None
    usage = None
    if fresh is not None or output is not None:
        of_input, of_cache, of_output = _by_modality(tokens) if any(tokens[: len(_MODALITIES)]) else _NO_TOKENS
        usage = fresh or 0, output or 0, cached, reasoning, tool_use, of_input, of_cache, of_output, queries
    # A decimal is read from the shortest text of a number, which is how it was written.
    zero = 0 if fresh_usd is not None and output_usd is not None else None
    cost = (
        _UNPRICED if total_usd is None else _PRICED,
        total_usd,
        fresh_usd,
        zero if cached_usd is None else cached_usd,
        output_usd,
        (zero if total_usd is not None else None) if grounding_usd is None else grounding_usd,
        tier if tier in _TIERS else _STANDARD,
        reason or None,
        is_estimated,
    )
    inference = (
        provider(given_provider),
        model,
        answered_by or None,
        streamed,
        None if first_chunk_s is None else round(first_chunk_s * 1e9),
        reasons,
        request_hash,
        prefix_hashes,
        response_hash or None,
        response_kind or None,
        1,
        prefix_sizes,
        request_size,
        calls if calls is not None else agentperf.calls_of(response_kind),
        uses,
    )
    return kind, model, agent or "", usage, cost, inference, None, None, None, None


def _by_modality(tokens: list[Any]) -> tuple[Row | None, ...]:
    """The tokens by modality of the input, of what was cached of it, and of the output."""
    size = len(Modality)
    by_direction = [tuple(tokens[begin : begin + size]) for begin in range(0, len(_MODALITIES), size)]
    return tuple([row if any(row) else None for row in by_direction])


# -- the kinds -----------------------------------------------------------------------------

_REQUEST_TEXTS = (
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
_REQUESTS = _Kind(_inference, _REQUEST_TEXTS, _REQUEST | _MODALITIES)
_TOOLS = _Kind(
    _tool,
    texts=(
        semconv.TOOL_NAME,
        semconv.AGENT_NAME,
        semconv.TOOL_ARGUMENTS_HASH,
        semconv.TOOL_ARGUMENTS_SIMHASH,
        semconv.TOOL_CONTEXT_HASH,
        semconv.TOOL_RESULT_HASH,
        semconv.TOOL_ERROR_HASH,
    ),
    others={semconv.TOOL_NO_ARGUMENTS: (_flag, None), semconv.TOOL_RESULT_SIZE: (_whole, None)},
    never=(semconv.COST_STATUS, semconv.USAGE_COST, agentperf.LOGFIRE_COST, agentperf.DRAFT_CURRENCY),
)
_RUN_OTHERS = _used(semconv.RUN_RESOURCES) | _RECORDED
_KINDS: dict[str | None, _Kind] = {
    semconv.OP_GENERATE_CONTENT: _REQUESTS,
    "interactions.create": _REQUESTS,
    semconv.OP_EMBEDDINGS: _Kind(_embeddings, _REQUEST_TEXTS, _REQUEST | _MODALITIES),
    semconv.OP_EXECUTE_TOOL: _TOOLS,
    semconv.OP_EXECUTE_ACTION: _TOOLS,
    semconv.OP_INVOKE_NODE: _Kind(
        _node,
        texts=(semconv.NODE_NAME, semconv.STATE_HASH),
        others=_used(semconv.NODE_RESOURCES)
        | {semconv.LANGGRAPH_STEP: (_whole, None), semconv.NODE_ATTEMPTS: (_whole, 1)},
    ),
    semconv.OP_INVOKE_AGENT: _Kind(
        _agent,
        texts=(semconv.AGENT_NAME, semconv.RUN_RATING),
        others=_RUN_OTHERS,
        never=(openllmetry.KEY, openllmetry.GRAPH_NODES),
    ),
    semconv.OP_INVOKE_WORKFLOW: _Kind(_workflow, texts=(semconv.WORKFLOW_NAME, semconv.RUN_RATING), others=_RUN_OTHERS),
}
"""By the name of the operation, as in `reading.own`."""
