"""Whether the cost of a span grows with the run it belongs to, and what a live run keeps in memory.

    python tests/benchmarks growth

First one run that loops through a node, a tool and a Gemini request until it has 10,000 spans:
added instructions per span, counted by callgrind in stretches of 60 spans along the way, and
what the end of the run adds. The bar: within 10 % of the first stretch. No stretch holds a
multiple of 512 spans, where a batch is exported. Once with new arguments for the tool at every
step, once with the same ones, which keeps a rule busy.

Then one run of 12 requests whose prompts differ and have 2 MB, or 10 MB, each: added instructions of each request.
The bar: the last at most 1.1 times the second, though there are eight earlier answers to be found by then.

Then 10,000 runs that have begun, made a request and wait: resident bytes per run, less
those of the same program without ours; `sdk` has the SDK set up and nobody who uses it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import environments
import processes
from long_runs import SPANS_PER_STEP, WINDOW_STEPS

PROMPT_BYTES = (2_000_000, 10_000_000)
PROMPTS = 12
AT_SPANS = (100, 1_100, 3_200, 10_000)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-spans", type=int, nargs="+", default=AT_SPANS)
    parser.add_argument("--live-runs", type=int, default=10_000)
    parser.add_argument("--only", choices=("loop", "held", "prompts"))
    given = parser.parse_args()
    with processes.server() as url:
        if given.only in (None, "loop"):
            processes.need_valgrind()
            for options in ((), ("--same-arguments",)):
                along_a_run(url, given.at_spans, *options)
        if given.only in (None, "held"):
            live_runs(url, given.live_runs)
    if given.only in (None, "prompts"):
        processes.need_valgrind()
        with processes.server("long") as url:
            for size in PROMPT_BYTES:
                large_prompts(url, size)


def along_a_run(url: str, at_spans: tuple[int, ...], *options: str) -> None:
    """Print added instructions per span along one run."""
    bare, ours = (count(url, variant, at_spans, *options) for variant in ("bare", "ours"))
    spans = WINDOW_STEPS * SPANS_PER_STEP
    print(f"added k instructions a span, {' '.join(options).removeprefix('--') or 'new-arguments'}")
    first = (ours[0] - bare[0]) / spans
    for place, at in enumerate(at_spans):
        each = (ours[place] - bare[place]) / spans
        print(
            f"  span {at:6}{each / 1e3:10.1f}{each / first:8.2f} of the first   (bare {bare[place] / spans / 1e3:.1f})"
        )
    print(f"  end of the run{(ours[-1] - bare[-1]) / 1e3:10.1f} in all", flush=True)


def large_prompts(url: str, size: int) -> None:
    """Print added instructions of each of some requests with large prompts."""
    bare, ours = (
        counted(url, "prompts", variant, PROMPTS, "--size", str(size), "--number", str(PROMPTS))
        for variant in ("bare", "ours")
    )
    added = [ours[place] - bare[place] for place in range(PROMPTS)]
    print(f"added k instructions a request with a prompt of {size / 1e6:.0f} MB, of {bare[1] / 1e3:.0f} bare")
    print("  " + "".join(f"{each / 1e3:9.0f}" for each in added))
    print(f"  the last is {added[-1] / added[1]:.2f} of the second", flush=True)


def count(url: str, variant: str, at_spans: tuple[int, ...], *options: str) -> list[int]:
    """Instructions in each stretch, and in what comes after the last."""
    steps = [str(at // SPANS_PER_STEP) for at in at_spans]
    return counted(url, "loop", variant, len(at_spans) + 1, *options, "--at-steps", *steps)


def counted(url: str, program: str, variant: str, parts: int, *options: str) -> list[int]:
    """Instructions in each part of a program that has them dumped one by one."""
    with tempfile.TemporaryDirectory(prefix="agentperf-callgrind-") as folder:
        out = Path(folder) / "out"
        processes.run(
            [
                *("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"),
                *(str(environments.of_variant(variant)), str(processes.HERE / "long_runs.py"), program, variant),
                *("--url", url, *options),
            ]
        )
        return [processes.total(out.with_name(f"out.{part + 1}")) for part in range(parts)]


def live_runs(url: str, number: int) -> None:
    """Print the memory of runs that wait."""
    print(f"{number} live runs{'bytes a run':>16}{'added':>10}{'live':>8}{'left':>6}")
    bare = 0.0
    for variant in ("bare", "sdk", "ours"):
        program = (str(environments.of_variant(variant)), str(processes.HERE / "long_runs.py"), "held", variant)
        told = processes.run([*program, "--url", url, "--number", str(number)])
        each = told["bytes_per_run"]
        bare = bare or each
        live, left = ("-" if told[key] is None else str(told[key]) for key in ("live", "live_after"))
        print(f"{variant:16}{each:16.0f}{each - bare:10.0f}{live:>8}{left:>6}", flush=True)


if __name__ == "__main__":
    main()
