"""What the engine takes with every rule on: CPU of an operation, along a long run too, and memory of a live run.

    python tests/benchmarks engine

The operations are those of the demo: its program runs once against its own server, twenty times as
fast, and the times of its spans are stretched again. They are then played to the engine anew, with
identities and times of their own each time. Bars: 8 us of CPU an operation in the median over the
demo's mix, the same at operation 10,000 within 10 %, and 64 kB for a live run of 200.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import statistics
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agentperf
from otel_agentperf import config
from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.demo.recording_agents import RemoteBrowser, connect, record
from otel_agentperf.demo.script import RecordingScript
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.pricing import PriceBook
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.sdk import read_span
from otel_agentperf.rules import AnyRule, make_rules

SPEED = 20
HOUR_NS = 3_600_000_000_000
PRICES = PriceBook()
LONG = 10_000
WINDOW = 250
AT = (100, 1_000, 3_000, LONG - WINDOW)


class Recorded(NamedTuple):
    """A finished run of the demo."""

    root: Operation
    operations: tuple[Operation, ...]
    """Without the root."""


def demo() -> list[Recorded]:
    """Run the demo's program once and read its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with GeminiServer(RecordingScript(), speed=SPEED, record=False) as server:
        os.environ.update({"GOOGLE_GEMINI_BASE_URL": server.base_url, "GOOGLE_API_KEY": "loopback"})
        with contextlib.suppress(KeyError):
            del os.environ["HTTP_PROXY"]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
        otel_agentperf.instrument(config.Settings(metrics=False), tracer_provider=provider)
        record(connect(0.5 / SPEED), RemoteBrowser(0.15 / SPEED), lambda _: None)
    records = [found for span in exporter.get_finished_spans() if (found := read_span(span)) is not None]
    begin_ns = min(found.operation.start_ns for found in records)
    traces: dict[str, list[Operation]] = {}
    for found in records:
        op = found.operation
        start_ns, end_ns = (begin_ns + (ns - begin_ns) * SPEED for ns in (op.start_ns, op.end_ns))
        stretched = msgspec.structs.replace(op, start_ns=start_ns, end_ns=end_ns)
        traces.setdefault(op.trace_id, []).append(stretched)
    runs = [run for operations in traces.values() for run in runs_of(operations)]
    return [
        Recorded(run.root, tuple(op for op in run.operations if op.span_id != run.root.span_id))
        for run in sorted(runs, key=lambda run: run.root.start_ns)
    ]


_numbers = count(1)


def again(recorded: Recorded) -> Recorded:
    """The same run at another time, under identities of its own."""
    number = next(_numbers)
    trace_id = f"{number:032x}"

    def anew(op: Operation) -> Operation:
        return msgspec.structs.replace(
            op,
            span_id=_renamed(op.span_id, number),
            parent_id=_renamed(op.parent_id, number) if op.parent_id is not None else None,
            trace_id=trace_id,
            session_id=f"session-{number // 2}",
            start_ns=op.start_ns + number * HOUR_NS,
            end_ns=op.end_ns + number * HOUR_NS,
        )

    return Recorded(anew(recorded.root), tuple(anew(op) for op in recorded.operations))


def _renamed(span_id: str, number: int) -> str:
    return f"{int(span_id, 16) ^ number << 16:016x}"


class Mix(NamedTuple):
    """CPU over the demo's mix, in microseconds: each of its operations at its best, which leaves out other programs."""

    median: float
    """Of an operation."""
    mean: float
    """With the ends of the runs."""
    ends: float
    """Of the end of a run, on average."""


def mix(rules: Iterable[AnyRule], runs: Sequence[Recorded], rounds: int) -> Mix:
    """Play the demo's session again and again in one engine."""
    engine = Engine(rules, prices=PRICES)
    clock = time.perf_counter_ns
    best: list[list[int]] = [[1 << 62] * (len(run.operations) + 1) for run in runs]
    gc.collect()
    for _ in range(rounds):
        for times, (root, operations) in zip(best, [again(run) for run in runs], strict=True):
            run = engine.begin(root.name, root.session_id, root.start_ns)
            for place, operation in enumerate(operations):
                begun = clock()
                engine.observe(run, operation)
                times[place] = min(times[place], clock() - begun)
            begun = clock()
            engine.finish(run, root)
            times[-1] = min(times[-1], clock() - begun)
    every = [ns for times in best for ns in times]
    ends = [times[-1] for times in best]
    return Mix(statistics.median(every) / 1000, statistics.mean(every) / 1000, statistics.mean(ends) / 1000)


def endless(runs: Sequence[Recorded]) -> Iterator[Operation]:
    """The operations of the demo again and again, as those of one run that goes on."""
    root = runs[0].root
    length_ns = max(run.root.end_ns for run in runs) - root.start_ns
    for number in count(1):
        for op in (op for run in runs for op in run.operations):
            yield msgspec.structs.replace(
                op,
                span_id=_renamed(op.span_id, number),
                parent_id=_renamed(op.parent_id, number) if op.parent_id is not None else None,
                start_ns=op.start_ns + number * length_ns,
                end_ns=op.end_ns + number * length_ns,
            )


def along(rules: Sequence[AnyRule], runs: Sequence[Recorded], rounds: int) -> tuple[dict[int, float], float]:
    """CPU of an operation at places along a run of 10,000, and of its end for each of them, in microseconds."""
    found: dict[int, list[float]] = {at: [] for at in AT}
    ends: list[float] = []
    operations = list(islice(endless(runs), LONG))
    root = runs[0].root
    last = msgspec.structs.replace(root, end_ns=operations[-1].end_ns)
    for _ in range(rounds):
        engine = Engine(rules, Limits(run_operations=LONG), prices=PRICES)
        run = engine.begin(root.name, root.session_id, root.start_ns)
        gc.collect()
        place = 0
        for at in (*AT, LONG):
            for operation in operations[place:at]:
                engine.observe(run, operation)
            if at == LONG:
                break
            begun = time.process_time_ns()
            for operation in operations[at : at + WINDOW]:
                engine.observe(run, operation)
            found[at].append((time.process_time_ns() - begun) / WINDOW / 1000)
            place = at + WINDOW
        begun = time.process_time_ns()
        engine.finish(run, last)
        ends.append((time.process_time_ns() - begun) / LONG / 1000)
    return {at: min(values) for at, values in found.items()}, min(ends)


def live_bytes(rules: Sequence[AnyRule], runs: Sequence[Recorded], spans: int) -> tuple[int, list[str]]:
    """What a run keeps in memory while it goes on, and where most of it was made."""
    mix(rules, runs, 1)  # what is made once
    engine = Engine(rules, prices=PRICES)
    root = runs[0].root
    # What the engine itself makes and keeps for all runs is made by one that is over.
    over = again(runs[0])
    done = engine.begin(over.root.name, over.root.session_id, over.root.start_ns)
    for operation in over.operations:
        engine.observe(done, operation)
    engine.finish(done, over.root)
    del over, done
    gc.collect()
    tracemalloc.start(1)
    before = tracemalloc.take_snapshot()
    run = engine.begin(root.name, root.session_id, root.start_ns)
    for operation in islice(endless(runs), spans - 1):
        engine.observe(run, operation)
        del operation
    gc.collect()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    ours = [item for item in after.compare_to(before, "filename") if "otel_agentperf" in item.traceback[0].filename]
    here = [item for item in after.compare_to(before, "filename") if item.traceback[0].filename == __file__]
    largest = sorted(ours + here, key=lambda item: -item.size_diff)[:12]
    told = [f"{item.size_diff / 1024:8.1f} kB  {item.traceback[0].filename.rpartition('/')[2]}" for item in largest]
    return sum(item.size_diff for item in ours + here), told


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--spans", type=int, default=200, help="length of the live run whose memory is measured")
    parser.add_argument("--no-rules", action="store_true", help="leave out the figures of each rule")
    given = parser.parse_args()
    runs = demo()
    rules = make_rules({})
    kinds = [op.kind for run in runs for op in (*run.operations, run.root)]
    said = ", ".join(f"{kinds.count(kind)} {kind.value}" for kind in OperationKind if kind in kinds)
    print(f"{len(rules)} rules; the demo: {len(kinds)} operations ({said})")
    bare, every = mix((), runs, given.rounds), mix(rules, runs, given.rounds)
    print(f"CPU of an operation, median: {every.median:.2f} us with every rule, {bare.median:.2f} without any (bar: 8)")
    print(
        f"  mean, with the ends of runs: {every.mean:.2f} us, {bare.mean:.2f}; the end alone {every.ends:.0f} us, {bare.ends:.0f}"
    )
    at, end = along(rules, runs, max(3, given.rounds // 20))
    first = at[AT[0]]
    for place, each in at.items():
        print(f"  operation {place:6}  {each:6.2f} us  {each / first:5.2f} of the first (bar: 1.10)")
    print(f"  end of the run   {end:6.2f} us for each of its operations")
    size, parts = live_bytes(rules, runs, given.spans)
    print(f"memory of a live run of {given.spans}: {size / 1024:.1f} kB (bar: 64)")
    for line in parts:
        print(f"  {line}")
    if not given.no_rules:
        print("each rule alone, less the engine without any: median, mean with the ends of runs, end of a run")
        alone = {rule.code: mix((rule,), runs, given.rounds) for rule in rules}
        for code, each in sorted(alone.items(), key=lambda item: -item[1].mean):
            parts = (each.median - bare.median, each.mean - bare.mean, each.ends - bare.ends)
            print(f"  {code:9} {parts[0]:6.2f} {parts[1]:6.2f} {parts[2]:7.0f} us")


if __name__ == "__main__":
    main()
