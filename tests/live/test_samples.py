from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

from otel_agentperf.live.samples import Sample, Samples
from otel_agentperf.model import Resources

S = 1_000_000_000


def sampled(*samples: Sample, limit: int = 100) -> Samples:
    kept = Samples(limit)
    for each in samples:
        kept.add(each)
    return kept


def every_second(count: int, **values: Callable[[int], float]) -> Samples:
    """Samples at the seconds 1, 2, ... whose values are those of each place."""
    made: list[Any] = [{name: value(place) for name, value in values.items()} for place in range(1, count + 1)]
    return sampled(*(Sample(place * S, **each) for place, each in enumerate(made, 1)))


def test_what_is_said_of_a_time_is_what_was_sampled_within_it() -> None:
    kept = every_second(
        10,
        cpu_percent=lambda i: 10.0 * i,
        own_cpu_percent=float,
        memory_percent=lambda i: 80.0 + i,
        memory_bytes=lambda i: 1_000 * i,
        open_files=lambda i: 20 - i,
        threads=lambda _: 5,
    )
    kept.open_files_limit = 1_024
    assert kept.within(round(4.5 * S), round(9.5 * S)) == Resources(
        samples=5,  # at 5, 6, 7, 8 and 9
        cpu_samples=4,  # the one at 5 tells of the time before too
        cpu_percent=75.0,
        cpu_percent_max=90.0,
        cpu_percent_delta=30.0,
        own_cpu_percent=7.5,
        cpu_spikes=1,
        memory_percent=87.0,
        memory_percent_max=89.0,
        memory_percent_delta=4.0,
        memory_spikes=4,
        memory_bytes=9_000,
        memory_bytes_delta=4_000,
        open_files=11,
        open_files_delta=-4,
        open_files_limit=1_024,
        threads=5,
        threads_delta=0,
    )


def test_an_operation_between_two_samples_knows_nothing() -> None:
    kept = every_second(10, cpu_percent=lambda _: 50.0, memory_percent=lambda _: 50.0)
    assert kept.within(round(4.1 * S), round(4.9 * S)) is None
    assert kept.within(11 * S, 12 * S) is None
    assert kept.within(0, S - 1) is None


def test_with_one_sample_the_memory_is_known_and_the_cpu_is_not() -> None:
    kept = every_second(10, cpu_percent=lambda _: 50.0, memory_percent=lambda _: 40.0, memory_bytes=lambda _: 7)
    used = kept.within(round(4.5 * S), round(5.5 * S))
    assert used is not None
    assert (used.samples, used.cpu_samples, used.cpu_percent, used.own_cpu_percent) == (1, 0, None, None)
    assert (used.memory_percent, used.memory_bytes, used.memory_bytes_delta) == (40.0, 7, 0)


def test_what_could_not_be_read_is_absent() -> None:
    used = every_second(4, memory_percent=lambda _: 40.0).within(0, 5 * S)
    assert used is not None
    assert used.cpu_percent is used.cpu_percent_max is used.cpu_percent_delta is None
    assert used.memory_bytes is used.memory_bytes_delta is used.open_files is used.threads is None
    used = every_second(4, cpu_percent=lambda i: nan if i == 3 else 1.0, memory_percent=lambda _: nan).within(0, 5 * S)
    assert used is not None
    assert used.cpu_percent is used.memory_percent is None


def test_the_oldest_samples_are_let_go_of() -> None:
    kept = Samples(10)
    for place in range(1, 1_000):
        kept.add(Sample(place * S))
        assert min(place, 10) <= len(kept) < 20
    assert kept.since(0)[-1].time_ns == 999 * S
    assert kept.within(1 * S, 5 * S) is None, "no longer known"


def test_a_block_is_told_without_samples() -> None:
    assert Samples(10).within(0, S, 700, 600) == Resources(blocked_ns=700, blocked_max_ns=600)
    assert Samples(10).within(0, S) is None


def test_a_child_process_begins_anew() -> None:
    kept = every_second(5, memory_percent=lambda _: 40.0)
    kept.renew()
    assert (len(kept), kept.last_ns, kept.within(0, 9 * S)) == (0, 0, None)
