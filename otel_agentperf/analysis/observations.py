"""What a finished run teaches: each of its graphs, nodes, tools and models, as a baseline takes it in.

One pure function for a run that just ended here and for one from a file, so that what is learned live is
what `learn` makes of the same spans. It errs towards teaching nothing:

- A duration is that of an execution that succeeded; one that failed, was interrupted, cancelled or
  taken from a cache took another time.
- What a graph, node or tool cost is all that was billed beneath it, 0 where nothing was, unknown where
  something has no price. A failure costs what it cost; what was interrupted or cancelled is not the whole
  and has none.
- Where operations of the run are missing, only what a single operation tells is learned, and what the
  run's totals tell.

- A model served a node well where its request succeeded and so did the run, as `outcome` or an evaluation
  tells it where they do: an answer that is wrong raises nothing.

A node belongs to the nearest graph or agent above it, a model request to the nearest node above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isnan
from typing import Any, cast

from otel_agentperf.analysis.columns import PLACES, Brief, Label
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.tally import Seen, Values, named
from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import int_of
from otel_agentperf.rules.traits import BILLED, FAILED

NS_PER_DAY = 86_400 * 1_000_000_000
PICO = 1e12
_GRAPHS = PLACES[OperationKind.WORKFLOW], PLACES[OperationKind.AGENT]
_NODE, _TOOL = PLACES[OperationKind.NODE], PLACES[OperationKind.TOOL]
_INFERENCE = PLACES[OperationKind.INFERENCE]
_REQUESTS = _INFERENCE, PLACES[OperationKind.EMBEDDINGS]
# Members of an enum are dear to look up in Python 3.11, and every operation passes here.
_OF_GRAPH, _OF_NODE, _OF_TOOL = SubjectKind.GRAPH, SubjectKind.NODE, SubjectKind.TOOL
_OF_MODEL, _OF_NODE_MODEL = SubjectKind.MODEL, SubjectKind.NODE_MODEL
_new = cast("Callable[[type[Values], tuple[Any, ...]], Values]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""Makes values in half the time that their own constructor takes."""
_STOPPED = Values(None)


def day_of(end_ns: int) -> int:
    """The day of a moment, as days since 1970-01-01, UTC. A run belongs to the day on which it ended."""
    return end_ns // NS_PER_DAY


def observations(summary: RunSummary, root_id: str, *, root_seen: bool = True, is_whole: bool = True) -> list[Seen]:
    """What there is to learn of a finished run.

    Args:
        summary: the run.
        root_id: the span of its root.
        root_seen: False where the root only stands for one that was lost: neither its own time nor whose
            nodes these are is known.
        is_whole: False where it is known that operations of it are missing.

    Returns:
        Each execution, in the order in which it is known whose it is.
    """
    columns = summary.columns
    if columns is None:
        return []
    rows, labels = columns.briefly()
    firsts = columns.first_chunks_ns()
    taught = _Taught(summary, labels, int_of(root_id), firsts, root_seen=root_seen, is_whole=is_whole)
    taught.has_sums = is_whole and not columns.dropped
    if not taught.go_through(rows):
        rows = _from_below(rows)
        taught.go_through(rows, strictly=False)
    if taught.has_sums and taught.has_strays():
        # Something between it and the root is not here: whose it is cannot be told.
        taught.has_sums = False
        taught.go_through(rows, strictly=False)
    return taught.found


class _Beneath:
    """What lies beneath an operation that has not ended yet."""

    __slots__ = ("cost_usd", "input_tokens", "nodes", "output_tokens", "requests")

    def __init__(self) -> None:
        self.cost_usd = 0.0
        """Not a number where a part of it has no price."""
        self.input_tokens = self.output_tokens = 0
        self.requests: list[tuple[str, Values]] = []
        """Of models, whose node is not known yet."""
        self.nodes: list[tuple[str, Values, list[tuple[str, Values]]]] = []
        """Whose graph is not known yet, with their requests."""

    def merge(self, other: _Beneath) -> None:
        self.cost_usd += other.cost_usd
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        if other.requests:
            self.requests += other.requests
        if other.nodes:
            self.nodes += other.nodes


class _Taught:
    """Goes through a run once, from below: what lies beneath an operation is known when it ends."""

    __slots__ = (
        "_beneath",
        "_first_chunks_ns",
        "_is_whole",
        "_labels",
        "_root",
        "_root_seen",
        "_summary",
        "found",
        "has_sums",
    )

    def __init__(
        self,
        summary: RunSummary,
        labels: list[Label],
        root: int,
        first_chunks_ns: dict[int, int],
        *,
        root_seen: bool,
        is_whole: bool,
    ) -> None:
        self._summary = summary
        self._labels = labels
        self._root = root
        self._first_chunks_ns = first_chunks_ns
        self._root_seen = root_seen
        self._is_whole = is_whole
        self._beneath: dict[int, _Beneath] = {}
        self.has_sums = True
        self.found: list[Seen] = []

    def go_through(self, rows: Iterable[Brief], *, strictly: bool = True) -> bool:  # noqa: C901, PLR0912 - every operation passes here: no calls that can be spared
        """Take in all rows; whether each came before what it lies beneath."""
        found: list[Seen] = []
        beneath: dict[int, _Beneath] = {}
        self.found, self._beneath = found, beneath
        root, firsts, labels = self._root, self._first_chunks_ns, self._labels
        ended: set[int] = set()
        for row in rows:
            span_id, parent_id, start_ns, end_ns, cost_usd, label, inputs, outputs, traits, kind = row
            if strictly:
                if parent_id in ended:
                    return False
                ended.add(span_id)
            own = beneath.pop(span_id, None)
            if span_id == root:
                self._end_root(row, own)
                continue
            up = beneath.get(parent_id)
            if up is None:
                up = beneath[parent_id] = _Beneath()
            if inputs or outputs or traits & BILLED:
                if traits & BILLED:
                    up.cost_usd += cost_usd
                up.input_tokens += inputs
                up.output_tokens += outputs
            if kind in _REQUESTS:
                name, _, outcome, _ = labels[label]
                failed = traits & FAILED
                values = (
                    _new(
                        Values,
                        (
                            not failed,
                            None if failed else end_ns - start_ns,
                            None if cost_usd != cost_usd else round(cost_usd * PICO),  # noqa: PLR0124 - no number
                            inputs,
                            outputs,
                            firsts.get(span_id),
                        ),
                    )
                    if outcome is None and (inputs or outputs)
                    else self._of_odd_request(row, succeeded=not failed)
                )
                found.append((named(_OF_MODEL, name), values))
                if kind == _INFERENCE:
                    up.requests.append((name, values))
            elif kind == _NODE:
                up.nodes.append((labels[label][0], self._of_unit(row, own), own.requests if own is not None else []))
                if own is not None:
                    own.requests = []
            elif kind == _TOOL:
                found.append((named(_OF_TOOL, labels[label][0]), _without_tokens(self._of_unit(row, own))))
            elif kind in _GRAPHS:
                name = labels[label][0]
                found.append((named(_OF_GRAPH, name), self._of_unit(row, own)))
                if own is not None and own.nodes:
                    self._place(own.nodes, name)
                    own.nodes = []
            if own is not None:
                up.merge(own)
        for stray in beneath.values():
            if stray.nodes and self._root_seen:
                self._place(stray.nodes, self._summary.name)
        return True

    def has_strays(self) -> bool:
        """Whether something was billed that does not lie beneath the root."""
        return any(left.cost_usd != 0.0 or left.input_tokens or left.output_tokens for left in self._beneath.values())

    def _place(self, nodes: list[tuple[str, Values, list[tuple[str, Values]]]], graph: str) -> None:
        found, held = self.found, self._summary.success
        for name, values, requests in nodes:
            found.append((named(_OF_NODE, name, graph), values))
            for model, asked in requests:
                served = asked if held or not asked.succeeded else _new(Values, (False, None, *asked[2:]))
                found.append((named(_OF_NODE_MODEL, model, graph, name), served))

    def _of_unit(self, row: Brief, own: _Beneath | None) -> Values:
        _, _, start_ns, end_ns, cost_usd, label, inputs, outputs, traits, _ = row
        if self._labels[label][2] is not None:
            return _STOPPED
        failed = bool(traits & FAILED)
        duration_ns = None if failed else end_ns - start_ns
        if not self.has_sums:
            return _new(Values, (not failed, duration_ns, None, None, None, None))
        if not traits & BILLED:
            cost_usd = 0.0
        if own is not None:
            cost_usd, inputs, outputs = cost_usd + own.cost_usd, inputs + own.input_tokens, outputs + own.output_tokens
        pico = None if isnan(cost_usd) else round(cost_usd * PICO)
        return _new(Values, (not failed, duration_ns, pico, inputs, outputs, None))

    def _of_odd_request(self, row: Brief, *, succeeded: bool) -> Values:
        """A request that was stopped, or whose tokens nobody told."""
        span_id, _, start_ns, end_ns, cost_usd, label, inputs, outputs, _, _ = row
        first_ns = self._first_chunks_ns.get(span_id)
        if self._labels[label][2] is not None:
            return Values(None, first_chunk_ns=first_ns)
        duration_ns = end_ns - start_ns if succeeded else None
        pico = None if isnan(cost_usd) else round(cost_usd * PICO)
        tokens = (inputs, outputs) if inputs or outputs else (None, None)
        return Values(succeeded, duration_ns, pico, *tokens, first_chunk_ns=first_ns)

    def _end_root(self, row: Brief, own: _Beneath | None) -> None:
        kind, name = row[-1], self._labels[row[5]][0]
        if kind in _REQUESTS:
            values = self._of_odd_request(row, succeeded=self._summary.success)
            self.found.append((named(_OF_MODEL, name), values))
        elif not self._root_seen:
            return
        elif kind in _GRAPHS:
            self.found.append((named(_OF_GRAPH, name), self._of_root(row)))
        elif kind == _TOOL:
            self.found.append((named(_OF_TOOL, name), _without_tokens(self._of_root(row))))
        elif kind == _NODE and own is not None:
            own.nodes.append((name, self._of_root(row), own.requests))
        if own is not None and own.nodes:
            self._place(own.nodes, name)

    def _of_root(self, row: Brief) -> Values:
        """A run as a whole, by its totals: they hold also what was beyond the limit of its shape."""
        _, _, start_ns, end_ns, _, label, *_ = row
        if self._labels[label][2] is not None:
            return _STOPPED
        summary = self._summary
        duration_ns = end_ns - start_ns if summary.success else None
        if not self._is_whole:
            return _new(Values, (summary.success, duration_ns, None, None, None, None))
        totals = summary.totals
        pico = None if totals.unpriced_calls else round(float(totals.cost_usd) * PICO)
        return _new(Values, (summary.success, duration_ns, pico, totals.input_tokens, totals.output_tokens, None))


def _without_tokens(values: Values) -> Values:
    """Of a tool the dollars beneath it tell enough."""
    return _new(Values, (*values[:3], None, None, None))


def _from_below(rows: Sequence[Brief]) -> list[Brief]:
    """The same operations, each before what it lies beneath; those in a circle of parents come last."""
    spans = {row[0] for row in rows}
    children: dict[int, list[Brief]] = {}
    tops: list[Brief] = []
    for row in rows:
        parent_id = row[1]
        (children.setdefault(parent_id, []) if parent_id in spans else tops).append(row)
    ordered: list[Brief] = []
    pending = tops
    while pending:
        row = pending.pop()
        ordered.append(row)
        pending.extend(children.pop(row[0], ()))
    ordered.reverse()
    return [*ordered, *(row for circle in children.values() for row in circle)]
