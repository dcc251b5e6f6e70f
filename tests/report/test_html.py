from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.report.collection import By
from otel_agentperf.report.html.charts import ticks
from otel_agentperf.report.html.names import cells, plain, shortened
from otel_agentperf.report.html.page import to_html
from tests.report.pages import Page
from tests.report.runs import Story, a_session, collected, large, recording

REPORTS: dict[str, Any] = {
    "run": lambda: recording().report(),
    "large run": lambda: large().report(),
    "run without its root": lambda: recording().report(root_seen=False),
    "single span": lambda: Story(end=0).report(),
    "session": a_session,
    **{f"runs by {by}": lambda by=by: collected(by=by) for by in By},
    "no runs": lambda: collected(0),
}


@pytest.fixture(params=REPORTS)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(to_html(REPORTS[request.param]()))


def test_a_page_needs_nothing_but_itself(page: Page) -> None:
    for element in page.root:
        assert element.tag not in {"script", "link", "img", "iframe", "object", "base", "form"}
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in {"href", "xlink:href", "src", "action"}:
                assert value.startswith("#")
            assert name != "style"
    (style,) = page.root.all("style")
    assert "url(" not in style.own_text
    assert "@import" not in style.own_text


def test_its_policy_forbids_all_but_its_own_style(page: Page) -> None:
    (style,) = page.root.all("style")
    digest = base64.b64encode(hashlib.sha256(style.own_text.encode()).digest()).decode()
    (policy,) = page.root.all("meta", http_equiv="Content-Security-Policy")
    assert policy.attributes["content"] == f"default-src 'none'; style-src 'sha256-{digest}'"


def test_every_link_leads_to_a_place_and_no_place_is_there_twice(page: Page) -> None:
    ids = [element.attributes["id"] for element in page.root if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [
        value[1:]
        for element in page.root
        for name, value in element.attributes.items()
        if name in {"href", "xlink:href"}
    ]
    assert set(links) <= set(ids)
    labels = [element.attributes["aria-labelledby"] for element in page.root if "aria-labelledby" in element.attributes]
    assert set(labels) <= set(ids)


def test_a_screen_reader_is_told_the_language_the_parts_and_every_chart(page: Page) -> None:
    (html,) = page.root.all("html")
    assert html.attributes["lang"] == "en"
    assert len(page.root.all("main")) == len(page.root.all("h1")) == 1
    levels = [int(element.tag[1]) for element in page.root if re.fullmatch(r"h[1-6]", element.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for chart in page.root.all("svg"):
        assert chart.attributes["role"] == "group"
        assert "table beneath it" in chart.attributes["aria-label"]
        for bar in chart.all("g", class_="bar"):
            named = bar if "role" in bar.attributes else next(each for each in bar if each.tag == "a")
            assert named.attributes["aria-label"]
    for table in page.root.all("table"):
        assert table.all("th", scope="col")
    for scrolling in page.root.all("div", class_="scroll"):
        assert scrolling.attributes["tabindex"] == "0"
        assert scrolling.attributes["aria-label"]


def test_each_span_is_a_bar_and_a_row_and_a_suggestion_leads_to_its_bars() -> None:
    report = recording().report()
    root = Page(to_html(report)).root
    (spans,) = root.all("table", class_="spans")
    assert len(spans.all("tr")) - 1 == len(report.spans) == 19
    bars = [bar for chart in root.all("svg", class_="waterfall") for bar in chart.all("g", class_="bar")]
    assert {bar.attributes["id"] for bar in bars} == {f"run-{span.span_id}" for span in report.spans}
    repeated = next(each for each in root.all("article") if "REP001" in each.text)
    names = [link.text for link in repeated.all("a")]  # in order of time
    assert names == [f"tool click at {second:.2f} s" for second in (2.5, 3.0, 3.5, 4.0, 4.5)]
    back = [link for bar in bars for link in bar.all("a")]
    assert {link.attributes["xlink:href"] for link in back} <= {
        f"#{each.attributes['id']}" for each in root.all("article")
    }
    assert len(back) == 6


def test_bars_lie_where_their_spans_lay_in_time_on_one_scale_for_all_pieces() -> None:
    report = large().report()
    root = Page(to_html(report)).root
    spans = {f"run-{span.span_id}": span for span in report.spans}
    charts = root.all("svg", class_="waterfall")
    assert len(charts) > 5
    measured = [
        (spans[bar.attributes["id"]], float(rect.attributes["x"]), float(rect.attributes["width"]))
        for chart in charts
        for bar in chart.all("g", class_="bar")
        for rect in bar.all("rect")
    ]
    (whole,) = [item for item in measured if item[0].depth == 0]
    scale = whole[2] / whole[0].duration_s
    for span, x, width in measured:
        assert x == pytest.approx(whole[1] + span.start_s * scale, abs=0.2)
        assert width == pytest.approx(max(1.5, span.duration_s * scale), abs=0.2)


def test_what_a_colour_says_is_said_in_words_too() -> None:
    root = Page(to_html(recording().report())).root
    failed = root.all("g", class_="failed")
    assert [bar.attributes["aria-label"] for bar in failed] == [
        "tool read_page, 100 ms from 7.00 s, failed: TimeoutError"
    ]
    labels = [text.own_text.strip() for chart in root.all("svg", class_="waterfall") for text in chart.all("text")]
    assert "✕ read_page" in labels


def test_many_spans_are_cut_and_that_is_said() -> None:
    story = Story(end=500)
    for place in range(450):
        story.node("agent", place, place + 1, error_type="ValueError" if place == 449 else None)
    report = story.report()
    assert (len(report.spans), report.spans_left_out) == (300, 151)
    assert any(span.error_type for span in report.spans)
    assert "151 operations not shown" in Page(to_html(report)).root.text


def test_a_page_on_a_run_of_200_spans_stays_below_300_kilobytes() -> None:
    report = large().report()
    assert len(report.spans) > 200
    assert len(to_html(report).encode()) < 300_000


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "</style><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "javascript:alert(1)",
        "\u202eevil\u2066",
        "\x00\x1b[2J",
        "\ud800",
        "]]>-->",
        "x" * 5000,
        "",
    ]
)


@settings(max_examples=60, deadline=None)
@given(name=HOSTILE, session=HOSTILE, error=HOSTILE)
def test_no_name_leaves_its_place(name: str, session: str, error: str) -> None:
    story = Story(name, session=session)
    agent = story.node(name, 0, 6)
    for place in range(5):
        story.tool(name, agent, place, place + 1, error_type=error, outcome=name)
    story.model(name, agent, 5, 6)
    story.node(name, 6, 12)
    text = to_html(story.report())
    root = Page(text).root
    assert not {element.tag for element in root} & {"script", "img"}
    assert not set(text) & set("\x00\x1b\u202e\u2066\ud800")
    assert "49" not in re.findall(r"<bdi>(\d+)</bdi>", text)
    text.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a b c"),
        ("\u202eabc", "\ufffdabc"),
        ("👩🏽\u200d🚀", "👩🏽\u200d🚀"),
        ("x" * 1001, "x" * 999 + "…"),
    ],
)
def test_what_steers_the_text_around_it_is_taken_out_and_joiners_stay(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("研究", 4), ("é", 1), ("e\u0301", 1), ("👩\u200d🚀", 4)])
def test_wide_letters_count_twice_and_marks_not_at_all(text: str, width: int) -> None:
    assert cells(text) == width


@given(text=st.text(max_size=60), width=st.integers(4, 40))
def test_a_shortened_name_keeps_within_its_width(text: str, width: int) -> None:
    assert cells(shortened(text, width)) <= width


@given(longest=st.floats(1e-9, 1e9))
def test_an_axis_has_two_to_seven_round_marks_within_it(longest: float) -> None:
    marks = ticks(longest)
    assert 2 <= len(marks) <= 7
    assert marks[0] == 0
    assert marks[-1] <= longest * (1 + 1e-6)


def test_an_axis_without_length_has_one_mark() -> None:
    assert ticks(0) == [0.0]


LEAVES_NOTHING = """
import sys
from tests.report.runs import recording
report = recording().report()
before = list(sys.meta_path)
from otel_agentperf.report.html.page import to_html
to_html(report)
left = [type(finder).__module__ for finder in sys.meta_path if finder not in before]
assert "pygal" not in left, left
import antigravity_that_is_not_there
"""


def test_drawing_leaves_nothing_behind_that_later_imports_stumble_over() -> None:
    command = [sys.executable, "-W", "error::ImportWarning", "-c", LEAVES_NOTHING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'antigravity_that_is_not_there'\n")


def test_a_page_is_the_same_whichever_xml_library_pygal_draws_with() -> None:
    """It takes lxml where that is installed, as in one of the test environments."""
    program = "from tests.report.runs import recording\nfrom otel_agentperf.report.html.page import to_html\n"
    program += "print(to_html(recording().report()))"
    pages: list[str] = []
    for setting in ({}, {"NO_LXML": "1"}):
        command = [sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **setting}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        pages.append(done.stdout)
    assert pages[0] == pages[1]
    assert "<svg" in pages[0]
