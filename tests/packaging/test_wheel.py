"""What any installation of the wheel must hold, with extras or without; looks at nothing but what is installed."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata, resources
from pathlib import Path

import pytest

DISTRIBUTION = "otel-agentperf"
PUBLISHED = {
    ("console_scripts", "otel-agentperf"): "otel_agentperf.cli:main",
    ("opentelemetry_instrumentor", "agentperf-google-genai"): (
        "otel_agentperf.instrumentation.google_genai:GoogleGenAIInstrumentor"
    ),
    ("opentelemetry_instrumentor", "agentperf-langgraph"): (
        "otel_agentperf.instrumentation.langgraph:LangGraphInstrumentor"
    ),
    ("opentelemetry_instrumentor", "agentperf-system"): "otel_agentperf.instrumentation.system:SystemInstrumentor",
    ("opentelemetry_post_instrument", "agentperf"): "otel_agentperf.live.auto:install",
    ("opentelemetry_traces_exporter", "agentperf"): "otel_agentperf.exporter:AgentPerfSpanExporter",
}
WORKS_WITHOUT_EXTRAS = {"opentelemetry_instrumentor", "opentelemetry_post_instrument", "opentelemetry_traces_exporter"}

pytestmark = pytest.mark.wheel


def test_the_package_comes_from_an_installation_and_not_from_a_checkout() -> None:
    place = import_module("otel_agentperf").__file__
    assert place is not None
    assert "site-packages" in Path(place).parts


def test_the_version_of_the_code_is_the_version_of_the_distribution() -> None:
    assert metadata.version(DISTRIBUTION) == import_module("otel_agentperf._version").VERSION


@pytest.mark.parametrize("file", ["py.typed", "demo/settings.toml"])
def test_a_file_that_is_no_code_is_shipped(file: str) -> None:
    assert resources.files("otel_agentperf").joinpath(file).is_file()


def test_the_wheel_holds_the_package_and_nothing_beside_it() -> None:
    files = metadata.files(DISTRIBUTION) or []
    # The installer adds the command and, where it is told to, compiled files.
    tops = {file.parts[0] for file in files if file.parts[0] != ".."}
    assert tops == {"otel_agentperf", f"otel_agentperf-{metadata.version(DISTRIBUTION)}.dist-info"}
    assert not [file for file in files if "tests" in file.parts]


def test_no_extra_is_called_instruments() -> None:
    extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    assert sorted(extras) == ["all", "cli", "dask", "demo", "gemini", "html", "langgraph", "otlp", "replay"]


def test_the_entry_points_are_the_published_ones() -> None:
    found = metadata.distribution(DISTRIBUTION).entry_points
    assert {(point.group, point.name): point.value for point in found} == PUBLISHED


@pytest.mark.parametrize(
    "point",
    [point for point in metadata.distribution(DISTRIBUTION).entry_points if point.group in WORKS_WITHOUT_EXTRAS],
    ids=lambda point: f"{point.group}.{point.name}",
)
def test_an_entry_point_that_opentelemetry_calls_loads(point: metadata.EntryPoint) -> None:
    assert callable(point.load())


def test_every_public_name_can_be_had() -> None:
    package = import_module("otel_agentperf")
    assert package.__all__
    assert [name for name in package.__all__ if not callable(getattr(package, name))] == []


def test_importing_the_package_prints_nothing_and_loads_no_library_that_it_instruments() -> None:
    program = (
        "import sys, otel_agentperf;"
        "sys.exit(', '.join({'langgraph', 'google.genai', 'rich', 'click', 'opentelemetry.sdk'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr.strip()) == ("", "")
