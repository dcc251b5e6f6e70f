"""One finished span -> one operation, whoever wrote the span.

A convention is a key by which its spans are told and a `read`; the first one whose key a span
carries reads it. A span without any such key is `OTHER`, which is told with one comparison of
sets, since the live processor asks at the end of every foreign span.

Where a span carries content and no fingerprints of ours, `contents` makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import Inference, Operation, OperationKind
from otel_agentperf.reading import agentperf, contents, genai, openinference, openllmetry, own, resources, values
from otel_agentperf.reading.values import Attributes

if TYPE_CHECKING:
    from otel_agentperf.fingerprint import Fingerprinter
    from otel_agentperf.reading.carriers import Events
    from otel_agentperf.reading.facts import Facts

_READERS = (
    (genai.KEY, genai.read),
    (openinference.KEY, openinference.read),
    (openllmetry.KEY, openllmetry.read),
    (openllmetry.REQUEST_TYPE, openllmetry.read_request),
    (openllmetry.SYSTEM, openllmetry.read_request),
    (semconv.WORKFLOW_NAME, genai.read_workflow),
    (semconv.TOOL_NAME, genai.read_tool),
    (genai.AGENT_KEY, genai.read_agent),
)
KEYS = frozenset(key for key, _ in _READERS)
"""A span without any of these is no agent work."""
UNKNOWN_ERROR = "_OTHER"
"""What the conventions say for an error without a class."""
_OPENLIT_TIME_TO_FIRST_CHUNK = "gen_ai.server.time_to_first_token"
_ENUM = "FinishReason."


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
    events: Events = (),
    status_message: str = "",
    fingerprinter: Fingerprinter | None = None,
    with_content: bool = True,
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
        events: its events by name, where content or an exception may stand.
        status_message: the description of its status.
        fingerprinter: makes the fingerprints of recorded content; one for this process when
            absent. Values under different keys are never equal.
        with_content: False leaves recorded content alone, where only the kind is of interest.

    Returns:
        The operation; its kind is `OTHER` where the span is no agent work.
    """
    is_ours = scope in semconv.OWN_SCOPES
    if is_ours:
        scope = ""
        found = own.read(attributes)
        if found is not None:
            said, facts = found
            error = said.error_type
            if error is None and is_error:
                error = _error_type(attributes, events)
            return Operation(
                facts.kind,
                facts.name,
                span_id,
                start_ns,
                end_ns,
                parent_id,
                trace_id,
                facts.agent,
                error,
                said.outcome or ("abandoned" if said.abandoned else None),
                facts.usage,
                facts.cost,
                facts.inference,
                facts.tool,
                facts.node,
                session_id=said.session_id,
                counted=said.counted,
                resources=resources.of(facts.kind, attributes),
            )
    facts = None if KEYS.isdisjoint(attributes) else _facts(name, attributes, scope, parent_id)
    if facts is None:
        error = UNKNOWN_ERROR if is_error else None
        return Operation(OperationKind.OTHER, name, span_id, start_ns, end_ns, parent_id, trace_id, error_type=error)
    kind, inference, tool = facts.kind, facts.inference, facts.tool
    error = _error_type(attributes, events) if is_error else values.text(attributes, semconv.ERROR_TYPE)
    if inference is not None and inference.request_hash is None:
        inference = _completed(inference, attributes)
        if with_content and kind is OperationKind.INFERENCE:
            inference = contents.inference(
                inference, attributes, events, fingerprinter or contents.default_fingerprinter()
            )
    elif tool is None and with_content and kind is OperationKind.TOOL:
        tool = contents.tool_call(
            attributes, events, error, status_message, fingerprinter or contents.default_fingerprinter()
        )
    return Operation(
        kind,
        facts.name,
        span_id,
        start_ns,
        end_ns,
        parent_id,
        trace_id,
        facts.agent,
        error,
        agentperf.outcome(attributes),
        facts.usage,
        facts.cost,
        inference,
        tool,
        facts.node,
        session_id=_session(attributes),
        counted=semconv.COUNTED not in attributes or values.flag(attributes, semconv.COUNTED) is not False,
        scope=scope if scope or is_ours else _unnamed(attributes),
        resources=resources.of(kind, attributes),
    )


def _facts(name: str, attributes: Attributes, scope: str, parent_id: str | None) -> Facts | None:
    for key, reader in _READERS:
        if key in attributes:
            facts = reader(name, attributes, scope, parent_id)
            if facts is not None:
                return facts
    return None


def _unnamed(attributes: Attributes) -> str:
    """What stands for the name of an instrumentation that a file does not give: how its spans name their work.

    One instrumentation names the same work in one way, so that spans which differ in it are of two.
    """
    convention = next((key for key, _ in _READERS if key in attributes), "")
    return f"?{convention}={attributes.get(semconv.OPERATION_NAME)}"


def _error_type(attributes: Attributes, events: Events) -> str:
    said = values.text(attributes, semconv.ERROR_TYPE)
    if said is not None:
        return said
    raised = (values.text(event, "exception.type") for name, event in events if name == contents.EXCEPTION)
    return next((one for one in raised if one is not None), UNKNOWN_ERROR)


def _session(attributes: Attributes) -> str | None:
    session_id = values.text(attributes, semconv.CONVERSATION_ID, semconv.SESSION_ID)
    if session_id is None and openllmetry.WORKFLOW in attributes:
        return values.text(attributes, *openllmetry.SESSION_KEYS)
    return session_id


def _completed(inference: Inference, attributes: Attributes) -> Inference:
    """What OpenLIT says in its own way."""
    reasons = inference.finish_reasons
    if reasons and reasons[0].startswith(_ENUM):
        reasons = tuple(reason.removeprefix(_ENUM) for reason in reasons)
        inference = msgspec.structs.replace(inference, finish_reasons=reasons)
    if inference.streamed and inference.time_to_first_chunk_ns is None:
        first_ns = values.seconds_as_ns(attributes, _OPENLIT_TIME_TO_FIRST_CHUNK)
        inference = msgspec.structs.replace(inference, time_to_first_chunk_ns=first_ns)
    return inference
