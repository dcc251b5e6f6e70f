"""How fast a file of traces is read and judged, and in how much memory.

Four figures a size: a bare parse of the same bytes by msgspec in one process; reading and grouping (a file
to the operations of each trace); all of it with the rules off, and with every rule on. Speed is spans by
CPU second of all processes; memory is the largest sum of what the processes hold (proportional
set size), looked at twenty times a second. The file is written once, beside the benchmarks' cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import environments
import msgspec
import traces

from otel_agentperf import config
from otel_agentperf.config import Settings
from otel_agentperf.replay import local, otlp_json_span
from otel_agentperf.replay.engines import Watcher
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.pieces import Piece
from otel_agentperf.replay.plan import MAX_TRACE_SPANS, Plan
from otel_agentperf.replay.reducing import reduce_bucket
from otel_agentperf.replay.replay import replay
from otel_agentperf.replay.sources import files
from otel_agentperf.replay.spilling import Spill

TRACES = 25_000
BAR_PER_SECOND = 150_000
BAR_MB = 200
WAYS = ("parse", "read", "off", "on")


class Grouping(LocalEngine):
    """Stops where the operations of each trace are at hand.

    Args:
        workers: how many processes.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.spans = 0

    def _rounds(self, pieces: Iterable[Piece], plan: Plan, watcher: Watcher, folder: Path, pool: Any) -> None:
        for mapped in self._in_turn(pool, local.map_and_spill, ((piece, plan, folder) for piece in pieces)):
            watcher.mapped(mapped)
        buckets = Spill(folder / "spans").buckets()
        for count in self._in_turn(pool, grouped, ((bucket, folder) for bucket in buckets)):
            self.spans += count


def grouped(bucket: int, folder: Path) -> int:
    """Put the operations of each trace of a bucket together; how many there are."""
    spill = Spill(folder / "spans")
    count = sum(trace.spans for trace in reduce_bucket(spill.read(bucket), MAX_TRACE_SPANS))
    spill.drop(bucket)
    return count


class _Scopes(msgspec.Struct):
    spans: list[otlp_json_span.Span] = []


class _Resources(msgspec.Struct, rename="camel"):
    scope_spans: list[_Scopes] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_Resources] = []


def parsed(path: Path) -> int:
    """Decode each line and let go of it."""
    decoder = msgspec.json.Decoder(_Request, strict=False)
    count = 0
    with path.open("rb") as file:
        for line in file:
            for resource in decoder.decode(line).resource_spans:
                count += sum(len(scope.spans) for scope in resource.scope_spans)
    return count


def run(way: str, path: Path, workers: int) -> int:
    """One way through a file; the spans seen."""
    if way == "parse":
        return parsed(path)
    settings = config.load({}) if way == "on" else Settings(rules_ignore=tuple(sorted(_groups())))
    if way == "read":
        engine = Grouping(workers)
        replay(files([str(path)]), settings, engine)
        return engine.spans
    return replay(files([str(path)]), settings, LocalEngine(workers)).sums.spans


def _groups() -> set[str]:
    from otel_agentperf.plugins import all_rules

    return {rule.group.value for rule in all_rules()}


def measured(way: str, path: Path, workers: int) -> tuple[int, float, float, float]:
    """Run a way in a process of its own: spans, CPU seconds, wall seconds, megabytes."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--way", way, "--file", str(path), "--workers", str(workers)]
    # As it is installed: a setting of this shell must not have each start compile all of it anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    use = _Use(process)
    out, _ = process.communicate()
    wall_s = time.perf_counter() - begun
    use.join()
    if process.returncode:
        raise SystemExit(f"{way} failed")
    return int(out), sum(use.cpu_s.values()), wall_s, use.most_bytes / 1e6


class _Use(threading.Thread):
    """Looks at the time and memory that a process and its offspring take, until it ends.

    The workers are no children of ours, so nobody tells their time in the end: what they took since
    the last look is missing, a twentieth of a second each at most.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self.cpu_s: dict[int, float] = {}
        self.most_bytes = 0
        self._process = process
        self.start()

    def run(self) -> None:
        """Look until it has ended."""
        while self._process.poll() is None:
            held = 0
            for pid in _session(self._process.pid):
                held += _pss(pid)
                self.cpu_s[pid] = max(_cpu_s(pid), self.cpu_s.get(pid, 0.0))
            self.most_bytes = max(self.most_bytes, held)
            time.sleep(0.05)


def _session(leader: int) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def written(count: int) -> Path:
    """A file with that many traces, made on first use."""
    path = environments.cache() / f"traces-{count}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        traces.write(path, count)
    return path


def main() -> None:
    """Measure each way at each size, several times over, and say the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, help="run one way here, over --file, and print the spans")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--sizes", default="1,8", help="multiples of 25,000 traces")
    parser.add_argument("--ways", default=",".join(WAYS))
    chosen = parser.parse_args()
    if chosen.way:
        print(run(chosen.way, chosen.file, chosen.workers))
        return
    for size in (float(part) for part in chosen.sizes.split(",")):
        path = written(round(size * TRACES))
        print(f"{round(size * TRACES):,} traces, {path.stat().st_size / 1e6:,.0f} MB, {chosen.workers} workers")
        for way in chosen.ways.split(","):
            runs = [measured(way, path, chosen.workers) for _ in range(chosen.times)]
            spans, cpu_s, wall_s, _ = min(runs, key=lambda one: one[1])
            memory = max(one[3] for one in runs)
            print(
                f"  {way:6} {spans / cpu_s:>10,.0f} spans a CPU second {cpu_s:>7.1f} s CPU {wall_s:>7.1f} s wall "
                f"{memory:>6.0f} MB",
                flush=True,
            )
    print(f"bars: read {BAR_PER_SECOND:,} spans a CPU second in {BAR_MB} MB, and not slower at 8 times the size")


if __name__ == "__main__":
    main()
