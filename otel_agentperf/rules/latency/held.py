"""What the nodes and the tools of a run took, and how much of it while nothing else ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.rules.base import Row
from otel_agentperf.rules.shape import Tree
from otel_agentperf.rules.time_spent import joined, own_stretches, waits_for_person, within, without

MODELS = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS})
TOOLS = frozenset({OperationKind.TOOL, OperationKind.RETRIEVAL})
_ALL_BUT = 0.9
"""Share of the nodes' time from which one of them is all there is."""

Stretches = list[tuple[int, int]]


class Held(NamedTuple):
    """What the invocations of one node, or the calls of one tool, took of a run. Times are Unix nanoseconds."""

    rows: Sequence[Row]
    busy: Stretches
    """When at least one of them ran, within the run."""
    alone: Stretches
    """The part of it in which nothing else ran."""

    @property
    def name(self) -> str:
        """Of the node or tool."""
        return self.rows[0].name

    @property
    def busy_ns(self) -> int:
        """How long at least one of them ran, in nanoseconds."""
        return length_ns(self.busy)

    @property
    def alone_ns(self) -> int:
        """How long of it nothing else ran, in nanoseconds."""
        return length_ns(self.alone)


def nodes_of(tree: Tree, root: Operation) -> list[Held]:
    """What each different node took, the one that ran alone the longest first."""
    by_name: dict[str, list[Row]] = {}
    for unit in tree.units():
        by_name.setdefault(unit.name, []).append(unit)
    busy = {name: busy_of(rows, root) for name, rows in by_name.items()}
    running = _times_at_once(busy.values())
    held = [Held(rows, busy[name], without(busy[name], running)) for name, rows in by_name.items()]
    return sorted(held, key=by_alone)


def _times_at_once(every: Iterable[Stretches]) -> Stretches:
    """When two or more of these ran."""
    edges = sorted(
        (time, change) for each in every for span in each for time, change in zip(span, (1, -1), strict=True)
    )
    found: Stretches = []
    count, since = 0, 0
    for time, change in edges:
        if count > 1 and time > since:
            found.append((since, time))
        count, since = count + change, time
    return found


def tools_of(tree: Tree, rows: Sequence[Row], root: Operation) -> list[Held]:
    """What each tool took, the longest first; when nothing else ran is found for that one alone.

    Tools in which an agent or a model works are left out, and so are those that a person answers.
    """
    at_work = _around(rows, (row for row in rows if row.kind in MODELS or row.is_agent))
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind in TOOLS and row.span_id not in at_work and not waits_for_person(row):
            by_name.setdefault(row.name, []).append(row)
    held = sorted((Held(calls, busy_of(calls, root), []) for calls in by_name.values()), key=by_busy, reverse=True)
    if held:
        calls = held[0].rows
        members = {row.span_id for row in (*calls, *tree.beneath(row.span_id for row in calls))}
        others = [(start, end) for start, end, row in own_stretches(tree, rows) if row.span_id not in members]
        held[0] = held[0]._replace(alone=without(held[0].busy, others))
    return held


def _around(rows: Iterable[Row], within: Iterable[Row]) -> set[int]:
    """The spans in which any of these operations ran."""
    parents = {row.span_id: row.parent_id for row in rows}
    found: set[int] = set()
    for row in within:
        above = row.parent_id
        while above in parents and above not in found:
            found.add(above)
            above = parents[above]
    return found


def next_tool(tools: Sequence[Held], models: Sequence[Row], root: Operation) -> Held | None:
    """The tool, or the requests to models all together, that took the most time after the first one."""
    asked = [Held([row._replace(name="the model") for row in models[:1]], busy_of(models, root), [])] if models else []
    return max((*tools[1:], *asked), key=by_busy, default=None)


def is_its_model(tree: Tree, nodes: Sequence[Held]) -> bool:
    """Whether the node that took the longest is the one that asks the model in a loop of model and tools, or all there is."""
    longest = nodes[0]
    beneath = [tree.beneath(row.span_id for row in node.rows) for node in nodes]
    strays = [row for row in tree.strays() if row.agent == longest.name and row.kind in MODELS]
    asked = [row for row in (*beneath[0], *strays) if row.kind in MODELS]
    in_model_ns = length_ns(joined((row.start_ns, row.end_ns) for row in asked))
    if in_model_ns * 2 < longest.busy_ns or any(row.kind in TOOLS for row in beneath[0]):
        return False
    if any(row.function_calls for row in asked):
        return True
    kinds = [{row.kind for row in rows} for rows in beneath[1:]]
    if any(seen & TOOLS and not seen & MODELS for seen in kinds):
        return True
    is_all = longest.busy_ns >= _ALL_BUT * sum(node.busy_ns for node in nodes)
    return is_all and not any(seen & MODELS for seen in kinds)


def busy_of(rows: Iterable[Row], root: Operation) -> Stretches:
    """When at least one of these ran, within the run."""
    return joined(within([(row.start_ns, row.end_ns) for row in rows], root.start_ns, root.end_ns))


def length_ns(stretches: Stretches) -> int:
    """How long these are in all, in nanoseconds."""
    return sum(end_ns - start_ns for start_ns, end_ns in stretches)


def by_alone(held: Held) -> tuple[int, str]:
    """Sorts what ran alone the longest first."""
    return -held.alone_ns, held.name


def by_busy(held: Held) -> tuple[int, str]:
    """Sorts what ran the longest last."""
    return held.busy_ns, held.name
