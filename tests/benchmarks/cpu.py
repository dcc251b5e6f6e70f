"""CPU time of a run, in one interleaved session of separate processes: A B C A B C ...

    python tests/benchmarks cpu
    python tests/benchmarks cpu --variants bare spans ours official --rounds 10

User and system time of all threads of the process, per run. Every variant has its environment
(`environments.py`). The figures hold for this machine and hour; the smallest is the least
disturbed one, and the order of variants is what to look at.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import environments
import processes

VARIANTS = ("bare", "sdk", "spans", "ours", "official", "openinference", "openlit", "openllmetry")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--rounds", type=int, default=6, help="processes of each variant")
    parser.add_argument("--runs", type=int, default=100, help="runs in one section")
    parser.add_argument("--sections", type=int, default=3, help="in one process")
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {variant: [] for variant in given.variants}
    spans: dict[str, float] = {}
    with processes.server() as url, tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder:
        template = str(Path(folder) / "spans.json")
        ours = environments.of_variant("ours")
        processes.scenario(ours, "ours", url, "--runs", "2", "--sections", "1", "--write-spans", template)
        size = ("--runs", str(given.runs), "--sections", str(given.sections))
        for _ in range(given.rounds):
            for variant in given.variants:
                python = environments.of_variant(variant)
                told = processes.scenario(python, variant, url, "--template", template, *size)
                seconds[variant] += told["cpu_s"]
                spans[variant] = told["spans"]
    show(seconds, spans)


def show(seconds: dict[str, list[float]], spans: dict[str, float]) -> None:
    """Print milliseconds per run, and what is added to the least and median of the first variant."""
    first, *_ = seconds.values()
    print(f"{'ms CPU a run':16}{'min':>8}{'median':>8}{'max':>8}{'+min':>8}{'+median':>9}{'spans':>7}{'n':>5}")
    for variant, values in seconds.items():
        least, middle, most = min(values) * 1e3, statistics.median(values) * 1e3, max(values) * 1e3
        more, more_middle = least - min(first) * 1e3, middle - statistics.median(first) * 1e3
        numbers = f"{least:8.3f}{middle:8.3f}{most:8.3f}{more:8.3f}{more_middle:9.3f}"
        print(f"{variant:16}{numbers}{spans[variant]:7.1f}{len(values):5}")


if __name__ == "__main__":
    main()
