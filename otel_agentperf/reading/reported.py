"""Usage on the span of an agent or graph: what of it no model request beneath covers.

Many frameworks repeat on the agent's span what the requests beneath it used; some report it there alone
(OpenInference's Claude Agent SDK, a remote agent). So of the tokens on such a span those count that are in
no request beneath it, and its stated cost counts where nothing beneath reports any tokens. The innermost
agents come first, so that what counts there is covered for those around them.

A request covers as much as the largest of the spans that report it. Requests of the same model that ran in
the agent's time beneath no agent, or beneath one around it, cover too: a framework whose spans are never
current leaves them there. It errs towards counting too little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from otel_agentperf.model import BILLED_BY_TOKEN, Operation, OperationKind, Usage

REPORTING = frozenset({OperationKind.WORKFLOW, OperationKind.AGENT})


class Covered(NamedTuple):
    """Tokens that are counted already. Cached ones are part of the input, thoughts part of the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0


_NOTHING = Covered()


def uncovered(operation: Operation, covered: Covered) -> Operation:
    """The operation with the usage and cost that count for itself.

    Args:
        operation: an agent or graph as its span reports it.
        covered: what the requests beneath it account for.

    Returns:
        It as it is where nothing is covered; else with the tokens beyond what is covered and without a
        cost, which is then to be found from them; without usage, cost and model where nothing is left.
    """
    usage = operation.usage
    if usage is None:
        is_alone = operation.cost is not None and covered == _NOTHING
        return operation if is_alone else _bare(operation)
    if not covered.input_tokens and not covered.output_tokens:
        return operation
    left_input = max(0, usage.input_tokens - covered.input_tokens)
    left_output = max(0, usage.output_tokens - covered.output_tokens)
    if not left_input and not left_output:
        return _bare(operation)
    left = Usage(
        left_input,
        left_output,
        min(left_input, max(0, usage.cache_read_tokens - covered.cache_read_tokens)),
        min(left_output, max(0, usage.reasoning_tokens - covered.reasoning_tokens)),
    )
    return msgspec.structs.replace(operation, usage=left, cost=None)


def _bare(operation: Operation) -> Operation:
    return msgspec.structs.replace(operation, usage=None, cost=None, inference=None)


def count_once(
    operations: Mapping[str, Operation], others: Iterable[Operation], told_twice: Mapping[str, str]
) -> dict[str, Operation]:
    """Find what counts of the usage on the spans of agents and graphs.

    Args:
        operations: the operations of one trace in one process, by the ids of their spans.
        others: those of other processes of the trace, whose requests cover as well.
        told_twice: requests that another span reports as well, each with the id of that one.

    Returns:
        The agents and graphs whose spans report usage or cost, with what counts of it, by their ids.
    """
    reporting = {
        span_id: one
        for span_id, one in operations.items()
        if one.kind in REPORTING and (one.usage is not None or one.cost is not None)
    }
    if not reporting:
        return {}
    return _Tree([*operations.values(), *others], told_twice).uncovered(reporting)


class _Tree:
    """The operations of a trace, gone through from below."""

    def __init__(self, operations: Iterable[Operation], told_twice: Mapping[str, str]) -> None:
        self._by_id = {one.span_id: one for one in operations}
        self._told_twice = told_twice
        self._beneath: dict[str, list[Operation]] = defaultdict(list)
        for one in self._by_id.values():
            if one.parent_id is not None and one.parent_id in self._by_id:
                self._beneath[one.parent_id].append(one)
        self._covered: dict[str, Covered] = {}
        self._found: dict[str, Operation] = {}
        self._loose: list[tuple[Operation, str | None]] | None = None

    def uncovered(self, reporting: Mapping[str, Operation]) -> dict[str, Operation]:
        """What counts of each, the innermost first."""
        for one in reporting.values():
            self._go_through(one)
        return {span_id: self._found.get(span_id, one) for span_id, one in reporting.items()}

    def _go_through(self, top: Operation) -> None:
        """Find what is covered by everything from an operation downwards, each after what is beneath it."""
        pending: list[tuple[Operation, bool]] = [(top, False)]
        entered: set[str] = set()
        while pending:
            one, is_ready = pending.pop()
            if one.span_id in self._covered:
                continue
            if is_ready:
                self._covered[one.span_id] = self._cover(one)
            elif one.span_id not in entered:  # spans that are each other's parents are entered once
                entered.add(one.span_id)
                pending.append((one, True))
                pending.extend((below, False) for below in self._beneath.get(one.span_id, ()))

    def _cover(self, operation: Operation) -> Covered:
        beneath = self._beneath.get(operation.span_id, ())
        covered = _sum(self._covered.get(one.span_id, _NOTHING) for one in beneath)
        usage = operation.usage
        if operation.kind in BILLED_BY_TOKEN:
            is_repeated = not operation.counted or operation.span_id in self._told_twice
            return covered if usage is None or (is_repeated and covered == _NOTHING) else _most(covered, usage)
        if operation.kind not in REPORTING or (usage is None and operation.cost is None):
            return covered
        if not operation.counted:
            self._found[operation.span_id] = _bare(operation)
            return covered
        found = self._found[operation.span_id] = uncovered(operation, _sum((covered, self._beside(operation))))
        return covered if found.usage is None else _sum((covered, _of(found.usage)))

    def _beside(self, operation: Operation) -> Covered:
        """What requests in its time cover that are beneath no agent, or only beneath one around it."""
        if self._loose is None:
            self._loose = [
                (one, self._agentic_above(one))
                for one in self._by_id.values()
                if one.kind in BILLED_BY_TOKEN
                and one.usage is not None
                and one.counted
                and one.span_id not in self._told_twice
            ]
        around = {one.span_id for one in self._above(operation)}
        return _sum(
            _of(one.usage)
            for one, agent in self._loose
            if one.usage is not None
            and (agent is None or agent in around)
            and operation.start_ns <= one.start_ns
            and one.end_ns <= operation.end_ns
            and _may_be_of(operation, one)
        )

    def _agentic_above(self, operation: Operation) -> str | None:
        return next((one.span_id for one in self._above(operation) if one.kind in REPORTING), None)

    def _above(self, operation: Operation) -> Iterable[Operation]:
        seen = {operation.span_id}
        above = self._by_id.get(operation.parent_id or "")
        while above is not None and above.span_id not in seen:
            yield above
            seen.add(above.span_id)
            above = self._by_id.get(above.parent_id or "")


def _may_be_of(operation: Operation, request: Operation) -> bool:
    """Whether a request may be one of those whose usage an agent's span reports: the same model, if both name one."""
    models = [
        {name.rpartition("/")[2] for name in (one.inference.request_model, one.inference.response_model) if name}
        if one.inference is not None
        else set[str]()
        for one in (operation, request)
    ]
    return not all(models) or not models[0].isdisjoint(models[1])


def _of(usage: Usage) -> Covered:
    return Covered(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens)


def _most(covered: Covered, usage: Usage) -> Covered:
    return Covered(*map(max, covered, _of(usage)))


def _sum(parts: Iterable[Covered]) -> Covered:
    return Covered(*map(sum, zip(_NOTHING, *parts, strict=True)))
