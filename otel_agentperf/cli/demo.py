"""`otel-agentperf demo`: four agents at work, watched from outside.

Starts the example program, which knows nothing of this package, in a process of its own under
`opentelemetry-instrument`, against a server on loopback that plays Gemini. Its telemetry is what
this command line says: `OTEL_*` settings of the surroundings are put aside, save those that say
how to reach a collector.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import click

from otel_agentperf import demo as demo_package
from otel_agentperf.demo.script import RecordingScript
from otel_agentperf.demo.server import GeminiServer

FOLDER = Path(demo_package.__file__).parent
PROGRAM = FOLDER / "recording_agents.py"
SETTINGS = FOLDER / "settings.toml"
KEY = "GOOGLE_API_KEY"

NEEDED = {"langgraph": "langgraph", "google-genai": "google.genai", "opentelemetry-distro": "opentelemetry.distro"}
"""What `otel-agentperf[demo]` brings, and the module that shows it is there."""
NEEDED_FOR_OTLP = {"opentelemetry-exporter-otlp": "opentelemetry.exporter.otlp"}

# The console script may lie in a folder that is not on the path; what it calls is importable.
INSTRUMENTED = (
    sys.executable,
    "-c",
    "from opentelemetry.instrumentation.auto_instrumentation import run; run()",
    sys.executable,
)
KEPT_SETTINGS = ("OTEL_EXPORTER_OTLP_", "OTEL_RESOURCE_ATTRIBUTES")
GEMINI_SETTINGS = ("GEMINI_", "GOOGLE_API_KEY", "GOOGLE_CLOUD_", "GOOGLE_GEMINI_", "GOOGLE_GENAI_", "GOOGLE_VERTEX_")
BROWSER_LATENCY_S = 0.15
RETRY_DELAY_S = 0.5
GRPC_PORT = 4317


@click.command("demo")
@click.option("--otlp", metavar="URL", help="Send the telemetry to this collector too, such as http://localhost:4318.")
@click.option("--live", is_flag=True, help=f"Ask Google instead of the loopback server; needs {KEY} and costs money.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.01, max=1000),
    default=1.0,
    show_default=True,
    help="How many times faster the loopback server answers; above 1.1 the slow agent is slow no more.",
)
@click.pass_context
def demo(context: click.Context, otlp: str | None, live: bool, speed: float) -> None:  # noqa: FBT001 - click passes it so
    """Watch four LangGraph agents record a web task: about half a minute."""
    _require(NEEDED, "demo")
    if otlp:
        _require(NEEDED_FOR_OTLP, "otlp")
    if live and not os.environ.get(KEY):
        raise click.ClickException(f"--live asks Google and needs the environment variable {KEY}, which is not set.")
    waits = {"--browser-latency": BROWSER_LATENCY_S / speed, "--retry-delay": RETRY_DELAY_S / speed}
    command = [*INSTRUMENTED, str(PROGRAM), *(f"{option}={seconds:g}" for option, seconds in waits.items())]
    environment = {**_without(os.environ, "OTEL_", kept=KEPT_SETTINGS), **telemetry(otlp)}
    with contextlib.ExitStack() as stack:
        if not live:
            server = stack.enter_context(GeminiServer(RecordingScript(), speed=speed, record=False))
            environment = {**_without(environment, *GEMINI_SETTINGS), **loopback(environment, server.base_url)}
        context.exit(_run(command, environment))


def telemetry(otlp: str | None) -> dict[str, str]:
    """The OpenTelemetry settings of the program; `otlp` is the address of a collector, if any."""
    settings = {
        "AGENTPERF_CONFIG": str(SETTINGS),
        "OTEL_SERVICE_NAME": "agentperf-demo",
        "OTEL_TRACES_EXPORTER": "agentperf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "250",
    }
    if otlp is None:
        return settings
    return {
        **settings,
        "OTEL_TRACES_EXPORTER": "otlp,agentperf",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if urlsplit(otlp).port == GRPC_PORT else "http/protobuf",
    }


def loopback(environment: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The settings that make google-genai ask the loopback server, past any proxy."""
    direct = {name: f"{environment.get(name, '')},127.0.0.1".lstrip(",") for name in ("NO_PROXY", "no_proxy")}
    return {"GOOGLE_GEMINI_BASE_URL": base_url, KEY: "loopback", **direct}


def _without(environment: Mapping[str, str], *prefixes: str, kept: Sequence[str] = ()) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(prefixes) or name.startswith(tuple(kept))
    }


def _require(needed: Mapping[str, str], extra: str) -> None:
    missing = [name for name, module in needed.items() if not _importable(module)]
    if missing:
        raise click.ClickException(
            f'{" and ".join(missing)} not found. Install with:\n\n    pip install "otel-agentperf[{extra}]"'
        )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is absent
        return False


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    with subprocess.Popen(command, env=dict(environment)) as program:  # noqa: S603 - this command's own
        try:
            code = program.wait()
        except KeyboardInterrupt:  # the terminal has interrupted the program as well
            code = program.wait()
    return code if code >= 0 else 128 - code
