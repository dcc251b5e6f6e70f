from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.ledger import session_summary
from otel_agentperf.model import Cost, CostStatus, OperationKind, Usage
from otel_agentperf.report.collection import Collector
from otel_agentperf.report.document import AnyReport, to_json
from otel_agentperf.report.render import Format, render
from otel_agentperf.report.session import session_report
from otel_agentperf.report.split import Share
from tests.report.runs import UNKNOWN, Story

PARTS = [
    ("grounding (Google Search, Maps)", "$0.3500", "83%"),
    ("thoughts", "$0.0300", "7%"),
    ("output", "$0.0200", "5%"),
    ("input", "$0.0120", "3%"),
    ("cache storage", "$0.0050", "1%"),
    ("services", "$0.0030", "1%"),
    ("cached input", "$0.0015", "<1%"),
]
"""What `research` spends in all: $0.4215."""


def parted(**usd: str) -> dict[str, Any]:
    """A cost with these parts, and what it is for."""
    parts: dict[str, Any] = {f"{name}_usd": Decimal(value) for name, value in usd.items()}
    total = sum((value for name, value in parts.items() if name != "reasoning_usd"), Decimal(0))
    return {"cost": Cost(CostStatus.PRICED, total, **parts), "usage": Usage(900, 300, reasoning_tokens=100)}


def research() -> Story:
    """A node that searches, one that writes, a context cache and a browser."""
    story = Story("research")
    search, write = story.node("search", 0, 5), story.node("write", 5, 9)
    grounded = parted(input="0.002", output="0", grounding="0.35")
    for name, node, facts in (
        ("gemini-2.5-flash", search, grounded),
        ("gemini-2.5-pro", write, parted(input="0.01", cache_read="0.0015", output="0.05", reasoning="0.03")),
    ):
        story.add(OperationKind.INFERENCE, name, node, 1, 2, agent=name_of(story, node), **facts)
    stored = Cost(CostStatus.PRICED, Decimal("0.005"), storage_usd=Decimal("0.005"))
    story.add(OperationKind.SERVICE, "context_cache", write, 1, 2, cost=stored)
    story.add(OperationKind.SERVICE, "browser", search, 1, 2, cost=Cost(CostStatus.PRICED, Decimal("0.003")))
    return story


def name_of(story: Story, span_id: str) -> str:
    return next(operation.name for operation in story.operations if operation.span_id == span_id)


def on_a_run(story: Story) -> AnyReport:
    return story.report()


def on_a_session(story: Story) -> AnyReport:
    breakdown = Breakdown()
    breakdown.merge(breakdown_of(story.summary()))
    return session_report(session_summary("s1", breakdown, (), ()))


def on_many_runs(story: Story) -> AnyReport:
    collector = Collector()
    summary = story.summary()
    collector.add(breakdown_of(summary), summary, story.run().root, story.report)
    return collector.report("runs.jsonl")


every_report = pytest.mark.parametrize("report", [on_a_run, on_a_session, on_many_runs])
Report = Callable[[Story], AnyReport]


def lines(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


@every_report
def test_a_terminal_shows_what_the_money_went_to_the_largest_part_first(report: Report) -> None:
    text = lines(render(report(research()), Format.TERMINAL, width=120)).replace(" · ", " ")
    assert "cost: " + " ".join(f"{name} {usd} ({share})" for name, usd, share in PARTS) in text


@every_report
def test_markdown_shows_what_the_money_went_to(report: Report) -> None:
    text = render(report(research()), Format.MARKDOWN)
    expected = " · ".join(f"{name} \\{usd} ({share.replace('<', '&lt;')})" for name, usd, share in PARTS)
    assert f"\nCost: {expected}\n" in text


@every_report
def test_a_page_shows_what_the_money_went_to_as_a_chart_and_a_table(report: Report) -> None:
    text = render(report(research()), Format.HTML)
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th><td>(\$[0-9.]+)</td><td>([^<]+%)</td></tr>', text)
    assert rows == [(name, usd, share.replace("<", "&lt;")) for name, usd, share in PARTS]
    chart = text[text.index('id="money-split"') :].partition("</svg>")[0]
    assert [name for name, _, _ in PARTS] == re.findall(r'aria-label="([^":]+): \$', chart)


@every_report
def test_json_has_parts_that_add_up_to_the_total(report: Report) -> None:
    document = json.loads(to_json(report(research())), parse_float=Decimal)
    costs = document["figures"]["costs"]
    assert costs["split"] == {
        "input_usd": Decimal("0.012"),
        "cached_input_usd": Decimal("0.0015"),
        "cache_write_usd": 0,
        "output_usd": Decimal("0.02"),
        "thoughts_usd": Decimal("0.03"),
        "grounding_usd": Decimal("0.35"),
        "storage_usd": Decimal("0.005"),
        "services_usd": Decimal("0.003"),
        "not_split_usd": 0,
    }
    assert sum(costs["split"].values()) == costs["total_usd"]
    assert costs["estimated"] is None


@every_report
def test_agents_and_models_show_how_much_of_their_cost_is_grounding(report: Report) -> None:
    figures = json.loads(to_json(report(research())), parse_float=Decimal)["figures"]
    for table, name in (("agents", "search"), ("models", "gemini-2.5-flash")):
        assert {part["name"]: part["grounding_usd"] for part in figures[table] if part["grounding_usd"]} == {
            name: Decimal("0.35")
        }
    assert "| cost | grounding |" in render(report(research()), Format.MARKDOWN)
    assert "grounding</th>" in render(report(research()), Format.HTML)


@pytest.mark.parametrize("report", [on_a_session, on_many_runs])
def test_tables_of_a_terminal_show_how_much_of_a_cost_is_grounding(report: Report) -> None:
    assert re.search(r"cost +grounding\n  search .* \$0.3550 +\$0.3500\n", render(report(research()), Format.TERMINAL))


def test_a_table_without_grounding_has_no_column_for_it() -> None:
    story = Story()
    story.model("gemini-2.5-flash", story.node("a", 0, 1), 0, 1)
    for form in Format:
        assert "grounding<" not in render(story.report(), form)
        assert "| grounding" not in render(story.report(), form)


def test_a_cost_that_somebody_gave_as_one_total_is_not_split() -> None:
    story = Story()
    story.model("gemini-2.5-flash", story.node("a", 0, 1), 0, 1, "0.25")
    assert "cost: not split $0.2500 (100%)" in render(story.report(), Format.TERMINAL)
    assert "Cost: not split \\$0.2500 (100%)" in render(story.report(), Format.MARKDOWN)


def test_thoughts_without_a_price_of_their_own_are_called_output_and_thoughts() -> None:
    story = Story()
    story.add(OperationKind.INFERENCE, "m", story.root, 0, 1, **parted(input="0.01", output="0.03"))
    text = render(story.report(), Format.TERMINAL)
    assert "cost: output and thoughts $0.0300 (75%) · input $0.0100 (25%)" in text


def test_where_nothing_was_billed_there_is_no_split() -> None:
    story = Story()
    story.node("a", 0, 1)
    assert "cost: " not in render(story.report(), Format.TERMINAL)
    assert "Cost: " not in render(story.report(), Format.MARKDOWN)
    assert "money-split" not in render(story.report(), Format.HTML)


@every_report
def test_a_total_that_lacks_prices_is_the_known_cost_and_names_the_models(report: Report) -> None:
    story = research()
    for name in ("gateway/large", "gateway/large", "gateway/small"):
        story.model(name, story.root, 6, 7, None)
    for form, amount in ((Format.TERMINAL, "known cost $0.4215"), (Format.MARKDOWN, "known cost \\$0.4215")):
        text = lines(render(report(story), form))
        assert amount in text
        assert "3 calls without a price" in text
        assert "The price of 3 of 7 billed calls is unknown" in text.replace("\\", "")
        assert "gateway/large" in text
        assert "gateway/small" in text
    page = render(report(story), Format.HTML)
    assert '<dt>Known cost</dt><dd>$0.4215</dd><dd class="more">3 calls without a price</dd>' in page


def test_a_reason_that_names_the_model_is_enough() -> None:
    story = Story()
    story.model("my-tuned-model", story.root, 0, 1, None)
    story.model("gemini-2.5-flash", story.root, 1, 2)
    (note,) = story.report().notes
    assert note == f"The price of 1 of 2 billed calls is unknown ({UNKNOWN.reason}): the true cost is higher."


@every_report
def test_what_is_estimated_is_marked_with_what_it_rests_on(report: Report) -> None:
    story = research()
    guessed = Cost(
        CostStatus.PRICED, Decimal("0.1"), estimated=True, assumption="image tokens are not told apart by the answer"
    )
    story.add(OperationKind.INFERENCE, "m", story.root, 6, 7, usage=Usage(1, 1), cost=guessed)
    said = "$0.1000 of the cost is estimated: image tokens are not told apart by the answer."
    for form in (Format.TERMINAL, Format.MARKDOWN, Format.HTML):
        text = lines(render(report(story), form)).replace("\\", "")
        assert "of which $0.1000 estimated" in text
        assert said in text
    estimated = json.loads(to_json(report(story)))["figures"]["costs"]["estimated"]
    assert estimated == {"usd": 0.1, "assumptions": ["image tokens are not told apart by the answer"]}


def test_an_estimate_whose_assumption_is_not_recorded_is_marked_all_the_same() -> None:
    story = Story()
    cost = Cost(CostStatus.PRICED, Decimal("0.1"), estimated=True)
    story.add(OperationKind.INFERENCE, "m", story.root, 0, 1, usage=Usage(1, 1), cost=cost)
    report = story.report()
    assert "of which $0.1000 estimated" in render(report, Format.TERMINAL)
    assert report.notes == ()


@pytest.mark.parametrize(
    ("share", "percent"), [(0.004, "<1%"), (0.006, "1%"), (0.5, "50%"), (0.994, "99%"), (0.996, ">99%"), (1.0, "100%")]
)
def test_what_is_neither_nothing_nor_all_is_not_shown_as_that(share: float, percent: str) -> None:
    assert Share("input", Decimal(1), share).percent == percent
