from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from rich.cells import cell_len

from otel_agentperf.analysis.figures import Finding
from otel_agentperf.model import Complexity, Level, SavingBasis
from otel_agentperf.report.advice import others
from otel_agentperf.report.collection import By
from otel_agentperf.report.layout import Layout
from otel_agentperf.report.terminal import render
from tests.report.runs import Story, a_session, collected, gathered, recording


def test_many_runs_begin_with_sums_then_the_best_fixes_then_what_stands_out() -> None:
    text = render(collected())
    places = [
        text.index(said)
        for said in (
            "── traces/*.jsonl ───",
            " 12 runs ──",
            "78.00 s · $0.1860",
            "100% succeeded",
            "cost: not split $0.1860 (100%)",
            "cheaper models 0% of calls",
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


def test_where_nothing_could_be_priced_no_sum_is_made_up() -> None:
    story = Story()
    story.model("mystery", story.node("a", 0, 1), 0, 1, None)
    text = render(gathered(story))
    assert "· ? ·" in text
    assert "$" not in text
    assert "dearest" not in text
    assert "The slowest runs" in text


def test_what_one_more_suggestion_saves_is_said_however_long_its_place_is() -> None:
    long = "x" * 200
    found = [
        Finding(
            id=f"S{number}",
            rule="REP001",
            type="repeated_action",
            level=Level.NOTICE,
            description="d",
            impact_score=0.5,
            complexity=Complexity.LOW,
            confidence=1.0,
            applies_to=(f"tool:{long}{number}",),
            span_ids=(),
            evidence={},
            basis=SavingBasis.MEASURED,
            cost_usd=Decimal("0.1234"),
            time_s=None,
            runs=1,
        )
        for number in range(5)
    ]
    figures = msgspec.structs.replace(recording().report().figures, suggestions=tuple(found))
    lines = [line.plain for line in others(Layout(80, color=False, ascii_only=False), figures)]
    assert len(lines) == 4
    assert all(line.endswith("saves $0.1234 (measured)") and cell_len(line) <= 80 for line in lines[2:])


def test_operations_that_no_table_holds_are_counted_in_a_note() -> None:
    report = collected()
    figures = msgspec.structs.replace(report.figures, left_out=7)
    text = " ".join(render(replace(report, figures=figures)).split())
    assert "7 operations more than are kept of a run" in text


def test_a_suggestion_made_in_several_runs_says_that_its_words_are_of_one() -> None:
    stories = [Story(end=30, trace_id=f"{number:032x}", session=None) for number in range(1, 4)]
    for story in stories:
        for start in (0, 10):
            story.node("slow", start, start + 9)
    figures = gathered(*stories).figures
    (finding,) = figures.suggestions
    assert finding.runs == 3
    assert f"In 3 runs; where it weighs most: {finding.description}" in " ".join(render(gathered(*stories)).split())


def test_spans_without_agent_work_are_said_to_hold_none() -> None:
    assert "No agent work is in these spans." in render(gathered())
