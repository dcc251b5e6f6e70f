"""Finds the requests that several spans of a trace report, so that each is counted once.

A framework's span for a model call stands around the SDK's span for the same call, and around
several where functions are called automatically: what stands beneath is the bill. Where only the
outer one knows the tokens, it counts and the inner ones do not. A tool in between parts them:
the request in a tool is one of its own.

A framework whose spans are never current (OpenLLMetry's and OpenInference's LangChain, measured)
leaves the SDK's span beside its own or higher up: within its time, by another instrumentation,
with the same model and the same tokens. Beside it the SDK's counts; higher up the framework's,
since only that stands at its place. Of reasoning, which some leave out, the one with more counts.
Where a file does not name the instrumentation, two siblings count as those of two instrumentations only
if they follow different conventions or name their operations differently.

It errs towards counting twice: a pair in two traces or two processes is not seen, nor one that differs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from otel_agentperf.model import BILLED_BY_TOKEN, Inference, Operation, OperationKind

_MAX_STEPS_UP = 64
_MAX_LOOKED_AT = 8


def told_twice(operations: Mapping[str, Operation]) -> dict[str, str]:
    """The spans of requests that another span of the trace reports as well.

    Args:
        operations: all operations of one trace by the ids of their spans.

    Returns:
        The ids of the spans that are not to be counted, each with that of the span which counts
        for the same request; with an empty text where several do.
    """
    requests = [op for op in operations.values() if op.kind in BILLED_BY_TOKEN and op.counted]
    if len(requests) < 2 or not any(one.scope for one in requests):  # noqa: PLR2004 - one alone is told once
        return {}  # all of them are ours, and we make one span for each request
    requests.sort(key=lambda one: (one.start_ns, one.span_id))  # the answer is the same for any order
    beneath: dict[str, list[Operation]] = defaultdict(list)
    for request in requests:
        for above in _above(request, operations):
            if above.kind is OperationKind.TOOL:
                break
            if above.kind is request.kind and above.counted:
                beneath[above.span_id].append(request)
    found: dict[str, str] = {}
    for span_id, inner in beneath.items():
        if operations[span_id].usage is None or any(one.usage is not None for one in inner):
            found[span_id] = inner[0].span_id if len(inner) == 1 else ""
        else:
            found.update((one.span_id, span_id) for one in inner)
    for span_id, counts in found.items():
        # Of three around each other, the outermost one stands for the same request as the one that counts.
        if not counts and len(alone := [one for one in beneath[span_id] if one.span_id not in found]) == 1:
            found[span_id] = alone[0].span_id
    found.update(_beside([request for request in requests if request.span_id not in found], operations))
    return found


def completed(inference: Inference, other: Inference) -> Inference:
    """What one span says of a request, with the fingerprints that only another one gives."""
    if inference.request_hash is None and other.request_hash is not None:
        inference = msgspec.structs.replace(
            inference,
            request_hash=other.request_hash,
            prefix_hashes=other.prefix_hashes,
            prefix_sizes=other.prefix_sizes,
            request_size=other.request_size,
            uses=other.uses,
        )
    if inference.response_hash is None and other.response_hash is not None:
        inference = msgspec.structs.replace(
            inference,
            response_hash=other.response_hash,
            response_kind=other.response_kind,
            function_calls=other.function_calls,
        )
    return inference


def _above(operation: Operation, operations: Mapping[str, Operation]) -> Iterable[Operation]:
    above = operation
    for _ in range(_MAX_STEPS_UP):
        parent = operations.get(above.parent_id) if above.parent_id is not None else None
        if parent is None or parent is operation:
            return
        yield parent
        above = parent


def _beside(requests: Sequence[Operation], operations: Mapping[str, Operation]) -> Iterable[tuple[str, str]]:
    alike: dict[tuple[object, ...], list[Operation]] = defaultdict(list)
    for request in requests:
        if request.usage is not None:
            alike[request.kind, request.usage.input_tokens].append(request)
    for group in alike.values():
        if len({one.scope for one in group}) > 1:
            yield from _within(sorted(group, key=lambda one: one.start_ns), operations)


def _within(group: list[Operation], operations: Mapping[str, Operation]) -> Iterable[tuple[str, str]]:
    """One of each two, where one ran within the other's time and hangs on a span above it."""
    starts = [one.start_ns for one in group]
    paired: set[str] = set()
    for inner in group:
        last = bisect_right(starts, inner.start_ns)
        for outer in reversed(group[max(0, last - _MAX_LOOKED_AT) : last]):
            if outer.span_id in paired or inner.span_id in paired or not _is_same(outer, inner):
                continue
            if any(above.span_id == inner.parent_id for above in _above(outer, operations)):
                paired.update((outer.span_id, inner.span_id))
                outer_stays = outer.parent_id != inner.parent_id or _output(outer) > _output(inner)
                yield (inner.span_id, outer.span_id) if outer_stays else (outer.span_id, inner.span_id)
                break


def _is_same(outer: Operation, inner: Operation) -> bool:
    if outer.scope == inner.scope or outer.end_ns < inner.end_ns:
        return False
    one, other = _output(outer), _output(inner)
    alike = one == other or one - _reasoning(outer) == other or one == other - _reasoning(inner)
    return alike and not _models(outer).isdisjoint(_models(inner))


def _output(operation: Operation) -> int:
    return operation.usage.output_tokens if operation.usage is not None else 0


def _reasoning(operation: Operation) -> int:
    return operation.usage.reasoning_tokens if operation.usage is not None else 0


def _models(operation: Operation) -> set[str]:
    inference = operation.inference
    named = () if inference is None else (inference.request_model, inference.response_model or "")
    return {name.rpartition("/")[2] for name in named if name}
