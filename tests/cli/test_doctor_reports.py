"""What `doctor` says of our own settings: names, reports and suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_agentperf.cli.checks import settings
from otel_agentperf.cli.finding import Level
from otel_agentperf.report import render
from tests.cli.found import SILENT, said, wrong


def test_a_folder_that_can_be_made_is_fine_and_nothing_is_left_there(tmp_path: Path) -> None:
    for template in (
        tmp_path,
        tmp_path / "a" / "b",
        tmp_path / "a" / "{run}-{trace_id}.html",
        tmp_path / "{run}" / "x.md",
    ):
        (finding,) = settings.reports({"AGENTPERF_REPORT_PATH": str(template)})
        assert finding.level is Level.OK, finding
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here already")
    places = [file / "reports" / "{run}.html", tmp_path / ("n" * 300) / "run.json"]
    if Path("/proc/self").exists():
        places.append(Path("/proc/nowhere/reports"))
    for place in places:
        (sentence,) = wrong(settings.reports({"AGENTPERF_REPORT_PATH": str(place)}))
        assert sentence.startswith(f"AGENTPERF_REPORT_PATH={place}: no report can be written in ")


@pytest.mark.parametrize("ending", [".pdf", ".htm", ".xml", ".log", ".{trace_id}"])
def test_an_ending_that_is_no_form_is_wrong_unless_the_form_is_named(tmp_path: Path, ending: str) -> None:
    environ = {"AGENTPERF_REPORT_PATH": str(tmp_path / f"run{ending}")}
    (sentence,) = wrong(settings.reports(environ))
    assert f"ends in {ending}" in sentence
    assert ".txt, .json, .md, .html" in sentence
    assert wrong(settings.reports({**environ, "AGENTPERF_REPORT_FORMAT": "markdown"})) == []


def test_endings_of_forms_and_folders_with_a_point_are_fine(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    for name in ("run.txt", "run.JSON", "run.md", "run.html", "v1.2", "new.d/"):
        assert wrong(settings.reports({"AGENTPERF_REPORT_PATH": f"{tmp_path}/{name}"})) == [], name


def test_a_form_that_needs_an_extra_is_wrong_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without_jinja(_form: object) -> object:
        raise ModuleNotFoundError("no jinja", name="jinja2")

    monkeypatch.setattr(render, "_imported", without_jinja)
    for environ in (
        {"AGENTPERF_REPORT_PATH": str(tmp_path / "run.html")},
        {**SILENT, "AGENTPERF_REPORT_FORMAT": "html"},
    ):
        (sentence,) = wrong(settings.reports(environ))
        assert 'pip install "otel-agentperf[html]"; no report is made' in sentence


def test_suggestions_as_log_records_need_logs_that_are_exported() -> None:
    environ = {**SILENT, "AGENTPERF_EMIT": "log_event"}
    (sentence,) = wrong(settings.suggestions(environ))
    assert "suggestions go nowhere" in sentence
    assert wrong(settings.suggestions({**environ, "OTEL_LOGS_EXPORTER": "console"})) == []
    assert wrong(settings.suggestions({**environ, "AGENTPERF_EMIT": "both"})) == []


def test_a_name_that_is_no_setting_is_a_note_with_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text("[settings]\nreport_pat = 'x'\n")
    found = list(settings.settings({"AGENTPERF_MAX_SESSION": "5", "AGENTPERF_CONFIG": str(file)}))
    assert wrong(found) == []
    told = said(found, Level.NOTE).splitlines()
    assert told == [
        "there is no setting AGENTPERF_MAX_SESSION, so it is ignored; did you mean AGENTPERF_MAX_SESSIONS?",
        f"there is no setting report_pat ([settings] in {file}), so it is ignored; did you mean report_path?",
    ]


def test_a_wrong_value_is_one_finding_with_the_nearest_that_is_allowed() -> None:
    (sentence,) = wrong(settings.settings({"AGENTPERF_EMIT": "span_evnt", "AGENTPERF_METRICS": "false"}))
    assert sentence.startswith("AGENTPERF_EMIT = 'span_evnt' is not allowed")
    assert sentence.endswith("(did you mean span_event?)")


def test_a_content_mode_that_does_not_exist_is_a_note() -> None:
    found = list(settings.settings({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}))
    assert "no content is recorded" in said(found, Level.NOTE)
    assert wrong(found) == []
