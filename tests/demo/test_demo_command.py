from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_agentperf.cli import demo as command
from otel_agentperf.cli.demo import demo, loopback, telemetry


def test_the_demo_runs_the_agents_and_reports_on_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    code = CliRunner().invoke(demo, ["--speed", "1000"]).exit_code
    out, _ = capfd.readouterr()

    assert code == 0
    assert "sequence_generator  10 steps, 10 pages" in out
    assert "service steel_browser" in out


def test_the_exit_code_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "fails.py"
    program.write_text("raise SystemExit(3)")
    monkeypatch.setattr(command, "PROGRAM", program)

    assert CliRunner().invoke(demo).exit_code == 3


def test_live_without_a_key_names_the_variable() -> None:
    result = CliRunner().invoke(demo, ["--live"])

    assert result.exit_code == 1
    assert "GOOGLE_API_KEY, which is not set" in result.output


@pytest.mark.parametrize(("table", "extra"), [("NEEDED", "demo"), ("NEEDED_FOR_OTLP", "otlp")])
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, table: str, extra: str
) -> None:
    monkeypatch.setattr(command, table, {"some-library": "absent.module"})
    result = CliRunner().invoke(demo, ["--otlp", "http://127.0.0.1:4318"])

    assert result.exit_code == 1
    assert "some-library not found" in result.output
    assert f'pip install "otel-agentperf[{extra}]"' in result.output


def test_without_a_collector_only_the_console_is_told() -> None:
    settings = telemetry(None)

    assert [settings[f"OTEL_{signal}_EXPORTER"] for signal in ("TRACES", "METRICS", "LOGS")] == [
        "agentperf",
        "none",
        "none",
    ]
    assert Path(settings["AGENTPERF_CONFIG"]).is_file()


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("http://127.0.0.1:4318", "http/protobuf"),
        ("http://127.0.0.1:4317", "grpc"),
        ("https://otel.example", "http/protobuf"),
    ],
)
def test_a_collector_gets_traces_and_metrics_too(url: str, protocol: str) -> None:
    settings = telemetry(url)

    assert settings["OTEL_TRACES_EXPORTER"] == "otlp,agentperf"
    assert settings["OTEL_METRICS_EXPORTER"] == "otlp"
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"] == url
    assert settings["OTEL_EXPORTER_OTLP_PROTOCOL"] == protocol


def test_a_proxy_does_not_stand_between_the_program_and_loopback() -> None:
    settings = loopback({"NO_PROXY": "intranet"}, "http://127.0.0.1:1")

    assert settings["NO_PROXY"] == "intranet,127.0.0.1"
    assert settings["no_proxy"] == "127.0.0.1"
