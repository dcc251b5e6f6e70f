"""Settings: one table from which parsing, validation and the README's table come.

A value comes from the first of: the environment variable `AGENTPERF_<NAME>`, the key
`<name>` under `[settings]` in the TOML file that `AGENTPERF_CONFIG` names, the default. The
same file holds prices (`[prices]`), rule options (`[rules.<CODE>]`) and the nodes that let advice be
applied (`[apply.<NODE>]`), which `pricing`, `rules` and `advice` validate.

A wrong value is a `SettingsError` that names key, value and what is allowed. A name that is no setting is a warning, and
the setting is ignored: where versions are rolled out mixed, an older one must go on with the settings of a newer one.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

ENV_PREFIX = "AGENTPERF_"
CONTENT_ENV = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_logger = logging.getLogger("otel_agentperf")
_logged: set[str] = set()
REPORT_FORMATS = ("terminal", "json", "markdown", "html")
PATH_FIELDS = ("run", "trace_id", "span_id")
"""What a report's path may name in braces."""
_FIELD = re.compile(r"\{([^{}]*)\}")
CONTENT_MODES = ("no_content", "span_only", "event_only", "span_and_event")


class SettingsError(ValueError):
    """A setting is wrong. The message names the key, the value and what is allowed."""


def wrong(key: str, value: object, allowed: str) -> SettingsError:
    """The error for a setting with a value that is not allowed."""
    return SettingsError(f"otel-agentperf: {key} = {value!r} is not allowed; allowed: {allowed}")


def nearest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """The name that resembles another one most, whatever its case.

    Args:
        name: a name, perhaps misspelt.
        names: those that exist.
        likeness: the least ratio of `difflib.SequenceMatcher` that counts.
    """
    by_fold = {each.casefold(): each for each in names}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=likeness)
    return by_fold[found[0]] if found else None


def one_of(value: str, choices: Iterable[str]) -> str:
    """What is allowed, of a closed set, with the choice that resembles the value most."""
    known = list(choices)
    return " | ".join(known) + _guess(value, known)


def _guess(name: str, names: Iterable[str], form: str = "{}") -> str:
    """In parentheses, the nearest name that exists, written in a form; empty where none is near."""
    near = nearest(name, names)
    return f" (did you mean {form.format(near)}?)" if near else ""


def _instead(name: str, names: Iterable[str], prefix: str = "") -> str:
    """The nearest name that exists, else all of them; the prefix, which all have, is not compared."""
    known = list(names)
    near = nearest(name, known)
    return f"did you mean {prefix}{near}?" if near else f"allowed: {', '.join(prefix + each for each in known)}"


def log_once(message: str, level: int = logging.ERROR) -> None:
    """Log a message about settings, unless this process has logged it before: they are read in several places."""
    if message not in _logged:
        _logged.add(message)
        _logger.log(level, "%s", message)


def log_refusal(error: SettingsError) -> None:
    """Log, once, a wrong setting of the environment and what follows from it."""
    log_once(f"{error}; until it is right, otel-agentperf stays off and its console exporter uses the defaults")


def _boolean(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "1", "yes", "on"}:
        return True
    if text in {"false", "0", "no", "off"}:
        return False
    raise wrong(key, value, "true or false")


def _string(key: str, value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise wrong(key, value, "text")


def _whole(minimum: int, maximum: int) -> Callable[[str, object], int]:
    def parse(key: str, value: object) -> int:
        allowed = f"a whole number from {minimum} to {maximum}"
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise wrong(key, value, allowed)
        try:
            number = int(value)
        except ValueError:
            raise wrong(key, value, allowed) from None
        if not minimum <= number <= maximum:
            raise wrong(key, value, allowed)
        return number

    return parse


def _number(minimum: float, maximum: float) -> Callable[[str, object], float]:
    def parse(key: str, value: object) -> float:
        allowed = f"a number from {minimum:g} to {maximum:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise wrong(key, value, allowed)
        try:
            number = float(value)
        except ValueError:
            raise wrong(key, value, allowed) from None
        if not minimum <= number <= maximum:
            raise wrong(key, value, allowed)
        return number

    return parse


def _zero_or(minimum: float, maximum: float) -> Callable[[str, object], float]:
    parse_number = _number(0, maximum)

    def parse(key: str, value: object) -> float:
        number = parse_number(key, value)
        if 0 < number < minimum:
            raise wrong(key, value, f"0, or a number from {minimum:g} to {maximum:g}")
        return number

    return parse


def _one_of(*choices: str) -> Callable[[str, object], str]:
    def parse(key: str, value: object) -> str:
        text = str(value).strip().lower()
        if text not in choices:
            raise wrong(key, value, one_of(text, filter(None, choices)))
        return text

    return parse


def _path_template(key: str, value: object) -> str:
    template = _string(key, value)
    for name in _FIELD.findall(template):
        if name not in PATH_FIELDS:
            there_are = ", ".join(f"{{{field}}}" for field in PATH_FIELDS)
            raise wrong(
                key, value, f"a path with no other fields than {there_are}{_guess(name, PATH_FIELDS, '{{{}}}')}"
            )
    return template


def _names(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list):
        items = cast("list[object]", value)
        names = tuple(item for item in items if isinstance(item, str))
        if len(names) == len(items):
            return names
        value = items
    raise wrong(key, value, "names separated by commas")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: how a setting is parsed and what it is for."""

    kind: str
    default: object
    sentence: str
    parse: Callable[[str, object], object]
    unit: str = ""


def _setting(kind: str, default: Any, sentence: str, parse: Callable[[str, object], object], unit: str = "") -> Any:
    return field(default=default, metadata={"setting": Setting(kind, default, sentence, parse, unit)})


def _limit(sentence: str, kind: str, parse: Callable[[str, object], object], unit: str) -> Any:
    return _setting(kind, 0, f"{sentence}; 0: no limit.", parse, unit)


_USD = "0, or a number", _zero_or(1e-6, 1e9), "US dollars"
_SECONDS = "0, or a number", _zero_or(1e-3, 1e9), "seconds"
_TOKENS = "whole number", _whole(0, 10**15), "tokens"
_STEPS = "whole number", _whole(0, 10**12), "steps"
_ALARMS = "whole number", _whole(0, 10**6), "alarms"


def _no_tables() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, parsed. Make one with `load`, or with keywords in code and tests."""

    enabled: bool = _setting("true or false", True, "Whether otel-agentperf does anything at all.", _boolean)
    config: str = _setting("path", "", "TOML file with settings, prices, billed services and rule options.", _string)
    emit: str = _setting(
        "span_event, log_event or both",
        "span_event",
        "How a suggestion leaves the process.",
        _one_of("span_event", "log_event", "both"),
    )
    optimization_threshold: float = _setting(
        "number 0 to 1", 0.5, "Least impact at which a suggestion becomes an event.", _number(0, 1)
    )
    rules_select: tuple[str, ...] = _setting("names", (), "Rule codes or groups to run; empty runs all.", _names)
    rules_ignore: tuple[str, ...] = _setting("names", (), "Rule codes or groups to leave out.", _names)
    session_key: str = _setting(
        "text", "session_id", "Key of the graph's input state that holds the session's id.", _string
    )
    fingerprint_key: str = _setting(
        "text",
        "",
        "Key of the fingerprints; the same in all processes makes them comparable. Empty: random per process.",
        _string,
    )
    metrics: bool = _setting("true or false", True, "Records metrics.", _boolean)
    max_live_runs: int = _setting(
        "whole number", 10_000, "Runs followed at once; the oldest is dropped.", _whole(1, 10_000_000), "runs"
    )
    max_sessions: int = _setting(
        "whole number",
        2_000,
        "Sessions remembered; the least recently used is dropped.",
        _whole(1, 10_000_000),
        "sessions",
    )
    max_run_operations: int = _setting(
        "whole number",
        10_000,
        "Operations of a run whose shape is kept; beyond it only totals go on, and rules that need no shape.",
        _whole(1, 10_000_000),
        "operations",
    )
    sample_interval: float = _setting(
        "0, or 0.1 to 60",
        1.0,
        "Time between two samples of CPU, memory, open files and threads, which are kept for 30 minutes. "
        "0: none, and with them no health score and no `agentperf.gc.pause`.",
        _zero_or(0.1, 60),
        "seconds",
    )
    console_max_spans: int = _setting(
        "whole number",
        100_000,
        "Spans that the console exporter holds while it waits for their roots.",
        _whole(100, 100_000_000),
        "spans",
    )
    report_format: str = _setting(
        "terminal, json, markdown or html",
        "",
        "Form of the reports on runs. Empty: what the ending of the report path says, else terminal.",
        _one_of("", *REPORT_FORMATS),
    )
    report_path: str = _setting(
        "path",
        "",
        "Folder, or file name with {run}, {trace_id} or {span_id}, for a report on each run; also without the console "
        "exporter. Empty: the console exporter prints.",
        _path_template,
    )
    budget_run_usd: float = _limit("What a run may cost", *_USD)
    budget_run_tokens: int = _limit("Input and output tokens that a run may use", *_TOKENS)
    budget_run_time: float = _limit("How long a run may go on beginning things", *_SECONDS)
    budget_run_steps: int = _limit("Executions of nodes that a run may have", *_STEPS)
    budget_run_repetition_alarms: int = _limit("Alarms of REP rules at which a run is stopped", *_ALARMS)
    budget_session_usd: float = _limit("What a session may cost", *_USD)
    budget_session_tokens: int = _limit("Input and output tokens that a session may use", *_TOKENS)
    budget_session_time: float = _limit("How long the runs of a session may take together", *_SECONDS)
    budget_session_steps: int = _limit("Executions of nodes that a session may have", *_STEPS)
    budget_session_repetition_alarms: int = _limit("Alarms of REP rules at which a session is stopped", *_ALARMS)
    budget_unpriced: str = _setting(
        "ignore or stop",
        "ignore",
        "What a request without a known price does to a limit in US dollars: nothing, or it uses it up.",
        _one_of("ignore", "stop"),
    )
    budget_action: str = _setting(
        "raise or report",
        "raise",
        "What happens when one of these limits is reached: `BudgetExceeded` is raised, or it is told and the work goes on.",
        _one_of("raise", "report"),
    )
    capture_content: str = _setting(
        "no_content, span_only, event_only or span_and_event",
        "no_content",
        "Whether prompts and answers are recorded, in the form of the GenAI conventions.",
        _one_of(*CONTENT_MODES),
    )
    learn: bool = _setting(
        "true or false",
        True,
        "Learns what is normal for each graph, node, tool and model from the runs of this process.",
        _boolean,
    )
    baseline_store: str = _setting(
        "path",
        "",
        "SQLite file that keeps what is learned, shared by all processes of a machine. Empty: it stays in memory.",
        _string,
    )
    baseline_from: str = _setting(
        "path or address",
        "",
        "Baseline to start from, read only: a store, or what `otel-agentperf baseline export` wrote, also at an "
        "http or https address.",
        _string,
    )
    prices: Mapping[str, Any] = field(default_factory=_no_tables)
    rules: Mapping[str, Any] = field(default_factory=_no_tables)
    apply: Mapping[str, Any] = field(default_factory=_no_tables)


TABLES = ("prices", "rules", "apply")


def setting_rows() -> dict[str, Setting]:
    """The table of settings by name, in order; the README and `doctor` print it."""
    return {f.name: cast("Setting", f.metadata["setting"]) for f in fields(Settings) if "setting" in f.metadata}


def env_name(name: str) -> str:
    """The environment variable of a setting."""
    return CONTENT_ENV if name == "capture_content" else ENV_PREFIX + name.upper()


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings.

    Args:
        environ: environment variables; those of the process when absent.
        overrides: settings given in code; they win over the environment and the file.

    Returns:
        The settings, each valid.

    Raises:
        SettingsError: a value or file is wrong; the message names it and what is allowed.
    """
    settings, warnings = load_with_warnings(environ, **overrides)
    for warning in warnings:
        log_once(warning, logging.WARNING)
    return settings


def load_with_warnings(
    environ: Mapping[str, str] | None = None, **overrides: object
) -> tuple[Settings, tuple[str, ...]]:
    """Read the settings as `load` does, and return what it logs: a sentence for each setting that is ignored.

    Args:
        environ: environment variables; those of the process when absent.
        overrides: settings given in code; they win over the environment and the file.

    Raises:
        SettingsError: a value or file is wrong; the message names it and what is allowed.
    """
    env = os.environ if environ is None else environ
    rows = setting_rows()
    path = str(overrides.get("config", env.get(ENV_PREFIX + "CONFIG", "")))
    document = read_file(path) if path else {}
    values, unknown_keys = _settings_of(document, path)
    warnings = [*_unknown_variables(env), *unknown_keys]
    for name, row in rows.items():
        raw = env.get(env_name(name), "")
        if raw.strip():
            if name == "capture_content":
                raw, refused = _content_mode(raw)
                warnings += refused
            values[name] = row.parse(env_name(name), raw)
    for name, value in overrides.items():
        if name in TABLES:
            values[name] = value
        elif name in rows:
            given: object = list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
            values[name] = rows[name].parse(name, given)
        else:
            raise SettingsError(f"otel-agentperf: there is no setting {name}; {_instead(name, (*rows, *TABLES))}")
    for table in TABLES:
        if table in document:
            values.setdefault(table, document[table])
    return Settings(**values), tuple(warnings)


def _settings_of(document: Mapping[str, Any], path: str) -> tuple[dict[str, Any], list[str]]:
    """The settings of a file, parsed, and a sentence for each key that is none."""
    rows = {name: row for name, row in setting_rows().items() if name != "config"}
    table: dict[str, object] = document.get("settings", {})
    values = {name: rows[name].parse(f"[settings] {name} in {path}", table[name]) for name in table if name in rows}
    unknown = [
        f"otel-agentperf: there is no setting {name} ([settings] in {path}), so it is ignored; {_instead(name, rows)}"
        for name in table
        if name not in rows
    ]
    return values, unknown


def _content_mode(raw: str) -> tuple[str, list[str]]:
    """The content mode from a variable that is not ours: what it does not allow counts as no content."""
    mode = raw.strip().lower()
    if mode in CONTENT_MODES:
        return mode, []
    return CONTENT_MODES[0], [f"{wrong(CONTENT_ENV, raw, one_of(mode, CONTENT_MODES))}; no content is recorded"]


def variables() -> list[str]:
    """The environment variables that set something, in the order of the table."""
    return [env_name(name) for name in setting_rows()]


def _unknown_variables(env: Mapping[str, str]) -> Iterator[str]:
    known = sorted(name.removeprefix(ENV_PREFIX) for name in variables() if name != CONTENT_ENV)
    for name in env:
        short = name.removeprefix(ENV_PREFIX)
        if name.startswith(ENV_PREFIX) and short not in (*known, "GUARD"):
            # A misspelt name may hold the fingerprint key: its value is not for a log.
            there_are = _instead(short, known, ENV_PREFIX)
            yield f"otel-agentperf: there is no setting {name}, so it is ignored; {there_are}"


def read_file(path: str) -> dict[str, Any]:
    """Read the TOML settings file.

    Raises:
        SettingsError: the file is missing, not TOML, or has a table that is not allowed.
    """
    try:
        with Path(path).open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise wrong("AGENTPERF_CONFIG", path, f"a readable TOML file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise wrong("AGENTPERF_CONFIG", path, f"valid TOML ({error})") from None
    for name, value in document.items():
        if name not in ("settings", *TABLES) or not isinstance(value, dict):
            tables = ("settings", *TABLES)
            guess = "" if name in tables else _guess(name, tables)
            raise wrong(f"[{name}] in {path}", value, f"the tables {', '.join(tables)}{guess}")
    return document
