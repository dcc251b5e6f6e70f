from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.columns import int_of
from otel_agentperf.analysis.savings import attributed, saved
from otel_agentperf.model import Claim, Complexity, Level, SavingBasis, Savings, Suggestion

S = 1_000_000_000


def suggestion(
    *claims: Claim, time_s: float | None = None, cost_usd: Decimal | None = None, rule: str = "X001"
) -> Suggestion:
    return Suggestion(
        rule=rule,
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


# -- by rule ---------------------------------------------------------------------------------


def test_money_that_two_rules_claim_counts_for_the_first_and_only_what_is_more_for_the_second() -> None:
    both = [
        suggestion(Claim("a1", Decimal(2)), Claim("a2", Decimal(1)), rule="X001"),
        suggestion(Claim("a1", Decimal(3)), Claim("a2", Decimal(1)), Claim("a3", Decimal(4)), rule="X002"),
    ]
    spans = frozenset(map(int_of, ("a1", "a2")))
    assert attributed(both, cost_usd=Decimal(10), spans=spans) == {"X001": Decimal(3), "X002": Decimal(1)}


def test_what_is_claimed_beyond_what_was_spent_counts_for_nobody() -> None:
    both = [suggestion(Claim("a1", Decimal(2)), rule="X001"), suggestion(Claim("a2", Decimal(2)), rule="X002")]
    spans = frozenset(map(int_of, ("a1", "a2")))
    assert attributed(both, cost_usd=Decimal(2), spans=spans) == {"X001": Decimal(2)}


CLAIMS = st.builds(Claim, st.sampled_from("abcdef"), st.decimals(0, 5, places=3))
SAID = st.tuples(st.lists(CLAIMS, max_size=6), st.sampled_from(("X1", "X2", "X3"))).map(
    lambda made: suggestion(*made[0], rule=made[1])
)


@given(st.lists(SAID, max_size=6), st.sets(st.sampled_from("abcdef")), st.decimals(0, 20, places=3))
def test_the_sum_over_the_rules_is_what_was_saved_in_all(said: list[Suggestion], ids: set[str], spent: Decimal) -> None:
    spans = frozenset(map(int_of, ids))
    total = saved(said, cost_usd=spent, start_ns=0, end_ns=0, spans=spans).cost_usd
    assert sum(attributed(said, cost_usd=spent, spans=spans).values(), Decimal(0)) == total
