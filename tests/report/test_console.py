from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from otel_agentperf.report.console import ReportWriter
from tests.report.runs import Story, recording


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    ReportWriter(out).report(recording().report())
    assert "\x1b[" in out.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    out = Terminal()
    ReportWriter(out).report(recording().report())
    assert "\x1b" not in out.getvalue()


def test_a_pipe_gets_plain_text_of_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = io.StringIO()
    ReportWriter(out).report(recording().report())
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) == 80


def test_a_terminal_is_filled_up_to_120_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    ReportWriter(out).report(recording().report())
    assert max(map(len, out.getvalue().splitlines())) == 120


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_encoding_without_box_characters_gets_ascii(encoding: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    ReportWriter(out).report(recording().report())
    assert "+ orchestrator" in raw.getvalue().decode("ascii")


def test_nothing_happens_where_there_is_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    ReportWriter().report(recording().report())
    ReportWriter().line("x")


def test_a_closed_stream_is_harmless() -> None:
    out = io.StringIO()
    out.close()
    ReportWriter(out).report(recording().report())


def test_what_the_program_printed_before_stays_before(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with path.open("w", encoding="utf-8") as out:
        out.write("before\n")
        ReportWriter(out).line("ours")
        out.write("after\n")
    assert path.read_text("utf-8") == "before\nours\nafter\n"


BROKEN = """
import sys
from otel_agentperf.report.console import ReportWriter
sys.stdin.read()
ReportWriter().line("x" * 100_000)
"""


def test_a_pipe_that_nobody_reads_any_more_is_harmless_to_the_end_of_the_process() -> None:
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", BROKEN], stdin=subprocess.PIPE, stdout=write_end, stderr=subprocess.PIPE
    ) as process:
        os.close(write_end)
        os.close(read_end)
        _, errors = process.communicate(b"")
    assert (process.returncode, errors) == (0, b"")


def test_a_real_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as out:
        ReportWriter(out).report(Story().report())
        text = b""
        while b"recording_graph" not in text:
            text += os.read(ours, 4096)
    os.close(ours)
    assert b"\x1b[" in text
