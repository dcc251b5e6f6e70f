"""Where the time of an operation went: model requests, tools, other agents, its own code.

The time of an operation is divided as the critical path of a run is: it goes back from the end
to the child that ended last, and so on, and what no child covers is the operation's own. So the
parts never overlap, and add up to its time. A billed service, such as a remote browser, is often
open around the calls that use it, so it counts only where nothing else ran.

Time in which the program waited for a person is no work: an operation that ended `interrupted`,
what follows it until the next one begins, and a tool whose name says that a person answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from otel_agentperf.model import OperationKind
from otel_agentperf.rules.base import Row
from otel_agentperf.rules.shape import Tree

_PERSON = re.compile(
    r"(?<![a-z])(human|approval|ask_?(the_?)?user|user_?(input|confirmation)|confirm_with_?(the_?)?user"
    r"|request_(user_)?(input|confirmation))(?![a-z])|askuserquestion|exitplanmode"
)
"""In the lower-case name of a tool: a person answers it."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_INTERRUPTED = "interrupted"
_TOOLS = frozenset({OperationKind.TOOL, OperationKind.RETRIEVAL})
_MODELS = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS})


class Spent(StrEnum):
    """What time was spent on."""

    __hash__ = str.__hash__

    MODEL = "model"
    TOOL = "tool"
    SERVICE = "service"
    CODE = "code"
    """The operation's own code, and that of nodes beneath it."""
    PERSON = "person"
    """Waiting for a person."""


class Piece(NamedTuple):
    """A stretch of an operation's time. Times are Unix nanoseconds."""

    start_ns: int
    end_ns: int
    spent: Spent
    name: str
    """The model, tool or service, or the node whose code ran; empty for the operation's own code."""
    agent: str
    """The innermost other agent that it waited for then; empty where it waited for none."""


class _Open(NamedTuple):
    row: Row
    start_ns: int
    end_ns: int
    spent: Spent
    name: str
    agent: str


def waits_for_person(row: Row) -> bool:
    """Whether an operation waited for a person: it was interrupted, or it is a tool that a person answers."""
    if row.outcome == _INTERRUPTED:
        return True
    if row.kind is not OperationKind.TOOL:
        return False
    return any(_PERSON.search(name.lower()) for name in (row.name, _CAMEL.sub("_", row.name)))


def pieces(tree: Tree, top: Row, strays: Iterable[Row] = ()) -> list[Piece]:
    """Divide the time of an operation.

    Args:
        tree: the operations of the run.
        top: the operation.
        strays: operations that ran for it and whose parent is not known.

    Returns:
        Disjoint pieces, the last one first, that add up to its time.
    """
    found: list[Piece] = []
    seen = {top.span_id}
    pending = [_Open(top, top.start_ns, top.end_ns, Spent.CODE, "", "")]
    while pending:
        opened = pending.pop()
        if opened.spent is Spent.PERSON:
            found.append(_piece(opened, opened.start_ns, opened.end_ns))
            continue
        children = tree.children.get(opened.row.span_id, ())
        if opened.row is top:
            children = [*children, *strays]
        _divide(opened, children, top, seen, pending, found)
    return sorted(found, reverse=True)


def _divide(
    opened: _Open, children: Sequence[Row], top: Row, seen: set[int], pending: list[_Open], found: list[Piece]
) -> None:
    """Give the time of one operation to the children that it waited for."""
    cursor_ns = opened.end_ns
    services = [child for child in children if child.kind is OperationKind.SERVICE]
    others = children if not services else [child for child in children if child.kind is not OperationKind.SERVICE]
    for child in sorted(others, key=lambda row: (-row.end_ns, row.start_ns, row.span_id)):
        end_ns, begin_ns = min(child.end_ns, cursor_ns), max(child.start_ns, opened.start_ns)
        if begin_ns >= end_ns or child.span_id in seen:
            continue
        seen.add(child.span_id)
        if end_ns < cursor_ns:
            if child.outcome == _INTERRUPTED:
                found.append(Piece(end_ns, cursor_ns, Spent.PERSON, "", opened.agent))
            else:
                _own(opened, end_ns, cursor_ns, services, found)
        pending.append(_opened(child, begin_ns, end_ns, opened, top))
        cursor_ns = begin_ns
    if cursor_ns > opened.start_ns:
        _own(opened, opened.start_ns, cursor_ns, services, found)


def _opened(row: Row, start_ns: int, end_ns: int, above: _Open, top: Row) -> _Open:
    agent = above.agent
    if row.is_agent:
        agent = "" if row.name == top.name else row.name
    if waits_for_person(row):
        return _Open(row, start_ns, end_ns, Spent.PERSON, row.name, agent)
    if row.kind in _MODELS:
        return _Open(row, start_ns, end_ns, Spent.MODEL, row.name, agent)
    if row.kind in _TOOLS:
        return _Open(row, start_ns, end_ns, Spent.TOOL, row.name, agent)
    if row.kind is OperationKind.OTHER:  # a part of what is above it
        return _Open(row, start_ns, end_ns, above.spent, above.name, agent)
    name = row.name if row.kind is OperationKind.NODE and not row.is_agent else ""
    return _Open(row, start_ns, end_ns, Spent.CODE, name, agent)


def _piece(opened: _Open, start_ns: int, end_ns: int) -> Piece:
    return Piece(start_ns, end_ns, opened.spent, opened.name, opened.agent)


def _own(opened: _Open, start_ns: int, end_ns: int, services: Sequence[Row], found: list[Piece]) -> None:
    """Give a stretch that no child covers to the services that were open then, else to the operation itself."""
    if opened.spent is Spent.CODE:
        for service in sorted(services, key=lambda row: (-row.end_ns, row.start_ns, row.span_id)):
            until_ns, since_ns = min(service.end_ns, end_ns), max(service.start_ns, start_ns)
            if since_ns >= until_ns:
                continue
            if until_ns < end_ns:
                found.append(_piece(opened, until_ns, end_ns))
            found.append(Piece(since_ns, until_ns, Spent.SERVICE, service.name, opened.agent))
            end_ns = since_ns
    if end_ns > start_ns:
        found.append(_piece(opened, start_ns, end_ns))


def own_stretches(tree: Tree, rows: Iterable[Row]) -> list[tuple[int, int, Row]]:
    """When each operation ran and nothing beneath it did; services are left out.

    Args:
        tree: the operations of the run.
        rows: the operations to look at.

    Returns:
        Starts and ends in Unix nanoseconds, with the operation.
    """
    found: list[tuple[int, int, Row]] = []
    for row in rows:
        if row.kind is OperationKind.SERVICE:
            continue
        since_ns = row.start_ns
        for child in tree.children.get(row.span_id, ()):
            if child.kind is OperationKind.SERVICE or child.end_ns <= child.start_ns:
                continue
            if min(child.start_ns, row.end_ns) > since_ns:
                found.append((since_ns, min(child.start_ns, row.end_ns), row))
            since_ns = max(since_ns, child.end_ns)
        if since_ns < row.end_ns:
            found.append((since_ns, row.end_ns, row))
    return found


def joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same time as disjoint stretches in order.

    Args:
        stretches: starts and ends, in any order.
    """
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def without(stretches: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The time of these stretches that none of the others covers, as disjoint stretches in order.

    Args:
        stretches: starts and ends, in any order.
        others: as these.
    """
    found: list[tuple[int, int]] = []
    taken = joined(others)
    place = 0
    for start, end in joined(stretches):
        begin = start
        while place < len(taken) and taken[place][1] <= begin:
            place += 1
        at = place
        while at < len(taken) and taken[at][0] < end:
            if taken[at][0] > begin:
                found.append((begin, taken[at][0]))
            begin = max(begin, taken[at][1])
            at += 1
        if begin < end:
            found.append((begin, end))
    return found


def within(stretches: Iterable[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of stretches that lie between two times."""
    return [(max(since, start), min(until, end)) for since, until in stretches if max(since, start) < min(until, end)]
