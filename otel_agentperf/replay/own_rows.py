"""A span of ours straight in the form in which it is packed, without the objects in between.

A record is packed as an array of arrays, in the order of its fields, and what is left out at the end
has its default: a tuple of tuples says the same, and is sooner made. What is seldom, an error or an
event, goes the way of all spans, through `reading.read`, and so does what is not as we write it.
Both ways say the same, but of a value with two types, which no writer may give: a test holds them
against each other.
"""

from __future__ import annotations

from typing import Any

from otel_agentperf import semconv
from otel_agentperf.model import OperationKind
from otel_agentperf.reading import agentperf, openllmetry, resources
from otel_agentperf.replay import own_requests
from otel_agentperf.replay.otlp_json_values import Attribute, Value, flag, signed, table, texts, usd, whole
from otel_agentperf.replay.own_kinds import Fields, Found, Kind, Others, Recorded
from otel_agentperf.replay.packing import Row


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
    named = _operation(attributes)
    kind = _KINDS.get(named)
    found = kind.found(attributes) if kind is not None else None
    if kind is None or found is None:
        return None
    operation, session_id, error_type, outcome, *more, is_abandoned, is_counted = found
    fields = kind.fields(kind.kind, more, attributes) if operation == named else None
    if fields is None:
        return None
    name, agent, usage, cost, inference, tool, node, used, recorded = fields
    row = (
        kind.name,
        name,
        span_id,
        start_ns,
        end_ns,
        parent_id,
        trace_id,
        agent,
        error_type,
        outcome or ("abandoned" if is_abandoned else None),
        usage,
        cost,
        inference,
        tool,
        node,
        False,
        session_id,
        is_counted,
    )
    if used is not None:
        row = *row, "", used
    return (row, parent_is_near) if recorded is None else (row, parent_is_near, recorded)


def _operation(attributes: list[Attribute]) -> str | None:
    for attribute in attributes:  # it is the first one as a rule
        if attribute.key == semconv.OPERATION_NAME:
            return attribute.value.string_value if attribute.value is not None else None
    return None


# -- runs ----------------------------------------------------------------------------------


def _anything(value: Value) -> Value:
    return value


def _used(prefix: str) -> Others:
    """What tells that resources are there; what they are is read apart, it is seldom."""
    return {prefix + semconv.RESOURCE_KEYS[name]: (_anything, None) for name in ("samples", "blocked_ns")}


_OF_A_RUN: Others = {
    **_used(semconv.RUN_RESOURCES),
    semconv.RUN_EFFICIENCY_SCORE: (whole, None),
    semconv.RUN_CRITICAL_PATH: (texts, ()),
    semconv.RUN_SUCCESS: (flag, True),
    semconv.RUN_SCORE: (signed, None),
    semconv.RUN_SUGGESTIONS: (whole, 0),
    semconv.RUN_COST: (usd, 0),
    semconv.RUN_INPUT_TOKENS: (whole, 0),
    semconv.RUN_OUTPUT_TOKENS: (whole, 0),
    semconv.RUN_INFERENCE_CALLS: (whole, 0),
    semconv.RUN_TOOL_CALLS: (whole, 0),
    semconv.RUN_UNPRICED_CALLS: (whole, 0),
    semconv.RUN_ERRORS: (whole, 0),
}


def _run(kind: OperationKind, found: Found, attributes: list[Attribute]) -> Fields | None:
    name, rating, samples, blocked_s, efficiency_score, *more = found
    if name is None:
        return None
    is_told = samples is not None or blocked_s is not None
    used = resources.of(kind, table(attributes)) if is_told else None
    recorded = None if efficiency_score is None else _recorded(rating, efficiency_score, more)
    return name, "", None, None, None, None, None, used, recorded


def _recorded(rating: str | None, efficiency_score: int, more: list[Any]) -> Recorded:
    critical_path, success, score, suggestions, cost, fresh, output, inference, tools, unpriced, errors = more
    return {
        "efficiency_score": min(100, efficiency_score),
        "rating": rating,
        "critical_path": critical_path,
        "success": success,
        "score": score,
        "suggestions": suggestions,
        "totals": {
            "cost_usd": cost or 0,
            "input_tokens": fresh,
            "output_tokens": output,
            "inference_calls": inference,
            "tool_calls": tools,
            "unpriced_calls": unpriced,
            "errors": errors,
        },
    }


# -- nodes and tools -----------------------------------------------------------------------


def _node(kind: OperationKind, found: Found, attributes: list[Attribute]) -> Fields | None:
    name, state_hash, samples, blocked_s, step, attempts = found
    if name is None:
        return None
    is_told = samples is not None or blocked_s is not None
    used = resources.of(kind, table(attributes)) if is_told else None
    return name, "", None, None, None, None, ("", step, state_hash, attempts or 1), used, None


def _tool(_kind: OperationKind, found: Found, _attributes: list[Attribute]) -> Fields | None:
    name, agent, arguments, simhash, context, result, error, has_none, size = found
    if name is None or has_none is None:
        return None
    call = arguments, agentperf.hex_digits(simhash), context, result, error, has_none, size
    # Its own name says nothing of the agent that it ran for.
    return name, "" if agent is None or agent == name else agent, None, None, None, call, None, None, None


# -- all kinds -----------------------------------------------------------------------------

_REQUESTS = Kind(OperationKind.INFERENCE, own_requests.fields, own_requests.TEXTS, own_requests.OTHERS)
_TOOLS = Kind(
    OperationKind.TOOL,
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
    others={semconv.TOOL_NO_ARGUMENTS: (flag, None), semconv.TOOL_RESULT_SIZE: (whole, None)},
    never=(semconv.COST_STATUS, semconv.USAGE_COST, agentperf.LOGFIRE_COST, agentperf.DRAFT_CURRENCY),
)
_KINDS: dict[str | None, Kind] = {
    semconv.OP_GENERATE_CONTENT: _REQUESTS,
    "interactions.create": _REQUESTS,
    semconv.OP_EMBEDDINGS: Kind(OperationKind.EMBEDDINGS, own_requests.fields, own_requests.TEXTS, own_requests.OTHERS),
    semconv.OP_EXECUTE_TOOL: _TOOLS,
    semconv.OP_EXECUTE_ACTION: _TOOLS,
    semconv.OP_INVOKE_NODE: Kind(
        OperationKind.NODE,
        _node,
        texts=(semconv.NODE_NAME, semconv.STATE_HASH),
        others={
            **_used(semconv.NODE_RESOURCES),
            semconv.LANGGRAPH_STEP: (whole, None),
            semconv.NODE_ATTEMPTS: (whole, 1),
        },
    ),
    semconv.OP_INVOKE_AGENT: Kind(
        OperationKind.AGENT,
        _run,
        texts=(semconv.AGENT_NAME, semconv.RUN_RATING),
        others=_OF_A_RUN,
        never=(openllmetry.KEY, openllmetry.GRAPH_NODES),
    ),
    semconv.OP_INVOKE_WORKFLOW: Kind(
        OperationKind.WORKFLOW, _run, texts=(semconv.WORKFLOW_NAME, semconv.RUN_RATING), others=_OF_A_RUN
    ),
}
"""By the name of the operation, as in `reading.own`."""
