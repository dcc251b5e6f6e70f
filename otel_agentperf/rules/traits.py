"""What can be told of an operation at a glance, so that a rule is asked only where it may have something to say.

Most model requests are answered at once, in full and at a known price. A rule about the others
names the traits that it needs, and is not called for the rest: with two dozen rules, calls that
come to nothing were a third of what an operation cost.
"""

from __future__ import annotations

from typing import Final

from otel_agentperf.model import CostStatus, Operation
from otel_agentperf.rules.finish import TOKEN_LIMIT

FAILED: Final = 1
AGENT: Final = 2
BILLED: Final = 4
"""At a known price or not."""
CUT: Final = 8
"""The answer ended at the token limit."""
VOID: Final = 16
"""The answer was blocked or empty."""
TEXT: Final = 32
"""The answer is text alone."""
TRACED: Final = 64
"""It is known which earlier answers of its run the request repeats."""
UNPRICED: Final = 128
THOUGHT: Final = 256
"""The answer took at least `LEAST_THOUGHTS`."""
STREAMED: Final = 512
RETRIED: Final = 1_024
"""More than one HTTP attempt, or more than one attempt of a node."""
LONG: Final = 2_048
"""At least `LONG_TOKENS` of input."""
ASKS: Final = 4_096
"""The answer asks for functions."""
SAMPLED: Final = 8_192
"""It is known what was used while it ran."""
BLOCKED: Final = 16_384
"""Its code kept an event loop."""
GROUNDED: Final = 32_768
"""Grounding with Google Search or Google Maps was charged for. The last of 16 bits, see `analysis.columns`."""

LONG_TOKENS: Final = 1_000
"""No model caches less, and none charges less than this at another rate."""
LEAST_THOUGHTS: Final = 128
"""The least thinking budget that Gemini 2.5 Pro takes (https://ai.google.dev/gemini-api/docs/thinking)."""

_VOID_KINDS = frozenset({"blocked", "empty"})
_UNPRICED = CostStatus.UNPRICED


def traits_of(operation: Operation) -> int:  # noqa: C901, PLR0912 - every operation passes here, and a table is dearer
    """The traits of an operation, added up."""
    traits = 0
    if operation.error_type is not None:
        traits = FAILED
    if operation.is_agent:
        traits |= AGENT
    cost = operation.cost
    if cost is not None:
        traits |= BILLED
        if cost.status is _UNPRICED:
            traits |= UNPRICED
        if cost.grounding_usd:
            traits |= GROUNDED
    usage = operation.usage
    if usage is not None:
        if usage.reasoning_tokens >= LEAST_THOUGHTS:
            traits |= THOUGHT
        if usage.input_tokens >= LONG_TOKENS:
            traits |= LONG
    call = operation.inference
    if call is not None:
        kind = call.response_kind
        if kind == "text":
            traits |= TEXT
        elif kind in _VOID_KINDS:
            traits |= VOID
        if call.uses is not None:
            traits |= TRACED
        if call.function_calls:
            traits |= ASKS
        if call.attempts > 1 or call.rate_limited:
            traits |= RETRIED
        if call.time_to_first_chunk_ns is not None:
            traits |= STREAMED
        if not TOKEN_LIMIT.isdisjoint(call.finish_reasons):
            traits |= CUT
        return traits
    node = operation.node
    if node is not None and node.attempts > 1:
        traits |= RETRIED
    used = operation.resources
    if used is not None:
        traits |= SAMPLED
        if used.blocked_ns:
            traits |= BLOCKED
    return traits
