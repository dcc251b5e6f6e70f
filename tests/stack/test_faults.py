"""What is lost when servers fail, and what the application notices: nothing.

The application is a real one: LangGraph, google-genai, our processor, the SDK's own OTLP exporter with its defaults.
How long its runs took stands in the figures below the tests' results; what is asserted is that none waited for telemetry.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from otel_agentperf.demo.server import GeminiServer
from tests.stack import bad_backends
from tests.stack.asking import jaeger_traces, tempo_trace
from tests.stack.conftest import Figures
from tests.stack.servers import ROOT, Backend, Collector, Servers, until

pytestmark = pytest.mark.stack

SERVICE = "steady"
NEVER_THIS_LONG_S = 4.0
"""A run takes milliseconds; had it waited for an exporter, it would have been for that one's timeout, ten seconds."""
QUICK = {"RETRY_INITIAL": "100ms", "RETRY_MAX": "500ms", "BACKEND_TIMEOUT": "1s"}


@dataclass(frozen=True)
class Told:
    """What the application said at its end."""

    runs: int
    failed: int
    seconds: list[float]
    made: int
    acknowledged: list[str]
    refused: int
    shutdown_s: float

    @property
    def spans(self) -> set[str]:
        return set(self.acknowledged)


@contextmanager
def application(collector: Collector, seconds: float) -> Generator[subprocess.Popen[str]]:
    """The program, at work while the block runs."""
    with GeminiServer(record=False) as gemini:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", ""),
            "PYTHONPATH": str(ROOT),
            "GOOGLE_GEMINI_BASE_URL": gemini.base_url,
            "LANGSMITH_TRACING": "false",
            "NO_PROXY": "127.0.0.1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp_http,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        command = (sys.executable, str(ROOT / "tests" / "programs" / "steady_agents.py"), "--seconds", f"{seconds:g}")
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
            yield running


def result(running: subprocess.Popen[str], figures: Figures, name: str) -> Told:
    """Wait for its end; it has not failed, and no run has waited for telemetry."""
    out, _ = running.communicate(timeout=90)
    assert running.returncode == 0
    told = Told(**json.loads(out.splitlines()[-1]))
    figures[name] = (
        f"{told.runs} runs, {told.made} spans made, {len(told.acknowledged)} acknowledged, "
        f"median {statistics.median(told.seconds) * 1e3:.1f} ms, slowest {max(told.seconds) * 1e3:.0f} ms a run"
    )
    assert told.failed == 0
    assert told.runs > 10
    assert max(told.seconds) < NEVER_THIS_LONG_S
    return told


def in_jaeger(jaeger: Backend) -> set[str]:
    return {f"{span.trace_id}:{span.span_id}" for spans in jaeger_traces(jaeger, SERVICE).values() for span in spans}


def arrive(ask: Callable[[], set[str]], told: Told, where: str, servers: list[Any]) -> None:
    until(
        lambda: len(told.spans - ask()),
        what=f"all {len(told.spans)} acknowledged spans are in {where}",
        servers=servers,
        good=lambda missing: missing == 0,
    )


def test_a_collector_killed_under_load_loses_nothing_that_it_had_accepted(servers: Servers, figures: Figures) -> None:
    """The backend is away all the while, so that everything is in the queue on disk."""
    jaeger = servers.start_jaeger()
    jaeger.kill()
    collector = servers.start_collector(
        "local.yaml", {**QUICK, "JAEGER_ENDPOINT": jaeger.otlp_grpc, "TRACE_BACKENDS": "[otlp_grpc/jaeger]"}
    )
    with application(collector, 8) as running:
        until(
            lambda: collector.own_metric("otelcol_receiver_accepted_spans"),
            what="the Collector is under load",
            servers=[collector],
            good=lambda number: number > 300,
        )
        collector.kill()
        collector.start()
        assert running.poll() is None, "the application ended before the Collector was back"
        told = result(running, figures, "Collector killed and restarted, backend away")
    jaeger.start()

    arrive(lambda: in_jaeger(jaeger), told, "Jaeger", [jaeger, collector])
    lost = told.made - len(told.spans)
    figures["Collector killed and restarted, backend away"] += f"; of those acknowledged 0 lost, of all {lost}"
    assert told.refused <= told.made - len(told.acknowledged)


@pytest.mark.parametrize(
    "bad",
    [bad_backends.down, bad_backends.silent, bad_backends.noise, bad_backends.overloaded],
    ids=lambda kind: kind.__name__,
)
def test_a_bad_backend_costs_neither_the_application_nor_the_other_backend_anything(
    bad: Callable[[str], AbstractContextManager[None]], servers: Servers, figures: Figures
) -> None:
    """And what was meant for it arrives when it is well again."""
    jaeger, tempo = servers.start_jaeger(), servers.start_tempo()
    jaeger.kill()
    backends = {"JAEGER_ENDPOINT": jaeger.otlp_grpc, "TEMPO_ENDPOINT": tempo.otlp_grpc}
    collector = servers.start_collector("local.yaml", {**QUICK, **backends})
    with bad(jaeger.otlp_grpc):
        with application(collector, 4) as running:
            told = result(running, figures, f"one of two backends {bad.__name__}")
        assert told.made == len(told.acknowledged)
        for trace_id in {span.partition(":")[0] for span in told.spans}:
            arrive_in_tempo(tempo, told, trace_id)
    jaeger.start()

    arrive(lambda: in_jaeger(jaeger), told, "Jaeger", [jaeger, collector])


def arrive_in_tempo(tempo: Backend, told: Told, trace_id: str) -> None:
    """All acknowledged spans of one trace; their ids are base64 in Tempo's answer."""
    wanted = {span.partition(":")[2] for span in told.spans if span.startswith(trace_id)}
    until(
        lambda: {base64.b64decode(span.span_id).hex() for span in tempo_trace(tempo, trace_id)},
        what=f"the {len(wanted)} acknowledged spans of a trace are in Tempo",
        servers=[tempo],
        good=lambda found: wanted <= found,
    )


def test_a_backend_that_answers_nonsense_loses_its_own_spans_alone_and_they_are_counted(
    servers: Servers, figures: Figures
) -> None:
    """A Collector gives up what a backend will never take; the metric behind the alert on lost telemetry says so."""
    tempo, jaeger = servers.start_tempo(), servers.start_jaeger()
    jaeger.kill()
    backends = {"JAEGER_ENDPOINT": jaeger.otlp_grpc, "TEMPO_ENDPOINT": tempo.otlp_grpc}
    collector = servers.start_collector("local.yaml", {**QUICK, **backends})
    with bad_backends.nonsense(jaeger.otlp_grpc):
        with application(collector, 4) as running:
            told = result(running, figures, "one of two backends answers nonsense")
        assert told.made == len(told.acknowledged)
        until(
            lambda: collector.own_metric("otelcol_exporter_send_failed_spans", exporter="otlp_grpc/jaeger"),
            what="the spans that the backend never takes are counted",
            servers=[collector],
            good=lambda number: number == told.made,
        )
    assert collector.own_metric("otelcol_exporter_send_failed_spans", exporter="otlp_grpc/tempo") == 0


def test_without_a_fault_everything_arrives(servers: Servers, figures: Figures) -> None:
    jaeger = servers.start_jaeger()
    collector = servers.start_collector(
        "local.yaml", {**QUICK, "JAEGER_ENDPOINT": jaeger.otlp_grpc, "TRACE_BACKENDS": "[otlp_grpc/jaeger]"}
    )
    with application(collector, 4) as running:
        told = result(running, figures, "no fault")

    assert told.made == len(told.spans)
    arrive(lambda: in_jaeger(jaeger), told, "Jaeger", [jaeger, collector])


def test_an_application_whose_collector_is_away_runs_on(servers: Servers, figures: Figures) -> None:
    collector = servers.start_collector("local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"})
    collector.kill()
    with application(collector, 4) as running:
        told = result(running, figures, "no Collector at all")

    assert told.acknowledged == []
