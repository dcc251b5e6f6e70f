"""What the environment makes of the OpenTelemetry SDK: exporters, sampler, and what is switched off.

The SDK's own rules are in `opentelemetry.sdk._configuration`: a name that nothing installed provides ends all of its
configuration, so that nothing is traced. `trial` sees what is not foreseen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from opentelemetry.sdk import environment_variables

from otel_agentperf.cli.checks.installed import ENTRY_POINTS
from otel_agentperf.cli.finding import DISTRIBUTION, DISTRO, Finding, entry_names, found_version, note, ok, wrong
from otel_agentperf.config import nearest, one_of

SIGNALS = ("traces", "metrics", "logs")
OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
"""The exporter of each protocol."""
DEAD = "configuration fails and nothing is traced"
_OTLP_PACKAGE = "opentelemetry-exporter-otlp"
_OUR_EXPORTER = "agentperf"


def exporter_key(signal: str) -> str:
    """The variable that names the exporters of a signal."""
    return f"OTEL_{signal.upper()}_EXPORTER"


def protocol(environ: Mapping[str, str], signal: str) -> tuple[str, str]:
    """The OTLP protocol of a signal, and the variable that names it."""
    for key in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(key):
            return environ[key].strip(), key
    return "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL"


def exporters_of(environ: Mapping[str, str], signal: str) -> list[str]:
    """The names of a signal's exporters as the SDK reads them; none where it exports nothing."""
    by_default = "otlp" if _distro_is_used(environ) else ""
    names = environ.get(exporter_key(signal), by_default)
    return [] if not names or names.strip().lower() == "none" else [name.strip() for name in names.split(",")]


def otlp_protocols(environ: Mapping[str, str], signal: str) -> Iterator[str]:
    """The protocols that a signal is sent by, of the OTLP exporters that are named and installed."""
    installed = entry_names(f"opentelemetry_{signal}_exporter")
    for name in exporters_of(environ, signal):
        for chosen, exporter in OTLP.items():
            if exporter in installed and (
                name == exporter or (name == "otlp" and protocol(environ, signal)[0] == chosen)
            ):
                yield chosen


def _distro_is_used(environ: Mapping[str, str]) -> bool:
    return found_version(DISTRO) is not None and environ.get("OTEL_PYTHON_DISTRO", "distro") == "distro"


def configuration_file(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the file that decides instead of the environment can be read."""
    if not environ.get("OTEL_CONFIG_FILE"):
        return
    if not hasattr(environment_variables, "OTEL_CONFIG_FILE"):
        yield wrong(
            f"OTEL_CONFIG_FILE is set, and opentelemetry-sdk {found_version('opentelemetry-sdk')} does not read it: "
            "upgrade the SDK"
        )
    elif find_spec("opentelemetry.configuration") is None:
        yield wrong(
            f"OTEL_CONFIG_FILE is set, and opentelemetry-configuration, which reads it, is not installed: {DEAD}; "
            "pip install opentelemetry-configuration"
        )
    else:
        yield note("OTEL_CONFIG_FILE decides about exporters and samplers; it is not looked at here")


def exporters(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each exporter that will be asked for exists."""
    if environ.get("OTEL_CONFIG_FILE"):
        return
    for signal in SIGNALS:
        key = exporter_key(signal)
        names = exporters_of(environ, signal)
        for name in names:
            yield _exporter(environ, signal, name)
        if not names and key in environ:
            yield (
                _without_traces(environ)
                if signal == "traces"
                else ok(f"{signal} are not exported ({key}={environ[key]})")
            )
        elif not names:
            yield note(f"{signal} are not exported ({key} is not set)")


def _without_traces(environ: Mapping[str, str]) -> Finding:
    key = exporter_key("traces")
    said = f"{key}={environ[key]}"
    if environ.get("AGENTPERF_REPORT_PATH", "").strip():
        return note(f"traces are not exported ({said}); each run gets a report under AGENTPERF_REPORT_PATH")
    return wrong(f"no trace leaves the process ({said}): set {key}=otlp, or {key}={_OUR_EXPORTER} for the console")


def _exporter(environ: Mapping[str, str], signal: str, name: str) -> Finding:
    key = exporter_key(signal)
    group = f"opentelemetry_{signal}_exporter"
    resolved, how = name, key if key in environ else f"the distro's default for {key}"
    if name == "otlp":
        chosen, protocol_key = protocol(environ, signal)
        if chosen not in OTLP:
            allowed = one_of(chosen, OTLP)
            return wrong(
                f"{protocol_key}={chosen} is no protocol that {signal} can be sent by: {DEAD}; allowed: {allowed}"
            )
        resolved, how = OTLP[chosen], f"{how}, {chosen}"
    known = entry_names(group)
    if resolved in known:
        return ok(f"{signal} go to {name} ({how})")
    if name != "otlp":
        near = nearest(name, known)
        guess = f"; did you mean {near}?" if near else f"; installed: {', '.join(known)}"
        return wrong(f"{key} asks for {name!r}, which nothing installed provides: {DEAD}{guess}")
    cause = f"{key} asks for otlp" if key in environ else f"{DISTRO} sends {signal} to otlp unless {key} says otherwise"
    cure = f'pip install "{DISTRIBUTION}[otlp]"'
    if signal != "traces":
        cure = f"set OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none, or {cure}"
    else:
        cure = f"set OTEL_TRACES_EXPORTER={_OUR_EXPORTER} for the console, or {cure}"
    return wrong(f"{cause}, and {_OTLP_PACKAGE} is not installed: {DEAD}; {cure}")


def switched_off(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the SDK is switched off, or made to leave us out."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield wrong("OTEL_SDK_DISABLED=true: nothing at all is recorded")
    key = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    disabled = [name.strip() for name in environ.get(key, "").split(",")]
    if "*" in disabled:
        yield wrong(f"{key}={environ[key]} leaves out every instrumentation: nothing is traced")
        return
    for group, name in ENTRY_POINTS:
        if group == "opentelemetry_instrumentor" and name in disabled:
            yield wrong(f"{key} leaves out {name}")


def sampler(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What part of the traces is recorded."""
    key, argument_key = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
    if not environ.get(key) or environ.get("OTEL_CONFIG_FILE"):
        return
    name, argument = environ[key].strip(), environ.get(argument_key, "").strip()
    known = entry_names("opentelemetry_traces_sampler")
    if name not in known and name.lower() not in known:
        yield wrong(f"{key}={name} is no sampler that is installed, so it is ignored; allowed: {one_of(name, known)}")
        return
    kind = name.lower().removeprefix("parentbased_")
    if kind == "always_off" or (kind == "traceidratio" and _ratio(argument) == 0):
        yield wrong(
            f"{key}={f'{name} {argument}'.strip()}: no trace is recorded; only metrics and rules count the runs"
        )
    elif kind == "traceidratio" and _ratio(argument) is None:
        yield wrong(
            f"{argument_key}={argument or '(not set)'} is no number from 0 to 1, so that every trace is recorded"
        )
    elif kind != "always_on":
        yield note(
            f"the sampler is {f'{name} {argument}'.strip()}: traces show a part of the runs; totals, metrics and rules "
            "count all of them"
        )


def _ratio(text: str) -> float | None:
    try:
        ratio = float(text)
    except ValueError:
        return None
    return ratio if 0 <= ratio <= 1 else None


_COMPONENTS = (
    ("OTEL_PYTHON_DISTRO", "opentelemetry_distro", "no exporter has a default then"),
    ("OTEL_PYTHON_CONFIGURATOR", "opentelemetry_configurator", "no SDK is set up and nothing is traced"),
    ("OTEL_PYTHON_ID_GENERATOR", "opentelemetry_id_generator", DEAD),
    ("OTEL_PROPAGATORS", "opentelemetry_propagator", DEAD),
)
"""Variables that name what is installed, the group of its entry points, and what follows from a wrong name."""


def components(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the parts of OpenTelemetry that are named exist."""
    for key, group, loss in _COMPONENTS:
        names = [name.strip() for name in environ.get(key, "").split(",")] if environ.get(key) else []
        known = entry_names(group)
        for name in names:
            if name not in known and name != "none":
                allowed = one_of(name, known) or "nothing that is installed"
                yield wrong(f"{key} asks for {name!r}, which nothing installed provides: {loss}; allowed: {allowed}")


LEAST_ATTRIBUTES = 64
"""Below it, spans lose attributes of ours; a span of a model call with all its tokens and costs has about that many."""


def limits(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Limits of the SDK that cut off what we write."""
    for key, least, loss in (
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", LEAST_ATTRIBUTES, "tokens, costs or fingerprints"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", LEAST_ATTRIBUTES, "tokens, costs or fingerprints"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", 16, "fields of suggestions"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", 1, "suggestions"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 512, "the ends of fingerprints or suggestions"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 512, "the ends of fingerprints or suggestions"),
    ):
        text = environ.get(key, "").strip()
        if text.isdecimal() and int(text) < least:
            yield note(f"{key}={text}: spans can lose {loss}; {least} or more is enough")
