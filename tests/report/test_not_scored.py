"""A run of which nothing was seen that could be rated: no form of report calls it good."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from otel_agentperf.analysis.ledger import Ledger, session_summary
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, Usage
from otel_agentperf.report.document import AnyReport, document
from otel_agentperf.report.html.page import to_html
from otel_agentperf.report.markdown import to_markdown
from otel_agentperf.report.session import session_report
from otel_agentperf.report.terminal import render
from tests.report.runs import Story, gathered


def without_a_model_call() -> Story:
    story = Story()
    story.tool("search", story.node("a", 0, 5), 1, 2)
    return story


def without_a_price() -> Story:
    story = Story()
    story.model("mystery", story.node("a", 0, 5), 1, 2, None)
    return story


STORIES = {"no model call was seen": without_a_model_call, "no price is known": without_a_price}


def reports(story: Story) -> list[AnyReport]:
    """The run by itself, as the only one of a session, and as the only one of a set."""
    ledger = Ledger()
    ledger.add(story.summary(), "t", frozenset())
    return [story.report(), session_report(session_summary("s", ledger.breakdown, ledger.heads, ())), gathered(story)]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["run", "session", "set"])
@pytest.mark.parametrize("reason", STORIES)
def test_no_form_of_report_gives_a_rating_a_score_or_a_cost(reason: str, kind: int) -> None:
    report = reports(STORIES[reason]())[kind]
    figures = document(report)["figures"]
    assert (figures["rating"], figures["efficiency_score"], figures["costs"]["total_usd"]) == (None, None, None)
    assert figures["not_scored"] == reason
    assert all(part["efficiency_score"] is part["rating"] is part["cost_usd"] is None for part in figures["agents"])
    for text in (to_markdown(report), to_html(report)):
        assert reason in text
        assert "/100" not in text
        assert not re.search(r"\$0|rating [A-F]|None", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))


@pytest.mark.parametrize("reason", STORIES)
def test_the_terminal_says_why_a_run_is_not_rated(reason: str) -> None:
    text = render(STORIES[reason]().report())
    assert f"not rated: {reason}" in text
    assert not re.search(r"/100|\$|rating [A-F?]", text)


def test_usage_that_only_an_agents_span_reports_is_named_in_every_form() -> None:
    story = Story()
    cost = Cost(CostStatus.PRICED, Decimal("0.07"))
    facts = {"usage": Usage(1000, 200), "cost": cost, "inference": Inference("anthropic", "claude-sonnet-4-6")}
    story.add(OperationKind.AGENT, "sdk", story.root, 0, 5, is_agent=True, agent="sdk", **facts)
    run, *others = reports(story)
    assert "1 span of an agent or graph reports usage of model calls that have no span here" in " ".join(
        render(run).split()
    )
    for report in (run, *others):
        figures = document(report)["figures"]
        assert (figures["calls"]["reported"], figures["calls"]["model"], figures["rating"]) == (1, 0, "B")
        (model,) = figures["models"]
        assert (model["name"], model["calls"], model["cost_usd"]) == ("claude-sonnet-4-6", 0, 0.07)
        (agent,) = figures["agents"]
        assert (agent["name"], agent["cost_usd"], agent["rating"]) == ("sdk", 0.07, "B")
        assert "have no span here" in to_markdown(report)
        assert "have no span here" in to_html(report)
