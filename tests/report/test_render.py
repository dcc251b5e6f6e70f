from __future__ import annotations

import sys
from typing import Any

import pytest

from otel_agentperf.report.collection import By
from otel_agentperf.report.render import Format, MissingExtraError, render, require
from tests.report.runs import a_session, collected, recording

REPORTS: dict[str, Any] = {
    "a run": lambda: recording().report(),
    "a session": a_session,
    **{f"many by {by}": lambda by=by: collected(by=by) for by in By},
}


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("kind", REPORTS)
def test_every_kind_of_report_takes_every_form(form: Format, kind: str) -> None:
    assert render(REPORTS[kind](), form).endswith("\n")


def test_a_form_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="'pdf' is not a valid Format"):
        render(recording().report(), "pdf")


@pytest.mark.parametrize(
    ("form", "library", "modules"),
    [
        (Format.HTML, "pygal", ("html.charts", "html.figures", "html.page")),
        (Format.HTML, "jinja2", ("html.page",)),
        (Format.TERMINAL, "rich.cells", ("layout", "advice", "overview", "phrases", "terminal")),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, form: Format, library: str, modules: tuple[str, ...]
) -> None:
    for name in modules:
        monkeypatch.delitem(sys.modules, f"otel_agentperf.report.{name}", raising=False)
        monkeypatch.delattr(f"otel_agentperf.report.{name}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    extra = "html" if form is Format.HTML else "cli"
    with pytest.raises(MissingExtraError) as caught:
        require(form)
    assert str(caught.value) == (
        f'otel-agentperf: a report as {form} needs {library}: pip install "otel-agentperf[{extra}]"'
    )
