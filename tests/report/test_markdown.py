from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.report.collection import By
from otel_agentperf.report.markdown import code, to_markdown, words
from tests.report.runs import Story, a_session, collected, large, recording


def test_a_run_fits_a_comment_and_says_what_it_cost_and_what_to_change() -> None:
    text = to_markdown(recording().report())
    assert text.startswith("### `recording_graph`: ok\n")
    assert "**34.21 s** · **known cost \\$0.1492** · 1 call without a price · rating ?" in text
    assert "1. **REP001 repeated action** (alarm) at `tool:click`" in text
    assert "2. **LAT001 slow agent** (notice) at `agent:observer`" in text
    assert "could have saved **2.00 s (measured), 1.20 s more (estimated)**." in text
    assert "*Saves 2.00 s (measured: already spent).*" in text
    assert "| `sequence_generator` | 1 | 0 | 8.20 s | 45,230 | 8,123 | \\$0.1378 |" in text
    assert "Critical path: `orchestrator` → `web_agent` → `observer` x 2 → `sequence_generator`" in text


def test_a_large_run_is_no_longer_than_a_reader_takes() -> None:
    text = to_markdown(large().report())
    assert len(text) < 8_000
    assert text.count("REP001") == 1  # one loop over three tools


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (By.RUN, "<summary>The dearest runs</summary>"),
        (By.SESSION, "4 sessions, the dearest first:"),
        (By.AGENT, "| `writer` | 12 |"),
        (By.MODEL, "| `gemini-2.5-pro` | 12 |"),
    ],
)
def test_many_runs_are_laid_out_by_what_was_asked_for(by: By, said: str) -> None:
    text = to_markdown(collected(by=by))
    assert text.startswith("### `traces/*.jsonl`: 12 runs\n")
    assert "> 2 lines could not be read." in text
    assert said in text


def test_a_session_says_what_is_open_and_lists_its_runs() -> None:
    text = to_markdown(a_session())
    assert text.startswith("### Session `rec-17`: 2 runs\n")
    assert "> 1 run still open." in text
    assert "<summary>Its last runs</summary>" in text


def test_a_run_with_nothing_to_change_says_so() -> None:
    assert "No rule found anything to change." in to_markdown(Story(end=1).report())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain_name", "`plain_name`"),
        ("a`b`c", "`a'b'c`"),
        ("a|b", "`a¦b`"),
        ("@everyone", "`@everyone`"),
        ("a\nb\x1b[0m", "`a b?[0m`"),
        ("", "`?`"),
        ("x" * 200, f"`{'x' * 79}…`"),
    ],
)
def test_a_name_is_a_code_span_whatever_it_holds(name: str, shown: str) -> None:
    assert code(name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("[a](http://x.y)", "\\[a\\](http\u2060://x.y)"),
        ("@team see #12", "@\u2060team see \\#\u206012"),
        ("www.evil.example", "www\u2060.evil.example"),
        ("costs $1 and $2", "costs \\$1 and \\$2"),
        ("[prices.models.x]: a_b", "\\[prices.models.x\\]: a\\_b"),
    ],
)
def test_words_hold_no_markup_mention_or_address(text: str, shown: str) -> None:
    assert words(text) == shown


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=40))
def test_no_name_breaks_a_table(name: str) -> None:
    story = Story(name, session=name)
    story.model(name, story.node(name, 0, 6), 0, 1)
    for row in [line for line in to_markdown(story.report()).splitlines() if line.startswith("| `")]:
        assert len(re.findall(r"(?<!\\)\|", row)) == 8
