"""What rules share: bounded memory, and how they weigh and word what they say.

What is kept does not depend on the order in which it came or was merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from functools import lru_cache
from heapq import heappush, heappushpop
from struct import Struct
from typing import Generic, Protocol, Self, TypeVar
from zlib import crc32

import msgspec

from otel_agentperf.model import ZERO_USD, Claim

MAX_TARGETS = 64
"""Agents or models of one session."""
MAX_PROCESS_TARGETS = 256
"""Those of a service."""
MAX_KEPT_CLAIMS = 64
MAX_SPANS = 16
"""Spans that a suggestion names."""

_MOST_AT_STAKE = 0.5
_PACKED = Struct(">dQQ")
"""Of numbers that are not negative, the larger one has the larger bytes."""
_LATEST_NS = 2**63
_ANY = "surrogatepass"
_TRIFLE_USD = 0.005
_TRIFLE_NS = 1_000_000_000
_SHOWN_USD = 0.00005
_EXACT = Context(prec=40, traps=[])
_STEP_USD = Decimal("1e-12")


class Mergeable(Protocol):
    """What two of can be added up."""

    def merge(self, other: Self) -> None:
        """Take in the other one, which is left as it is."""
        ...


E = TypeVar("E", bound=Mergeable)


class Table(msgspec.Struct, Generic[E], gc=False):
    """Entries by name; beyond `most` of them, those whose names have the smallest checksums are kept.

    An entry that is kept has never been away, so it is whole.
    """

    make: Callable[[], E]
    most: int = MAX_TARGETS
    entries: dict[str, E] = {}
    _last: tuple[int, str] | None = None
    """The name that would go first, once the table is full."""

    def of(self, name: str) -> E | None:
        """The entry of a name, made when it is new; `None` where there is no room for it."""
        entry = self.entries.get(name)
        if entry is None and (len(self.entries) < self.most or self._admits(name)):
            entry = self.entries[name] = self.make()
        return entry

    def _admits(self, name: str) -> bool:
        last = self._last if self._last is not None else max(map(_order, self.entries))
        if _order(name) > last:
            self._last = last
            return False
        del self.entries[last[1]]
        self._last = max(map(_order, (*self.entries, name)))
        return True

    def merge(self, other: Table[E]) -> None:
        """Take in another table, which is left as it is."""
        for name, entry in other.entries.items():
            own = self.of(name)
            if own is not None:
                own.merge(entry)


def _order(name: str) -> tuple[int, str]:
    return crc32(name.encode(errors="replace")), name


class Claims(msgspec.Struct, gc=False):
    """The largest claims of a suggestion, by money and then by time."""

    most: int = MAX_KEPT_CLAIMS
    _kept: list[bytes] | None = None
    """A heap of claims in some eighty bytes each, which sort as money, time, start and span do."""

    def add(self, span_id: str, cost_usd: Decimal = ZERO_USD, start_ns: int = 0, end_ns: int = 0) -> None:
        """Claim money on a span, a stretch of time, or both."""
        start_ns = min(max(0, start_ns), _LATEST_NS)
        length_ns = min(max(0, end_ns - start_ns), _LATEST_NS)
        self._push(_PACKED.pack(max(0.0, float(cost_usd)), length_ns, start_ns) + span_id.encode(errors=_ANY))

    def _push(self, claim: bytes) -> None:
        kept = self._kept
        if kept is None:
            self._kept = [claim]
        elif len(kept) < self.most:
            heappush(kept, claim)
        else:
            heappushpop(kept, claim)

    def merge(self, other: Claims) -> None:
        """Take in other claims, which are left as they are."""
        for claim in other._kept or ():
            self._push(claim)

    def largest(self) -> tuple[Claim, ...]:
        """The claims, the largest first."""
        claims: list[Claim] = []
        for packed in sorted(self._kept or (), reverse=True):
            cost_usd, length_ns, start_ns = _PACKED.unpack_from(packed)
            span_id = packed[_PACKED.size :].decode(errors=_ANY)
            claims.append(Claim(span_id, Decimal(repr(cost_usd)), start_ns, start_ns + length_ns))
        return tuple(claims)

    def spans(self) -> tuple[str, ...]:
        """The spans of the largest claims, each once."""
        spans = (packed[_PACKED.size :].decode(errors=_ANY) for packed in sorted(self._kept or (), reverse=True))
        return tuple(dict.fromkeys(spans))[:MAX_SPANS]


def union_ns(stretches: Iterable[tuple[int, int]], start_ns: int = 0, end_ns: int | None = None) -> int:
    """How long at least one stretch lasted, within the bounds.

    Args:
        stretches: starts and ends, Unix nanoseconds, in any order.
        start_ns: what lies before does not count.
        end_ns: what lies after does not count.
    """
    total, until = 0, start_ns
    for start, end in sorted(stretches):
        begun = max(until, start)
        ended = end if end_ns is None or end < end_ns else end_ns
        if ended > begun:
            total += ended - begun
            until = ended
    return total


def weighed(reference: float, part: float | Decimal, whole: float | Decimal) -> float:
    """An impact in proportion to what is at stake.

    Args:
        reference: the impact where at least half of the money, time or calls is at stake.
        part: what is at stake.
        whole: all of it; where it is 0, the reference stands.
    """
    share = float(part) / float(whole) if whole else 1.0
    return round(reference * min(1.0, share / _MOST_AT_STAKE), 3)


def weighed_usd(reference: float, part_usd: Decimal, whole_usd: Decimal) -> float:
    """As `weighed`, and less in proportion where less than half a cent is at stake."""
    return round(weighed(reference, part_usd, whole_usd) * min(1.0, float(part_usd) / _TRIFLE_USD), 3)


def weighed_ns(reference: float, part_ns: int, whole_ns: int) -> float:
    """As `weighed`, and less in proportion where less than a second is at stake."""
    return round(weighed(reference, part_ns, whole_ns) * min(1.0, part_ns / _TRIFLE_NS), 3)


def dollars(amount_usd: Decimal) -> str:
    """US dollars for people: four places, or the first digit of a smaller amount."""
    if amount_usd >= _SHOWN_USD or not amount_usd:
        return f"${amount_usd:.4f}"
    return f"${Decimal(f'{amount_usd:.0e}'):f}"


@lru_cache(maxsize=1_024)
def target_of(agent: str, model: str) -> str:
    """Who a model request is charged to, as `kind:name`: its agent, else its model. One text for all who ask."""
    return f"agent:{agent}" if agent else f"model:{model}"


def part_of(cost_usd: Decimal, part: int, whole: int) -> Decimal:
    """`cost * part / whole`, to the millionth of a micro-dollar, so that sums do not depend on their order."""
    return _EXACT.quantize(_EXACT.divide(_EXACT.multiply(cost_usd, part), whole), _STEP_USD)
