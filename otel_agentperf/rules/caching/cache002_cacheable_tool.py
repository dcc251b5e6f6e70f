"""CACHE002 cacheable_tool

What it finds: a tool that gave the same result for the same arguments in several runs, and never
another one for them.

Why it costs: each of these calls took its time, and what it fetched was known already.

Example: `load_price_list` was called 40 times in 40 runs with the same arguments, 1.2 s each, and
gave the same result every time.

Instead: if the tool only reads, keep its results for as long as they hold good: a cache around the
function, by its arguments, or LangGraph's own cache on the node.

Limits: whether a tool only reads cannot be seen from here: one that also does something must be
called each time. Tools whose names say that they change something (`cancel_order`, `browser_click`)
are left out. A tool that once gave another result for the same arguments is left alone
altogether. Failed calls do not count, nor do those whose result was not recorded, and those
without arguments count only where the result is long. Up to 2,048 pairs of tool and arguments are
watched in a process, a fair sample of them where there are more.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    ToolCall,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, span_hex

MAX_PAIRS = 2_048
MAX_RUNS = 32
"""Runs that are told apart for one pair; beyond it, there are at least as many."""
LATEST = 8
"""Calls of one pair that are named, the latest ones."""
NS_PER_S = 1e9
REFERENCE_S = 1.0
REFERENCE_USD = 0.001
_CALL = struct.Struct(">QQQd")
_SEEN = struct.Struct(">QQQdQQ")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
READING = frozenset(
    "calculate check compute count describe fetch find get list load look lookup query read retrieve search show view".split()  # noqa: SIM905 - reads best so
)
CHANGING = frozenset(
    "add apply approve archive assign book buy call cancel charge click close commit complete copy create delete deploy "  # noqa: SIM905
    "drop edit execute file fill goto insert install invite log mark merge modify move navigate notify open order pay "
    "place post press publish push put record refund register reject remove rename reply reserve restart reset run save "
    "scroll select send set sign start stop store submit subscribe sync think transfer trigger type undo update upload "
    "wait write".split()
)
"""What the name of a tool may say first; `post` in `get_post` says nothing."""
_MIX = 0x9E37_79B9_7F4A_7C15
_MOST = 2**64 - 1


class _Call(NamedTuple):
    """One call; packed, calls sort by their start."""

    start_ns: int
    end_ns: int
    span_id: int
    cost_usd: float

    @property
    def duration_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)


class _Repeated(msgspec.Struct, gc=False):
    """What is known of one tool with one set of arguments, called more than once."""

    result: int
    varies: bool
    runs: tuple[int, ...]
    calls: int
    total_ns: int
    cost_usd: Decimal
    first: bytes
    latest: list[bytes]

    def add(self, seen: bytes) -> None:
        """Take in one more call."""
        start_ns, end_ns, _, cost_usd, result, run = _SEEN.unpack(seen)
        if self.varies or result != self.result:
            self.varies = True  # and nothing else matters any more
            return
        if run and run not in self.runs:
            self.runs = tuple(sorted((*self.runs, run))[:MAX_RUNS])
        self.calls += 1
        self.total_ns += max(0, end_ns - start_ns)
        if cost_usd:
            self.cost_usd += Decimal(repr(cost_usd))
        call = seen[: _CALL.size]
        self.first = min(self.first, call)
        self.latest.append(call)
        if len(self.latest) >= 2 * LATEST:
            self.latest = sorted(self.latest)[-LATEST:]

    def merge(self, other: _Repeated) -> None:
        """Take in other calls with the same arguments."""
        self.varies = self.varies or other.varies or self.result != other.result
        self.runs = tuple(sorted({*self.runs, *other.runs})[:MAX_RUNS])
        self.calls += other.calls
        self.total_ns += other.total_ns
        self.cost_usd += other.cost_usd
        self.first = min(self.first, other.first)
        self.latest = sorted(self.latest + other.latest)[-LATEST:]


_Pair = bytes | _Repeated
"""Most calls are never repeated: those are kept packed."""


@dataclass(slots=True)
class _State:
    tools: dict[str, dict[int, _Pair]] = field(default_factory=dict[str, "dict[int, _Pair]"])
    """By the tool's name and a hash of tool and arguments."""
    kept: int = 0
    largest: int = _MOST
    """Pairs with a larger hash have been let go of."""
    changed: set[str] = field(default_factory=set[str])
    """Tools of which more may be said than when a run last ended."""


class CacheableTool(Rule[_State]):
    """The same tool, arguments and result in at least three runs.

    Saving, measured: time and cost of all these calls but the first one of each set of arguments.
    Impact: 0.7 (the reference point for a repeated action) where such a call takes a second or
    costs a tenth of a cent on average, in proportion below; never an alarm, since whether the
    tool only reads is for people to say.
    """

    code = "CACHE002"
    name = "cacheable_tool"
    group = Group.CACHING
    scope = Scope.PROCESS
    watches = frozenset({OperationKind.TOOL})
    complexity = Complexity.LOW
    options = {
        "min_runs": Option(3, "runs", "Fewest runs in which the same arguments gave the same result.", 2, MAX_RUNS),
        "min_average_s": Option(0.1, "s", "Least average time of a call that costs nothing."),
        "min_result_size": Option(1_000, "characters", "Least result of a call without arguments."),
    }
    min_runs: int
    min_average_s: float
    min_result_size: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.tool
        if call is None or call.result_hash is None or call.arguments_hash is None or not self._counts(operation, call):
            return ()
        cost = operation.cost
        cost_usd = cost.total_usd if cost is not None else None
        try:
            pair = int(call.arguments_hash, 16) ^ _salt(operation.name)
            seen = _SEEN.pack(
                operation.start_ns,
                operation.end_ns,
                int(operation.span_id, 16),
                float(cost_usd) if cost_usd is not None else 0.0,
                int(call.result_hash, 16),
                int(operation.trace_id[-16:] or "0", 16),
            )
        except (ValueError, struct.error):  # no fingerprint of ours, or a time that no clock gives
            return ()
        self._add(state, operation.name, pair, seen)
        return ()

    def _counts(self, operation: Operation, call: ToolCall) -> bool:
        if operation.error_type is not None or operation.outcome is not None or call.error_hash is not None:
            return False
        return not call.no_arguments or (call.result_size or 0) >= self.min_result_size

    def _add(self, state: _State, name: str, pair: int, found: _Pair) -> None:
        if pair > state.largest:
            return
        pairs = state.tools.setdefault(name, {})
        before = pairs.get(pair)
        if before is None:
            pairs[pair] = found
            state.kept += 1
            if state.kept >= 2 * MAX_PAIRS:
                _trim(state)
            return
        if isinstance(before, bytes):
            before = pairs[pair] = _repeated(before)
        if isinstance(found, bytes):
            before.add(found)
        else:
            before.merge(found)
        state.changed.add(name)

    def merge(self, state: _State, other: _State) -> _State:
        state.largest = min(state.largest, other.largest)
        for name, pairs in other.tools.items():
            for pair, found in pairs.items():
                self._add(state, name, pair, found if isinstance(found, bytes) else _copy(found))
        _trim(state)
        return state

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        if not state.changed:
            return ()
        _trim(state)
        changed = sorted(state.changed)
        state.changed.clear()
        return [suggestion for name in changed for suggestion in self._of(name, state.tools.get(name, {}))]

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        _trim(state)
        return [suggestion for name in sorted(state.tools) for suggestion in self._of(name, state.tools[name])]

    def _of(self, name: str, pairs: dict[int, _Pair]) -> Iterable[Suggestion]:
        repeated = [pair for pair in pairs.values() if isinstance(pair, _Repeated)]
        same = [pair for pair in repeated if len(pair.runs) >= self.min_runs]
        if not same or any(pair.varies for pair in repeated) or _verb(name) in CHANGING:
            return ()
        repeats = sum(pair.calls - 1 for pair in same)
        first = [_Call._make(_CALL.unpack(pair.first)) for pair in same]
        time_s = (sum(pair.total_ns for pair in same) - sum(call.duration_ns for call in first)) / NS_PER_S
        cost_usd = sum((pair.cost_usd for pair in same), Decimal(0)) - sum(
            (Decimal(repr(call.cost_usd)) for call in first), Decimal(0)
        )
        average_s, average_usd = time_s / repeats, float(cost_usd) / repeats
        if average_s < self.min_average_s and average_usd <= 0:
            return ()
        calls = sum(pair.calls for pair in same)
        runs = max(len(pair.runs) for pair in same)
        latest = sorted(
            (packed for pair in same for packed in sorted(pair.latest)[-LATEST:] if packed != pair.first), reverse=True
        )
        named = [_Call._make(_CALL.unpack(packed)) for packed in latest[:MAX_CLAIMS]]
        which = "the same arguments" if len(same) == 1 else f"each of {len(same)} sets of arguments"
        return (
            Suggestion(
                rule=self.code,
                type=self.name,
                level=Level.NOTICE,
                description=(
                    f"{name} gave the same result for {which}, {calls} times in up to {runs} runs and "
                    f"{average_s:.2g} s each. If it only reads, keep its results by their arguments."
                ),
                impact_score=round(0.7 * min(1.0, max(average_s / REFERENCE_S, average_usd / REFERENCE_USD)), 3),
                complexity=self.complexity,
                confidence=0.7 if _verb(name) in READING else 0.5,
                applies_to=(f"tool:{name}",),
                span_ids=tuple(span_hex(call.span_id) for call in named[:16]),
                evidence={
                    "calls": calls,
                    "repeats": repeats,
                    "runs": runs,
                    "arguments": len(same),
                    "average_s": round(average_s, 3),
                },
                savings=Savings(SavingBasis.MEASURED, time_s=round(time_s, 6), cost_usd=cost_usd or None),
                claims=tuple(
                    Claim(span_hex(call.span_id), Decimal(repr(call.cost_usd)), call.start_ns, call.end_ns)
                    for call in named
                ),
            ),
        )


def _copy(found: _Repeated) -> _Repeated:
    return msgspec.structs.replace(found, latest=list(found.latest))


@lru_cache(maxsize=1_024)
def _salt(name: str) -> int:
    """What tells the same arguments of two tools apart."""
    return crc32(name.encode(errors="replace")) * _MIX & _MOST


def _verb(name: str) -> str | None:
    words = (word.lower() for word in _WORDS.findall(name))
    return next((word for word in words if word in READING or word in CHANGING), None)


def _repeated(found: _Pair) -> _Repeated:
    if not isinstance(found, bytes):
        return found
    *call, result, run = _SEEN.unpack(found)
    packed = found[: _CALL.size]
    start_ns, end_ns, _, cost_usd = call
    total_ns = max(0, end_ns - start_ns)
    runs = (run,) if run else ()
    return _Repeated(result, False, runs, 1, total_ns, Decimal(repr(cost_usd)), packed, [packed])  # noqa: FBT003 - a field in its place


def _trim(state: _State) -> None:
    """Keep the pairs with the smallest hashes, which are the same ones in whatever order they come."""
    every = sorted((pair, name) for name, pairs in state.tools.items() for pair in pairs if pair <= state.largest)
    if len(every) > MAX_PAIRS:
        state.largest = every[MAX_PAIRS - 1][0]
        del every[MAX_PAIRS:]
    elif len(every) == state.kept:
        return
    kept: dict[str, dict[int, _Pair]] = {}
    for pair, name in every:
        kept.setdefault(name, {})[pair] = state.tools[name][pair]
    state.tools, state.kept = kept, len(every)
