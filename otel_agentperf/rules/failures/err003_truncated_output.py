"""ERR003 truncated_output

What it finds: an agent whose answers are cut at the token limit, and how often the thoughts had
eaten most of it.

Why it costs: half an answer is often none: JSON that does not parse, a function call without its
end, a summary without its point. What follows works with it, or asks again.

Example: 4 of 9 answers of `extractor` were cut, 3 of them after thoughts had used most of the
tokens.

Instead: raise `max_output_tokens`, which thoughts count against; lower the thinking budget; or ask
for less at once.

Limits: very short limits are usually meant (one word, one label), so an answer of up to 32 tokens
counts as whole. One cut answer is no pattern. Whether a cut answer was good enough cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import (
    Complexity,
    Level,
    Operation,
    OperationKind,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import Claims, Table, target_of, weighed
from otel_agentperf.rules.traits import CUT

REFERENCE_IMPACT = 0.7


class _Answers(msgspec.Struct, gc=False):
    cut: int = 0
    eaten: int = 0
    """Cut answers of which most tokens were thoughts."""
    cut_tokens: int = 0
    longest: Claims = msgspec.field(default_factory=lambda: Claims(most=16))
    """Where the longest of them are; nothing is claimed."""

    def merge(self, other: _Answers) -> None:
        self.cut += other.cut
        self.eaten += other.eaten
        self.cut_tokens += other.cut_tokens
        self.longest.merge(other.longest)


class TruncatedOutput(Rule[Table[_Answers]]):
    """Answers of an agent that were cut at the token limit, at least two of them.

    It claims no saving. Impact: 0.7 where at least half of the agent's answers are cut, in
    proportion below.
    """

    code = "ERR003"
    name = "truncated_output"
    group = Group.FAILURES
    scope = Scope.SESSION
    watches = frozenset({OperationKind.INFERENCE})
    needs = CUT
    complexity = Complexity.LOW
    options = {
        "min_cut": Option(2, "answers", "Fewest cut answers of an agent.", 1),
        "short_tokens": Option(32, "tokens", "Longest output that counts as cut on purpose."),
    }
    min_cut: int
    short_tokens: int

    def start(self) -> Table[_Answers]:
        return Table(_Answers)

    def observe(self, state: Table[_Answers], operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.inference
        usage = operation.usage
        if call is None or usage is None or operation.error_type is not None:
            return ()
        tokens = usage.output_tokens
        if tokens <= self.short_tokens:
            return ()
        answers = state.of(target_of(operation.agent, call.request_model))
        if answers is None:
            return ()
        answers.cut += 1
        answers.cut_tokens += tokens
        answers.eaten += usage.reasoning_tokens * 2 > tokens
        answers.longest.add(operation.span_id, start_ns=0, end_ns=tokens)
        return ()

    def merge(self, state: Table[_Answers], other: Table[_Answers]) -> Table[_Answers]:
        state.merge(other)
        return state

    def judge(self, state: Table[_Answers], view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(target, answers, all_calls.answers)
            for target, answers in state.entries.items()
            if answers.cut >= self.min_cut and (all_calls := view.contributors.get(target)) is not None
        ]

    def _suggestion(self, target: str, answers: _Answers, calls: int) -> Suggestion:
        share = answers.cut / calls
        eaten = f", {answers.eaten} of them after thoughts had used most of it" if answers.eaten else ""
        do = "Lower the thinking budget, or raise" if answers.eaten else "Raise"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{answers.cut} of {calls} answers of {target.partition(':')[2]} were cut at the token limit"
                f"{eaten}. {do} max_output_tokens, which thoughts count against, or ask for less at once."
            ),
            impact_score=weighed(REFERENCE_IMPACT, answers.cut, calls),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=(target,),
            span_ids=answers.longest.spans(),
            evidence={
                "calls": calls,
                "cut_answers": answers.cut,
                "cut_share": round(share, 3),
                "eaten_by_thoughts": answers.eaten,
                "average_cut_tokens": round(answers.cut_tokens / answers.cut, 1),
            },
        )
