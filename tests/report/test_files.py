from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.report import files
from otel_agentperf.report.files import FileWriter, form_of
from otel_agentperf.report.render import Format
from tests.report.runs import Story, recording

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_folder_gets_a_file_for_each_run_named_by_run_and_trace(tmp_path: Path) -> None:
    path = FileWriter(str(tmp_path / "deep" / "reports"), Format.JSON).report(recording().report())
    assert path == tmp_path / "deep" / "reports" / f"recording_graph-{TRACE}.json"
    assert path is not None
    assert json.loads(path.read_text())["name"] == "recording_graph"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{run}.html", "recording_graph.html"),
        ("{trace_id}/{span_id}.md", f"{TRACE}/0000000000000001.md"),
        ("report.json", "report.json"),
        ("{run}/", f"recording_graph/recording_graph-{TRACE}.json"),
        ("v1.2/", f"v1.2/recording_graph-{TRACE}.json"),
    ],
)
def test_a_template_names_the_file(tmp_path: Path, template: str, name: str) -> None:
    path = FileWriter(f"{tmp_path}/{template}", Format.JSON).report(recording().report())
    assert path == tmp_path / name


def test_no_file_is_ever_written_over(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("somebody's")
    report = recording().report()
    for writer in (FileWriter(str(tmp_path / "report.json"), Format.JSON) for _ in range(2)):
        writer.report(report)
        writer.report(report)
    assert (tmp_path / "report.json").read_text() == "somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report-2.json",
        "report-3.json",
        "report-4.json",
        "report-5.json",
        "report.json",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("a/b\\c:d*e", "a_b_c_d_e"),
        ("\x00\n", "run"),
        (".hidden", "hidden"),
        ("", "run"),
        ("{trace_id}", "trace_id"),
        ("x" * 500, "x" * 60),
        ("研究", "run"),
    ],
)
def test_a_name_from_a_trace_stays_within_its_place(tmp_path: Path, name: str, expected: str) -> None:
    path = FileWriter(f"{tmp_path}/{{run}}.json", Format.JSON).report(Story(name).report())
    assert path == tmp_path / f"{expected}.json"


@pytest.mark.skipif(os.name != "posix", reason="folders that nobody may write to are POSIX's")
def test_each_report_that_cannot_be_written_is_logged_with_its_path_and_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "deep" / "beneath.json"
    writer = FileWriter(str(path), Format.JSON)
    with caplog.at_level(logging.ERROR):
        assert [writer.report(recording().report()) for _ in range(2)] == [None] * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"otel-agentperf: no report was written to {path}: Not a directory"
    ] * 2


def test_each_report_that_cannot_be_made_is_logged_with_its_path_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise AttributeError("a secret")

    monkeypatch.setattr(files, "render", broken)
    writer = FileWriter(str(tmp_path / "a.json"), Format.JSON)
    for _ in range(2):
        with pytest.raises(AttributeError):
            writer.report(recording().report())
    assert [record.getMessage() for record in caplog.records] == [
        f"otel-agentperf: no report was written to {tmp_path / 'a.json'}: AttributeError"
    ] * 2


def test_half_a_file_is_taken_away_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this machine has no device that is always full")
    path = tmp_path / "report.json"
    original: Any = Path.open

    def opened(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path:
            self.touch()
            return original(full, "w", encoding="utf-8")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    assert FileWriter(str(path), Format.JSON).report(recording().report()) is None
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "template", "form"),
    [
        ("", "", Format.TERMINAL),
        ("", "reports/", Format.TERMINAL),
        ("", "reports/{run}.html", Format.HTML),
        ("", "reports/{run}.JSON", Format.JSON),
        ("", "reports/{run}.md", Format.MARKDOWN),
        ("", "reports/{run}.log", Format.TERMINAL),
        ("html", "reports/{run}.json", Format.HTML),
        ("markdown", "", Format.MARKDOWN),
    ],
)
def test_the_form_is_the_one_named_else_the_one_that_the_ending_says(name: str, template: str, form: Format) -> None:
    assert form_of(name, template) is form
