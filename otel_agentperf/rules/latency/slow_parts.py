"""What the time of slow work went to: kept in bounded memory, in words, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from otel_agentperf.rules.bounded import Table
from otel_agentperf.rules.shape import NS_PER_S
from otel_agentperf.rules.time_spent import Piece, Spent

MAX_PARTS = 32
MAX_NAMED = 3
MOSTLY = 0.5
"""The share of its time above which an agent mostly waits for others."""
_LEAST_NAMED = 0.05
_LEAST_ADVISED = 0.25
_SEPARATOR = "\x1f"


class Share(NamedTuple):
    """Time that one thing took."""

    spent: Spent
    name: str
    agent: str
    """The other agent for which it was taken; empty where for none."""
    ns: int
    share: float
    """Of all the time."""


class _Part(msgspec.Struct, gc=False):
    ns: int = 0

    def merge(self, other: _Part) -> None:
        self.ns += other.ns


def _no_parts() -> Table[_Part]:
    return Table(_Part, MAX_PARTS)


class Parts(msgspec.Struct, gc=False):
    """Time by what it was spent on, and for which other agent."""

    total_ns: int = 0
    by_spent: dict[str, int] = {}
    """By `Spent`; waiting for other agents apart, as `agents`."""
    by_agent: Table[_Part] = msgspec.field(default_factory=_no_parts)
    """By the other agent."""
    named: Table[_Part] = msgspec.field(default_factory=_no_parts)
    """By other agent, kind and name."""

    def add(self, piece: Piece) -> None:
        """Add a stretch of time."""
        taken_ns = piece.end_ns - piece.start_ns
        self.total_ns += taken_ns
        kind = "agents" if piece.agent else piece.spent.value
        self.by_spent[kind] = self.by_spent.get(kind, 0) + taken_ns
        if piece.agent and (waited := self.by_agent.of(piece.agent)) is not None:
            waited.ns += taken_ns
        part = self.named.of(_SEPARATOR.join((piece.agent, piece.spent.value, piece.name)))
        if part is not None:
            part.ns += taken_ns

    def merge(self, other: Parts) -> None:
        """Add other time; `other` is left as it is."""
        self.total_ns += other.total_ns
        for kind, taken_ns in other.by_spent.items():
            self.by_spent[kind] = self.by_spent.get(kind, 0) + taken_ns
        self.by_agent.merge(other.by_agent)
        self.named.merge(other.named)

    def waiting_ns(self) -> int:
        """How long other agents were waited for."""
        return self.by_spent.get("agents", 0)

    def mostly_waits_for(self) -> str | None:
        """The agent that took more than half of the time; `None` where there is none."""
        return next((name for name, part in self.by_agent.entries.items() if part.ns > MOSTLY * self.total_ns), None)

    def shares(self) -> list[Share]:
        """What took the time, the longest first."""
        found = [
            Share(Spent(kind), name, agent, part.ns, part.ns / self.total_ns)
            for key, part in self.named.entries.items()
            if part.ns
            for agent, kind, name in (key.split(_SEPARATOR, 2),)
        ]
        return sorted(found, key=lambda each: (-each.ns, each.agent, each.spent, each.name))

    def evidence(self) -> dict[str, float | int]:
        """The seconds by kind, all invocations together."""
        return {f"{kind}_s": round(taken_ns / NS_PER_S, 3) for kind, taken_ns in sorted(self.by_spent.items())}


def in_words(shares: list[Share], invocations: int) -> str:
    """Where the time of an average invocation went, as a sentence; empty where nothing is known of it."""
    named = [
        f"{each.ns / NS_PER_S / invocations:.1f} s {_where(each)}"
        for each in shares[:MAX_NAMED]
        if each.share >= _LEAST_NAMED
    ]
    return f"Of this, on average: {', '.join(named)}. " if named else ""


def _where(share: Share) -> str:
    waiting = f"waiting for {share.agent}, there " if share.agent else ""
    match share.spent:
        case Spent.MODEL:
            return f"{waiting}in requests to {share.name or 'a model'}"
        case Spent.TOOL:
            return f"{waiting}in tool {share.name}"
        case Spent.SERVICE:
            return f"{waiting}in service {share.name}"
        case _:
            return f"{waiting}in {f'the code of {share.name}' if share.name else 'its own code'}"


def advice_for(shares: list[Share]) -> str:
    """What to do about the parts that took the most time, at most two."""
    advice: dict[str, None] = {}
    for share in shares:
        if share.share >= _LEAST_ADVISED or not advice:
            advice[_advice(share)] = None
    return " ".join([*advice][:2])


def _advice(share: Share) -> str:
    if share.agent:
        return f"Start with {share.agent}; start agents that do not need each other's results at the same time."
    match share.spent:
        case Spent.MODEL:
            return "Shorten its prompt or its answer, or use a faster model."
        case Spent.TOOL:
            return f"Give {share.name} a time limit, cache its results, or do less in one call."
        case Spent.SERVICE:
            return f"Look at what it does with {share.name} in that time."
        case _:
            return "Look at what its code does in that time; `otel_agentperf.action(name)` makes parts of it visible."
