"""The wheel with every extra, as `pip install 'otel-agentperf[all]'` gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

BESIDE_PYTHON = Path(sys.executable).parent
GRAPH = """
from langgraph.graph import END, START, StateGraph

graph = StateGraph(dict)
graph.add_node("only_node", lambda state: {"answer": 42})
graph.add_edge(START, "only_node")
graph.add_edge("only_node", END)
print(graph.compile(name="smallest").invoke({}))
"""


@pytest.mark.parametrize(
    "point", metadata.distribution("otel-agentperf").entry_points, ids=lambda point: f"{point.group}.{point.name}"
)
def test_an_entry_point_loads(point: metadata.EntryPoint) -> None:
    assert callable(point.load())


@pytest.mark.parametrize("arguments", [["--help"], ["prices", "gemini-2.5-flash"]], ids=" ".join)
def test_the_command_runs(arguments: list[str]) -> None:
    done = subprocess.run([BESIDE_PYTHON / "otel-agentperf", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_opentelemetry_instrument_alone_switches_everything_on(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(GRAPH)
    exporters = {"OTEL_TRACES_EXPORTER": "agentperf", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = subprocess.run(
        [BESIDE_PYTHON / "opentelemetry-instrument", sys.executable, program],
        env={**os.environ, **exporters},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "{'answer': 42}" in done.stdout
    assert "smallest" in done.stdout
    assert "only_node" in done.stdout


@pytest.mark.parametrize("ending", ["html", "json", "md", "txt"])
def test_a_report_in_any_form_is_written_beside_any_exporter(tmp_path: Path, ending: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(GRAPH)
    exporters = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = subprocess.run(
        [BESIDE_PYTHON / "opentelemetry-instrument", sys.executable, program],
        env={**os.environ, **exporters, "AGENTPERF_REPORT_PATH": f"{tmp_path}/reports/{{run}}.{ending}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "only_node" in (tmp_path / "reports" / f"smallest.{ending}").read_text()


def test_the_schema_of_reports_is_in_the_wheel() -> None:
    files = [str(file) for file in metadata.distribution("otel-agentperf").files or ()]
    assert "otel_agentperf/report/report-1.schema.json" in files
