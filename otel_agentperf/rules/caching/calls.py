"""Calls of tools by their arguments, for as many pairs of tool and arguments as are watched in a process."""

from __future__ import annotations

import struct
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec

from otel_agentperf.model import Operation, ToolCall

MAX_PAIRS = 2_048
MAX_RUNS = 32
"""Runs that are told apart for one pair; beyond it, there are at least as many."""
LATEST = 8
"""Calls of one pair that are named, the latest ones."""
_CALL = struct.Struct(">QQQd")
_SEEN = struct.Struct(">QQQdQQ")
_MIX = 0x9E37_79B9_7F4A_7C15
_MOST = 2**64 - 1


class Call(NamedTuple):
    """One call; packed, calls sort by their start."""

    start_ns: int
    end_ns: int
    span_id: int
    cost_usd: float

    @property
    def duration_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)


class Repeated(msgspec.Struct, gc=False):
    """What is known of one tool with one set of arguments, called more than once."""

    result: int
    varies: bool
    runs: tuple[int, ...]
    calls: int
    total_ns: int
    cost_usd: Decimal
    first: bytes
    latest: list[bytes]

    def add(self, operation: Operation, result: int) -> None:
        """Take in one more call."""
        if self.varies or result != self.result:
            self.varies = True  # and nothing else matters any more
            return
        run = _run_of(operation)
        start_ns, end_ns = operation.start_ns, operation.end_ns
        cost = operation.cost
        cost_usd = cost.total_usd if cost is not None else None
        call = _CALL.pack(start_ns, end_ns, int(operation.span_id, 16), float(cost_usd or 0))
        if run and run not in self.runs:
            self.runs = tuple(sorted((*self.runs, run))[:MAX_RUNS])
        if cost_usd is not None:
            self.cost_usd += cost_usd
        self.calls += 1
        if end_ns > start_ns:
            self.total_ns += end_ns - start_ns
        self.first = min(self.first, call)
        self.latest.append(call)
        if len(self.latest) >= 2 * LATEST:
            self.latest = sorted(self.latest)[-LATEST:]

    def merge(self, other: Repeated) -> None:
        """Take in other calls with the same arguments."""
        self.varies = self.varies or other.varies or self.result != other.result
        self.runs = tuple(sorted({*self.runs, *other.runs})[:MAX_RUNS])
        self.calls += other.calls
        self.total_ns += other.total_ns
        self.cost_usd += other.cost_usd
        self.first = min(self.first, other.first)
        self.latest = sorted(self.latest + other.latest)[-LATEST:]

    def named(self) -> list[Call]:
        """The latest calls but the first one, in order of their starts."""
        return [unpacked(call) for call in sorted(self.latest)[-LATEST:] if call != self.first]


Pair = bytes | Repeated
"""Most calls are never repeated: those are kept packed."""


class Calls(msgspec.Struct, gc=False):
    """Calls of all tools of a process. What is kept does not depend on the order in which they came."""

    tools: dict[str, dict[int, Pair]] = {}
    """By the tool's name and a hash of tool and arguments."""
    kept: int = 0
    largest: int = _MOST
    """Pairs with a larger hash have been let go of."""
    changed: set[str] = set()
    """Tools of which more may be said than when a run last ended."""

    def add(self, operation: Operation, call: ToolCall) -> None:
        """Take in a call whose arguments and result are known; one that cannot be packed is left out."""
        name = operation.name
        try:
            pair = int(call.arguments_hash or "", 16) ^ _salt(name)
            result = int(call.result_hash or "", 16)
            pairs = self.tools.get(name)
            before = pairs.get(pair) if pairs is not None else None
            if before is None:
                self._add(name, pair, _seen(operation, result))
                return
            if isinstance(before, bytes):
                before = self.tools[name][pair] = _repeated(before)
            before.add(operation, result)
        except (ValueError, struct.error):  # no fingerprint of ours, or a time that no clock gives
            return
        self.changed.add(name)

    def find(self, name: str, arguments_hash: str) -> Repeated | None:
        """What is known of a tool with these arguments; `None` where it was called once at most."""
        try:
            found = self.tools.get(name, {}).get(int(arguments_hash, 16) ^ _salt(name))
        except ValueError:  # no fingerprint of ours
            return None
        return None if found is None or isinstance(found, bytes) else found

    def _add(self, name: str, pair: int, found: Pair) -> None:
        if pair > self.largest:
            return
        pairs = self.tools.setdefault(name, {})
        before = pairs.get(pair)
        if before is not None:
            if isinstance(before, bytes):
                before = pairs[pair] = _repeated(before)
            before.merge(_repeated(found))
            self.changed.add(name)
            return
        pairs[pair] = found
        self.kept += 1
        if self.kept >= 2 * MAX_PAIRS:
            self.trim()

    def merge(self, other: Calls) -> None:
        """Take in other calls, which are left as they are."""
        lowered = other.largest < self.largest
        self.largest = min(self.largest, other.largest)
        for name, pairs in other.tools.items():
            for pair, found in pairs.items():
                self._add(name, pair, found if isinstance(found, bytes) else _copy(found))
        if lowered:
            self._keep_smallest()
        self.trim()

    def trim(self) -> None:
        """Let go of pairs beyond the bound."""
        if self.kept > MAX_PAIRS:
            self._keep_smallest()

    def _keep_smallest(self) -> None:
        """Keep the pairs with the smallest hashes, which are the same ones in whatever order they come."""
        every = sorted((pair, name) for name, pairs in self.tools.items() for pair in pairs if pair <= self.largest)
        if len(every) > MAX_PAIRS:
            self.largest = every[MAX_PAIRS - 1][0]
            del every[MAX_PAIRS:]
        kept: dict[str, dict[int, Pair]] = {}
        for pair, name in every:
            kept.setdefault(name, {})[pair] = self.tools[name][pair]
        self.tools, self.kept = kept, len(every)


def _run_of(operation: Operation) -> int:
    """What stands for the run: half of its trace's id, 0 where there is none."""
    return int(operation.trace_id[-16:] or "0", 16)


def _seen(operation: Operation, result: int) -> bytes:
    """A call that is alone so far."""
    cost = operation.cost
    cost_usd = float(cost.total_usd) if cost is not None and cost.total_usd is not None else 0.0
    span_id = int(operation.span_id, 16)
    return _SEEN.pack(operation.start_ns, operation.end_ns, span_id, cost_usd, result, _run_of(operation))


def unpacked(call: bytes) -> Call:
    """A call as it was."""
    return Call._make(_CALL.unpack(call))


def _copy(found: Repeated) -> Repeated:
    return msgspec.structs.replace(found, latest=list(found.latest))


@lru_cache(maxsize=1_024)
def _salt(name: str) -> int:
    """What tells the same arguments of two tools apart."""
    return crc32(name.encode(errors="replace")) * _MIX & _MOST


def _repeated(found: Pair) -> Repeated:
    if not isinstance(found, bytes):
        return found
    *call, result, run = _SEEN.unpack(found)
    packed = found[: _CALL.size]
    start_ns, end_ns, _, cost_usd = call
    total_ns = max(0, end_ns - start_ns)
    runs = (run,) if run else ()
    return Repeated(result, False, runs, 1, total_ns, Decimal(repr(cost_usd)), packed, [packed])  # noqa: FBT003 - a field in its place
