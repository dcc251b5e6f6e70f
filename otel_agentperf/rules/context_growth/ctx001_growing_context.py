"""CTX001 growing_context

What it finds: an agent whose prompts grow from turn to turn, to at least twice their first length
and beyond an absolute one, because everything said and read so far is sent again each time.

Why it costs: a prompt that grows by the same amount each turn costs with the square of the turns,
is answered more slowly, and buries what matters.

Example: the prompts of `researcher` grew from 3,000 to 42,000 tokens over 12 turns.

Instead: keep a window of the last turns and a summary of what came before, store large results
outside and pass what is needed of them, or trim the messages before each request
(`trim_messages` in LangChain).

Limits: growth is told by the tokens of one agent's requests to one model in order of time; a
prompt that is shorter than the one before, or a request that begins before the last has ended,
begins a new stretch, so agents that trim and parallel calls are left alone. Of each agent the
last 128 requests of a session are looked at. What is cut from a prompt may be missed by the
model, and shifts the part that is read from cache.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal
from math import isnan, nan
from typing import NamedTuple

import msgspec

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Level,
    Operation,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Prompt, Rule, Scope, View, span_hex

MAX_REQUESTS = MAX_CLAIMS
"""Requests of one agent to one model that are remembered, the latest ones."""
MAX_AGENTS = 64
_REQUEST = struct.Struct(">QQQId")


class _Request(NamedTuple):
    """One request; packed, requests sort by their end. Times are Unix nanoseconds."""

    end_ns: int
    start_ns: int
    span_id: int
    tokens: int
    paid_usd: float
    """For the prompt, fresh and cached; not a number where it is unknown, or within the window."""


class _State(msgspec.Struct, gc=False):
    agents: dict[tuple[str, str], bytearray] = {}
    """By agent and model: their requests, packed."""
    longest: int = 0
    """Tokens of the longest prompt so far."""


class _Growth(NamedTuple):
    target: str
    requests: tuple[_Request, ...]
    """Those of all stretches, in order of time."""
    first_tokens: int
    last_tokens: int
    stretches: int


class GrowingContext(Rule[_State]):
    """Prompts of an agent that never shrink over several turns and end at twice their first length or more.

    Saving, estimated: for each request of such a stretch, its tokens above the window times what
    its prompt really cost per token. Impact: 0.3, plus the saving's share of the session's cost
    (where prices are unknown: the tokens' share of its input), at most 0.9; a share of 40 % or
    more is an alarm.
    """

    code = "CTX001"
    name = "growing_context"
    group = Group.CONTEXT_GROWTH
    scope = Scope.SESSION
    watches = frozenset()
    complexity = Complexity.HIGH
    options = {
        "min_turns": Option(5, "requests", "Fewest requests in a row whose prompts grow.", 2, MAX_REQUESTS),
        "min_factor": Option(2.0, "times", "Least growth from the first prompt to the last.", 1.0),
        "min_tokens": Option(16_000, "tokens", "Least length of the last prompt."),
        "window_tokens": Option(
            8_000, "tokens", "Length of prompt that an agent gets along with; savings are above it."
        ),
    }
    min_turns: int
    min_factor: float
    min_tokens: int
    window_tokens: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if shape is not None:
            state.longest = max(state.longest, shape.longest_prompt)
            if state.longest >= self.min_tokens or not view.is_single:
                _take(state, shape.prompts(), self.window_tokens)
        return self.judge(state, view)

    def merge(self, state: _State, other: _State) -> _State:
        state.longest = max(state.longest, other.longest)
        for who, requests in other.agents.items():
            state.agents[who] = bytearray().join(_latest(state.agents.get(who, b"") + requests))
        _trim(state)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        if state.longest < self.min_tokens:
            return ()
        _trim(state)
        found: dict[str, _Growth] = {}
        for (agent, model), requests in sorted(state.agents.items()):
            if len(requests) < self.min_turns * _REQUEST.size:
                continue
            growth = self._growth(f"agent:{agent}" if agent else f"model:{model}", _latest(requests))
            if growth is not None:
                found[growth.target] = max(found.get(growth.target, growth), growth, key=self._above)
        return [self._suggestion(growth, view) for growth in found.values()]

    def _above(self, growth: _Growth) -> int:
        return sum(max(0, request.tokens - self.window_tokens) for request in growth.requests)

    def _growth(self, target: str, packed: list[bytes]) -> _Growth | None:
        by_start = sorted((_Request._make(_REQUEST.unpack(each)) for each in packed), key=_by_start)
        grown = [stretch for stretch in _stretches(by_start) if self._grows(stretch)]
        if not grown:
            return None
        longest = max(grown, key=lambda stretch: stretch[-1].tokens)
        requests = tuple(request for stretch in grown for request in stretch)
        return _Growth(target, requests, longest[0].tokens, longest[-1].tokens, len(grown))

    def _grows(self, stretch: list[_Request]) -> bool:
        first, last = stretch[0].tokens, stretch[-1].tokens
        return len(stretch) >= self.min_turns and last >= self.min_factor * first and last >= self.min_tokens

    def _suggestion(self, growth: _Growth, view: View) -> Suggestion:
        above = self._above(growth)
        savings = {
            request: Decimal(f"{request.paid_usd * (request.tokens - self.window_tokens) / request.tokens:.9f}")
            for request in growth.requests
            if request.tokens > self.window_tokens and not isnan(request.paid_usd)
        }
        saving_usd = sum(savings.values(), Decimal(0))
        spent_usd = float(view.totals.cost_usd)
        part, whole = (float(saving_usd), spent_usd) if savings and spent_usd else (above, view.totals.input_tokens)
        share = min(1.0, part / whole) if whole else 0.0
        largest = sorted(savings.items(), key=lambda item: (-item[1], item[0].span_id))[:MAX_CLAIMS]
        longest = sorted(growth.requests, key=lambda request: (-request.tokens, request.span_id))[:16]
        turns = len(growth.requests)
        long = sum(request.tokens > self.window_tokens for request in growth.requests)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if share >= 0.4 else Level.NOTICE,  # noqa: PLR2004 - as the docstring says
            description=(
                f"The prompts of {growth.target.partition(':')[2]} grow from {growth.first_tokens:,} to "
                f"{growth.last_tokens:,} tokens; {long:,} of the {turns:,} requests in which they grow have more than "
                f"{self.window_tokens:,} tokens, together {above:,} tokens above that. Keep the last turns and a summary of "
                "those before, and store large results outside the prompt."
            ),
            impact_score=round(min(0.9, 0.3 + share), 3),
            complexity=self.complexity,
            confidence=0.7,
            applies_to=(growth.target,),
            span_ids=tuple(span_hex(request.span_id) for request in longest),
            evidence={
                "requests": turns,
                "long_requests": long,
                "stretches": growth.stretches,
                "first_tokens": growth.first_tokens,
                "last_tokens": growth.last_tokens,
                "tokens_above_window": above,
                "window_tokens": self.window_tokens,
                "share": round(share, 3),
            },
            savings=Savings(SavingBasis.ESTIMATED, cost_usd=saving_usd) if saving_usd else None,
            claims=tuple(Claim(span_hex(request.span_id), saving) for request, saving in largest),
        )


def _take(state: _State, prompts: Iterable[Prompt], window_tokens: int) -> None:
    """Remember the requests of a run that is over."""
    for end_ns, start_ns, span_id, tokens, paid_usd, agent, model in prompts:
        try:
            packed = _REQUEST.pack(end_ns, start_ns, span_id, tokens, paid_usd if tokens > window_tokens else nan)
        except struct.error:  # a time that no clock gives
            continue
        requests = state.agents.setdefault((agent, model), bytearray())
        requests += packed
        if len(requests) >= 2 * MAX_REQUESTS * _REQUEST.size:
            requests[:] = b"".join(_latest(requests))
    if len(state.agents) > 2 * MAX_AGENTS:
        _trim(state)


def _by_start(request: _Request) -> tuple[int, int, int]:
    return request.start_ns, request.end_ns, request.span_id


def _stretches(requests: Iterable[_Request]) -> Iterator[list[_Request]]:
    stretch: list[_Request] = []
    for request in requests:
        if stretch and (request.tokens < stretch[-1].tokens or request.start_ns < stretch[-1].end_ns):
            yield stretch
            stretch = []
        stretch.append(request)
    if stretch:
        yield stretch


def _latest(requests: bytes | bytearray) -> list[bytes]:
    """The latest of packed requests, in the order in which they ended."""
    size = _REQUEST.size
    whole = bytes(requests)
    return sorted(whole[place : place + size] for place in range(0, len(whole), size))[-MAX_REQUESTS:]


def _trim(state: _State) -> None:
    """Keep the agents whose names come first, which are the same ones in whatever order they came."""
    if len(state.agents) > MAX_AGENTS:
        state.agents = dict(sorted(state.agents.items())[:MAX_AGENTS])
