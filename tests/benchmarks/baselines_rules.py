"""Whether rules on baselines keep what they state: false alarms, detection delay, coverage of forecasts.

    python tests/benchmarks baselines_rules [--histories 4000]

1. False alarms: a baseline and new values of the same distribution, looked at after each new value; in
   how many histories an alarm is ever raised, at two stated rates, for several sizes of the baseline.
2. Delay: new values that are 20, 50 and 100 % larger, lognormal; how many of them it takes until the alarm.
3. Forecasts: how often the total of a run lies below the lower bound, and within the 80 % interval, when the
   run's spending passes an amount (a share of the median total), and after a number of its steps. A
   run is 1 to 12 steps, each lognormal. And of alarms that a run will cross its limit, how many
   were right, and how many of those that came before the limit was passed.

All of it is made up, with fixed seeds, so the figures are the same everywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf
from random import Random
from statistics import median, quantiles

from otel_agentperf.baselines.forecast import crossing, forecast
from tests.baselines.histories import SHAPES, Limits, values_until_alarm
from tests.normals import ListNormal

KNOWN = (20, 30, 100, 1_000)
STATED = (0.01, 0.001)
NEW = 500
STEPS = 12


def main() -> None:
    """Print all three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=4_000, help="made-up histories of each kind")
    histories: int = parser.parse_args().histories
    for lines in (false_alarms(histories), delays(max(100, histories // 10)), forecasts(histories), alarms(histories)):
        for line in lines:
            print(line, flush=True)
        print()


def false_alarms(histories: int) -> Iterator[str]:
    """Histories in which nothing changed and an alarm was raised."""
    yield f"False alarms in {histories:,} histories of {NEW} new values"
    yield f"{'values':12}{'in baseline':>12}" + "".join(f"{f'stated {stated:.1%}':>16}" for stated in STATED)
    for shape in SHAPES:
        for known in KNOWN:
            rates: list[str] = []
            for stated in STATED:
                random, limits = Random(known), Limits(known, NEW, stated)  # noqa: S311 - made-up histories
                found = sum(values_until_alarm(random, shape, limits) is not None for _ in range(histories))
                rates.append(f"{found / histories:.3%}")
            yield f"{shape:12}{known:>12,}" + "".join(f"{rate:>16}" for rate in rates)


def delays(histories: int) -> Iterator[str]:
    """New values until the alarm, at the default rate and with at least 10 values."""
    yield f"New values until the alarm, {histories:,} histories, lognormal (sigma 0.5), stated 0.1%"
    yield f"{'shift':>8}{'in baseline':>14}{'median':>10}{'90 %':>10}{'found in 2,000':>18}"
    for factor in (1.2, 1.5, 2.0):
        for known in (100, 1_000, 10_000):
            random, limits = Random(known), Limits(known, 2_000, 0.001)  # noqa: S311 - made-up histories
            found = [values_until_alarm(random, "lognormal", limits, factor) for _ in range(histories)]
            took = sorted(inf if each is None else each for each in found)
            ninth = took[int(0.9 * len(took))]
            share = sum(each is not None for each in found) / histories
            yield f"{factor - 1:>+8.0%}{known:>14,}{median(took):>10g}{ninth:>10g}{share:>18.1%}"


def run_of(random: Random) -> list[float]:
    """What one run has spent after each of its steps."""
    return list(accumulate(random.lognormvariate(0, 0.6) for _ in range(random.randint(1, STEPS))))


def forecasts(histories: int) -> Iterator[str]:
    """How often totals lie below the lower bound, and between both."""
    random = Random(11)  # noqa: S311 - made-up runs
    yield f"Totals below the lower bound (stated 10 %) and within the interval (stated 80 %), {histories:,} runs"
    yield f"{'moment':28}" + "".join(f"{f'baseline {known}':>18}" for known in (50, 500))
    middle = median(run_of(random)[-1] for _ in range(5_000))
    moments: list[tuple[str, float | None, int]] = [
        (f"spent {share:.0%} of the median", share * middle, 0) for share in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
    ]
    moments += [(f"after step {step}", None, step) for step in (1, 3, 6, 9)]
    for name, amount, step in moments:
        cells: list[str] = []
        for known in (50, 500):
            told = [_told(random, known, amount, step) for _ in range(histories // 4)]
            seen = [each for each in told if each is not None]
            below, within = (sum(column) / len(seen) for column in zip(*seen, strict=True))
            cells.append(f"{below:.1%} {within:.1%}")
        yield f"{name:28}" + "".join(f"{cell:>18}" for cell in cells)


def _told(random: Random, known: int, amount: float | None, step: int) -> tuple[bool, bool] | None:
    run = run_of(random)
    total = run[-1]
    if amount is None:
        if len(run) <= step:
            return None
        amount = run[step - 1]
    elif total <= amount:
        return None
    told = forecast(_normal(random, known), amount)
    if told is None:
        return None
    return total < told.lower, told.lower <= total and (told.upper is None or total <= told.upper)


def _normal(random: Random, known: int) -> ListNormal:
    return ListNormal(run_of(random)[-1] for _ in range(known))


def alarms(histories: int) -> Iterator[str]:
    """How many alarms that a run will cross its limit were right, and when they came."""
    random = Random(12)  # noqa: S311 - made-up runs
    totals = [run_of(random)[-1] for _ in range(5_000)]
    yield f"Alarms that a run will cross its limit (stated 90 % right), {histories:,} runs, 200 in the baseline"
    yield f"{'limit':24}{'crossed':>10}{'alarms':>10}{'right':>10}{'told ahead':>12}{'right':>10}"
    for name, limit in zip(("at the 50 % quantile", "at the 90 % quantile"), _at(totals), strict=True):
        crossed = 0
        told: list[tuple[bool, bool]] = []
        for _ in range(histories):
            run, normal = run_of(random), _normal(random, 200)
            crossed += run[-1] > limit
            spoken = _spoken(run, normal, limit)
            if spoken is not None:
                told.append((spoken <= limit, run[-1] > limit))
        ahead = [right for is_ahead, right in told if is_ahead]
        counts = (crossed / histories, len(told) / histories, _share(right for _, right in told))
        cells = (*counts, len(ahead) / histories, _share(ahead))
        yield f"{name:24}" + "".join(
            f"{cell:>{width}.1%}" for cell, width in zip(cells, (10, 10, 10, 12, 10), strict=True)
        )


def _spoken(run: Sequence[float], normal: ListNormal, limit: float) -> float | None:
    """What was spent when the alarm came."""
    start = crossing(normal, limit)
    for spent in run:
        made = forecast(normal, spent) if spent > start else None
        if made is not None and made.lower > limit:
            return spent
    return None


def _share(right: Iterable[bool]) -> float:
    found = list(right)
    return sum(found) / max(1, len(found))


def _at(totals: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(totals, n=10)
    return cuts[4], cuts[8]
