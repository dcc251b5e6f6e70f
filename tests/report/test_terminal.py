from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from otel_agentperf.model import Level
from otel_agentperf.report.terminal import MAX_TREE_LINES, render
from tests.report.runs import Story, a_suggestion, recording, suggesting

HEADER = """
── recording_graph ─────────────────────────────────────────────────────── ok ──
  session rec-17 · trace 4bf92f3577b34da6a3ce929d0e0e4736
  34.21 s · known cost $0.1492 · 1 call without a price
  107,630 tokens in, 12,303 out · 5 model calls · 7 tool calls · 1 service call
  1 error
  efficiency 97/100 · cost rating ?
  could save 2.00 s (measured), 1.20 s more (estimated)
  cost: not split $0.1489 (>99%) · services $0.0002 (<1%)
  critical path orchestrator → web_agent → observer x 2 → sequence_generator
  The price of 1 of 6 billed calls is unknown (no price is known for
  my-tuned-model): the true cost is higher.

3 suggestions
"""
TREE = """
                                              time       in     out         cost
recording_graph                            34.21 s  107,630  12,303  $0.1492 + ?
├ orchestrator                              1.20 s    1,200      90      $0.0006
│ └ model gemini-2.5-flash                  1.18 s    1,200      90      $0.0006
├ web_agent                                12.80 s    1,200      90      $0.0008
│ ├ service steel_browser                  12.80 s                       $0.0002
│ ├ model gemini-2.5-flash                  790 ms    1,200      90      $0.0006
│ ├ tool click x 6                          2.40 s
│ └ tool read_page (failed: TimeoutError)   100 ms
├ observer                                  5.60 s   30,000   2,000            ?
│ └ model my-tuned-model                    5.49 s   30,000   2,000            ?
├ observer                                  5.60 s   30,000   2,000      $0.0100
│ └ model my-tuned-model                    5.49 s   30,000   2,000      $0.0100
└ sequence_generator                        8.20 s   45,230   8,123      $0.1378
  └ model gemini-2.5-pro                    8.09 s   45,230   8,123      $0.1378
"""


def test_a_run_begins_with_its_sums_and_ends_with_a_tree_with_time_tokens_and_money() -> None:
    text = render(recording().report())
    assert text.startswith(HEADER)
    assert text.endswith(TREE)


def test_the_suggestions_stand_before_the_tree_with_level_rule_saving_and_place() -> None:
    text = render(recording().report())
    alarm = text[text.index("ALARM") : text.index("NOTICE")]
    assert re.search(r"^ALARM  REP001 repeated_action$", alarm, re.MULTILINE)
    assert "saves 2.00 s (measured: already spent)" in alarm
    assert "where: tool:click (span 0000000000000008, 0000000000000009 and 3 more)" in alarm
    assert "impact 0.80 · confidence 0.90 · medium effort" in alarm


def test_of_many_suggestions_the_best_of_each_rule_come_first_and_the_others_take_a_line_each() -> None:
    rules = ("LAT001", "LAT001", "REP001", "REP001", "COST001")
    text = render(suggesting(*(a_suggestion(rule, Level.NOTICE, 0.6, f"a{place}") for place, rule in enumerate(rules))))
    told, _, others = text.partition(" more suggestions\n")
    number = re.search(r"^The best 3 of (\d+) suggestions$", told, re.MULTILINE)
    assert number is not None
    assert set(re.findall(r"^(?:ALARM|NOTICE) +(\w+)", told, re.MULTILINE)) == {"LAT001", "REP001", "COST001"}
    assert len(others.splitlines()) == int(number.group(1)) - 3


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_asked_for(width: int, ascii_only: bool) -> None:
    text = render(recording().report(), width=width, ascii_only=ascii_only)
    assert max(map(cell_len, text.splitlines())) == width


def test_without_box_characters_the_report_is_pure_ascii() -> None:
    assert render(recording().report(), ascii_only=True).isascii()


def test_plain_text_holds_no_escape_and_coloured_text_says_the_same() -> None:
    report = recording().report()
    plain, coloured = render(report), render(report, color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["[bold red]x[/]", "\x1b[2Jx", "a\nb\r\nc", "\u202eevil", "\u0007", "界" * 60, "x" * 5000, "", "\ud800"]
)


@settings(max_examples=60, deadline=None)
@given(name=HOSTILE, session=HOSTILE, error=HOSTILE, outcome=HOSTILE)
def test_no_name_can_steer_the_terminal_or_break_the_layout(name: str, session: str, error: str, outcome: str) -> None:
    story = Story(name, session=session)
    agent = story.node(name, 0, 6, outcome=outcome)
    for index in range(5):
        story.tool(name, agent, index, index + 1, error_type=error)
    story.node(name, 6, 9)
    text = render(story.report())
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\ud800"}
    assert max(map(cell_len, text.split("\n"))) <= 80


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    assert "[bold red]x[/]" in render(Story("[bold red]x[/]").report(), color=True)


def test_a_long_name_loses_its_middle_and_keeps_both_ends() -> None:
    story = Story()
    story.node("a_very_long_name_of_a_node_" * 4 + "with_an_end", 0, 1)
    (line,) = (line for line in render(story.report()).splitlines() if "…" in line)
    assert line.startswith("└ a_very_long_name_of")
    assert "with_an_end" in line


def test_an_unknown_cost_is_a_question_mark_and_never_zero() -> None:
    story = Story()
    agent = story.node("a", 0, 1)
    story.model("mystery", agent, 0, 1, None)
    text = render(story.report())
    assert "$0" not in text
    assert re.search(r"model mystery .* \?$", text, re.MULTILINE)
    assert "not rated: no price is known" in text
    assert "/100" not in text
    assert "The price of 1 billed call is unknown (no price is known for my-tuned-model; mystery)" in " ".join(
        text.split()
    )


def test_a_run_without_billed_work_speaks_of_no_cost() -> None:
    story = Story()
    story.node("a", 0, 1)
    text = render(story.report())
    assert "$" not in text
    assert "rating" not in text


def test_a_huge_tree_is_cut_and_says_how_much_is_missing() -> None:
    story = Story(end=1000)
    for index in range(300):
        story.node("agent" if index % 2 else "tools", index, index + 1)
    text = render(story.report())
    assert "… and 101 more operations" in text
    assert len(text.splitlines()) < MAX_TREE_LINES + 40


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"error_type": "ValueError"}, "failed"), ({"outcome": "interrupted"}, "interrupted"), ({}, "ok")],
)
def test_how_a_run_ended_stands_in_its_title(facts: dict[str, str], said: str) -> None:
    story = Story()
    story.operations[0] = msgspec.structs.replace(story.operations[0], **facts)
    assert render(story.report()).splitlines()[1].endswith(f" {said} ──")


def test_a_run_whose_root_was_not_seen_says_so_and_claims_no_score() -> None:
    text = render(recording().report(root_seen=False))
    assert text.splitlines()[1].endswith(" root not seen ──")
    assert "efficiency" not in text
