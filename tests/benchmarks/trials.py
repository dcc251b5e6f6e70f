"""Trials of simulated changes: how often a harmless one is taken back, and how soon one that does harm.

A run succeeds with 0.95; its time is log-normal with sigma 0.6, its cost with sigma 0.5. The lot
falls on a share that begins at 0.1. `late` means that the change does well for 1,000 runs before.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from typing import NamedTuple

from otel_agentperf.advice.trial import Grown, TakenBack, Trial, Unit

FIRST_SHARE, MAX_SHARE = 0.1, 0.9
SUCCESS = 0.95
CHEAP = 0.3


class Change(NamedTuple):
    """What a change does to runs."""

    name: str
    success: float = SUCCESS
    slower: float = 1.0
    cost: float = CHEAP
    well_until: int = 0


class Ended(NamedTuple):
    """How a trial ended."""

    after: int | None
    """Runs since the change began to do harm, until it was taken back."""
    harmed: int
    """Of these, runs that were treated."""
    why: str
    share: float
    first_step: int | None


CHANGES = (
    Change("harmless, cheaper"),
    Change("harmless, as dear", cost=1.0),
    Change("10 % slower, cheaper", slower=1.1),
    *(Change(f"success {success:g}", success=success) for success in (0.0, 0.5, 0.75, 0.85, 0.9)),
    *(Change(f"{slower:g} times as slow", slower=slower) for slower in (1.2, 1.5, 2.0, 3.0)),
    *(Change(f"{cost:g} times as dear", cost=cost) for cost in (1.2, 1.5, 2.0)),
    *(Change(f"success {success:g}, late", success=success, well_until=1_000) for success in (0.0, 0.5, 0.75)),
    *(Change(f"{slower:g} times as slow, late", slower=slower, well_until=1_000) for slower in (1.5, 2.0, 3.0)),
)


def tried(change: Change, seed: int, runs: int) -> Ended:
    """Try a change on so many runs."""
    luck, trial = random.Random(seed), Trial(FIRST_SHARE, MAX_SHARE, saves=True)  # noqa: S311 - a simulation
    harmed, share, first_step = 0, 0.0, None
    for number in range(runs + change.well_until):
        share = trial.share(0)
        treated = luck.random() < share
        worse = treated and number >= change.well_until
        harmed += worse
        cost = (change.cost if worse else CHEAP) if treated else 1.0
        unit = Unit(
            treated,
            share,
            luck.random() < (change.success if worse else SUCCESS),
            luck.lognormvariate(0, 0.6) * (change.slower if worse else 1.0),
            luck.lognormvariate(0, 0.5) * cost,
        )
        event = trial.take(unit, 0)
        if isinstance(event, TakenBack):
            return Ended(number + 1 - change.well_until, harmed, event.watched.value, share, first_step)
        if isinstance(event, Grown) and first_step is None:
            first_step = number + 1
    return Ended(None, harmed, "", share, first_step)


def main() -> None:
    """Print what came of each change."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks trials", description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="of each change")
    parser.add_argument("--runs", type=int, default=2_000, help="at most, of each trial")
    given = parser.parse_args()
    print(f"{given.trials} trials of {given.runs} runs each")
    print(
        f"{'change':26} {'taken back':>10} {'runs until: median, 90 %':>25} {'treated of these':>17}  for, share in the end"
    )
    for change in CHANGES:
        ended = [tried(change, seed, given.runs) for seed in range(given.trials)]
        back = sorted((each.after, each.harmed) for each in ended if each.after is not None)
        delay = f"{back[len(back) // 2][0]}, {back[int(len(back) * 0.9)][0]}" if back else "-"
        harmed = sorted(each for _, each in back)[len(back) // 2] if back else 0
        why = dict(Counter(each.why for each in ended if each.why))
        share = sorted(each.share for each in ended)[len(ended) // 2]
        print(f"{change.name:26} {len(back) / len(ended):>10.1%} {delay:>25} {harmed:>17}  {why}, {share:g}")


if __name__ == "__main__":
    main()
