"""Reports as files, one for each run, under names that a template gives.

A file that is there already is left as it is: the next name that is free is taken, `name-2`,
`name-3`, ... A report that cannot be written is logged with its path and the reason, and nothing is raised.
"""

from __future__ import annotations

import logging
import os.path
import re
from collections import OrderedDict
from pathlib import Path

from otel_agentperf.config import PATH_FIELDS
from otel_agentperf.report.render import SUFFIXES, Format, render
from otel_agentperf.report.run import RunReport

DEFAULT_NAME = "{run}-{trace_id}"
"""The name of a file where the template is a folder."""
MAX_NAME = 60
_MAX_NUMBERED = 1_000
_MAX_NUMBER = 1_000_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_logger = logging.getLogger("otel_agentperf")


def form_of(name: str, template: str) -> Format:
    """The form of a report: the one that is named, else the one that the file's ending says, else a terminal's.

    Args:
        name: a form's name, or nothing.
        template: where files go, or nothing.
    """
    if name:
        return Format(name)
    by_suffix = {suffix: form for form, suffix in SUFFIXES.items()}
    return by_suffix.get(Path(template).suffix.lower(), Format.TERMINAL)


def is_folder(template: str) -> bool:
    """Whether a template names a folder: one that is there, or a path without an ending."""
    path = Path(template).expanduser()
    return os.path.isdir(path) or template.endswith(("/", "\\")) or not path.suffix  # noqa: PTH112 - the other raises on long names


def unknown_ending(template: str) -> str:
    """What is wrong with a file's ending that is no form's, as a sentence; empty where it is one, or a folder's name."""
    suffix = Path(template).suffix.lower()
    if is_folder(template) or suffix in SUFFIXES.values():
        return ""
    endings = ", ".join(SUFFIXES.values())
    return (
        f"AGENTPERF_REPORT_PATH={template} ends in {suffix}, which is no form of a report, so that it is written as plain "
        f"text; allowed: {endings}, or any ending together with AGENTPERF_REPORT_FORMAT"
    )


class FileWriter:
    """Writes reports to files.

    Args:
        template: a folder, or a file's path in which `{run}`, `{trace_id}` and `{span_id}` stand
            for the run's name and ids. A path without an ending is a folder.
        form: the form of the reports.
    """

    def __init__(self, template: str, form: Format) -> None:
        path = Path(template).expanduser()
        self._template = str(path / f"{DEFAULT_NAME}{SUFFIXES[form]}") if is_folder(template) else str(path)
        self._form = form
        self._numbers: OrderedDict[str, int] = OrderedDict()

    def report(self, report: RunReport) -> Path | None:
        """Write a report.

        Args:
            report: on a run.

        Returns:
            The file, or `None` where it could not be written.

        Raises:
            Exception: the report could not be made, which is a defect here; it is logged like the others.
        """
        path = self._named(report)
        try:
            return self._write(path, render(report, self._form))
        except Exception as error:
            # The message of another error may quote content: its type is enough.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            _logger.error("otel-agentperf: no report was written to %s: %s", path, reason)  # noqa: TRY400 - all there is to say
            if not isinstance(error, OSError):
                raise
            return None

    def line(self, text: str) -> None:
        """Log a line of our own words: there is no place for it in a file about a run."""
        _logger.warning("%s", text)

    def _named(self, report: RunReport) -> Path:
        values = {"run": report.name, "trace_id": report.trace_id, "span_id": report.span_id}
        name = self._template
        for field in PATH_FIELDS:
            name = name.replace(f"{{{field}}}", _safe(values[field]))
        return Path(name)

    def _write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = self._numbers.get(str(path), 0) + 1
        while True:
            free = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                file = free.open("x", encoding="utf-8", errors="replace", newline="\n")
            except FileExistsError:
                if number >= _MAX_NUMBER:
                    raise
                number += 1
                continue
            break
        try:
            with file:
                file.write(text)
        except OSError:
            free.unlink(missing_ok=True)
            raise
        self._numbers[str(path)] = number
        self._numbers.move_to_end(str(path))
        if len(self._numbers) > _MAX_NUMBERED:
            self._numbers.popitem(last=False)
        return free


def _safe(name: str) -> str:
    """A name as a part of a file's name: letters, digits, `.`, `_` and `-`, and no leading dot."""
    return _UNSAFE.sub("_", name[: 4 * MAX_NAME])[:MAX_NAME].strip("._") or "run"
