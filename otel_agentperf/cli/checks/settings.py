"""Our own settings: each that is wrong or ignored, where reports go, and what is kept of what was learned."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from otel_agentperf import config
from otel_agentperf.baselines.opening import Baseline, UnreadableError, opened
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.setting_aside import identity_of
from otel_agentperf.baselines.store import Store
from otel_agentperf.cli.checks import sdk
from otel_agentperf.cli.finding import DISTRIBUTION, Finding, note, ok, wrong
from otel_agentperf.config import SettingsError
from otel_agentperf.plugins import users_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.report.files import form_of, is_folder, unknown_ending
from otel_agentperf.report.render import MissingExtraError, require
from otel_agentperf.rules import make_rules


def settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each setting that is wrong or ignored, by name."""
    ours = {
        name: value
        for name, value in environ.items()
        if name.startswith(config.ENV_PREFIX) or name == config.CONTENT_ENV
    }
    refused = list(dict.fromkeys(_wrong_settings(ours)))
    for message in refused:
        yield wrong(message.removeprefix(f"{DISTRIBUTION}: "))
    if refused:
        without_file = {name: ours[name] for name in ours if name not in config.variables()}
        loaded, warnings = config.load_with_warnings(without_file)
    else:
        loaded, warnings = config.load_with_warnings(ours)
    for message in warnings:
        yield note(message.removeprefix(f"{DISTRIBUTION}: "))
    if not loaded.enabled:
        yield wrong(f"{DISTRIBUTION} is switched off (AGENTPERF_ENABLED): nothing is traced")
    if not refused:
        used = sorted(name for name in ours if name in config.variables())
        yield ok(f"settings: {', '.join(used) or 'all at their defaults'}")


def _wrong_settings(ours: Mapping[str, str]) -> Iterator[str]:
    file = config.ENV_PREFIX + "CONFIG"
    for name, value in ours.items():
        if name != file:
            yield from _error(lambda name=name, value=value: _use(_load({name: value})))
    path = ours.get(file, "")
    if not path.strip():
        return
    try:
        document = config.read_file(path)
    except SettingsError as error:
        yield str(error)
        return
    yield from _error(lambda: _use(_load({file: path})))
    for code, table in document.get("rules", {}).items():
        yield from _error(lambda code=code, table=table: make_rules({code: table}, extra=users_rules()))
    yield from _error(lambda: PriceBook(document.get("prices", {})))


def _load(environ: Mapping[str, str]) -> config.Settings:
    """The settings, and nothing in the log: what is ignored is a finding."""
    return config.load_with_warnings(environ)[0]


def _use(loaded: config.Settings) -> None:
    make_rules({}, loaded.rules_select, loaded.rules_ignore, users_rules())


def _error(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except SettingsError as error:
        yield str(error)


def reports(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether reports can be made in their form, and written where they are to go."""
    try:
        loaded = _load(environ)
    except SettingsError:
        return  # `settings` names it
    path = loaded.report_path
    if not path and "agentperf" not in sdk.exporters_of(environ, "traces"):
        return
    try:
        require(form_of(loaded.report_format, path))
    except MissingExtraError as error:
        yield wrong(f"{str(error).removeprefix(f'{DISTRIBUTION}: ')}; no report is made")
    if not path:
        return
    ending = "" if loaded.report_format else unknown_ending(path)
    if ending:
        yield wrong(ending)
    yield _writable_reports(path)


def _writable_reports(template: str) -> Finding:
    whole = Path(template).expanduser()
    for name in config.PATH_FIELDS:
        whole = Path(str(whole).replace(f"{{{name}}}", "run"))
    folder = whole if is_folder(template) else whole.parent
    reason = _why_not_writable(folder.absolute())
    if reason is not None:
        return wrong(f"AGENTPERF_REPORT_PATH={template}: no report can be written in {folder} ({reason})")
    return ok(f"AGENTPERF_REPORT_PATH: reports can be written in {folder}")


def _why_not_writable(folder: Path) -> str | None:
    """Why no file can be made in a folder, which need not be there yet; `None` where it can. Nothing is left there."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        with TemporaryDirectory(prefix=".agentperf-", dir=there) as beside:
            place = Path(beside) / folder.relative_to(there)
            place.mkdir(parents=True, exist_ok=True)
            (place / "report").touch()
    except OSError as error:
        return error.strerror or str(error)
    return None


def suggestions(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether suggestions that leave as log records go anywhere."""
    try:
        emit = _load(environ).emit
    except SettingsError:
        return  # `settings` names it
    if emit == "log_event" and not environ.get("OTEL_CONFIG_FILE") and not sdk.exporters_of(environ, "logs"):
        yield wrong(
            "AGENTPERF_EMIT=log_event, and logs are not exported: suggestions go nowhere; set OTEL_LOGS_EXPORTER"
        )


def baselines(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is kept of what was learned, and whether more can be."""
    try:
        loaded = _load(environ)
    except SettingsError:
        return  # `settings` names it
    if loaded.baseline_store:
        yield _store(loaded.baseline_store)
    if loaded.baseline_from:
        try:
            found = opened(loaded.baseline_from)
            yield ok(f"AGENTPERF_BASELINE_FROM: {_known(found)}")
        except UnreadableError as error:
            yield wrong(f"AGENTPERF_BASELINE_FROM: {error}")


def _store(name: str) -> Finding:
    path = Path(name)
    if identity_of(path) is None:
        folder = next(each for each in path.absolute().parents if identity_of(each) is not None)
        try:
            _make_in(folder, path)
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            return wrong(f"AGENTPERF_BASELINE_STORE: {path} cannot be made in {folder} ({reason})")
        return ok(f"AGENTPERF_BASELINE_STORE: {path} is not there yet and can be made")
    try:
        known = _known(opened(name))
        Store(path).check_writable()
    except UnreadableError as error:
        return wrong(f"AGENTPERF_BASELINE_STORE: {error}")
    except (RefusedError, sqlite3.Error, OSError) as error:
        return wrong(f"AGENTPERF_BASELINE_STORE: {path} cannot be written ({error})")
    return ok(f"AGENTPERF_BASELINE_STORE: {path} can be written; {known}")


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
