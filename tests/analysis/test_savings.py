from __future__ import annotations

from decimal import Decimal

from otel_agentperf.analysis.columns import int_of
from otel_agentperf.analysis.savings import saved
from otel_agentperf.model import Claim, Complexity, Level, SavingBasis, Savings, Suggestion

S = 1_000_000_000


def suggestion(*claims: Claim, time_s: float | None = None, cost_usd: Decimal | None = None) -> Suggestion:
    return Suggestion(
        rule="X001",
        type="x",
        level=Level.NOTICE,
        description="",
        impact_score=0.5,
        complexity=Complexity.LOW,
        confidence=1.0,
        applies_to=("run:x",),
        savings=Savings(SavingBasis.MEASURED, time_s, cost_usd),
        claims=claims,
    )


def test_money_on_one_span_counts_once_and_the_larger_claim_wins() -> None:
    both = [suggestion(Claim("a1", Decimal(2)), Claim("a2", Decimal(1))), suggestion(Claim("a1", Decimal(3)))]
    assert saved(both, cost_usd=Decimal(10), start_ns=0, end_ns=S).cost_usd == Decimal(4)


def test_time_that_two_claim_counts_once() -> None:
    both = [
        suggestion(Claim("a1", start_ns=1 * S, end_ns=4 * S), Claim("a2", start_ns=2 * S, end_ns=3 * S)),
        suggestion(Claim("a3", start_ns=3 * S, end_ns=6 * S)),
    ]
    assert saved(both, cost_usd=Decimal(0), start_ns=0, end_ns=10 * S).time_s == 5.0


def test_no_more_is_saved_than_was_spent() -> None:
    greedy = [suggestion(Claim("a1", Decimal(5), 0, 9 * S)), suggestion(time_s=60, cost_usd=Decimal(60))]
    total = saved(greedy, cost_usd=Decimal(1), start_ns=2 * S, end_ns=4 * S)
    assert (total.cost_usd, total.time_s) == (Decimal(1), 2.0)


def test_of_a_run_only_what_is_claimed_on_its_spans_counts() -> None:
    said = [suggestion(Claim("a1", Decimal(1)), Claim("b1", Decimal(5))), suggestion(time_s=3.0)]
    total = saved(said, cost_usd=Decimal(10), start_ns=0, end_ns=9 * S, spans=frozenset({int_of("a1")}))
    assert (total.cost_usd, total.time_s) == (Decimal(1), 0.0)
