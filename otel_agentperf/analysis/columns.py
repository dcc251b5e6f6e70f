"""The shape of a run: every operation of it in some seventy bytes.

A live run keeps these instead of its operations. Names, agents and outcomes repeat, so each
combination is kept once. What comes beyond the limit is counted and left out.
"""

from __future__ import annotations

from math import isnan, nan
from struct import Struct, error

from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.rules.base import Row, int_of
from otel_agentperf.rules.shape import Tree

_FORMAT = Struct("<QQqqdIIIIIHBB")
_PACK = _FORMAT.pack
_KINDS = tuple(OperationKind)
_PLACES = {kind: place for place, kind in enumerate(_KINDS)}
_IS_ERROR, _IS_AGENT, _HAS_COST = 1, 2, 4
_MOST_TOKENS = 2**32 - 1
_IDS = 2**64
_MOST_ASKED = 2**16 - 1


class Columns:
    """The operations of one run.

    Args:
        limit: the most operations to keep.
    """

    __slots__ = ("_labels", "_limit", "_packed", "_rows", "_tree", "dropped", "most_asked")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._packed = bytearray()
        self._labels: dict[tuple[str, str, str | None], int] = {}
        self._rows: list[Row] | None = None
        self._tree: Tree | None = None
        self.dropped = 0
        self.most_asked = 0

    def __len__(self) -> int:
        return len(self._packed) // _FORMAT.size

    def add(self, operation: Operation, cost_usd: float = nan, *, is_root: bool = False) -> None:  # noqa: C901 - every operation passes here
        """Keep one operation, or count it as dropped beyond the limit, which does not hold for the run's root.

        Args:
            operation: it.
            cost_usd: what it cost, where that is at hand as a float.
            is_root: whether it is the run's root.
        """
        if len(self._packed) >= self._limit * _FORMAT.size and not is_root:
            self.dropped += 1
            return
        flags = 0
        if operation.error_type is not None:
            flags = _IS_ERROR
        if operation.is_agent:
            flags |= _IS_AGENT
        cost = operation.cost
        if cost is not None:
            flags |= _HAS_COST
            if cost_usd != cost_usd and cost.total_usd is not None:  # noqa: PLR0124 - not a number yet
                cost_usd = float(cost.total_usd)
        labels = self._labels
        place = labels.setdefault((operation.name, operation.agent, operation.outcome), len(labels))
        usage = operation.usage
        fresh = output = cached = thoughts = 0
        if usage is not None:
            fresh, output = usage.input_tokens, usage.output_tokens
            cached, thoughts = usage.cache_read_tokens, usage.reasoning_tokens
            if fresh > _MOST_TOKENS or output > _MOST_TOKENS:
                fresh, output, cached, thoughts = (min(n, _MOST_TOKENS) for n in (fresh, output, cached, thoughts))
        asked = 0
        inference = operation.inference
        if inference is not None and inference.function_calls:
            asked = min(inference.function_calls, _MOST_ASKED)
            self.most_asked = max(self.most_asked, asked)
        parent_id = operation.parent_id
        try:
            span, parent = int(operation.span_id, 16), int(parent_id, 16) if parent_id is not None else 0
            if not (0 <= span < _IDS and 0 <= parent < _IDS):
                raise ValueError  # noqa: TRY301 - as what is no number at all
        except ValueError:
            span, parent = int_of(operation.span_id), int_of(parent_id) if parent_id is not None else 0
        try:
            self._packed += _PACK(
                span,
                parent,
                operation.start_ns,
                operation.end_ns,
                cost_usd,
                place,
                fresh,
                output,
                cached,
                thoughts,
                asked,
                _PLACES[operation.kind],
                flags,
            )
        except error:  # a time or a number that no clock or model gives
            self.dropped += 1
        self._rows = self._tree = None

    def rows(self) -> list[Row]:
        """The operations in order of start; of two that start together, the longer one first."""
        if self._rows is None:
            labels = list(self._labels)
            self._rows = [
                Row(
                    span_id,
                    parent_id,
                    _KINDS[kind],
                    start_ns,
                    end_ns,
                    cost_usd,
                    fresh,
                    output,
                    cached,
                    thoughts,
                    bool(flags & _IS_ERROR),
                    bool(flags & _IS_AGENT),
                    bool(flags & _HAS_COST),
                    asked,
                    *labels[place],
                )
                for (
                    span_id,
                    parent_id,
                    start_ns,
                    end_ns,
                    cost_usd,
                    place,
                    fresh,
                    output,
                    cached,
                    thoughts,
                    asked,
                    kind,
                    flags,
                ) in _FORMAT.iter_unpack(self._packed)
            ]
            self._rows.sort(key=_by_start)
        return self._rows

    def tree(self, root: Operation) -> Tree:
        """What lies beneath what, until the next operation comes."""
        if self._tree is None:
            self._tree = Tree(self.rows(), root)
        return self._tree

    def clear(self) -> None:
        """Let go of everything."""
        self._packed.clear()
        self._labels.clear()
        self._rows = self._tree = None
        self.most_asked = 0


def _by_start(row: Row) -> tuple[int, int, int]:
    return row.start_ns, -row.end_ns, row.span_id


def known(cost_usd: float) -> float:
    """A row's cost, 0.0 where it is unknown."""
    return 0.0 if isnan(cost_usd) else cost_usd
