"""Writes traces as the Collector's file exporter does: OTLP JSON lines, the spans of a trace scattered over many.

One trace is 20 spans of ours and of an HTTP client: a graph run, 5 nodes, 5 Gemini requests, 4 tools and the 5
requests on the wire. Runs overlap, a line holds what ended within the same moment across runs, and four runs
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
NODES = ("plan", "search", "read", "compare", "write")
TOOLS = ("fetch_page", "find_hotel", "read_table", "send_note")
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro")
START_NS = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


def text(key: str, value: str) -> str:
    """One attribute."""
    return f'{{"key":"{key}","value":{{"stringValue":"{value}"}}}}'


def whole(key: str, value: int) -> str:
    """One attribute; the proto3 mapping writes 64-bit integers as text."""
    return f'{{"key":"{key}","value":{{"intValue":"{value}"}}}}'


def real(key: str, value: float) -> str:
    """One attribute."""
    return f'{{"key":"{key}","value":{{"doubleValue":{value}}}}}'


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
        rnd = self._random
        trace_id = f"{rnd.getrandbits(128):032x}"
        service = number // RUNS_PER_SESSION % len(SERVICES)
        session = f"thread-{number // RUNS_PER_SESSION:07d}"
        start = START_NS + number * SECOND // 4
        now = start + 1_000_000
        root = self.hash()
        spans: list[tuple[int, int, str]] = []
        cost = 0.0

        def add(span_id: str, parent: str, name: str, kind: int, begin: int, end: int, attributes: list[str]) -> None:
            spans.append(
                (end, service, _span(trace_id, span_id, parent, name, kind, begin, end, attributes)),
            )

        for step, node in enumerate(NODES):
            node_id, begin = self.hash(), now
            model = MODELS[step % len(MODELS)]
            fresh, output = rnd.randint(200, 9_000), rnd.randint(5, 900)
            usd = round(fresh * 3e-7 + output * 2.5e-6, 9)
            cost += usd
            call, wire = self.hash(), self.hash()
            ended = now + rnd.randint(SECOND // 4, 4 * SECOND)
            wire_said = [text("http.request.method", "POST"), whole("http.response.status_code", 200)]
            add(wire, call, "POST", 3, now + 2_000_000, ended - 1_000_000, wire_said)
            add(
                call,
                node_id,
                f"generate_content {model}",
                3,
                now + 1_000_000,
                ended,
                [
                    text("gen_ai.operation.name", "generate_content"),
                    text("gen_ai.provider.name", "gcp.gemini"),
                    text("gen_ai.request.model", model),
                    text("gen_ai.response.model", model),
                    text("gen_ai.conversation.id", session),
                    whole("gen_ai.usage.input_tokens", fresh),
                    whole("gen_ai.usage.output_tokens", output),
                    real("gen_ai.usage.cost", usd),
                    real("agentperf.cost.input_usd", round(fresh * 3e-7, 9)),
                    real("agentperf.cost.output_usd", round(output * 2.5e-6, 9)),
                    text("agentperf.cost.status", "priced"),
                    text("agentperf.request.hash", self.hash()),
                    text("agentperf.request.simhash", self.hash()),
                    '{"key":"agentperf.request.prefix_hashes","value":{"arrayValue":{"values":['
                    + ",".join(f'{{"stringValue":"{self.hash()}"}}' for _ in range(3))
                    + "]}}}",
                    text("agentperf.response.hash", self.hash()),
                    text("agentperf.response.kind", "text"),
                    '{"key":"gen_ai.response.finish_reasons","value":{"arrayValue":{"values":[{"stringValue":"stop"}]}}}',
                ],
            )
            now = ended + 1_000_000
            if step < len(TOOLS):
                ended = now + rnd.randint(SECOND // 100, SECOND)
                add(
                    self.hash(),
                    node_id,
                    f"execute_tool {TOOLS[step]}",
                    1,
                    now,
                    ended,
                    [
                        text("gen_ai.operation.name", "execute_tool"),
                        text("gen_ai.tool.name", TOOLS[step]),
                        text("gen_ai.conversation.id", session),
                        text("agentperf.tool.arguments_hash", self.hash()),
                        text("agentperf.tool.context_hash", self.hash()),
                        text("agentperf.tool.result_hash", self.hash()),
                        flag("agentperf.tool.no_arguments", value=False),
                        whole("agentperf.tool.result_size", rnd.randint(10, 9_000)),
                    ],
                )
                now = ended + 1_000_000
            add(
                node_id,
                root,
                f"invoke_node {node}",
                1,
                begin,
                now,
                [
                    text("gen_ai.operation.name", "invoke_node"),
                    text("gen_ai.node.name", node),
                    text("gen_ai.conversation.id", session),
                    whole("langgraph.step", step + 1),
                    text("langgraph.task_id", self.hash() + self.hash()),
                    text("agentperf.state_hash", self.hash()),
                    real("agentperf.node.cost_usd", usd),
                    whole("agentperf.node.input_tokens", fresh),
                    whole("agentperf.node.output_tokens", output),
                ],
            )
            now += 1_000_000
        add(
            root,
            "",
            "invoke_workflow research",
            1,
            start,
            now,
            [
                text("gen_ai.operation.name", "invoke_workflow"),
                text("gen_ai.workflow.name", "research"),
                text("gen_ai.conversation.id", session),
                real("agentperf.run.cost_usd", round(cost, 9)),
                whole("agentperf.run.inference_calls", len(NODES)),
                whole("agentperf.run.tool_calls", len(TOOLS)),
                whole("agentperf.run.errors", 0),
                whole("agentperf.run.efficiency_score", 90),
                text("agentperf.run.rating", "A"),
            ],
        )
        return spans


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
