from __future__ import annotations

from otel_agentperf.live.advising.freshness import Freshness, Need, fresh

SECOND = 1_000_000_000


def lives(*samples: int, kept: int = 1) -> list[float]:
    """Seconds for which something that needs 20 samples is told, each time that it is looked at."""
    found: list[float] = []
    before: Freshness | None = None
    for have in samples:
        before = fresh(0, (Need(have, 20),), before, kept)
        found.append(before.life_ns / SECOND)
    return found


def test_what_has_the_samples_that_it_needs_is_told_for_ten_seconds() -> None:
    assert lives(20, 21) == [10, 10]
    assert fresh(5, ()) == Freshness(5 + 10 * SECOND, 10 * SECOND, ())


def test_what_has_fewer_is_looked_at_every_second_while_there_is_more_to_know() -> None:
    assert lives(0, 3, 9, 19, 25) == [1, 1, 1, 1, 10]


def test_what_learns_nothing_is_looked_at_less_and_less_until_it_does() -> None:
    assert lives(0, 0, 0, 0, 0, 0, 1) == [1, 2, 4, 8, 10, 10, 1]


def test_one_thing_that_needs_more_is_enough_and_samples_beyond_the_need_are_no_news() -> None:
    first = fresh(0, (Need(500, 20), Need(0, 3)))
    second = fresh(0, (Need(900, 20), Need(0, 3)), first)
    assert (first.life_ns, second.life_ns) == (SECOND, 2 * SECOND)


def test_with_many_things_each_is_looked_at_less_often_and_never_less_than_every_ten_seconds() -> None:
    assert lives(0, 1, kept=100) == [1, 1]
    assert lives(0, 1, kept=500) == [5, 5]
    assert lives(0, 1, kept=16_000) == [10, 10]
