"""The spans of a run as a list, each beneath its parent: what a waterfall is drawn from.

At most 300 of them: those that suggestions name, that failed, that are agents or lasted longest,
each with all that stand above it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.figures import Finding
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.report.tree import shown_parent

MAX_SPANS = 300
MAX_DEPTH = 100
_NS_PER_S = 1_000_000_000


class SpanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a run."""

    span_id: str
    parent_id: str | None
    depth: int
    """How many operations stand above it."""
    kind: OperationKind
    name: str
    agent: str
    start_s: float
    """When it began, counted from the run's start."""
    duration_s: float
    error_type: str | None
    outcome: str | None
    cost_usd: Decimal | None
    is_billed: bool
    """Whether it was billed by itself, at a known price or not."""
    input_tokens: int | None
    output_tokens: int | None
    suggestions: tuple[str, ...]
    """Ids of the suggestions that name it."""


def spans_of(
    root: Operation, operations: Iterable[Operation], findings: Sequence[Finding], limit: int = MAX_SPANS
) -> tuple[tuple[SpanLine, ...], int]:
    """List the spans of a run.

    Args:
        root: the run's root; it need not be among the operations.
        operations: the run's operations.
        findings: its suggestions.
        limit: the most spans to list.

    Returns:
        The spans, each beneath its parent and siblings in order of start, and how many are left out.
    """
    everything = {operation.span_id: operation for operation in operations}
    everything[root.span_id] = root
    shown = [operation for operation in everything.values() if operation is root or operation.counted]
    parents = {op.span_id: shown_parent(op, root, everything) for op in shown if op is not root}
    named: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        for span_id in finding.span_ids:
            if span_id in everything:
                named[span_id].append(finding.id)
    kept = _kept(shown, parents, named, limit)
    children: dict[str, list[Operation]] = defaultdict(list)
    for operation in shown:
        if operation is not root and operation.span_id in kept:
            children[parents[operation.span_id]].append(operation)
    for siblings in children.values():
        siblings.sort(key=lambda op: (op.start_ns, -op.end_ns, op.span_id), reverse=True)
    lines: list[SpanLine] = []
    pending: list[tuple[Operation, str | None, int]] = [(root, None, 0)]
    while pending:
        operation, parent_id, depth = pending.pop()
        lines.append(_line(operation, parent_id, depth, root.start_ns, named))
        pending.extend((child, operation.span_id, depth + 1) for child in children.pop(operation.span_id, ()))
    return tuple(lines), len(shown) - len(lines)


def _kept(
    shown: Sequence[Operation], parents: dict[str, str], named: dict[str, list[str]], limit: int
) -> frozenset[str]:
    if len(shown) <= limit:
        return frozenset(operation.span_id for operation in shown)

    def worth(operation: Operation) -> tuple[bool, bool, bool, int, str]:
        return (
            operation.span_id not in named,
            operation.error_type is None,
            not operation.is_agent,
            -operation.duration_ns,
            operation.span_id,
        )

    kept: set[str] = set()
    for operation in sorted(shown, key=worth):
        chain: list[str] = []
        span_id: str | None = operation.span_id
        while span_id is not None and span_id not in kept and len(chain) < MAX_DEPTH:
            chain.append(span_id)
            span_id = parents.get(span_id)
        if len(kept) + len(chain) <= limit:
            kept.update(chain)
    return frozenset(kept)


def _line(
    operation: Operation, parent_id: str | None, depth: int, origin_ns: int, named: dict[str, list[str]]
) -> SpanLine:
    usage, cost = operation.usage, operation.cost
    return SpanLine(
        span_id=operation.span_id,
        parent_id=parent_id,
        depth=depth,
        kind=operation.kind,
        name=operation.name,
        agent=operation.agent,
        start_s=(operation.start_ns - origin_ns) / _NS_PER_S,
        duration_s=operation.duration_ns / _NS_PER_S,
        error_type=operation.error_type,
        outcome=operation.outcome,
        cost_usd=cost.total_usd if cost is not None else None,
        is_billed=cost is not None,
        input_tokens=usage.input_tokens if usage is not None else None,
        output_tokens=usage.output_tokens if usage is not None else None,
        suggestions=tuple(named.get(operation.span_id, ())),
    )
