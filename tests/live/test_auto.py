from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_agentperf
from otel_agentperf import config
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.live import auto, in_process

PROGRAM = Path(__file__).parents[1] / "programs" / "two_steps.py"
PEERS = "google-genai,google_genai,langchain,genai-langchain"
"""Other people's instrumentations of the same libraries, where they are installed."""
AUTO = ("-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as running:
        yield running


def run(server: GeminiServer, *, under: tuple[str, ...] = AUTO, **env: str) -> subprocess.CompletedProcess[str]:
    """Start the program in a process of its own."""
    environment = {
        **os.environ,
        "GOOGLE_GEMINI_BASE_URL": server.base_url,
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": PEERS,
        **env,
    }
    command = [sys.executable, *under, *((sys.executable,) if under else ()), str(PROGRAM)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "answer: Hello from loopback." in done.stdout
    return done


def spans(stdout: str) -> dict[str, dict[str, Any]]:
    """The spans that the console exporter printed, by name."""
    decoder, position, found = json.JSONDecoder(), 0, dict[str, dict[str, Any]]()
    while (position := stdout.find("{\n", position)) >= 0:
        span, position = decoder.raw_decode(stdout, position)
        found[span["name"]] = span
    return found


def test_under_opentelemetry_instrument_a_program_is_priced_without_a_change(server: GeminiServer) -> None:
    done = run(server)
    found = spans(done.stdout)
    assert set(found) == {
        "generate_content gemini-2.5-flash",
        "invoke_node ask",
        "invoke_node check",
        "invoke_workflow two_steps",
    }
    root = found["invoke_workflow two_steps"]
    assert root["attributes"]["agentperf.run.inference_calls"] == 1
    assert root["attributes"]["agentperf.run.cost_usd"] == pytest.approx(10 * 0.30e-6 + 5 * 2.50e-6)
    assert root["attributes"]["gen_ai.conversation.id"] == "t-1"
    assert done.stderr == ""


def test_switched_off_by_setting_it_leaves_no_trace(server: GeminiServer) -> None:
    done = run(server, AGENTPERF_ENABLED="false")
    assert spans(done.stdout) == {}
    assert done.stderr == ""


def test_a_wrong_setting_is_said_on_one_line_and_the_program_runs(server: GeminiServer) -> None:
    done = run(server, AGENTPERF_EMIT="smoke")
    assert spans(done.stdout) == {}
    (line,) = done.stderr.strip().splitlines()
    for word in ("AGENTPERF_EMIT", "'smoke'", "span_event | log_event | both", "stays off"):
        assert word in line


def test_a_wrong_setting_is_logged_once_beside_the_console_exporter_too(server: GeminiServer) -> None:
    done = run(server, AGENTPERF_EMIT="smoke", OTEL_TRACES_EXPORTER="agentperf,console")
    (line,) = done.stderr.strip().splitlines()
    assert "its console exporter uses the defaults" in line


def test_a_variable_that_is_no_setting_is_logged_once_and_the_program_is_traced(server: GeminiServer) -> None:
    done = run(server, AGENTPERF_REPRT_PATH="x", OTEL_TRACES_EXPORTER="console,agentperf")
    assert "invoke_workflow two_steps" in spans(done.stdout)
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith(
        "there is no setting AGENTPERF_REPRT_PATH, so it is ignored; did you mean AGENTPERF_REPORT_PATH?"
    )


def test_a_report_path_with_an_unknown_ending_is_logged_once(server: GeminiServer, tmp_path: Path) -> None:
    done = run(server, AGENTPERF_REPORT_PATH=str(tmp_path / "run.pdf"))
    (line,) = done.stderr.strip().splitlines()
    assert "ends in .pdf" in line
    assert (tmp_path / "run.pdf").exists()


@pytest.mark.parametrize("times", [1, 3])
def test_switching_on_in_code_without_an_sdk_is_logged_once(times: int) -> None:
    program = "import otel_agentperf\n" + "otel_agentperf.instrument()\n" * times
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    (line,) = done.stderr.strip().splitlines()
    assert "nothing is traced" in line
    assert "ProxyTracerProvider" in line


def test_switching_on_in_code_after_an_sdk_was_set_up_is_quiet() -> None:
    program = (
        "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\nimport otel_agentperf\n"
        "trace.set_tracer_provider(TracerProvider())\notel_agentperf.instrument()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "env",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}],
    ids=["the SDK disabled", "all instrumentations disabled"],
)
def test_where_telemetry_is_off_it_is_quiet(server: GeminiServer, env: dict[str, Any]) -> None:
    done = run(server, **env)
    assert spans(done.stdout) == {}
    assert done.stderr == ""


def test_one_instrumentation_can_be_disabled_by_name(server: GeminiServer) -> None:
    found = spans(run(server, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=f"agentperf-langgraph,{PEERS}").stdout)
    assert set(found) == {"generate_content gemini-2.5-flash"}


def test_merely_installed_it_does_nothing(server: GeminiServer) -> None:
    done = run(server, under=())
    assert spans(done.stdout) == {}
    assert done.stderr == ""


def test_the_processor_is_added_once_however_often_one_asks() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    try:
        assert auto.attach(provider)
        assert auto.attach(provider)
        added = provider._active_span_processor._span_processors  # pyright: ignore[reportPrivateUsage]
        assert len(added) == 1
    finally:
        in_process.use(None)
        provider.shutdown()


def test_a_provider_that_takes_no_processor_is_left_alone() -> None:
    assert not auto.attach(object())
    assert in_process.current() is None


def test_switching_on_in_code_with_a_wrong_setting_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_MAX_SESSIONS", "none")
    with pytest.raises(config.SettingsError, match="AGENTPERF_MAX_SESSIONS"):
        otel_agentperf.instrument()


IMPORTS = """
import runpy, sys, threading

imported, is_running = [], False

def on_event(event, arguments):
    if event == "import":
        thread = threading.current_thread().name
        ours = arguments[0].startswith(("otel_agentperf", "genai_prices"))
        if thread != "MainThread" or (is_running and ours):
            imported.append((thread, arguments[0]))

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
import otel_agentperf

trace.set_tracer_provider(TracerProvider())
sys.addaudithook(on_event)
otel_agentperf.instrument()
is_running = True
runpy.run_path(sys.argv[1])
trace.get_tracer_provider().shutdown()
assert imported == [], imported
"""


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_nothing_is_imported_in_a_thread_of_ours_or_while_the_program_runs(
    server: GeminiServer, tmp_path: Path, form: str
) -> None:
    """A child that is forked while a thread imports would wait for the import lock for ever."""
    environment = {
        **os.environ,
        "GOOGLE_GEMINI_BASE_URL": server.base_url,
        "AGENTPERF_BASELINE_STORE": str(tmp_path / "baseline.db"),
        "AGENTPERF_BASELINE_FROM": "http://127.0.0.1:9/baseline.json.gz",
        "AGENTPERF_REPORT_PATH": str(tmp_path / f"report.{form}"),
        "AGENTPERF_BUDGET_RUN_USD": "1",
    }
    command = [sys.executable, "-c", IMPORTS, str(PROGRAM)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"report.{form}").exists()


def test_one_call_switches_on_a_program_that_sets_its_sdk_up_in_code(server: GeminiServer, tmp_path: Path) -> None:
    program = tmp_path / "in_code.py"
    program.write_text(
        "import runpy, sys\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor\n"
        "import otel_agentperf\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))\n"
        "otel_agentperf.instrument()\n"
        "otel_agentperf.instrument()\n"
        f"runpy.run_path({str(PROGRAM)!r})\n"
    )
    environment = {**os.environ, "GOOGLE_GEMINI_BASE_URL": server.base_url}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = spans(done.stdout)
    assert set(found) == {
        "generate_content gemini-2.5-flash",
        "invoke_node ask",
        "invoke_node check",
        "invoke_workflow two_steps",
    }
    assert found["invoke_workflow two_steps"]["attributes"]["agentperf.run.rating"] == "A"
