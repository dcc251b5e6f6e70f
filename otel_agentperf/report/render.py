"""One way from a report to text, whatever its form: for the console exporter, files and the command line."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from otel_agentperf.report.document import AnyReport, to_json


class Format(StrEnum):
    """The forms that a report can take."""

    TERMINAL = "terminal"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


SUFFIXES = {Format.TERMINAL: ".txt", Format.JSON: ".json", Format.MARKDOWN: ".md", Format.HTML: ".html"}
"""What the names of files of each form end in."""
EXTRAS = {Format.TERMINAL: "cli", Format.HTML: "html"}
"""The extra that a form needs."""


class MissingExtraError(ImportError):
    """A form needs a library that is not installed. The message says what to install."""


def render(
    report: AnyReport, form: Format | str, *, width: int = 80, color: bool = False, ascii_only: bool = False
) -> str:
    """Render a report.

    Args:
        report: on a run, a session or many runs.
        form: which form it is to take.
        width: the most columns of a line, in a terminal.
        color: whether to write colours, in a terminal.
        ascii_only: whether to do without box characters, in a terminal.

    Returns:
        The text, its last line ended.

    Raises:
        MissingExtraError: the form needs an extra that is not installed.
        ValueError: there is no such form.
    """
    made = _renderer(Format(form))
    return made(report, width=width, color=color, ascii_only=ascii_only)


def require(form: Format) -> None:
    """Make sure that a form can be rendered here.

    Raises:
        MissingExtraError: it needs an extra that is not installed.
    """
    _renderer(form)


class _Renderer(Protocol):
    def __call__(self, report: AnyReport, *, width: int, color: bool, ascii_only: bool) -> str: ...


def _renderer(form: Format) -> _Renderer:
    try:
        return _imported(form)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(form)
        if extra is None or (error.name or "").startswith("otel_agentperf"):
            raise
        raise MissingExtraError(
            f'otel-agentperf: a report as {form} needs {error.name}: pip install "otel-agentperf[{extra}]"',
            name=error.name,
        ) from None


def _imported(form: Format) -> _Renderer:
    """The renderer of a form, imported only when it is asked for: some need an extra."""
    match form:
        case Format.JSON:
            return _plain(to_json)
        case Format.MARKDOWN:
            from otel_agentperf.report.markdown import to_markdown  # noqa: PLC0415 - see above

            return _plain(to_markdown)
        case Format.HTML:
            from otel_agentperf.report.html.page import to_html  # noqa: PLC0415 - see above

            return _plain(to_html)
        case Format.TERMINAL:
            from otel_agentperf.report.terminal import render as to_lines  # noqa: PLC0415 - see above

            return to_lines


def _plain(make: Callable[[AnyReport], str]) -> _Renderer:
    def renderer(report: AnyReport, *, width: int, color: bool, ascii_only: bool) -> str:
        del width, color, ascii_only
        return make(report)

    return renderer
