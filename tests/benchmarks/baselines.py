"""What baselines cost: asking, starting, learning; and how good sketches are.

    python tests/benchmarks baselines                         10,000 subjects with 30 days of five measures each
    python tests/benchmarks baselines --subjects 1000 --days 90

A store is filled first, which takes a while. `start` is what opening it adds to a process until it has answered the
first question; `first` is the first question about a subject, answered from the file; `again` every further one.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from otel_agentperf.baselines import portable
from otel_agentperf.baselines.known import Table
from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.packing import packed
from otel_agentperf.baselines.sketch import Sketch
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Cell, Tally, Values, named

TODAY = 20_000
_EXECUTIONS = 200
_KINDS = 50
_BAR_START_MS = 100.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    given = parser.parse_args()
    sketches()
    with tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder:
        path = Path(folder) / "baseline.db"
        subjects = fill(path, given.subjects, given.days)
        start(path, subjects)
        asking(path, subjects)
    learning()


def sketches() -> None:
    """Errors against exact quantiles, and sizes."""
    random = Random(1)  # noqa: S311 - made-up figures
    kinds: dict[str, Callable[[], float]] = {
        "log-normal": lambda: math.exp(random.gauss(21, 0.6)),
        "uniform": lambda: random.uniform(1, 1e10),
        "Pareto 1.2": lambda: 1e8 * random.paretovariate(1.2),
        "two humps": lambda: random.gauss(1e9, 1e8) if random.random() < 0.9 else random.gauss(3e10, 1e9),
    }
    print(f"{'100,000 values':16}{'worst error':>12}{'bins':>7}{'bytes':>7}{'bytes of 200':>14}")
    for name, draw in kinds.items():
        values = [max(0, round(draw())) for _ in range(100_000)]
        sketch, few = Sketch(), Sketch()
        sketch.add(values)
        few.add(values[:_EXECUTIONS])
        table, ordered = Table(Measure.INPUT_TOKENS, [(1.0, sketch)]), sorted(values)
        worst = max(
            abs(table.quantile(n / 1_000) - exact) / exact
            for n in range(1, 1_001)
            if (exact := ordered[max(0, math.ceil(n / 1_000 * len(ordered)) - 1)])
        )
        sizes = [len(packed(Cell(0, 0, {Measure.INPUT_TOKENS: each}))) for each in (sketch, few)]
        print(f"{name:16}{worst:12.3%}{len(sketch.bins):7}{sizes[0]:7}{sizes[1]:14}")


def fill(path: Path, subjects: int, days: int) -> list[Subject]:
    """A store of so many subjects, each with so many days of 200 executions."""
    random = Random(2)  # noqa: S311 - made-up figures
    cells: list[Cell] = []
    for _ in range(_KINDS):
        cell = Cell()
        for _ in range(_EXECUTIONS):
            duration_ns = round(math.exp(random.gauss(21, 0.6)))
            tokens = round(random.uniform(500, 5_000))
            cell.add(Values(True, duration_ns, tokens * 300_000, tokens, tokens // 8, duration_ns // 4))
        cells.append(cell)
    named_ones = [named(SubjectKind.NODE, f"node_{number}", f"graph_{number % 100}") for number in range(subjects)]
    began = time.perf_counter()
    additions = (
        (subject, {TODAY - 1 - day: cells[(number + day) % _KINDS] for day in range(days)})
        for number, subject in enumerate(named_ones)
    )
    Store(path).add(additions, TODAY)
    size = path.stat().st_size
    print(
        f"store of {subjects:,} subjects x {days} days: {size / 1e6:,.0f} MB, {size / subjects / days:,.0f} bytes a"
        f" day of a subject, written in {time.perf_counter() - began:.1f} s"
    )
    return named_ones


def start(path: Path, subjects: list[Subject]) -> None:
    """Opening, until the first answer."""
    took: list[float] = []
    for number in range(20):
        began = time.perf_counter()
        store = Store(path)
        normals = LearnedNormals(lambda: (store,), TODAY)  # noqa: B023 - asked at once
        assert normals.normal(subjects[number], Measure.DURATION_S) is not None
        took.append((time.perf_counter() - began) * 1e3)
        store.close()
    print(f"start: median {statistics.median(took):.2f} ms, worst {max(took):.2f} ms (bar {_BAR_START_MS:.0f} ms)")


def asking(path: Path, subjects: list[Subject]) -> None:
    """Questions about each subject once, and about all of them again and again."""
    store = Store(path)
    normals = LearnedNormals(lambda: (store,), TODAY)

    def ask(subject: Subject) -> float:
        began = time.perf_counter_ns()
        normal = normals.normal(subject, Measure.DURATION_S)
        assert normal is not None
        normal.quantile(0.95)
        return (time.perf_counter_ns() - began) / 1e3

    random = Random(3)  # noqa: S311 - an order
    for name in ("first", "again"):
        random.shuffle(subjects)
        took = sorted(map(ask, subjects))
        print(f"{name}: median {took[len(took) // 2]:.1f} us, 99th percentile {took[len(took) * 99 // 100]:.1f} us")


def learning() -> None:
    """Adding up, and what a file takes."""
    values = [Values(True, n * 1_000_003, n * 300_000, n, n // 8) for n in range(1, 10_001)]
    tally = Tally()
    subject = named(SubjectKind.NODE, "node", "graph")
    began = time.perf_counter()
    for each in values:
        tally.add(TODAY, ((subject, each),))
    data = portable.written(tally.all())
    print(
        f"learning: {(time.perf_counter() - began) / len(values) * 1e6:.2f} us an execution ({len(data):,} bytes in all)"
    )


if __name__ == "__main__":
    main()
