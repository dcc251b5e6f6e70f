"""One way from a report to text, whatever its form: for the console exporter, files and the command line."""

from __future__ import annotations

from enum import StrEnum

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
    form = Format(form)
    try:
        match form:
            case Format.JSON:
                return to_json(report)
            case Format.MARKDOWN:
                from otel_agentperf.report.markdown import to_markdown  # noqa: PLC0415 - only what is asked for

                return to_markdown(report)
            case Format.HTML:
                from otel_agentperf.report.html.page import to_html  # noqa: PLC0415 - needs an extra

                return to_html(report)
            case Format.TERMINAL:
                from otel_agentperf.report.terminal import render as to_lines  # noqa: PLC0415 - needs an extra

                return to_lines(report, width=width, color=color, ascii_only=ascii_only)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(form)
        if extra is None or (error.name or "").startswith("otel_agentperf"):
            raise
        raise MissingExtraError(
            f'otel-agentperf: a report as {form} needs {error.name}: pip install "otel-agentperf[{extra}]"',
            name=error.name,
        ) from None
