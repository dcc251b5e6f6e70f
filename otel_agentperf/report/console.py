"""Writes reports to a stream as it can take them: colour, width, box characters.

A terminal gets colours, unless `NO_COLOR` is set or it is `dumb`, and its own width up to 120
columns; anything else gets plain text of 80. JSON takes one line for each report, and words of
our own go to the log then, so that a program can read the stream. A stream that is closed, or
a pipe that nobody reads any more, is harmless: what cannot be written is dropped.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from typing import TextIO

from otel_agentperf.report.document import AnyReport, to_json
from otel_agentperf.report.render import Format, render
from otel_agentperf.report.signs import SIGNS_NEEDED

PLAIN_WIDTH = 80
MAX_WIDTH = 120
_logger = logging.getLogger("otel_agentperf")


class ReportWriter:
    """Writes to one stream.

    Args:
        out: the stream; whatever is `sys.stdout` at the time when absent.
        form: the form of the reports.
    """

    def __init__(self, out: TextIO | None = None, form: Format = Format.TERMINAL) -> None:
        self._out = out
        self._form = form

    def report(self, report: AnyReport) -> None:
        """Write one report."""
        out = self._stream()
        if out is not None:
            self._write(out, self._rendered(report, out))

    def line(self, text: str) -> None:
        """Write one line of our own words."""
        if self._form is not Format.TERMINAL:
            _logger.warning("%s", text)
            return
        out = self._stream()
        if out is not None:
            self._write(out, text + "\n")

    def _rendered(self, report: AnyReport, out: TextIO) -> str:
        if self._form is Format.JSON:
            return to_json(report, indent=None)
        if self._form is not Format.TERMINAL:
            return render(report, self._form)
        terminal = _is_terminal(out)
        columns = min(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, MAX_WIDTH) if terminal else PLAIN_WIDTH
        color = terminal and _wants_color()
        return render(report, self._form, width=columns, color=color, ascii_only=not _can_draw(out))

    def _stream(self) -> TextIO | None:
        return self._out if self._out is not None else sys.stdout

    def _write(self, out: TextIO, text: str) -> None:
        try:
            descriptor = _descriptor(out)
            if descriptor is None:
                out.write(text)
                out.flush()
                return
            # Text that a broken pipe leaves in the stream's buffer would fail again, loudly, as
            # the interpreter ends; so it goes past the buffer.
            out.flush()
            data = text.encode(out.encoding or "utf-8", "replace")
            while data:
                data = data[os.write(descriptor, data) :]
        except (OSError, ValueError):
            return


def _descriptor(out: TextIO) -> int | None:
    if os.name != "posix":
        return None
    try:
        return out.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _is_terminal(out: TextIO) -> bool:
    try:
        return out.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def _wants_color() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _can_draw(out: TextIO) -> bool:
    try:
        SIGNS_NEEDED.encode(getattr(out, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
