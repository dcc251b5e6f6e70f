"""What `doctor` looks at, one function a subject. Bounds come from the package's own metadata."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, entry_points, metadata, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from otel_agentperf import config
from otel_agentperf.baselines.opening import Baseline, UnreadableError, opened
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.setting_aside import identity_of
from otel_agentperf.baselines.store import Store
from otel_agentperf.config import SettingsError
from otel_agentperf.plugins import users_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules import make_rules

DISTRIBUTION = "otel-agentperf"
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
SIGNALS = (("TRACES", "traces"), ("METRICS", "metrics"), ("LOGS", "logs"))
_INSTRUMENTED = {"langgraph": "graph runs, nodes and tools", "google-genai": "Gemini requests"}
_OTLP = "opentelemetry-exporter-otlp"
_DISTRO = "opentelemetry-distro"


class Level(StrEnum):
    """How a finding stands."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    sentence: str


def found_version(distribution: str) -> str | None:
    """The installed version, or `None`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def python() -> Iterator[Finding]:
    """Whether this Python is supported."""
    yield _bounded("Python", platform.python_version(), SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"] or ""))


def libraries() -> Iterator[Finding]:
    """Whether each library is there in a version that we support."""
    for line in requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.name == DISTRIBUTION:
            continue
        extra = _extra(requirement)
        if extra in (None, "langgraph", "gemini", "otlp"):
            yield _library(requirement, extra)


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
        return Finding(Level.WRONG, f'{name} is missing: pip install "{name}{requirement.specifier}"')
    if name in _INSTRUMENTED:
        return Finding(Level.NOTE, f"{name} is not installed: no spans for {_INSTRUMENTED[name]}")
    if name == _DISTRO:
        return Finding(
            Level.NOTE,
            f"{name} is not installed: opentelemetry-instrument then sets up no SDK, so your code must. "
            f'pip install "{DISTRIBUTION}[otlp]"',
        )
    return Finding(
        Level.NOTE, f'{name} is not installed: nothing can be sent over OTLP. pip install "{DISTRIBUTION}[{extra}]"'
    )


def _bounded(name: str, found: str, bounds: SpecifierSet) -> Finding:
    if bounds.contains(found, prereleases=True):
        return Finding(Level.OK, f"{name} {found}")
    return Finding(Level.WRONG, f"{name} {found} is not supported: {bounds} is needed")


def entries() -> Iterator[Finding]:
    """Whether OpenTelemetry can find us."""
    for kind, name in ENTRY_POINTS:
        if any(entry.value.startswith("otel_agentperf.") for entry in entry_points(group=kind, name=name)):
            yield Finding(Level.OK, f"entry point {name} in {kind}")
        else:
            yield Finding(Level.WRONG, f"entry point {name} in {kind} is not visible: install {DISTRIBUTION} again")


def exporters(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each exporter that will be asked for exists; one that does not ends all configuration."""
    if environ.get("OTEL_CONFIG_FILE"):
        yield Finding(Level.NOTE, "OTEL_CONFIG_FILE decides about exporters and samplers; it is not looked at here")
        return
    has_distro = found_version(_DISTRO) is not None
    for variable, signal in SIGNALS:
        key = f"OTEL_{variable}_EXPORTER"
        chosen = environ.get(key, "").strip()
        names = chosen or ("otlp" if has_distro else "")
        for name in filter(None, (part.strip() for part in names.split(","))):
            if name == "none":
                yield Finding(Level.OK, f"{signal} are not exported ({key}=none)")
            elif entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
                how = key if chosen else f"the distro's default for {key}"
                yield Finding(Level.OK, f"{signal} go to {name} ({how})")
            else:
                yield Finding(Level.WRONG, _no_exporter(key, signal, name, is_default=not chosen))
        if not names:
            yield Finding(Level.NOTE, f"{signal} are not exported ({key} is not set)")


def _no_exporter(key: str, signal: str, name: str, *, is_default: bool) -> str:
    if name != "otlp":
        return f"{key} asks for {name!r}, which nothing installed provides: configuration fails and nothing is traced"
    cause = f"{_DISTRO} sends {signal} to otlp unless {key} says otherwise" if is_default else f"{key} asks for otlp"
    cure = f'pip install "{DISTRIBUTION}[otlp]"'
    if signal != "traces":
        cure = f"set OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none, or {cure}"
    else:
        cure = f"set OTEL_TRACES_EXPORTER=agentperf for the console, or {cure}"
    return f"{cause}, and {_OTLP} is not installed: configuration fails and nothing is traced; {cure}"


def sdk(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the SDK is switched off, thinned out or told to leave us out."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(Level.WRONG, "OTEL_SDK_DISABLED=true: nothing at all is recorded")
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if sampler and sampler not in ("always_on", "parentbased_always_on"):
        said = f"{sampler} {argument}".strip()
        yield Finding(
            Level.NOTE,
            f"the sampler is {said}: traces show a part of the runs; totals, metrics and rules count all of them",
        )
    disabled = {name.strip() for name in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    for kind, name in ENTRY_POINTS:
        if kind == "opentelemetry_instrumentor" and name in disabled:
            yield Finding(Level.WRONG, f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS leaves out {name}")


def settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each setting that is wrong, by name."""
    ours = {
        name: value
        for name, value in environ.items()
        if name.startswith(config.ENV_PREFIX) or name == config.CONTENT_ENV
    }
    wrong = list(dict.fromkeys(_wrong_settings(ours)))
    for message in wrong:
        yield Finding(Level.WRONG, message.removeprefix(f"{DISTRIBUTION}: "))
    if wrong:
        return
    if not config.load(ours).enabled:
        yield Finding(Level.WRONG, f"{DISTRIBUTION} is switched off (AGENTPERF_ENABLED)")
    yield Finding(Level.OK, f"settings: {', '.join(sorted(ours)) or 'all at their defaults'}")


def _wrong_settings(ours: Mapping[str, str]) -> Iterator[str]:
    file = config.ENV_PREFIX + "CONFIG"
    for name, value in ours.items():
        if name != file:
            yield from _error(lambda name=name, value=value: _use(config.load({name: value})))
    path = ours.get(file, "")
    if not path.strip():
        return
    try:
        document = config.read_file(path)
    except SettingsError as error:
        yield str(error)
        return
    yield from _error(lambda: _use(config.load({file: path})))
    for code, table in document.get("rules", {}).items():
        yield from _error(lambda code=code, table=table: make_rules({code: table}, extra=users_rules()))
    yield from _error(lambda: PriceBook(document.get("prices", {})))


def _use(loaded: config.Settings) -> None:
    make_rules({}, loaded.rules_select, loaded.rules_ignore, users_rules())


def _error(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except SettingsError as error:
        yield str(error)


def baselines(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is kept of what was learned, and whether more can be."""
    try:
        loaded = config.load(environ)
    except SettingsError:
        return  # `settings` tells of it
    if loaded.baseline_store:
        yield _store(loaded.baseline_store)
    if loaded.baseline_from:
        try:
            found = opened(loaded.baseline_from)
            yield Finding(Level.OK, f"AGENTPERF_BASELINE_FROM: {_known(found)}")
        except UnreadableError as error:
            yield Finding(Level.WRONG, f"AGENTPERF_BASELINE_FROM: {error}")


def _store(name: str) -> Finding:
    path = Path(name)
    if identity_of(path) is None:
        folder = next(each for each in path.absolute().parents if identity_of(each) is not None)
        try:
            _make_in(folder, path)
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            return Finding(Level.WRONG, f"AGENTPERF_BASELINE_STORE: {path} cannot be made in {folder} ({reason})")
        return Finding(Level.OK, f"AGENTPERF_BASELINE_STORE: {path} is not there yet and can be made")
    try:
        known = _known(opened(name))
        Store(path).check_writable()
    except UnreadableError as error:
        return Finding(Level.WRONG, f"AGENTPERF_BASELINE_STORE: {error}")
    except (RefusedError, sqlite3.Error, OSError) as error:
        return Finding(Level.WRONG, f"AGENTPERF_BASELINE_STORE: {path} cannot be written ({error})")
    return Finding(Level.OK, f"AGENTPERF_BASELINE_STORE: {path} can be written; {known}")


def _make_in(folder: Path, path: Path) -> None:
    """Make such a store in a folder of its own, and remove both: what the permissions say does not tell.

    Args:
        folder: the last one on the way to it that is there.
        path: where the store is to be.

    Raises:
        sqlite3.Error, OSError: it cannot be made.
    """
    with TemporaryDirectory(prefix=".agentperf-", dir=folder) as beside:
        store = Store(Path(beside) / path.absolute().relative_to(folder))
        store.check_writable()
        store.close()


def _known(found: Baseline) -> str:
    newest = found.newest_day
    if newest is None:
        return "nothing was learned yet"
    day = time.strftime("%Y-%m-%d", time.gmtime(newest * 86_400))
    return f"{len(found):,} graphs, nodes, tools and models are known, the last of {day}"


def peers() -> Iterator[Finding]:
    """Instrumentations of others that see the same requests."""
    for name in PEERS:
        found = found_version(name)
        if found is not None:
            yield Finding(Level.OK, f"{name} {found} is here too: each request is counted once")


def all_findings(environ: Mapping[str, str]) -> list[Finding]:
    """Everything that `doctor` says.

    Args:
        environ: the environment variables to judge.
    """
    return [
        *python(),
        *libraries(),
        *entries(),
        *exporters(environ),
        *sdk(environ),
        *settings(environ),
        *baselines(environ),
        *peers(),
    ]
