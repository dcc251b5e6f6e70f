from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.loop.clock import Clock


def test_waits_one_after_another_add_up_and_take_no_time() -> None:
    clock = Clock(0)
    clock.sleep(60)
    clock.sleep(30)
    assert clock.waited_s == 90


def test_tasks_of_a_pool_wait_side_by_side() -> None:
    clock = Clock(0)
    with ThreadPoolExecutor(3) as pool:
        for future in [clock.submit(pool, clock.sleep, seconds) for seconds in (10, 40, 20)]:
            clock.blocked(future.result)
    assert clock.waited_s == 40
    clock.sleep(1)
    assert clock.waited_s == 41


def test_a_task_that_waits_for_its_own_tasks_does_not_hold_the_clock_up() -> None:
    clock = Clock(0)

    def look_at_both(pool: ThreadPoolExecutor) -> None:
        for future in [clock.submit(pool, clock.sleep, 5), clock.submit(pool, clock.sleep, 7)]:
            clock.blocked(future.result)
        clock.sleep(3)

    with ThreadPoolExecutor(2) as inner, ThreadPoolExecutor(2) as outer:
        for future in [clock.submit(outer, look_at_both, inner), clock.submit(outer, clock.sleep, 8)]:
            clock.blocked(future.result)
    assert clock.waited_s == 10


def test_no_two_readings_are_alike() -> None:
    clock = Clock(1_000)
    assert [clock.now_ns() for _ in range(3)] == [1_000, 2_000, 3_000]
