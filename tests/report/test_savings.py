"""What could be saved: of the run and of its session, measured and estimated, in every form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD, Figures, best
from otel_agentperf.analysis.present import saving_of
from otel_agentperf.analysis.savings import Saved
from otel_agentperf.config import Settings
from otel_agentperf.model import Extent, Level
from otel_agentperf.reading.judge import observe
from otel_agentperf.report import RunReport, report_on
from otel_agentperf.report.document import AnyReport, to_json
from otel_agentperf.report.html.page import to_html
from otel_agentperf.report.markdown import to_markdown
from otel_agentperf.report.terminal import render
from otel_agentperf.rules import make_rules
from tests.report.runs import Story, a_session, a_suggestion, collected, large, recording, suggesting

SECOND_NS = 1_000_000_000
FORMS: dict[str, Callable[[AnyReport], str]] = {
    "terminal": partial(render, width=200),
    "markdown": to_markdown,
    "html": to_html,
    "json": to_json,
}


def two_runs() -> list[RunReport]:
    """The reports on two runs of a session, in each of which one agent takes 8 s and 7 s."""
    engine = Engine(make_rules({}, ("LAT001",)))
    reports: list[RunReport] = []
    for number in (1, 2):
        story = Story(end=20, session="s1", trace_id=f"{number:032x}")
        for start, end in ((0, 8), (10, 17)):
            story.model("gemini-2.5-flash", story.node("writer", start, end), start, end)
        story.operations = [
            msgspec.structs.replace(
                each,
                session_id="s1",
                span_id=f"{number}{each.span_id[1:]}",
                parent_id=each.parent_id and f"{number}{each.parent_id[1:]}",
                start_ns=each.start_ns + number * 100 * SECOND_NS,
                end_ns=each.end_ns + number * 100 * SECOND_NS,
            )
            for each in story.operations
        ]
        run = story.run()
        reports.append(report_on(run.root, run.operations, observe(engine, run)))
    return reports


def test_the_first_run_of_a_session_is_all_of_it() -> None:
    first, _ = two_runs()
    (finding,) = first.figures.suggestions
    assert first.figures.session_savings is None
    assert (finding.time_s, finding.run_time_s) == (5.0, 5.0)
    assert "saves 5.00 s (estimated)" in render(first)


def test_a_later_run_tells_its_own_savings_from_those_of_its_session() -> None:
    _, second = two_runs()
    (finding,) = second.figures.suggestions
    figures = second.figures
    assert finding.extent is Extent.SESSION
    assert (finding.time_s, finding.run_time_s) == (10.0, 5.0)
    assert (figures.savings.time_s, figures.savings.estimated_time_s) == (5.0, 5.0)
    assert figures.session_savings is not None
    assert figures.session_savings.time_s == 10.0
    text = render(second, width=200)
    assert "could save in this run 5.00 s (estimated)" in text
    assert "in its session 10.00 s (estimated)" in text
    assert "saves 10.00 s in its session, 5.00 s of it in this run (estimated)" in text
    assert "of this run **5.00 s (estimated)**" in to_markdown(second)
    assert "In its whole session so far: **10.00 s (estimated)**" in to_markdown(second)
    assert "Could be saved in its session" in to_html(second)


@pytest.mark.parametrize("form", FORMS)
def test_an_estimate_is_never_called_the_least(form: str) -> None:
    for report in (*two_runs(), large().report(), a_session(), collected()):
        assert not re.search(r"at (the )?least", FORMS[form](report))


AMOUNTS = st.builds(Saved, st.decimals(0, 5, places=6), st.floats(0, 100))


@given(AMOUNTS, AMOUNTS)
def test_the_measured_and_the_estimated_part_add_up_to_the_whole(whole: Saved, measured: Saved) -> None:
    saving = saving_of(whole, measured)
    assert saving.measured_cost_usd + saving.estimated_cost_usd == whole.cost_usd
    assert saving.measured_time_s + saving.estimated_time_s == pytest.approx(whole.time_s)
    assert min(saving.measured_cost_usd, saving.estimated_cost_usd, Decimal(0)) == 0
    assert min(saving.measured_time_s, saving.estimated_time_s, 0.0) == 0.0


def test_a_total_that_is_less_than_its_parts_says_so() -> None:
    """Following a loop in a slow agent saves the same time twice."""
    story = Story(end=20)
    for start, end in ((0, 10), (10, 20)):
        agent = story.node("web_agent", start, end)
        for call in range(4):
            story.tool("click", agent, start + 2 + call * 2, start + 4 + call * 2)
    report = story.report()
    parts = sum(each.time_s or 0.0 for each in report.figures.suggestions)
    assert len(report.figures.suggestions) > 1
    assert report.figures.savings.time_s < parts
    assert "overlaps counted once" in render(report, width=200)
    assert "overlaps counted once" not in render(recording().report(), width=200)


def test_the_total_is_at_most_what_the_run_cost_and_lasted() -> None:
    for report in (recording().report(), large().report(), *two_runs()):
        figures = report.figures
        assert figures.savings.time_s <= figures.duration_s
        assert figures.costs.total_usd is not None
        assert figures.savings.cost_usd <= figures.costs.total_usd


# -- order and threshold -------------------------------------------------------------------

MIXED = (
    a_suggestion("A1", Level.NOTICE, 0.9),
    a_suggestion("A2", Level.ALARM, 0.6),
    a_suggestion("A3", Level.NOTICE, 0.2),
    a_suggestion("A4", Level.ALARM, 0.8),
    a_suggestion("A5", Level.ALARM, 0.4),
    a_suggestion("A6", Level.NOTICE, 0.5),
)
ORDER = ["A4", "A2", "A1", "A6", "A5", "A3"]


@pytest.mark.parametrize("form", FORMS)
def test_alarms_come_first_then_by_impact_and_minor_ones_last_in_every_form(form: str) -> None:
    text = FORMS[form](suggesting(*MIXED))
    shown = list(dict.fromkeys(re.findall(r"\bA[1-6]\b", text)))
    assert shown == ORDER


def test_a_minor_suggestion_is_marked_and_shown_in_one_line_on_a_terminal() -> None:
    text = render(suggesting(*MIXED))
    above, title, below = text.partition("2 suggestions of little impact, below the threshold of 0.5\n")
    assert title
    assert "A5 found it." not in text
    assert re.findall(r"^minor  (A\d)", below, re.MULTILINE) == ["A5", "A3"]
    assert "The best 3 of 4 suggestions" in above


def test_a_minor_suggestion_is_folded_on_a_page_and_marked_in_json() -> None:
    report = suggesting(*MIXED)
    page = to_html(report)
    assert "<summary>2 suggestions of little impact, below the threshold of 0.5</summary>" in page
    assert page.index('class="minor"') < page.index("A5 found it.")
    figures = json.loads(to_json(report))["figures"]
    assert [each["rule"] for each in figures["suggestions"] if each["below_threshold"]] == ["A5", "A3"]
    assert figures["threshold"] == 0.5


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_a_report_whose_suggestions_are_all_minor_has_none_in_full(form: str) -> None:
    report = suggesting(*MIXED, threshold=1.0)
    text = FORMS[form](report)
    assert "6 suggestions of little impact" in text or "Of little impact, below the threshold of 1:" in text
    assert "No rule found anything" not in text
    assert best(report.figures.suggestions, 3) == []


def test_the_threshold_of_the_settings_decides_what_is_minor() -> None:
    def minor(figures: Figures) -> int:
        return sum(each.below_threshold for each in figures.suggestions)

    assert Settings().optimization_threshold == DEFAULT_THRESHOLD
    assert [minor(suggesting(*MIXED, threshold=threshold).figures) for threshold in (0.0, 0.5, 0.85)] == [0, 2, 5]
