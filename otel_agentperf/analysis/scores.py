"""What a finished run amounts to: critical path, efficiency score, cost rating."""

from __future__ import annotations

from decimal import Decimal

from otel_agentperf.analysis.runs import Columns
from otel_agentperf.model import ZERO_USD, SavingBasis, Suggestion, Totals

COST_RATINGS = ((Decimal("0.05"), "A"), (Decimal("0.10"), "B"), (Decimal("0.20"), "C"), (Decimal("0.50"), "D"))
"""Upper bounds in USD. The first four come from the system's users, F is what lies above."""

WASTED_COST_POINTS = 40
WASTED_TIME_POINTS = 30
ERROR_POINTS = 30
MAX_PATH = 32


def critical_path(columns: Columns) -> tuple[str, ...]:
    """The chain of agents that decided how long a run took, first to last.

    Walks back from the invocation that ended last: before each stands the one that ended
    last before it began. At most the last 32.
    """
    order = sorted(range(len(columns.names)), key=columns.ends_ns.__getitem__, reverse=True)
    path: list[str] = []
    cursor: int | None = None
    for index in order:
        if cursor is None or columns.ends_ns[index] <= cursor:
            path.append(columns.names[index])
            cursor = columns.starts_ns[index]
            if len(path) == MAX_PATH:
                break
    return tuple(reversed(path))


def rating(totals: Totals) -> str | None:
    """The letter for what a run cost, or `None` where nothing of it could be priced."""
    calls = totals.inference_calls + totals.embedding_calls + totals.service_calls
    if calls and totals.unpriced_calls >= calls and totals.cost_usd == ZERO_USD:
        return None
    return next((letter for bound, letter in COST_RATINGS if totals.cost_usd < bound), "F")


def efficiency_score(totals: Totals, duration_ns: int, suggestions: tuple[Suggestion, ...]) -> int:
    """How much of a run was not wasted, 0 to 100.

    `100 - 40 * wasted cost / cost - 30 * wasted time / time - 30 * errors / operations`, each
    share between 0 and 1, where waste is the sum of the *measured* savings of the run's
    suggestions: time and money that were already spent twice.
    """
    measured = [s.savings for s in suggestions if s.savings is not None and s.savings.basis is SavingBasis.MEASURED]
    wasted_usd = sum((s.cost_usd for s in measured if s.cost_usd is not None), ZERO_USD)
    wasted_s = sum(s.time_s for s in measured if s.time_s is not None)
    cost_share = float(wasted_usd / totals.cost_usd) if totals.cost_usd else 0.0
    time_share = wasted_s * 1e9 / duration_ns if duration_ns else 0.0
    error_share = totals.errors / totals.operations if totals.operations else 0.0
    lost = (
        WASTED_COST_POINTS * min(1.0, cost_share)
        + WASTED_TIME_POINTS * min(1.0, time_share)
        + ERROR_POINTS * min(1.0, error_share)
    )
    return max(0, round(100 - lost))
