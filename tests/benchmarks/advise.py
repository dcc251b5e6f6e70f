"""What an advice takes, in a process that has learned much, asked for within a run.

    python tests/benchmarks advise

The process has a store of 10,000 subjects (a graph, nodes, tools, models at nodes), each with 30 days of 20
executions. Within an open run and node, `otel_agentperf.advise` is then asked

- `usual`  for 50 nodes in turn, as a program does that has so many;
- `rotating`  for every learned node in turn, each known from before;
- `cold`  for every learned node in turn, each for the first time: its past is read and put together;
- `pending`, `arguments`, `unsampled`  as `usual`, with 5 pending steps, with arguments that are looked up, with
  a span that does not record.

Times are of single calls, the garbage collector on; on a busy machine the CPU's say more than the clock's. The bar is 50 us in the median of `usual`.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import cycle
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns, thread_time_ns, time_ns

from opentelemetry import context as context_api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

import otel_agentperf
from otel_agentperf import config
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Cell, Values, named
from otel_agentperf.live import frames, in_process
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.processor import AgentPerfSpanProcessor
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ToolCall, Usage
from otel_agentperf.pricing import catalog

GRAPH = "graph"
MODELS = ("gemini-2.5-pro", "gemini-2.5-flash")
DAYS = 30
EACH_DAY = 20
KINDS = 16
BAR_US = 50.0


def fill(path: Path, keys: int) -> list[str]:
    """A store of that many subjects; the names of its nodes."""
    nodes = [f"node_{number}" for number in range(keys // 4)]
    subjects = [named(SubjectKind.GRAPH, GRAPH)]
    for node in nodes:
        subjects.append(named(SubjectKind.NODE, node, GRAPH))
        subjects.extend(named(SubjectKind.NODE_MODEL, model, GRAPH, node) for model in MODELS)
        subjects.append(named(SubjectKind.TOOL, f"tool_of_{node}"))
    today = time_ns() // 86_400_000_000_000
    chance = random.Random(1)  # noqa: S311 - reproducible durations, no secrets
    cells: list[Cell] = []
    for _ in range(KINDS):
        cell = Cell()
        for _ in range(EACH_DAY):
            cell.add(Values(True, round(chance.lognormvariate(0, 0.5) * 1e9), 1_000_000_000, 5_000, 100))
        cells.append(cell)
    Store(path).add(
        (
            (subject, {today - day: cells[(number + day) % KINDS] for day in range(DAYS)})
            for number, subject in enumerate(subjects)
        ),
        today,
    )
    return nodes


@contextmanager
def running(pipeline: Pipeline, provider: TracerProvider) -> Generator[None]:
    """Within a run and a node of it, after 20 model requests and 5 tool calls."""
    tracer = provider.get_tracer("benchmark")
    run = pipeline.open(OperationKind.WORKFLOW, GRAPH, tracer.start_span("run"), time_ns(), None)
    node = pipeline.open(OperationKind.NODE, "node_0", tracer.start_span("node"), time_ns(), run)
    for number in range(20):
        span = tracer.start_span("request")
        request = pipeline.open(OperationKind.INFERENCE, MODELS[0], span, time_ns(), node)
        pipeline.close(
            request,
            {},
            usage=Usage(5_000, 100),
            cost=Cost(CostStatus.UNPRICED),
            inference=Inference(
                "gcp.gemini",
                MODELS[0],
                prefix_hashes=("a" * 16, f"{number:016x}"),
                prefix_sizes=(16_000, 20_000),
                request_size=20_000,
            ),
        )
    arguments = pipeline.fingerprinter.arguments({"city": "Rome"})
    for _ in range(5):
        call = pipeline.open(OperationKind.TOOL, "look_up", tracer.start_span("tool"), time_ns(), node)
        pipeline.close(call, {}, tool=ToolCall(arguments.arguments_hash, result_hash="b" * 16))
    token = context_api.attach(frames.enter(node, context_api.get_current()))
    try:
        yield
    finally:
        context_api.detach(token)
        pipeline.close(node, {})
        pipeline.close(run, {})


def timed(
    ask: Callable[[str], object], nodes: Iterator[str], calls: int, clock: Callable[[], int]
) -> tuple[float, float]:
    """Microseconds of the median and of the 99th percentile of single calls, by this clock."""
    taken: list[int] = []
    for _ in range(calls):
        node = next(nodes)
        began_ns = clock()
        ask(node)
        taken.append(clock() - began_ns)
    taken.sort()
    return statistics.median(taken) / 1e3, taken[int(len(taken) * 0.99)] / 1e3


def measure(sampler: Sampler, store: Path, nodes: list[str], calls: int, names: tuple[str, ...]) -> None:
    """Print what the ways of asking take."""
    pipeline = Pipeline(config.Settings(fingerprint_key="benchmark", baseline_store=str(store)))
    in_process.use(pipeline)
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(AgentPerfSpanProcessor(tracer_provider=provider))

    def plain(node: str) -> object:
        return otel_agentperf.advise("plan", node=node)

    def with_pending(node: str) -> object:
        return otel_agentperf.advise(
            "plan", node=node, pending={"a": (), "b": (), "c": ("a",), "d": ("a", "b"), "e": ()}
        )

    def with_arguments(node: str) -> object:
        return otel_agentperf.advise("look_up", node=node, arguments={"city": "Rome"})

    ways: dict[str, tuple[Callable[[str], object], list[str], int]] = {
        "cold": (plain, nodes, len(nodes)),
        "rotating": (plain, nodes, len(nodes)),
        "usual": (plain, nodes[:50], calls),
        "pending": (with_pending, nodes[:50], calls),
        "arguments": (with_arguments, nodes[:50], calls),
        "unsampled": (plain, nodes[:50], calls),
    }
    with running(pipeline, provider):
        for name in names:
            ask, asked, number = ways[name]
            median, tail = timed(ask, cycle(asked), number, perf_counter_ns)
            # The first time is over by then: of `cold` there is no second one.
            cpu, cpu_tail = timed(ask, cycle(asked), number, thread_time_ns) if name != "cold" else (nan, nan)
            bar = f"   bar {BAR_US:g}: {'held' if median < BAR_US else 'MISSED'}" if name == "usual" else ""
            print(f"{name:12}{median:10.1f}{tail:10.1f}{cpu:10.1f}{cpu_tail:10.1f}{number:10}{bar}")
    provider.shutdown()
    in_process.use(None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000, help="learned subjects")
    parser.add_argument("--calls", type=int, default=20_000)
    given = parser.parse_args()
    catalog.current_models()  # as a process has it once its price list is loaded
    print(f"{given.keys:,} learned keys\n{'us':12}{'median':>10}{'p99':>10}{'CPU':>10}{'CPU p99':>10}{'calls':>10}")
    with TemporaryDirectory() as folder:
        store = Path(folder, "baseline.sqlite")
        nodes = fill(store, given.keys)
        measure(ALWAYS_ON, store, nodes, given.calls, ("cold", "rotating", "usual", "pending", "arguments"))
        measure(ALWAYS_OFF, store, nodes, given.calls, ("unsampled",))


if __name__ == "__main__":
    main()
