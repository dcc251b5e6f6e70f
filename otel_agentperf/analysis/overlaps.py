"""One loop may show in several ways: calls of tools, requests and nodes that repeat. It is reported once.

Suggestions of repetition are about the same work where an operation that one of them names is named by the
other, or lies beneath one that is. Of those the one stays that is an alarm, then the one that was reported
before, then the one with the most impact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from otel_agentperf.model import Level, Suggestion
from otel_agentperf.rules.base import Row, int_of

_DEEPEST = 100
"""Operations above another that are looked at; a circle of parents ends there too."""
Key = tuple[str, str]


def without_overlaps(
    suggestions: Iterable[Suggestion], rows: Iterable[Row], reported: Collection[Key]
) -> list[Suggestion]:
    """Leave out suggestions about work that another one is about already.

    Args:
        suggestions: those of the rules of repetition about one run.
        rows: the operations of the run.
        reported: the keys of those that were reported before.

    Returns:
        One of each loop, the weightiest first.
    """
    ranked = sorted(suggestions, key=lambda each: _rank(each, reported))
    if len(ranked) <= 1:
        return ranked
    parents = {row.span_id: row.parent_id for row in rows}
    loops: list[_Loop] = []
    for suggestion in ranked:
        spans = {int_of(claim.span_id) for claim in suggestion.claims} | set(map(int_of, suggestion.span_ids))
        loop = _Loop(suggestion, spans, {above for span in spans for above in _above(span, parents)})
        same = [each for each in loops if each.shares_work(loop)]
        if not same:
            loops.append(loop)
            continue
        for other in (*same[1:], loop):
            same[0].spans |= other.spans
            same[0].above |= other.above
        loops = [each for each in loops if each not in same[1:]]
    return [loop.suggestion for loop in loops]


@dataclass(slots=True, eq=False)
class _Loop:
    """What one or several suggestions are about, and the one of them that stays."""

    suggestion: Suggestion
    spans: set[int]
    """What they name."""
    above: set[int]
    """The operations above these."""

    def shares_work(self, other: _Loop) -> bool:
        """Whether an operation of one is an operation of the other, or lies beneath one."""
        return not (
            self.spans.isdisjoint(other.spans)
            and self.spans.isdisjoint(other.above)
            and self.above.isdisjoint(other.spans)
        )


def _rank(suggestion: Suggestion, reported: Collection[Key]) -> tuple[bool, bool, float, Key]:
    is_alarm = suggestion.level is Level.ALARM
    # A notice may have been too small for an event, so that only an alarm is known to have been seen.
    return not is_alarm, not (is_alarm and suggestion.key in reported), -suggestion.impact_score, suggestion.key


def _above(span_id: int, parents: Mapping[int, int]) -> Iterable[int]:
    for _ in range(_DEEPEST):
        span_id = parents.get(span_id, 0)
        if not span_id:
            return
        yield span_id
