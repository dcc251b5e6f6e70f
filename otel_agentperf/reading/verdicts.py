"""What our processor wrote about a run: suggestions as span events, the summary on its root.

Where the root carries the summary, the processor has judged the run, and its word stands: it
also counted work whose spans were not sampled or were lost on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from otel_agentperf import semconv
from otel_agentperf.analysis.scores import not_scored
from otel_agentperf.analysis.split import copy_split
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import (
    ZERO_USD,
    Complexity,
    Extent,
    Level,
    Operation,
    SavingBasis,
    Savings,
    Suggestion,
    Totals,
)
from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

E = TypeVar("E", Level, Complexity, SavingBasis, Extent)


def suggestion(attributes: Attributes) -> Suggestion | None:
    """Read an `agentperf.suggestion` event; `None` where it names no rule or no target."""
    rule = values.text(attributes, semconv.SUGGESTION_RULE)
    applies_to = values.texts(attributes, semconv.SUGGESTION_APPLIES_TO)
    if rule is None or not applies_to:
        return None
    return Suggestion(
        rule=rule,
        type=values.text(attributes, semconv.SUGGESTION_TYPE) or "",
        level=_member(Level, attributes, semconv.SUGGESTION_LEVEL) or Level.NOTICE,
        description=values.text(attributes, semconv.SUGGESTION_DESCRIPTION) or "",
        impact_score=values.number(attributes, semconv.SUGGESTION_IMPACT) or 0.0,
        complexity=_member(Complexity, attributes, semconv.SUGGESTION_COMPLEXITY) or Complexity.MEDIUM,
        confidence=values.number(attributes, semconv.SUGGESTION_CONFIDENCE) or 0.0,
        applies_to=applies_to,
        span_ids=values.texts(attributes, semconv.SUGGESTION_SPAN_IDS),
        evidence=_evidence(values.table(attributes, semconv.SUGGESTION_EVIDENCE)),
        savings=_savings(attributes),
        extent=_member(Extent, attributes, semconv.SUGGESTION_EXTENT) or Extent.RUN,
    )


def _evidence(said: Mapping[str, object]) -> dict[str, float | int]:
    return {
        name: value for name, value in said.items() if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _savings(attributes: Attributes) -> Savings | None:
    basis = _member(SavingBasis, attributes, semconv.SUGGESTION_SAVINGS_BASIS)
    if basis is None:
        return None
    return Savings(
        basis,
        values.number(attributes, semconv.SUGGESTION_SAVINGS_TIME),
        values.money(attributes, semconv.SUGGESTION_SAVINGS_COST),
    )


def _member(kind: type[E], attributes: Attributes, key: str) -> E | None:
    value = attributes.get(key)
    return next((member for member in kind if member.value == value), None)


class RecordedRun(msgspec.Struct, frozen=True):
    """The `agentperf.run.*` attributes of a run's root."""

    efficiency_score: int | None
    rating: str | None
    critical_path: tuple[str, ...]
    success: bool
    score: float | None
    suggestions: int
    """How many there were, also below the threshold at which one becomes an event."""
    totals: Totals


def stands_on(attributes: Attributes) -> bool:
    """Whether our processor wrote on a span what a run amounts to."""
    return semconv.RUN_SUCCESS in attributes or semconv.RUN_EFFICIENCY_SCORE in attributes


def recorded_run(attributes: Attributes) -> RecordedRun | None:
    """Read what our processor wrote on a run's root; `None` on every other span."""
    if not stands_on(attributes):
        return None
    whole = values.whole
    score, cost_usd = whole(attributes, semconv.RUN_EFFICIENCY_SCORE), values.money(attributes, semconv.RUN_COST)
    calls, unpriced = whole(attributes, semconv.RUN_INFERENCE_CALLS) or 0, whole(attributes, semconv.RUN_UNPRICED_CALLS)
    return RecordedRun(
        efficiency_score=min(100, score) if score is not None else None,
        rating=values.text(attributes, semconv.RUN_RATING),
        critical_path=values.texts(attributes, semconv.RUN_CRITICAL_PATH),
        success=values.flag(attributes, semconv.RUN_SUCCESS) is not False,
        score=values.signed(attributes, semconv.RUN_SCORE),
        suggestions=whole(attributes, semconv.RUN_SUGGESTIONS) or 0,
        totals=Totals(
            cost_usd=cost_usd or ZERO_USD,
            input_tokens=whole(attributes, semconv.RUN_INPUT_TOKENS) or 0,
            output_tokens=whole(attributes, semconv.RUN_OUTPUT_TOKENS) or 0,
            inference_calls=calls,
            tool_calls=whole(attributes, semconv.RUN_TOOL_CALLS) or 0,
            unpriced_calls=unpriced or 0,
            priced_calls=0 if cost_usd is None else max(calls - (unpriced or 0), 1 if cost_usd else 0),
            errors=whole(attributes, semconv.RUN_ERRORS) or 0,
        ),
    )


def summary(root: Operation, recorded: RecordedRun, seen: Totals, suggestions: tuple[Suggestion, ...]) -> RunSummary:
    """The summary that the processor made, with what only the spans tell.

    Of the cost, the root has the total alone: what the spans at hand do not account for is not split.

    Args:
        root: the run's root.
        recorded: what stands on the root.
        seen: sums over the spans at hand, for what the root does not say.
        suggestions: those on the spans, the final one per rule and target.
    """
    totals = msgspec.structs.replace(
        recorded.totals,
        cache_read_tokens=seen.cache_read_tokens,
        reasoning_tokens=seen.reasoning_tokens,
        embedding_calls=seen.embedding_calls,
        service_calls=seen.service_calls,
        operations=seen.operations,
        reported=seen.reported,
    )
    copy_split(totals, seen)
    is_scored = not_scored(totals) is None
    return RunSummary(
        name=root.name,
        session_id=root.session_id,
        start_ns=root.start_ns,
        end_ns=root.end_ns,
        totals=totals,
        critical_path=recorded.critical_path,
        efficiency_score=recorded.efficiency_score if is_scored else None,
        rating=recorded.rating if is_scored else None,
        success=recorded.success,
        score=recorded.score,
        suggestions=suggestions,
    )


def final(said: list[tuple[int, Suggestion]]) -> tuple[Suggestion, ...]:
    """The last word per rule and target, the weightiest first.

    Args:
        said: suggestions with the time at which each was made, Unix nanoseconds.
    """
    last: dict[tuple[str, str], Suggestion] = {}
    for _, item in sorted(said, key=lambda pair: pair[0]):
        last[item.key] = item
    return tuple(sorted(last.values(), key=lambda item: (-item.impact_score, item.key)))
