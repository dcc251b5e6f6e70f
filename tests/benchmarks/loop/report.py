"""The table: what each arm took, and by how much it differs from the arm without advice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from tests.benchmarks.loop.estimates import Estimate, change, difference, mean_of
from tests.benchmarks.loop.model import Model

COST_GOAL, TIME_GOAL, SUCCESS_GOAL = -0.15, -0.20, 0.95
"""What the system's users expect at least: 15 to 30 % less cost, 20 to 40 % less time, success at 95 %."""

Row = Mapping[str, Any]
Seeds = dict[int, list[Row]]


def lines(facts: Model, rows: Sequence[Row]) -> Iterator[str]:
    """The whole report."""
    arms: dict[tuple[str, str], Seeds] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        arms[row["scenario"], row["arm"]][row["seed"]].append(row)
    yield "Mean of a run, and its change against `without`: 95 % intervals over seeds, Student's t, paired by seed"
    yield "(cost and time as ratios, success as a difference in percentage points). `goal`: whether the interval lies"
    yield f"beyond {COST_GOAL:.0%} cost, {TIME_GOAL:.0%} time and {SUCCESS_GOAL:.0%} success (yes, no), or across it (open)."
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        seeds = {arm: found for (name, arm), found in arms.items() if name == scenario}
        yield ""
        yield f"{scenario}: {facts.scenarios[scenario].sentence}"
        yield from _table(seeds)


def _table(arms: Mapping[str, Seeds]) -> Iterator[str]:
    some = next(iter(arms.values()))
    yield f"{len(some)} seeds of {len(next(iter(some.values())))} runs"
    yield (
        f"{'arm':<9}{'cost':>9} {'change':>9} {'95 %':>16} {'goal':>5}{'time':>9} {'change':>8} {'95 %':>16} {'goal':>5}"
        f"{'success':>9} {'change':>7} {'95 %':>14} {'goal':>5}  {'requests':>8} {'stopped':>7} {'timeouts':>8}"
    )
    for arm, seeds in arms.items():
        yield _line(arm, arms.get("without", seeds), seeds)
    for arm, seeds in arms.items():
        yield f"  {arm} asked: {_asked([row for found in seeds.values() for row in found])}"


def _line(arm: str, before: Seeds, after: Seeds) -> str:
    is_base = before is after
    cost, time, success = (_figures(key, after) for key in (_cost, _time, _success))
    cost_change = change(_figures(_cost, before), cost)
    time_change = change(_figures(_time, before), time)
    success_change = difference(_figures(_success, before), success)
    every = [row for found in after.values() for row in found]
    cells = [
        f"{arm:<9}{'$' + format(fmean(cost), '.4f'):>9}",
        "" if is_base else f"{_percent(cost_change):>26} {_goal(cost_change, COST_GOAL, below=True):>5}",
        f"{fmean(time):>8.1f}s",
        "" if is_base else f"{_percent(time_change):>25} {_goal(time_change, TIME_GOAL, below=True):>5}",
        f"{fmean(success):>8.1%}",
        "" if is_base else f"{_points(success_change):>22}",
        f" {_goal(mean_of(success), SUCCESS_GOAL, below=False):>5}",
        (
            f"  {fmean(row['requests'] for row in every):>8.1f} {sum(bool(row['stopped']) for row in every):>7}"
            f" {sum(row['timed_out'] for row in every):>8}"
        ),
    ]
    widths = (18, 33, 9, 32, 9, 23, 6, 0)
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _figures(of: Callable[[Row], float], seeds: Seeds) -> list[float]:
    return [fmean(of(row) for row in seeds[seed]) for seed in sorted(seeds)]


def _cost(row: Row) -> float:
    return row["cost_usd"]


def _time(row: Row) -> float:
    return row["took_s"]


def _success(row: Row) -> float:
    return float(row["success"])


def _percent(one: Estimate) -> str:
    return f"{one.value:+.1%} [{one.low:+.1%}, {one.high:+.1%}]"


def _points(one: Estimate) -> str:
    return f"{one.value * 100:+.1f} [{one.low * 100:+.1f}, {one.high * 100:+.1f}]"


def _goal(one: Estimate, goal: float, *, below: bool) -> str:
    if one.low != one.low:  # one seed only
        return "?"
    if (one.high <= goal) if below else (one.low >= goal):
        return "yes"
    return "no" if ((one.low > goal) if below else (one.high < goal)) else "open"


def _asked(rows: Sequence[Row]) -> str:
    """Each step's models, with their shares of its requests."""
    told: list[str] = []
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for step, models in row["asked"].items():
            counts[step].update(models)
    for step, models in sorted(counts.items()):
        total = models.total()
        shares = (f"{name.removeprefix('gemini-2.5-')} {count / total:.0%}" for name, count in models.most_common())
        told.append(f"{step} {', '.join(shares)}")
    return "; ".join(told)
