"""What a finished run amounts to: critical path, efficiency score, cost rating."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from otel_agentperf.analysis.savings import Saved
from otel_agentperf.model import ZERO_USD, Totals
from otel_agentperf.rules.base import Row

COST_RATINGS = ((Decimal("0.05"), "A"), (Decimal("0.10"), "B"), (Decimal("0.20"), "C"), (Decimal("0.50"), "D"))
"""Upper bounds in USD. The first four come from the system's users, F is what lies above."""

WASTED_COST_POINTS = 40
WASTED_TIME_POINTS = 30
ERROR_POINTS = 30
MAX_PATH = 32


def critical_path(rows: Sequence[Row]) -> tuple[str, ...]:
    """The chain of agents that decided how long a run took, first to last.

    Walks back from the invocation that ended last: before each stands the one that ended
    last before it began. At most the last 32.
    """
    path: list[str] = []
    cursor: int | None = None
    for row in sorted((row for row in rows if row.is_agent), key=_last_first):
        if cursor is None or row.end_ns <= cursor:
            path.append(row.name)
            cursor = row.start_ns
            if len(path) == MAX_PATH:
                break
    return tuple(reversed(path))


def _last_first(row: Row) -> tuple[int, int, int]:
    return -row.end_ns, row.start_ns, row.span_id


def rating(totals: Totals) -> str | None:
    """The letter for what a run cost, or `None` where nothing of it could be priced."""
    calls = totals.inference_calls + totals.embedding_calls + totals.service_calls
    if calls and totals.unpriced_calls >= calls and totals.cost_usd == ZERO_USD:
        return None
    return next((letter for bound, letter in COST_RATINGS if totals.cost_usd < bound), "F")


def efficiency_score(totals: Totals, duration_ns: int, wasted: Saved) -> int:
    """How much of a run was not wasted, 0 to 100.

    `100 - 40 * wasted cost / cost - 30 * wasted time / time - 30 * errors / operations`, each
    share between 0 and 1.

    Args:
        totals: the run's sums.
        duration_ns: how long it took.
        wasted: the *measured* savings of the run's suggestions, each counted once: time and
            money that were already spent to no avail.
    """
    cost_share = float(wasted.cost_usd / totals.cost_usd) if totals.cost_usd else 0.0
    time_share = wasted.time_s * 1e9 / duration_ns if duration_ns else 0.0
    error_share = totals.errors / totals.operations if totals.operations else 0.0
    lost = (
        WASTED_COST_POINTS * min(1.0, cost_share)
        + WASTED_TIME_POINTS * min(1.0, time_share)
        + ERROR_POINTS * min(1.0, error_share)
    )
    return max(0, round(100 - lost))
