"""Added machine instructions of a run, counted by callgrind.

    python tests/benchmarks instructions                      bare, spans and ours
    python tests/benchmarks instructions --peers              the same, and the peers
    python tests/benchmarks instructions --parts              where ours go, by leaving parts out
    python tests/benchmarks instructions --functions          where ours go, inside single functions
    python tests/benchmarks instructions --functions MODULE:NAME ...

Each variant is warmed up uncounted, then counted in sections of the same number of runs in one
process; shown are the median section and the spread (largest less smallest). The bars: ours with
every rule at most 2.0 times `spans` and below every peer; with three rules (`--three-rules`) at
most 1.75 times `spans` and at most 0.7 times the cheapest peer.

With `--peers` all run in environments of their own (`environments.py`), else in this
interpreter's. No variant records content, unless its name says so. `ours` is the package as
installed there; PYTHONPATH may name another checkout.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import environments
import processes
from processes import Count

BARS = {"ours": (2.0, 1.0), "ours-three-rules": (1.75, 0.7)}
"""The most of `spans`, and of the cheapest peer."""
PARTS = ("ours-nometrics", "ours-norules", "ours-nolearning", "ours-langgraph", "ours-gemini", "ours-system")
PEERS = ("official", "openinference", "openlit", "openllmetry")
_GEMINI = "otel_agentperf.instrumentation.google_genai"
_LANGGRAPH = "otel_agentperf.instrumentation.langgraph"
_LIVE = "otel_agentperf.live"
FUNCTIONS = (
    f"{_LANGGRAPH}.runs:_open",
    f"{_LANGGRAPH}.nodes:_open",
    f"{_LANGGRAPH}.nodes:_close",
    "otel_agentperf.fingerprint:Fingerprinter.state",
    f"{_GEMINI}.requests:_begin",
    f"{_GEMINI}.prints:request_prints",
    f"{_LIVE}.answers:Answers.used_in",
    f"{_GEMINI}.call:Call.take",
    f"{_GEMINI}.answer:Answer.pieces",
    f"{_GEMINI}.call:Call._end",
    f"{_GEMINI}.call:Call._cost",
    "otel_agentperf.instrumentation.switch:Switch.start",
    f"{_LIVE}.pipeline:Pipeline.open",
    f"{_LIVE}.pipeline:Pipeline.close",
    f"{_LIVE}.operations:operation_of",
    f"{_LIVE}.learning:Learner.settle",
    f"{_LIVE}.pipeline:Pipeline.account",
    f"{_LIVE}.attributes:add_operation",
    f"{_LIVE}.metrics:Metrics.billed",
    f"{_LIVE}.metrics:Metrics.node",
    f"{_LIVE}.metrics:Metrics.run",
    f"{_LIVE}.metrics.backlog:Backlog.work_off",
    "otel_agentperf.analysis.engine:Engine.observe",
    "otel_agentperf.analysis.engine:Engine.finish",
    "otel_agentperf.analysis.engine:Engine._judge",
    "otel_agentperf.analysis.engine:Engine._conclude",
    "opentelemetry.sdk.trace:Tracer.start_span",
    f"{_LIVE}.sdk_core.attributes:set_attributes",
    "opentelemetry.sdk.trace:Span.end",
    f"{_LIVE}.sdk_core.histograms:Series.record",
)


class Counting:
    """Counts variants with the same server and the same template of spans.

    Args:
        url: of the server.
        template: where the spans of one run of ours lie.
        given: the command line.
    """

    def __init__(self, url: str, template: Path, given: argparse.Namespace) -> None:
        self._url, self._template, self._given = url, str(template), given
        self.python(self._ours(), "ours", "--runs", "2", "--sections", "1", "--write-spans", self._template)

    def python(self, python: Path, variant: str, *options: str) -> None:
        """Run a variant uncounted."""
        processes.scenario(python, variant, self._url, *options)

    def count(self, variant: str, functions: Sequence[str] = ()) -> Count:
        """Count a variant."""
        python = environments.of_variant(variant) if self._given.peers else self._ours()
        options = ("--template", self._template)
        runs, sections = self._given.runs, self._given.sections
        return processes.count(python, variant, self._url, *options, runs=runs, sections=sections, functions=functions)

    def _ours(self) -> Path:
        return environments.of_variant("ours") if self._given.peers else Path(sys.executable)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs in one section")
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--peers", nargs="*", metavar="PEER", help="these peers, or the usual ones")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--three-rules", action="store_true", help="the rules of the first version alone, too")
    parser.add_argument("--functions", nargs="*", metavar="MODULE:NAME", help="these functions, or the usual ones")
    given = parser.parse_args()
    processes.need_valgrind()
    peers: Sequence[str] = () if given.peers is None else given.peers or PEERS
    given.peers = bool(peers)
    with processes.server() as url, tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder:
        counting = Counting(url, Path(folder) / "spans.json", given)
        if given.functions is None:
            parts = PARTS if given.parts else ()
            compare(counting, peers, ("ours-three-rules", *parts) if given.three_rules else parts)
        else:
            by_function(counting, given.functions or FUNCTIONS)


def compare(counting: Counting, peers: Sequence[str], parts: Sequence[str]) -> None:
    """Print each variant's added instructions, and what they come to against the bar."""
    print(f"{'variant':24}{'M instr/run':>12}{'spread':>8}{'added':>8}{'/spans':>8}{'spans':>7}")
    counts: dict[str, Count] = {}

    def added(variant: str) -> float:
        return millions(counts[variant]) - millions(counts["bare"])

    for variant in ("bare", "spans", "ours", *parts, *peers):
        counts[variant] = count = counting.count(variant)
        ratio = f"{added(variant) / added('spans'):8.2f}" if "spans" in counts else f"{'':8}"
        spread = (max(count.instructions) - min(count.instructions)) / 1e6
        print(
            f"{variant:24}{millions(count):12.3f}{spread:8.3f}{added(variant):8.3f}{ratio}{count.spans:7.1f}",
            flush=True,
        )
        shared = counts["bare"].versions.keys() & count.versions.keys()
        differing = [
            f"{name} {count.versions[name]}" for name in shared if count.versions[name] != counts["bare"].versions[name]
        ]
        if differing:
            print(f"{'':24}other versions than bare: {', '.join(differing)}")
    print(", ".join(f"{name} {version}" for name, version in counts["ours"].versions.items()))
    for ours, (of_spans, of_peer) in BARS.items():
        if ours in counts:
            print(f"{ours} / spans{added(ours) / added('spans'):10.2f}   (bar {of_spans})")
            if peers:
                cheapest = min(peers, key=added)
                print(f"{ours} / {cheapest}{added(ours) / added(cheapest):10.2f}   (bar {of_peer}; the cheapest peer)")


def by_function(counting: Counting, functions: Sequence[str]) -> None:
    """Print the instructions inside each function and all it calls."""
    count = counting.count("ours", functions)
    print(f"{'inside':96}{'calls':>7}{'k/call':>9}{'M/run':>8}")
    for function, instructions, calls in zip(functions, count.instructions, count.calls, strict=True):
        if calls < 0:
            print(f"{function:96} there is no such function")
        else:
            each = instructions / calls / 1e3 if calls else 0.0
            print(f"{function:96}{calls:7.1f}{each:9.1f}{instructions / 1e6:8.3f}")


def millions(count: Count) -> float:
    """The median section, in million instructions per run."""
    return statistics.median(count.instructions) / 1e6


if __name__ == "__main__":
    main()
