"""Writes traces as the Collector's file exporter does: OTLP JSON lines, the spans of a trace scattered over many.

One trace is 20 spans of ours and of an HTTP client: a graph run, 4 nodes, 3 Gemini requests, 3 tools and the 9
requests that these make on the wire. Runs overlap, a line holds what ended within the same moment across runs, and four runs
share a conversation. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

SPANS_PER_TRACE = 20
SPANS_PER_LINE = 64
RUNS_AT_ONCE = 16
RUNS_PER_SESSION = 4
SERVICES = ("planner", "recorder", "support", "search")
NODES = ("plan", "search", "read", "write")
TOOLS = ("fetch_page", "find_hotel", "read_table")
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro")
START_NS = 1_790_000_000_000_000_000
MILLISECOND, SECOND = 1_000_000, 1_000_000_000


def text(key: str, value: str) -> str:
    """One attribute."""
    return f'{{"key":"{key}","value":{{"stringValue":"{value}"}}}}'


def whole(key: str, value: int) -> str:
    """One attribute; the proto3 mapping writes 64-bit integers as text."""
    return f'{{"key":"{key}","value":{{"intValue":"{value}"}}}}'


def real(key: str, value: float) -> str:
    """One attribute."""
    return f'{{"key":"{key}","value":{{"doubleValue":{value}}}}}'


def texts(key: str, values: list[str]) -> str:
    """One attribute."""
    listed = ",".join(f'{{"stringValue":"{value}"}}' for value in values)
    return f'{{"key":"{key}","value":{{"arrayValue":{{"values":[{listed}]}}}}}}'


def flag(key: str, *, value: bool) -> str:
    """One attribute."""
    return f'{{"key":"{key}","value":{{"boolValue":{"true" if value else "false"}}}}}'


def _span(
    trace_id: str, span_id: str, parent: str, name: str, kind: int, begin: int, end: int, attributes: list[str]
) -> str:
    ids = f'{{"traceId":"{trace_id}","spanId":"{span_id}","parentSpanId":"{parent}","flags":256,"name":"{name}"'
    times = f',"kind":{kind},"startTimeUnixNano":"{begin}","endTimeUnixNano":"{end}"'
    return f'{ids}{times},"attributes":[{",".join(attributes)}],"status":{{}}}}'


class Writer:
    """Makes the spans of one run after another."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up traces

    def hash(self) -> str:
        """16 hex digits."""
        return f"{self._random.getrandbits(64):016x}"

    def run(self, number: int) -> list[tuple[int, int, str]]:
        """The spans of one run: end in nanoseconds, service, JSON text."""
        run = _Run(self, self._random, number)
        for step, node in enumerate(NODES):
            run.node(step, node)
        return run.ended()


class _Run:
    """One run in the making; its clock goes on with each span."""

    def __init__(self, writer: Writer, rnd: random.Random, number: int) -> None:
        self._hash, self._random = writer.hash, rnd
        self._trace_id = f"{rnd.getrandbits(128):032x}"
        self._service = number // RUNS_PER_SESSION % len(SERVICES)
        self._session = text("gen_ai.conversation.id", f"thread-{number // RUNS_PER_SESSION:07d}")
        self._start = START_NS + number * SECOND // 4
        self._now = self._start + MILLISECOND
        self._root = self._hash()
        self._cost = 0.0
        self._spans: list[tuple[int, int, str]] = []

    def _add(self, ids: tuple[str, str], name: str, kind: int, begin: int, end: int, attributes: list[str]) -> None:
        span = _span(self._trace_id, *ids, name, kind, begin, end, attributes)
        self._spans.append((end, self._service, span))

    def _wire(self, parent: str, method: str, begin: int, end: int) -> None:
        said = [
            text("http.request.method", method),
            text("server.address", "example.com"),
            whole("http.response.status_code", 200),
        ]
        self._add((self._hash(), parent), method, 3, begin, end, said)

    def node(self, step: int, name: str) -> None:
        """A node with a model request and a tool; the last one has neither."""
        node_id, begin = self._hash(), self._now
        usd, fresh, output = 0.0, 0, 0
        if step < len(TOOLS):
            usd, fresh, output = self._model(node_id, MODELS[step % len(MODELS)])
            self._tool(node_id, TOOLS[step])
        self._cost += usd
        said = [
            text("gen_ai.operation.name", "invoke_node"),
            text("gen_ai.node.name", name),
            self._session,
            whole("langgraph.step", step + 1),
            text("agentperf.state_hash", self._hash()),
            real("agentperf.node.cost_usd", usd),
            whole("agentperf.node.input_tokens", fresh),
            whole("agentperf.node.output_tokens", output),
        ]
        self._add((node_id, self._root), f"invoke_node {name}", 1, begin, self._now, said)
        self._now += MILLISECOND

    def _model(self, node_id: str, model: str) -> tuple[float, int, int]:
        fresh, output = self._random.randint(200, 9_000), self._random.randint(5, 900)
        usd = round(fresh * 3e-7 + output * 2.5e-6, 9)
        call, end = self._hash(), self._now + self._random.randint(SECOND // 4, 4 * SECOND)
        self._wire(call, "POST", self._now + MILLISECOND, end - MILLISECOND)
        said = [
            text("gen_ai.operation.name", "generate_content"),
            text("gen_ai.provider.name", "gcp.gemini"),
            text("gen_ai.request.model", model),
            text("gen_ai.response.model", model),
            self._session,
            whole("gen_ai.usage.input_tokens", fresh),
            whole("gen_ai.usage.output_tokens", output),
            real("gen_ai.usage.cost", usd),
            text("agentperf.cost.status", "priced"),
            text("agentperf.request.hash", self._hash()),
            texts("agentperf.request.prefix_hashes", [self._hash(), self._hash()]),
            text("agentperf.response.hash", self._hash()),
            text("agentperf.response.kind", "text"),
            texts("gen_ai.response.finish_reasons", ["stop"]),
        ]
        self._add((call, node_id), f"generate_content {model}", 3, self._now, end, said)
        self._now = end + MILLISECOND
        return usd, fresh, output

    def _tool(self, node_id: str, name: str) -> None:
        tool, end = self._hash(), self._now + self._random.randint(SECOND // 100, SECOND)
        for _ in range(2):
            self._wire(tool, "GET", self._now + MILLISECOND, end - MILLISECOND)
        said = [
            text("gen_ai.operation.name", "execute_tool"),
            text("gen_ai.tool.name", name),
            self._session,
            text("agentperf.tool.arguments_hash", self._hash()),
            text("agentperf.tool.context_hash", self._hash()),
            text("agentperf.tool.result_hash", self._hash()),
            flag("agentperf.tool.no_arguments", value=False),
            whole("agentperf.tool.result_size", self._random.randint(10, 9_000)),
        ]
        self._add((tool, node_id), f"execute_tool {name}", 1, self._now, end, said)
        self._now = end + MILLISECOND

    def ended(self) -> list[tuple[int, int, str]]:
        """All spans, the root with what the run amounts to."""
        said = [
            text("gen_ai.operation.name", "invoke_workflow"),
            text("gen_ai.workflow.name", "research"),
            self._session,
            real("agentperf.run.cost_usd", round(self._cost, 9)),
            whole("agentperf.run.inference_calls", len(TOOLS)),
            whole("agentperf.run.tool_calls", len(TOOLS)),
            whole("agentperf.run.errors", 0),
            whole("agentperf.run.efficiency_score", 90),
            text("agentperf.run.rating", "A"),
        ]
        self._add((self._root, ""), "invoke_workflow research", 1, self._start, self._now, said)
        return self._spans


def lines(traces: int, seed: int = 1) -> Iterator[str]:
    """The lines of a file with this many traces."""
    writer = Writer(seed)
    for first in range(0, traces, RUNS_AT_ONCE):
        runs = [writer.run(number) for number in range(first, min(traces, first + RUNS_AT_ONCE))]
        ended = sorted(itertools.chain.from_iterable(runs))
        for place in range(0, len(ended), SPANS_PER_LINE):
            yield _line(ended[place : place + SPANS_PER_LINE])


def _line(spans: list[tuple[int, int, str]]) -> str:
    resources: list[str] = []
    for service, name in enumerate(SERVICES):
        own = ",".join(span for _, its_service, span in spans if its_service == service)
        if own:
            said = text("service.name", name) + "," + text("service.instance.id", f"{name}-1")
            scope = '{"name":"otel_agentperf.langgraph","version":"0.1.0"}'
            resources.append(
                f'{{"resource":{{"attributes":[{said}]}},"scopeSpans":[{{"scope":{scope},"spans":[{own}]}}]}}'
            )
    return f'{{"resourceSpans":[{",".join(resources)}]}}\n'


def write(path: Path, traces: int, seed: int = 1) -> None:
    """Write a file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines(traces, seed))


def main() -> None:
    """Write what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--traces", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    write(chosen.path, chosen.traces, chosen.seed)
    print(f"{chosen.traces * SPANS_PER_TRACE:,} spans, {chosen.path.stat().st_size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
