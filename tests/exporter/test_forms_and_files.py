"""What the exporter prints where a form is named, and the files that it writes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_agentperf import config, semconv
from otel_agentperf.exporter import AgentPerfSpanExporter
from otel_agentperf.live import in_process
from otel_agentperf.live.processor import AgentPerfSpanProcessor
from tests.exporter.consoles import PRINTS, Console, loop
from tests.reading.spans import Program, at


def one_run(console: Console) -> None:
    root = console.program.graph("g", 0)
    loop(console.program, root)
    root.end(at(200))


def test_a_form_may_be_named_for_what_is_printed() -> None:
    console = Console(config.Settings(report_format="json"))
    one_run(console)
    one_run(console)
    lines = console.shutdown().splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["otel-agentperf/report/1"] * 2


def test_words_of_ours_do_not_come_between_documents(caplog: pytest.LogCaptureFixture) -> None:
    console = Console(config.Settings(report_format="json"))
    root = console.program.graph("g", 0)
    node = console.program.node("late", 1, root)
    root.end(at(5))
    console.flush()
    node.end(at(8))
    assert console.shutdown() == ""
    assert "1 span ended after the report on their run" in caplog.text


def test_with_a_path_each_run_is_a_file_and_a_line_says_where(tmp_path: Path) -> None:
    console = Console(config.Settings(report_path=str(tmp_path / "{run}.html")))
    one_run(console)
    one_run(console)
    text = console.shutdown()
    assert text.splitlines() == [
        f"otel-agentperf: report on g: {tmp_path / 'g.html'}",
        f"otel-agentperf: report on g: {tmp_path / 'g-2.html'}",
    ]
    assert "REP001" in (tmp_path / "g.html").read_text()


def test_a_quiet_exporter_writes_files_and_prints_nothing(tmp_path: Path) -> None:
    out = io.StringIO()
    exporter = AgentPerfSpanExporter(config.Settings(report_path=str(tmp_path)), out, quiet=True)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    Program(provider).graph("g", 0).end(at(1))
    provider.shutdown()
    assert out.getvalue() == ""
    assert [path.suffix for path in tmp_path.iterdir()] == [".txt"]


def test_in_the_process_that_judged_all_suggestions_are_shown_with_what_they_save_together() -> None:
    before = in_process.current()
    console = Console()
    settings = config.Settings(metrics=False, optimization_threshold=1.0)
    console.provider.add_span_processor(AgentPerfSpanProcessor(settings, console.provider))
    root = console.program.start("invoke_agent bob", {semconv.OPERATION_NAME: "invoke_agent"}, 0)
    for call in range(4):
        console.program.tool("click", 20 + call, 21 + call, root, **PRINTS)
    root.end(at(200))
    text = console.shutdown()
    in_process.use(before)
    assert "REP001 repeated_action" in text
    assert "could save" in text
    assert "not on these spans" not in text


PROGRAM = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
import otel_agentperf

trace.set_tracer_provider(TracerProvider())
otel_agentperf.instrument()
otel_agentperf.instrument()
with trace.get_tracer("app").start_as_current_span("nightly job"):
    with otel_agentperf.action("click"):
        pass
"""


@pytest.mark.parametrize("ending", ["html", "json", "md", "txt"])
def test_a_path_is_enough_for_a_program_that_exports_elsewhere_or_nowhere(tmp_path: Path, ending: str) -> None:
    environment = {**os.environ, "AGENTPERF_REPORT_PATH": f"{tmp_path}/{{run}}.{ending}", "AGENTPERF_METRICS": "false"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    assert done.stdout == ""
    assert "agentperf" not in done.stderr  # an old langchain warns of itself, whatever the filters say
    (file,) = tmp_path.iterdir()
    assert file.name == f"nightly_job.{ending}"
    assert "nightly job" in file.read_text()
