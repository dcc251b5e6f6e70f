"""LAT002 slow_first_token

What it finds: an agent whose streamed answers are slow to begin: the first chunk comes late on
average.

Why it costs: an answer is streamed so that someone can start to read; until the first chunk
they look at nothing.

Example: the first chunk of `writer` came after 9 s and 7 s: 8 s on average against 5 s. It
thought 1,800 tokens before it began.

Instead: let it think less, or show its thoughts (`include_thoughts`); shorten the prompt, or
keep its beginning the same so that it is read from the cache; use a faster model.

Limits: one stream proves nothing, so it needs at least two. Requests that were tried more than
once, and those of the flex and batch tiers, which trade time for money, are left out. 5 s is
what the system's users call slow for a whole agent; at 10 s a waiting person's attention is
lost (J. Nielsen, Response Times: The 3 Important Limits, nngroup.com).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import (
    Complexity,
    Level,
    Operation,
    OperationKind,
    ServiceTier,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import Table, target_of
from otel_agentperf.rules.traits import STREAMED

NS_PER_S = 1e9
IMPACT_AT_THRESHOLD = 0.4
MAX_IMPACT = 0.8
_PATIENT = frozenset({ServiceTier.FLEX, ServiceTier.BATCH})


class _Streams(msgspec.Struct, gc=False):
    calls: int = 0
    total_ns: int = 0
    slowest: tuple[int, str] = (0, "")
    input_tokens: int = 0
    thought_tokens: int = 0

    def merge(self, other: _Streams) -> None:
        self.calls += other.calls
        self.total_ns += other.total_ns
        self.slowest = max(self.slowest, other.slowest)
        self.input_tokens += other.input_tokens
        self.thought_tokens += other.thought_tokens


class SlowFirstToken(Rule[Table[_Streams]]):
    """Average time to the first chunk of an agent's streamed answers above a threshold.

    It claims no saving. Impact: 0.4 at the threshold, in proportion above, at most 0.8.
    """

    code = "LAT002"
    name = "slow_first_token"
    group = Group.LATENCY
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    needs = STREAMED
    complexity = Complexity.MEDIUM
    options = {
        "threshold_s": Option(5.0, "s", "Average time to the first chunk above which streams begin late.", 1e-3),
        "min_calls": Option(2, "calls", "Fewest streamed calls of an agent that are judged.", 1),
    }
    threshold_s: float
    min_calls: int

    def start(self) -> Table[_Streams]:
        return Table(_Streams)

    def observe(self, state: Table[_Streams], operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.inference
        if call is None or call.time_to_first_chunk_ns is None:
            return ()
        if not call.streamed or call.attempts > 1 or operation.error_type is not None:
            return ()
        if operation.cost is not None and operation.cost.tier in _PATIENT:
            return ()
        streams = state.of(target_of(operation.agent, call.request_model))
        if streams is None:
            return ()
        streams.calls += 1
        streams.total_ns += call.time_to_first_chunk_ns
        streams.slowest = max(streams.slowest, (call.time_to_first_chunk_ns, operation.span_id))
        if operation.usage is not None:
            streams.input_tokens += operation.usage.input_tokens
            streams.thought_tokens += operation.usage.reasoning_tokens
        return ()

    def merge(self, state: Table[_Streams], other: Table[_Streams]) -> Table[_Streams]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Streams], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, streams)
            for target, streams in state.entries.items()
            if streams.calls >= self.min_calls and streams.total_ns > self.threshold_s * NS_PER_S * streams.calls
        ]

    def _suggestion(self, target: str, streams: _Streams) -> Suggestion:
        calls = streams.calls
        average_s = streams.total_ns / calls / NS_PER_S
        thoughts, prompt = streams.thought_tokens / calls, streams.input_tokens / calls
        slowest_ns, slowest_span = streams.slowest
        before = f"{thoughts:,.0f} tokens of thoughts and " if thoughts else ""
        do = "Let it think less, or show its thoughts" if thoughts else "Shorten the prompt, or have it cached"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"The streams of {target.partition(':')[2]} begin after {average_s:.1f} s on average over {calls} calls, "
                f"above {self.threshold_s:g} s, with {before}a prompt of {prompt:,.0f} tokens. {do}, or use a faster model."
            ),
            impact_score=round(min(MAX_IMPACT, IMPACT_AT_THRESHOLD * average_s / self.threshold_s), 3),
            complexity=self.complexity,
            confidence=round(calls / (calls + 1), 3),
            applies_to=(target,),
            span_ids=(slowest_span,),
            evidence={
                "calls": calls,
                "average_s": round(average_s, 3),
                "slowest_s": round(slowest_ns / NS_PER_S, 3),
                "threshold_s": self.threshold_s,
                "average_input_tokens": round(prompt, 1),
                "average_thought_tokens": round(thoughts, 1),
            },
        )
