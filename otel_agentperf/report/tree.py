"""What ran, as a tree with time, tokens and money summed over everything beneath each step.

Work that another span reports already is left out, and its children move up. Four or more
steps of one name in a row become one, and so do their children by name. Deeper than 12 levels,
steps stand beside each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from otel_agentperf.model import ZERO_USD, Operation, OperationKind

FOLD_FROM = 4
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Spend:
    """What a step and everything beneath it used. A call without a price is not in `cost_usd`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = ZERO_USD
    requests: int = 0
    """Model requests that reported their tokens."""
    priced_calls: int = 0
    unpriced_calls: int = 0

    @classmethod
    def of(cls, operation: Operation) -> Spend:
        """What an operation used by itself."""
        usage, cost = operation.usage, operation.cost
        total = cost.total_usd if cost is not None else None
        return cls(
            usage.input_tokens if usage is not None else 0,
            usage.output_tokens if usage is not None else 0,
            total if total is not None else ZERO_USD,
            1 if usage is not None else 0,
            1 if total is not None else 0,
            1 if cost is not None and total is None else 0,
        )

    def plus(self, other: Spend) -> Spend:
        """Both together."""
        return Spend(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
            self.requests + other.requests,
            self.priced_calls + other.priced_calls,
            self.unpriced_calls + other.unpriced_calls,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the tree: an operation, or several of one name in a row."""

    kind: OperationKind
    name: str
    intervals_ns: tuple[tuple[int, int], ...]
    """Start and end of each operation in it, Unix nanoseconds."""
    spend: Spend
    errors: int = 0
    error_type: str | None = None
    outcome: str | None = None
    attempts: int = 1
    children: tuple[Step, ...] = ()

    @property
    def count(self) -> int:
        """How many operations the line stands for."""
        return len(self.intervals_ns)

    @property
    def duration_ns(self) -> int:
        """How long at least one of its operations ran."""
        total, until = 0, 0
        for start, end in sorted(self.intervals_ns):
            total += max(0, end - max(start, until))
            until = max(until, end)
        return total

    @property
    def operations(self) -> int:
        """How many operations it and everything beneath it stand for."""
        return self.count + sum(child.operations for child in self.children)


def tree_of(root: Operation, operations: Iterable[Operation]) -> Step:
    """Build the tree of a run.

    Args:
        root: the run's root; it need not be among the operations.
        operations: the run's operations, each with the id of its parent.
    """
    everything = {operation.span_id: operation for operation in operations}
    everything[root.span_id] = root
    children: dict[str, list[Operation]] = defaultdict(list)
    for operation in everything.values():
        if operation is not root and operation.counted:
            children[shown_parent(operation, root, everything)].append(operation)
    return _step(root, children, 0)


def shown_parent(operation: Operation, root: Operation, everything: dict[str, Operation]) -> str:
    """The id of the nearest operation above that is shown; the root's where none is at hand."""
    seen = {operation.span_id}
    parent_id = operation.parent_id
    while parent_id is not None and parent_id not in seen:
        parent = everything.get(parent_id)
        if parent is None:
            break
        if parent.counted or parent is root:
            return parent_id
        seen.add(parent_id)
        parent_id = parent.parent_id
    return root.span_id


def _step(operation: Operation, children: dict[str, list[Operation]], depth: int) -> Step:
    beneath = children.pop(operation.span_id, [])
    if depth == MAX_DEPTH - 1:
        beneath = _flattened(beneath, children)
    beneath.sort(key=lambda op: (op.start_ns, op.end_ns))
    steps = _folded([_step(child, children, depth + 1) for child in beneath])
    spend = Spend.of(operation)
    for step in steps:
        spend = spend.plus(step.spend)
    attempts = operation.inference.attempts if operation.inference is not None else 1
    return Step(
        kind=operation.kind,
        name=operation.name,
        intervals_ns=((operation.start_ns, operation.end_ns),),
        spend=spend,
        errors=0 if operation.error_type is None else 1,
        error_type=operation.error_type,
        outcome=operation.outcome,
        attempts=operation.node.attempts if operation.node is not None else attempts,
        children=steps,
    )


def _flattened(operations: list[Operation], children: dict[str, list[Operation]]) -> list[Operation]:
    flat: list[Operation] = []
    pending = list(operations)
    while pending:
        operation = pending.pop()
        flat.append(operation)
        pending.extend(children.pop(operation.span_id, []))
    return flat


def _folded(steps: Sequence[Step]) -> tuple[Step, ...]:
    folded: list[Step] = []
    row: list[Step] = []
    for step in steps:
        if row and (row[0].kind, row[0].name) != (step.kind, step.name):
            folded.extend(_as_one(row))
            row = []
        row.append(step)
    folded.extend(_as_one(row))
    return tuple(folded)


def _as_one(row: list[Step]) -> list[Step]:
    return row if sum(step.count for step in row) < FOLD_FROM else [_merged(row)]


def _merged(row: Sequence[Step]) -> Step:
    by_name: dict[tuple[OperationKind, str], list[Step]] = defaultdict(list)
    for step in row:
        for child in step.children:
            by_name[child.kind, child.name].append(child)
    spend = row[0].spend
    for step in row[1:]:
        spend = spend.plus(step.spend)
    error_types = {step.error_type for step in row if step.errors}
    outcomes = {step.outcome for step in row}
    return Step(
        kind=row[0].kind,
        name=row[0].name,
        intervals_ns=tuple(interval for step in row for interval in step.intervals_ns),
        spend=spend,
        errors=sum(step.errors for step in row),
        error_type=error_types.pop() if len(error_types) == 1 else None,
        outcome=outcomes.pop() if len(outcomes) == 1 else None,
        attempts=max(step.attempts for step in row),
        children=tuple(_merged(group) if len(group) > 1 else group[0] for group in by_name.values()),
    )
