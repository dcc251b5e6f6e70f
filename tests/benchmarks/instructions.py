"""Added machine instructions of a run, counted by callgrind.

    python tests/benchmarks/instructions.py                      bare, spans, ours
    python tests/benchmarks/instructions.py --parts              where ours go, by leaving parts out
    python tests/benchmarks/instructions.py --functions          where ours go, inside single functions

Each variant is warmed up outside callgrind's counting, then counted in sections of the same
number of runs in one process; shown is the median section and the spread (max - min). The
bar: ours at most 1.75 times `spans`, at most 0.7 times the cheapest peer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import processes
from processes import Count

PARTS = ("ours-nometrics", "ours-norules", "ours-langgraph", "ours-gemini")
_GEMINI = "otel_agentperf.instrumentation.google_genai"
_LANGGRAPH = "otel_agentperf.instrumentation.langgraph"
_LIVE = "otel_agentperf.live"
FUNCTIONS = (
    f"{_LANGGRAPH}.runs:_open",
    f"{_LANGGRAPH}.nodes:_open",
    f"{_LANGGRAPH}.nodes:_close",
    "otel_agentperf.fingerprint:Fingerprinter.state",
    f"{_GEMINI}.prints:request_prints",
    f"{_GEMINI}.call:Call.take",
    f"{_GEMINI}.call:Call._end",
    f"{_GEMINI}.call:Call._cost",
    f"{_LIVE}.pipeline:Pipeline.open",
    f"{_LIVE}.pipeline:Pipeline.close",
    f"{_LIVE}.pipeline:Pipeline.operation",
    f"{_LIVE}.pipeline:Pipeline.account",
    f"{_LIVE}.attributes:add_operation",
    f"{_LIVE}.pipeline:Pipeline.measure",
    f"{_LIVE}.pipeline:Pipeline.add_cost",
    "otel_agentperf.analysis.engine:Engine.observe",
    "otel_agentperf.analysis.engine:Engine.finish",
    "opentelemetry.sdk.trace:Tracer.start_span",
    "opentelemetry.sdk.trace:Span.set_attributes",
    "opentelemetry.sdk.trace:Span.end",
    "opentelemetry.sdk.metrics._internal.instrument:Histogram.record",
)


def millions(count: Count) -> float:
    """The median section, in million instructions per run."""
    return statistics.median(count.instructions) / 1e6


def spread(count: Count) -> float:
    """Largest less smallest section, in million instructions per run."""
    return (max(count.instructions) - min(count.instructions)) / 1e6


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the variants")
    parser.add_argument("--runs", type=int, default=20, help="runs in one section")
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--functions", nargs="*", metavar="MODULE:NAME", help="these functions, or the usual ones")
    given = parser.parse_args()
    processes.need_valgrind()
    with processes.server() as url, tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder:
        template = str(Path(folder) / "spans.json")

        def counted(variant: str, functions: Sequence[str] = ()) -> Count:
            return processes.count(
                given.python,
                variant,
                url,
                "--template",
                template,
                runs=given.runs,
                sections=given.sections,
                functions=functions,
            )

        if given.functions is not None:
            by_function(given.functions or FUNCTIONS, counted("ours", given.functions or FUNCTIONS))
            return
        variants = ("bare", "ours", "spans", *(PARTS if given.parts else ()))
        print(f"{'variant':18}{'M instr/run':>12}{'spread':>8}{'added':>8}{'/spans':>8}{'spans':>7}")
        counts: dict[str, Count] = {}
        for variant in variants:
            counts[variant] = counted(variant)
            print_row(variant, counts)
        print(", ".join(f"{name} {version}" for name, version in counts["ours"].versions.items()))


def print_row(variant: str, counts: dict[str, Count]) -> None:
    """One line of the table."""
    count, bare, hand = counts[variant], counts["bare"], counts.get("spans")
    added = millions(count) - millions(bare)
    ratio = f"{added / (millions(hand) - millions(bare)):8.2f}" if hand is not None else f"{'':8}"
    print(f"{variant:18}{millions(count):12.3f}{spread(count):8.3f}{added:8.3f}{ratio}{count.spans:7.1f}", flush=True)


def by_function(functions: Sequence[str], count: Count) -> None:
    """Instructions inside each function and all it calls."""
    print(f"{'inside':72}{'calls':>7}{'k/call':>9}{'M/run':>8}")
    for function, instructions, calls in zip(functions, count.instructions, count.calls, strict=True):
        if calls < 0:
            print(f"{function:72} there is no such function")
            continue
        each = instructions / calls / 1e3 if calls else 0.0
        print(f"{function:72}{calls:7.1f}{each:9.1f}{instructions / 1e6:8.3f}")


if __name__ == "__main__":
    main()
