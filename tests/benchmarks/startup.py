"""What switching on adds to a program's start: time and memory, medians over processes.

    python tests/benchmarks startup

The program imports LangGraph and google-genai and builds its client and graph; `sdk` also sets
up the OpenTelemetry SDK, `ours` also imports and switches on ours. Time is from the first line
of the program until the graph is built; `CPU` is of the same stretch, `memory` is what is
resident then and once the program has made its first runs. Processes are interleaved.
"""

from __future__ import annotations

import argparse
import statistics

import environments
import processes

VARIANTS = ("bare", "sdk", "ours")
COLUMNS = {
    "wall_s": ("wall ms", 1e3),
    "cpu_s": ("CPU ms", 1e3),
    "ready_bytes": ("ready MB", 1e-6),
    "after_bytes": ("after MB", 1e-6),
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--processes", type=int, default=10, help="of each variant; one more is thrown away")
    given = parser.parse_args()
    seen: dict[str, list[dict[str, float]]] = {variant: [] for variant in given.variants}
    with processes.server() as url:
        for number in range(given.processes + 1):
            for variant in given.variants:
                told = processes.scenario(environments.of_variant(variant), variant, url, "--startup")
                if number:
                    seen[variant].append(told)
    print(
        f"{'median of ' + str(given.processes):14}"
        + "".join(f"{title:>11}{'added':>9}" for title, _ in COLUMNS.values())
    )
    first, *_ = seen.values()
    for variant, rows in seen.items():
        cells = ""
        for column, (_, factor) in COLUMNS.items():
            middle = statistics.median(row[column] for row in rows) * factor
            cells += f"{middle:11.1f}{middle - statistics.median(row[column] for row in first) * factor:9.1f}"
        print(f"{variant:14}{cells}")


if __name__ == "__main__":
    main()
