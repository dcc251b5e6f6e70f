"""What a finished run, session or agent amounts to: critical path, efficiency score, cost rating."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from otel_agentperf.analysis.savings import NOTHING_SAVED, Saved
from otel_agentperf.model import Totals
from otel_agentperf.rules.base import Row

COST_RATINGS = ((Decimal("0.05"), "A"), (Decimal("0.10"), "B"), (Decimal("0.20"), "C"), (Decimal("0.50"), "D"))
"""Upper bounds in USD. The first four come from the system's users, F is what lies above."""

WASTED_COST_POINTS = 40
WASTED_TIME_POINTS = 30
ERROR_POINTS = 30
MAX_PATH = 32
WORST = "F"
"""What a rating cannot get worse than, whatever is unknown."""


def critical_path(rows: Sequence[Row]) -> tuple[str, ...]:
    """The chain of agents that decided how long a run took, first to last.

    Walks back from the invocation that ended last: before each stands the one that ended
    last before it began. At most the last 32.
    """
    return tuple(row.name for row, _ in path_of(rows)[-MAX_PATH:])


def path_of(rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """The invocations on the critical path, first to last, with the time that each was on it.

    Args:
        rows: the operations of a run.

    Returns:
        Each with its nanoseconds on the path; stretches in which no agent ran are on none.
    """
    path: list[tuple[Row, int]] = []
    cursor: int | None = None
    for row in sorted((row for row in rows if row.is_agent), key=_last_first):
        if cursor is None or row.end_ns <= cursor:
            path.append((row, row.duration_ns))
            cursor = row.start_ns
    path.reverse()
    return path


def _last_first(row: Row) -> tuple[int, int, int]:
    return -row.end_ns, row.start_ns, row.span_id


def not_scored(totals: Totals) -> str | None:
    """Why a run has neither a rating nor a score, or `None` where it has both or a rating alone is missing.

    What was not seen is not good: without a model call, or without the price of one, nothing was measured
    that a letter or a score could stand for.
    """
    if not totals.operations:
        return "no operation was seen"
    if not totals.inference_calls and not totals.embedding_calls and not totals.reported:
        return "no model call was seen"
    if not totals.priced_calls:
        return "no price is known" if totals.unpriced_calls else "no model call was billed"
    return None


def rating(totals: Totals) -> str | None:
    """The letter for what a run cost, or `None` where `not_scored` or an unknown part could make it worse."""
    if not_scored(totals) is not None:
        return None
    return rating_of(totals.cost_usd, totals.billed_calls, totals.unpriced_calls)


def rating_of(cost_usd: Decimal, billed_calls: int, unpriced_calls: int) -> str | None:
    """The letter for a cost, or `None` where a part of it is unknown that could make the letter worse.

    Args:
        cost_usd: what is known to have been spent.
        billed_calls: how many calls that was for.
        unpriced_calls: those among them whose price is unknown.
    """
    letter = next((letter for bound, letter in COST_RATINGS if cost_usd < bound), WORST)
    return None if billed_calls and unpriced_calls and letter != WORST else letter


def efficiency_score(totals: Totals, duration_ns: int, wasted: Saved) -> int | None:
    """How much of a run was not wasted, 0 to 100: `efficiency` of its sums; `None` where `not_scored`.

    Args:
        totals: the run's sums.
        duration_ns: how long it took.
        wasted: the *measured* savings of the run's suggestions, each counted once: time and
            money that were wasted.
    """
    if not_scored(totals) is not None:
        return None
    if wasted is NOTHING_SAVED and not totals.errors:
        return 100
    return efficiency(
        _share(float(wasted.cost_usd), float(totals.cost_usd)),
        _share(wasted.time_s * 1e9, duration_ns),
        _share(totals.errors, totals.operations),
    )


def efficiency(wasted_cost: float, wasted_time: float, errors: float) -> int:
    """How much of what was done was not wasted, 0 to 100.

    `100 - 40 * wasted cost / cost - 30 * wasted time / time - 30 * errors / operations`, each
    share between 0 and 1. Waste is what was *measured*: time and money already spent twice or
    thrown away. For an agent, time is how long its invocations ran, and operations are these.

    Args:
        wasted_cost: the share of the money, 0 to 1.
        wasted_time: the share of the time, 0 to 1.
        errors: the share of the operations, 0 to 1.
    """
    lost = (
        WASTED_COST_POINTS * min(1.0, wasted_cost)
        + WASTED_TIME_POINTS * min(1.0, wasted_time)
        + ERROR_POINTS * min(1.0, errors)
    )
    return max(0, round(100 - lost))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
