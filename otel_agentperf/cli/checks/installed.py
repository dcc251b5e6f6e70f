"""Libraries and entry points. Bounds come from the package's own metadata."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import metadata, requires
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from otel_agentperf.cli.finding import DISTRIBUTION, DISTRO, Finding, found_version, is_ours, note, ok, wrong

ENTRY_POINTS = (
    ("opentelemetry_instrumentor", "agentperf-langgraph"),
    ("opentelemetry_instrumentor", "agentperf-google-genai"),
    ("opentelemetry_instrumentor", "agentperf-system"),
    ("opentelemetry_post_instrument", "agentperf"),
    ("opentelemetry_traces_exporter", "agentperf"),
)
PEERS = (
    "opentelemetry-instrumentation-google-genai",
    "opentelemetry-instrumentation-genai-langchain",
    "openinference-instrumentation-google-genai",
    "openinference-instrumentation-langchain",
)
SEEN_CLIENT = "google-genai"
GEMINI_CLIENTS: dict[str, str] = {
    "google-ai-generativelanguage": "use google-genai",
    "google-generativeai": "use google-genai, its successor",
    "langchain-google-genai": "version 4 and newer call Gemini through google-genai: upgrade it",
    "langchain-google-vertexai": "use langchain-google-genai 4 or newer, which serves Vertex AI too",
    "llama-index-llms-gemini": "use llama-index-llms-google-genai",
    "llama-index-llms-vertex": "use llama-index-llms-google-genai",
}
"""Clients of Gemini that do not call it through google-genai, or did not always, and what to use instead."""
OTHER_CLIENTS: dict[str, str] = {
    "google-cloud-aiplatform": "what its `vertexai.generative_models` asks",
    "vertexai": "what its `vertexai.generative_models` asks",
    "litellm": "what it asks Gemini",
    "langchain-litellm": "what it asks Gemini",
    "langchain-openai": "what it asks Gemini's OpenAI-compatible endpoint",
    "openai": "what it asks Gemini's OpenAI-compatible endpoint",
}
"""Clients of many models, which can ask Gemini too, and not through google-genai."""
GEMINI_HOSTS = ("googleapis.com",)
OPENAI_ADDRESSES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_INSTRUMENTED = {"langgraph": "graph runs, nodes and tools", SEEN_CLIENT: "Gemini requests"}


def python() -> Iterator[Finding]:
    """Whether this Python is supported."""
    yield _bounded("Python", platform.python_version(), SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"] or ""))


def libraries() -> Iterator[Finding]:
    """Whether each library is there in a version that we support, and whether there is anything to trace."""
    for line in requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.name == DISTRIBUTION:
            continue
        extra = _extra(requirement)
        if extra in (None, "langgraph", "gemini", "otlp"):
            yield _library(requirement, extra)
    if not any(found_version(name) for name in (*_INSTRUMENTED, *PEERS)):
        yield wrong(
            "neither langgraph nor google-genai is installed here, so nothing is traced: run doctor with the Python of "
            "your program"
        )


def _extra(requirement: Requirement) -> str | None:
    """The extra that a requirement belongs to: the one that makes its marker true."""
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return None
    names = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    return next((name for name in sorted(names, key=_narrow_first) if marker.evaluate({"extra": name})), "")


def _narrow_first(extra: str) -> tuple[bool, str]:
    return extra not in {"langgraph", "gemini", "otlp", "cli"}, extra


def _library(requirement: Requirement, extra: str | None) -> Finding:
    name = requirement.name
    found = found_version(name)
    if found is not None:
        return _bounded(name, found, requirement.specifier)
    if extra is None:
        return wrong(f'{name} is missing: pip install "{name}{requirement.specifier}"')
    if name in _INSTRUMENTED:
        return note(f"{name} is not installed: no spans for {_INSTRUMENTED[name]}")
    if name == DISTRO:
        return note(
            f"{name} is not installed: opentelemetry-instrument then sets up no SDK, so your code must. "
            f'pip install "{DISTRIBUTION}[otlp]"'
        )
    return note(f'{name} is not installed: nothing can be sent over OTLP. pip install "{DISTRIBUTION}[{extra}]"')


def _bounded(name: str, found: str, bounds: SpecifierSet) -> Finding:
    if bounds.contains(found, prereleases=True):
        return ok(f"{name} {found}")
    return wrong(f"{name} {found} is not supported: {bounds} is needed")


def entries() -> Iterator[Finding]:
    """Whether OpenTelemetry can find us."""
    for group, name in ENTRY_POINTS:
        if is_ours(group, name):
            yield ok(f"entry point {name} in {group}")
        else:
            yield wrong(f"entry point {name} in {group} is not visible: install {DISTRIBUTION} again")


def peers() -> Iterator[Finding]:
    """Instrumentations of others that see the same requests."""
    for name in PEERS:
        found = found_version(name)
        if found is not None:
            yield ok(f"{name} {found} is here too: each request is counted once")


def unseen_clients(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Clients that can ask Gemini without a span of ours."""
    sees_gemini = found_version(SEEN_CLIENT) is not None
    for name, instead in GEMINI_CLIENTS.items():
        found = found_version(name)
        if found is None or _calls_google_genai(name):
            continue
        sentence = f"{name} {found} asks Gemini past google-genai: these requests are not seen; {instead}"
        yield note(sentence) if sees_gemini else wrong(sentence)
    for name, what in OTHER_CLIENTS.items():
        found = found_version(name)
        if found is not None:
            yield note(f"{name} {found}: {what} is not seen, since it is not asked through google-genai")
    for variable in OPENAI_ADDRESSES:
        host = urlsplit(environ.get(variable, "")).hostname or ""
        if host.endswith(GEMINI_HOSTS):
            yield note(
                f"{variable} leads to Gemini ({host}): requests of the openai library are not seen; use google-genai"
            )


def _calls_google_genai(distribution: str) -> bool:
    """Whether the installed version requires google-genai, and so calls Gemini through it."""
    requirements = [Requirement(line) for line in requires(distribution) or ()]
    return any(one.name == SEEN_CLIENT and (one.marker is None or one.marker.evaluate()) for one in requirements)
