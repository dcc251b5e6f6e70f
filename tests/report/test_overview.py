from __future__ import annotations

import pytest
from rich.cells import cell_len

from otel_agentperf.report.collection import By
from otel_agentperf.report.terminal import render
from tests.report.runs import a_session, collected


def test_many_runs_begin_with_sums_then_the_best_fixes_then_what_stands_out() -> None:
    text = render(collected())
    places = [
        text.index(said)
        for said in (
            "── traces/*.jsonl ───",
            " 12 runs ──",
            "78.00 s · $0.1860",
            "100% succeeded",
            "models $0.1860 · cheaper models 0% of calls",
            "decided the time: writer 100%",
            "2 lines could not be read.",
            "suggestion",
            "\n  agent ",
            "\n  model ",
            "The dearest runs",
            "The slowest runs",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("by", "said", "not_said"),
    [
        (By.RUN, "The dearest runs", "sessions"),
        (By.SESSION, "The dearest 3 of 4 sessions", "The dearest runs"),
        (By.AGENT, "agent ", "The dearest runs"),
        (By.MODEL, "gemini-2.5-pro", "The dearest runs"),
    ],
)
def test_many_runs_are_laid_out_by_what_was_asked_for(by: By, said: str, not_said: str) -> None:
    text = render(collected(by=by))
    assert said in text
    assert not_said not in text.partition("decided the time")[2]


def test_a_session_says_what_is_open_and_lists_its_runs() -> None:
    text = render(a_session())
    assert "── session rec-17 ──" in text
    assert "1 run still open, in no figure yet." in text
    assert "Its last runs" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    for report in (collected(), a_session()):
        assert max(map(cell_len, render(report, width=width).splitlines())) <= width
