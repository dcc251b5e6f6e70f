"""Variables whose names are nearly right, so that nothing reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from types import ModuleType

from otel_agentperf import config
from otel_agentperf.cli.finding import Finding, note

LIKENESS = 0.9
"""At which a name is taken for a misspelt one: about two letters of twenty."""
FREE = ("OTEL_PYTHON_", "OTEL_INSTRUMENTATION_", "OTEL_SEMCONV_")
"""Beginnings of names that instrumentations read and that no list has."""


def misspelt(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each variable that nothing reads and that resembles one of ours or of OpenTelemetry's."""
    known = {*config.variables(), *opentelemetry_variables()}
    for name in sorted(environ):
        if name in known or name.startswith((config.ENV_PREFIX, *FREE)) or not _looks_like_one(name):
            continue
        near = config.nearest(name, known, LIKENESS)
        if near is not None:
            yield note(f"{name} is read by nothing; did you mean {near}?")


def _looks_like_one(name: str) -> bool:
    return name.upper().startswith(("AGENT", "OTEL", "OLTP", "OTLP"))


def opentelemetry_variables() -> set[str]:
    """The variables that the installed parts of OpenTelemetry declare."""
    found: set[str] = set()
    for entry in entry_points(group="opentelemetry_environment_variables"):
        module = entry.load()
        if isinstance(module, ModuleType):
            found.update(name for name in vars(module) if name.startswith("OTEL_"))
    return found
