"""The page as headless Chromium shows it. Where there is none, these tests print that they did not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.report.html.page import to_html
from tests.report import browser
from tests.report.browser import Browser
from tests.report.runs import Story, a_session, collected, large, recording

REPORTS: dict[str, Any] = {
    "recording": lambda: recording().report(),
    "large": lambda: large().report(),
    "single": lambda: Story(end=0).report(),
    "session": a_session,
    "many": collected,
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browser.found()
    if program is None:
        pytest.skip("NOT RUN: no Chromium is installed here to show the page; its structure is tested all the same")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Path] = {}
    for name, report in REPORTS.items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(to_html(report()), encoding="utf-8")
    return made


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [400, 1100])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_its_window_fetches_nothing_and_reports_no_error(
    chromium: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    chromium.open(pages[name], width=width, dark=dark)
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert [event["request"]["url"] for event in chromium.events("Network.requestWillBeSent")] == [pages[name].as_uri()]
    assert chromium.events("Log.entryAdded") == []
    assert chromium.events("Runtime.exceptionThrown") == []
    assert len(chromium.picture()) > 10_000


LUMINANCE = """
(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (parts(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("p, dt, dd, th, td, p a, li a, th a, h1, h2, h3, span, summary, svg text, svg rect")) {
    const style = getComputedStyle(element);
    const isText = element.tagName !== "rect";
    const drawn = element instanceof SVGElement && !(element instanceof HTMLElement);
    if (isText && !element.textContent.trim()) continue;
    const one = light(drawn ? style.fill : style.color), other = light(ground(element));
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < (isText ? 4.5 : 3)) found.push(`${element.tagName}.${element.className.baseVal ?? element.className}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_bars_stand_out_from_the_ground_as_wcag_asks(
    chromium: Browser, pages: dict[str, Path], dark: bool
) -> None:
    # WCAG 2.2: 4.5 for text (1.4.3), 3 for what must be seen to understand a drawing (1.4.11).
    chromium.open(pages["large"], width=1100, dark=dark)
    assert chromium.value(LUMINANCE) == []


def test_light_and_dark_differ(chromium: Browser, pages: dict[str, Path]) -> None:
    grounds: list[str] = []
    for dark in (False, True):
        chromium.open(pages["recording"], width=1100, dark=dark)
        grounds.append(chromium.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_no_text_of_a_chart_is_cut_off(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["large"], width=1100)
    beyond = """[...document.querySelectorAll("svg")].flatMap((chart) => [...chart.querySelectorAll("text")].filter((text) => {
      const own = text.getBoundingClientRect(), all = chart.getBoundingClientRect();
      return own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1 || own.bottom > all.bottom + 1;
    }).map((text) => text.textContent))"""
    assert chromium.value(beyond) == []


def test_a_suggestion_leads_by_keyboard_to_its_bar_which_is_then_marked(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.open(pages["recording"], width=1100)
    focused: list[str] = []
    for _ in range(30):
        chromium.press("Tab")
        focused.append(chromium.value("(document.activeElement ?? document.body).textContent.trim()"))
        if focused[-1].startswith("tool click"):
            break
    assert focused[0] == "Skip to the report"
    chromium.press("Enter")
    assert chromium.value("document.querySelector('.bar:target [aria-label]').getAttribute('aria-label')") == (
        "tool click, 400 ms from 2.50 s, see S1"
    )
    assert chromium.value("getComputedStyle(document.querySelector('.bar:target rect')).strokeWidth") == "3px"


def test_a_screen_reader_hears_every_bar_and_not_the_axes(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["recording"], width=1100)
    nodes = chromium.call("Accessibility.getFullAXTree")["nodes"]
    heard = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes if not node["ignored"] and node.get("name")
    ]
    assert ("image", "node observer, 5.60 s from 14.00 s") in heard
    assert ("link", "tool click, 400 ms from 2.50 s, see S1") in heard
    assert any(role == "group" and name.startswith("Waterfall of the run: 19 operations") for role, name in heard)
    assert not any(name == "30.00 s" for _, name in heard)


def test_it_prints_in_full_on_white_with_its_charts_whole(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["large"], width=1100, dark=True)
    printed = chromium.pdf()
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 5 <= sheets <= 16
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.value("getComputedStyle(document.querySelector('svg')).breakInside") == "avoid"
    highest = chromium.value(
        "Math.max(...[...document.querySelectorAll('svg')].map((e) => e.getBoundingClientRect().height))"
    )
    assert highest < 900
    chromium.call("Emulation.setEmulatedMedia", media="")
