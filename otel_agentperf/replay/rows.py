"""A span straight in the form in which it is packed, without the objects in between.

A record is packed as an array of arrays, in the order of its fields, and what is left out at the end
has its default. Of a span of ours, or of one that is no agent work, a tuple of tuples says the
same, and is sooner made (measured, with its packing: a request in 5.2 us against 8.2, a tool or a
node in 2.1 against 4.2, foreign work in 0.8 against 3.0). Everything else goes the way of all
spans, through `reading.read`; so does what is seldom: an error, an event. Both ways say the same: a
test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import CostStatus, OperationKind, Resources, ServiceTier
from otel_agentperf.reading import resources, usages
from otel_agentperf.reading.own import agent_of, request_fields, tool_fields
from otel_agentperf.reading.said import Agent, Node, Request, Said, Tool, Workflow
from otel_agentperf.reading.values import Attributes

Row: TypeAlias = tuple[object, ...]
"""The fields of a record, or of what it is made of, in their order."""
_Facts: TypeAlias = tuple[str, str, str, Row | None, Row | None, Row | None, Row | None, Row | None, Resources | None]
"""Kind, name, agent, usage, cost, inference, tool, node, and what was used."""

_OTHER, _WORKFLOW, _AGENT = OperationKind.OTHER.value, OperationKind.WORKFLOW.value, OperationKind.AGENT.value
_NODE, _TOOL = OperationKind.NODE.value, OperationKind.TOOL.value
_INFERENCE, _EMBEDDINGS = OperationKind.INFERENCE.value, OperationKind.EMBEDDINGS.value
_PRICED, _UNPRICED = CostStatus.PRICED.value, CostStatus.UNPRICED.value
_STANDARD = ServiceTier.STANDARD.value
_TIERS = frozenset(tier.value for tier in ServiceTier)
_ZERO = "0"


def other(name: str, span_id: str, start_ns: int, end_ns: int, parent_id: str | None, trace_id: str) -> Row:
    """The operation that no agent did.

    Args:
        name: the name of the span.
        span_id: 16 hex digits.
        start_ns: Unix nanoseconds.
        end_ns: Unix nanoseconds.
        parent_id: 16 hex digits, or `None` for a root.
        trace_id: 32 hex digits.
    """
    return (_OTHER, name, span_id, start_ns, end_ns, parent_id, trace_id)


def own(
    attributes: Attributes, span_id: str, start_ns: int, end_ns: int, parent_id: str | None, trace_id: str
) -> Row | None:
    """The operation of a span of ours; `None` where it has to be read with more care.

    Args:
        attributes: those of a span of one of our scopes, which did not fail.
        span_id: 16 hex digits.
        start_ns: Unix nanoseconds.
        end_ns: Unix nanoseconds.
        parent_id: 16 hex digits, or `None` for a root.
        trace_id: 32 hex digits.
    """
    operation = attributes.get(semconv.OPERATION_NAME)
    writer = _WRITERS.get(operation) if isinstance(operation, str) else None
    if writer is None:
        return None
    try:
        said = msgspec.convert(attributes, writer[0])
    except msgspec.ValidationError:
        return None
    kind, name, agent, usage, cost, inference, tool, node, used = writer[1](said, attributes)
    row = (
        kind,
        name,
        span_id,
        start_ns,
        end_ns,
        parent_id,
        trace_id,
        agent,
        said.error_type,
        said.outcome or ("abandoned" if said.abandoned else None),
        usage,
        cost,
        inference,
        tool,
        node,
        False,
        said.session_id,
        said.counted,
    )
    return row if used is None else (*row, "", used)


def _workflow(said: Workflow, attributes: Attributes) -> _Facts:
    used = None
    if said.samples is not None or said.blocked_s is not None:
        used = resources.of(OperationKind.WORKFLOW, attributes)
    return _WORKFLOW, said.workflow, "", None, None, None, None, None, used


def _agent(said: Agent, attributes: Attributes) -> _Facts:
    used = None
    if said.samples is not None or said.blocked_s is not None:
        used = resources.of(OperationKind.AGENT, attributes)
    return _AGENT, said.agent, "", None, None, None, None, None, used


def _node(said: Node, attributes: Attributes) -> _Facts:
    used = None
    if said.node_samples is not None or said.node_blocked_s is not None:
        used = resources.of(OperationKind.NODE, attributes)
    step = ("", said.step, said.state_hash, said.attempts or 1)
    return _NODE, said.node, "", None, None, None, None, step, used


def _tool(said: Tool, attributes: Attributes) -> _Facts:
    return _TOOL, said.tool, agent_of(said), None, None, None, tool_fields(said, attributes), None, None


def _request(said: Request, attributes: Attributes) -> _Facts:
    usage, cost, inference = _usage(said, attributes), _cost(said), request_fields(said, attributes)
    return _INFERENCE, said.model, said.agent or "", usage, cost, inference, None, None, None


def _embeddings(said: Request, attributes: Attributes) -> _Facts:
    return (_EMBEDDINGS, *_request(said, attributes)[1:])


_WRITERS: dict[str, tuple[type[Said], Callable[[Any, Attributes], _Facts]]] = {
    semconv.OP_GENERATE_CONTENT: (Request, _request),
    "interactions.create": (Request, _request),
    semconv.OP_EMBEDDINGS: (Request, _embeddings),
    semconv.OP_EXECUTE_TOOL: (Tool, _tool),
    semconv.OP_EXECUTE_ACTION: (Tool, _tool),
    semconv.OP_INVOKE_NODE: (Node, _node),
    semconv.OP_INVOKE_AGENT: (Agent, _agent),
    semconv.OP_INVOKE_WORKFLOW: (Workflow, _workflow),
}
"""By the name of the operation, as in `reading.own`."""


def _usage(said: Request, attributes: Attributes) -> Row | None:
    if said.input_tokens is None and said.output_tokens is None:
        return None
    return (
        said.input_tokens or 0,
        said.output_tokens or 0,
        said.cached_tokens,
        said.reasoning_tokens,
        said.tool_use_tokens,
        *usages.modalities(attributes),
        said.queries,
    )


def _cost(said: Request) -> Row:
    """A number as text is what a decimal is packed as."""
    total, fresh, output = said.total_usd, said.input_usd, said.output_usd
    cached, grounding = said.cached_usd, said.grounding_usd
    zero = _ZERO if fresh is not None and output is not None else None
    return (
        _UNPRICED if total is None else _PRICED,
        None if total is None else repr(total),
        None if fresh is None else repr(fresh),
        zero if cached is None else repr(cached),
        None if output is None else repr(output),
        (zero if total is not None else None) if grounding is None else repr(grounding),
        said.tier if said.tier in _TIERS else _STANDARD,
        said.reason,
        said.estimated,
    )
