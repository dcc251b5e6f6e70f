"""Each condition that `doctor` calls wrong, tried in a program under `opentelemetry-instrument`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_agentperf.cli import checks
from otel_agentperf.cli.checks import all_findings
from otel_agentperf.cli.checks.trial import trial
from otel_agentperf.cli.doctor import doctor
from otel_agentperf.cli.finding import Finding, Level
from tests.cli.found import SILENT, wrong

NOTHING_IS_TRACED: dict[str, dict[str, str]] = {
    "every instrumentation left out": {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
    "both instrumentations left out": {
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "agentperf-langgraph, agentperf-google-genai"
    },
    "the SDK off": {"OTEL_SDK_DISABLED": "true"},
    "a sampler that drops all": {"OTEL_TRACES_SAMPLER": "always_off"},
    "switched off": {"AGENTPERF_ENABLED": "false"},
    "a wrong value": {"AGENTPERF_EMIT": "shout"},
    "an exporter that does not exist": {"OTEL_TRACES_EXPORTER": "bogus"},
    "an exporter of metrics that does not exist": {"OTEL_METRICS_EXPORTER": "bogus"},
    "a protocol that does not exist": {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    "a configurator that does not exist": {"OTEL_PYTHON_CONFIGURATOR": "bogus"},
    "a generator of ids that does not exist": {"OTEL_PYTHON_ID_GENERATOR": "bogus"},
}


def tried(environ: dict[str, str]) -> Finding:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTPERF_"))}
    (finding,) = trial({**base, **SILENT, **environ})
    return finding


@pytest.mark.parametrize("environ", NOTHING_IS_TRACED.values(), ids=NOTHING_IS_TRACED)
def test_where_nothing_is_traced_the_variables_show_it_and_a_program_too(environ: dict[str, str]) -> None:
    assert wrong(all_findings({**SILENT, **environ}))
    finding = tried(environ)
    assert finding.level is Level.WRONG, finding
    assert finding.sentence.startswith("tried a program under opentelemetry-instrument: ")


def test_what_no_variable_shows_is_found_with_its_reason() -> None:
    batches = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100000"}
    assert wrong(all_findings({**SILENT, **batches})) == []
    assert "max_export_batch_size must be less than or equal to max_queue_size" in tried(batches).sentence


def test_another_instrumentation_that_fails_and_ends_everything_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "opentelemetry_broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('it is broken')\n")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nbroken = opentelemetry_broken:Instrumentor\n")
    finding = tried({"PYTHONPATH": str(tmp_path)})
    assert finding.level is Level.WRONG
    assert "RuntimeError: it is broken" in finding.sentence


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"OTEL_PROPAGATORS": "bogus"}, "Propagator bogus not found"),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be"),
    ],
)
def test_where_opentelemetry_cannot_be_imported_it_says_so(environ: dict[str, str], part: str) -> None:
    command = [sys.executable, "-c", "from otel_agentperf.cli import main; main(['doctor'])"]
    done = subprocess.run(
        command, env={**os.environ, **SILENT, **environ}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert part in " ".join(done.stdout.split())
    assert done.stderr == ""


def test_a_program_that_is_traced_is_found_to_be_and_notes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(environ: object) -> list[Finding]:
        del environ
        return [Finding(Level.NOTE, "one")]

    monkeypatch.setattr(checks, "all_findings", found)
    result = CliRunner().invoke(doctor, env=SILENT)
    assert result.exit_code == 0, result.output
    assert "its spans are recorded" in " ".join(result.output.split())
    assert result.output.endswith("\nNo error was found; 1 note says what to know.\n")
