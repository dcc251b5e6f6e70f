"""One finished span -> one operation, whoever wrote the span.

A convention is a module with the key by which its spans are told and a `read`; the first one
whose key a span carries reads it. A span without any such key is `OTHER`, and telling so costs
a look-up for each convention, since the live processor asks at the end of every foreign span.
"""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.reading import agentperf, genai, openinference, values
from otel_agentperf.reading.facts import Facts
from otel_agentperf.reading.values import Attributes

CONVENTIONS = (genai, openinference)
_READERS = tuple((convention.KEY, convention.read) for convention in CONVENTIONS)
UNKNOWN_ERROR = "_OTHER"
"""What the conventions say for an error without a class."""


def read(
    name: str,
    attributes: Attributes,
    *,
    scope: str,
    span_id: str,
    parent_id: str | None,
    trace_id: str,
    start_ns: int,
    end_ns: int,
    is_error: bool,
) -> Operation:
    """Read a span as an operation. Never raises; what it cannot read is absent.

    Agent and session depend on the spans above it: `place` fills them in.

    Args:
        name: the span's name.
        attributes: its attributes.
        scope: the name of its instrumentation scope.
        span_id: 16 hex digits.
        parent_id: 16 hex digits, or `None` for a root.
        trace_id: 32 hex digits.
        start_ns: Unix nanoseconds.
        end_ns: Unix nanoseconds.
        is_error: whether its status is an error.

    Returns:
        The operation; its kind is `OTHER` where the span is no agent work.
    """
    for key, reader in _READERS:
        if key in attributes:
            facts = reader(name, attributes, scope, parent_id)
            if facts is not None:
                break
    else:
        error = UNKNOWN_ERROR if is_error else None
        return Operation(OperationKind.OTHER, name, span_id, start_ns, end_ns, parent_id, trace_id, error_type=error)
    return _operation(facts, attributes, span_id, parent_id, trace_id, start_ns, end_ns, is_error=is_error)


def _operation(
    facts: Facts,
    attributes: Attributes,
    span_id: str,
    parent_id: str | None,
    trace_id: str,
    start_ns: int,
    end_ns: int,
    *,
    is_error: bool,
) -> Operation:
    outcome = agentperf.outcome(attributes)
    error = values.text(attributes, semconv.ERROR_TYPE)
    if error is None and is_error:
        error = UNKNOWN_ERROR
    return Operation(
        kind=facts.kind,
        name=facts.name,
        span_id=span_id,
        start_ns=start_ns,
        end_ns=end_ns,
        parent_id=parent_id,
        trace_id=trace_id,
        error_type=error,
        outcome=outcome,
        usage=facts.usage,
        cost=facts.cost,
        inference=facts.inference,
        tool=facts.tool,
        node=facts.node,
        session_id=values.text(attributes, semconv.CONVERSATION_ID, semconv.SESSION_ID),
        counted=values.flag(attributes, semconv.COUNTED) is not False,
    )
