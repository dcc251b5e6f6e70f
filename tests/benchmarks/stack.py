"""Spans a second that one process and one Collector sustain here, and what of the CPU is ours.

    python tests/benchmarks stack
    python tests/benchmarks stack --seconds 20

Needs the Collector that `python deploy/servers/build.py collector` builds.

The process is the graph of five nodes with five Gemini calls of `scenario.py`, as fast as it goes: without telemetry,
with 11 plain spans of the SDK and its OTLP exporter, and with ours and that exporter. The Collector is then sent the
spans of such runs, each with ids of its own, by as many senders as keep it busy, through each config with everything
that it does: content taken off, span metrics, file for replay, queue on disk. The backend takes all and reads nothing.
`spans/s CPU` is what a whole core would do, `telemetry` the share of the process's CPU that is more than without, and
`cores` how much of a core the Collector got. The figures hold for this machine and hour.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import processes
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.stack import bad_backends
from tests.stack.servers import Collector, Servers, free_port
from tests.stack.traffic import attributes

VARIANTS = ("bare", "spans", "ours")
RUNS_A_BATCH = 46
"""Of 11 spans: about the 512 that the SDK's batch processor sends at once."""
SENDERS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="that each Collector is kept busy")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each variant")
    given = parser.parse_args()
    sink = f"127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder,
        Servers(Path(folder)) as servers,
        processes.server() as gemini,
        bad_backends.greedy(sink),
    ):
        env = {"JAEGER_ENDPOINT": sink, "TRACE_BACKENDS": "[otlp_grpc/jaeger]", "GATEWAYS_BY": "load_balancing/static"}
        template = Path(folder) / "spans.json"
        one_process(servers.start_collector("local.yaml", env), gemini, template, given.rounds)
        rows = json.loads(template.read_text(encoding="utf-8"))
        print(f"{'Collector':16}{'spans/s':>10}{'us CPU a span':>15}{'spans/s CPU':>13}{'cores':>7}{'MB':>6}")
        for config, more in (
            ("local.yaml", {}),
            ("agent.yaml", {"GATEWAYS": f"[{sink}]"}),
            ("gateway.yaml", {"DECISION_WAIT_AFTER_ROOT": "2s"}),
        ):
            one_collector(servers.start_collector(config, {**env, **more}), config, rows, given.seconds)


def one_process(collector: Collector, gemini: str, template: Path, rounds: int) -> None:
    """Print what a run costs, and how many spans a second that makes."""
    python = sys.executable
    processes.scenario(python, "ours", gemini, "--runs", "2", "--sections", "1", "--write-spans", str(template))
    told: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    size = ("--runs", "100", "--sections", "3", "--template", str(template), "--otlp", collector.otlp_http)
    for _ in range(rounds):
        for variant in VARIANTS:
            told[variant].append(processes.scenario(python, variant, gemini, *size))
    print(f"{'one process':16}{'ms CPU a run':>14}{'ms a run':>10}{'spans/s':>10}{'spans/s CPU':>13}{'telemetry':>11}")
    least = {variant: min(min(one["cpu_s"]) for one in of_it) for variant, of_it in told.items()}
    for variant, of_it in told.items():
        wall = min(min(one["wall_s"]) for one in of_it)
        share = (least[variant] - least["bare"]) / least[variant]
        spans = of_it[0]["spans"]
        rates = f"{spans / wall:10.0f}{spans / least[variant]:13.0f}"
        print(f"{variant:16}{least[variant] * 1e3:14.2f}{wall * 1e3:10.2f}{rates}{share:11.1%}")
    print()


class Batches:
    """Serialised batches of runs, with ids of their own each time."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        run = secrets.token_hex(16)
        now = time.time_ns()
        self._mark = bytes.fromhex(run)
        spans = [
            {
                "traceId": run,
                "spanId": f"{place + 1:016x}",
                "parentSpanId": f"{1:016x}" if place else "",
                "name": row["name"],
                "kind": f"SPAN_KIND_{row['kind']}",
                "startTimeUnixNano": str(now),
                "endTimeUnixNano": str(now + 1_000_000),
                "attributes": attributes(row["attributes"]),
            }
            for place, row in enumerate(rows)
        ]
        self.spans = len(spans) * RUNS_A_BATCH
        self._parts = self._serialised(spans).split(self._mark)

    def _serialised(self, spans: list[dict[str, Any]]) -> bytes:
        resource = {"attributes": attributes({"service.name": "benchmark", "service.instance.id": "one"})}
        scope = {"scope": {"name": "otel_agentperf.langgraph"}, "spans": spans * RUNS_A_BATCH}
        data = TracesData()
        json_format.ParseDict({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}, data)
        # Ids in JSON are base64 to protobuf and hexadecimal to OTLP.
        for span in data.resource_spans[0].scope_spans[0].spans:
            span.trace_id = self._mark
        for span, row in zip(data.resource_spans[0].scope_spans[0].spans, spans * RUNS_A_BATCH, strict=True):
            span.span_id = bytes.fromhex(row["spanId"])
            span.parent_span_id = bytes.fromhex(row["parentSpanId"])
        return data.SerializeToString()

    def fresh(self) -> bytes:
        """A batch of runs that nobody has seen."""
        each = (len(self._parts) - 1) // RUNS_A_BATCH
        ids = [secrets.token_bytes(16) for _ in range(RUNS_A_BATCH)]
        pieces = [self._parts[0]]
        for place, part in enumerate(self._parts[1:]):
            pieces += (ids[place // each], part)
        return b"".join(pieces)


def one_collector(collector: Collector, config: str, rows: list[dict[str, Any]], seconds: float) -> None:
    """Keep a Collector busy, and print what it took."""
    batches, sent, end = Batches(rows), [0] * SENDERS, time.monotonic() + seconds

    def send(sender: int) -> None:
        connection = http.client.HTTPConnection(collector.otlp_http.removeprefix("http://"), timeout=60)
        while time.monotonic() < end:
            connection.request("POST", "/v1/traces", batches.fresh(), {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            sent[sender] += batches.spans if answer.status == http.HTTPStatus.OK else 0

    began, cpu = time.monotonic(), cpu_s(collector)
    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.monotonic() - began, cpu_s(collector) - cpu
    spans = max(1, sum(sent))
    rates = f"{spans / took:10.0f}{cpu / spans * 1e6:15.1f}{spans / cpu:13.0f}{cpu / took:7.2f}"
    print(f"{config:16}{rates}{megabytes(collector):6.0f}", flush=True)
    collector.stop()


def cpu_s(collector: Collector) -> float:
    """User and system time of the Collector so far."""
    assert collector.process is not None
    text = Path(f"/proc/{collector.process.pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def megabytes(collector: Collector) -> float:
    """The most memory that the Collector has had."""
    assert collector.process is not None
    text = Path(f"/proc/{collector.process.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
