from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import fields
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.analysis import breakdown as module
from otel_agentperf.analysis.breakdown import OTHER, Breakdown, Line, usd_of
from otel_agentperf.analysis.figures import Part, best
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.present import NO_AGENT, figures_of
from otel_agentperf.model import Complexity, Level, OperationKind, SavingBasis, Savings, Suggestion, Totals
from tests.report.runs import Story, recording


def parts(of: tuple[Part, ...]) -> dict[str, Part]:
    return {part.name: part for part in of}


def test_money_tokens_and_time_are_told_by_agent_model_tool_and_service() -> None:
    figures = recording().report().figures
    agents, models, tools = parts(figures.agents), parts(figures.models), parts(figures.tools)
    web = agents["web_agent"]
    assert (web.calls, web.errors, web.busy_s, web.cost_usd) == (1, 0, 12.8, Decimal("0.000798"))
    assert (agents["observer"].calls, agents["observer"].unpriced_calls) == (2, 1)
    assert (models["gemini-2.5-flash"].calls, models["gemini-2.5-flash"].cost_usd) == (2, Decimal("0.00117"))
    assert (models["gemini-2.5-flash"].tokens.input, models["gemini-2.5-flash"].tokens.output) == (2400, 180)
    assert (tools["click"].calls, tools["click"].success_rate, tools["read_page"].success_rate) == (6, 1, 0)
    assert parts(figures.services)["steel_browser"].cost_usd == Decimal("0.000213")


def test_what_the_parts_cost_is_what_the_run_cost() -> None:
    report = recording().report()
    figures = report.figures
    for split in (figures.agents, (*figures.models, *figures.services)):
        assert sum(part.cost_usd or 0 for part in split) == report.totals.cost_usd
    costs = figures.costs
    assert costs.total_usd is not None
    assert (costs.models_usd or 0) + (costs.services_usd or 0) == costs.total_usd
    assert costs.per_action_usd == pytest.approx(costs.total_usd / 7)


def test_what_could_not_be_priced_is_unknown_and_not_zero() -> None:
    story = Story()
    agent = story.node("a", 0, 1)
    story.model("mystery", agent, 0, 1, None)
    figures = story.report().figures
    assert figures.models[0].cost_usd is None
    assert figures.agents[0].cost_usd is None
    assert figures.agents[0].rating is None
    assert figures.rating is None
    assert {getattr(figures.costs, name) for name in figures.costs.__struct_fields__} == {None}
    story.model("gemini-2.5-flash", agent, 1, 2, "0.000585")
    assert story.report().figures.costs.total_usd == Decimal("0.000585")


def test_a_call_that_ends_before_it_began_took_no_time() -> None:
    story = Story()
    agent = story.node("a", 5, 3)
    story.tool("search", agent, 4, 2)
    figures = story.report().figures
    assert (figures.tools[0].busy_s, figures.agents[0].busy_s) == (0, 0)


def test_time_of_calls_that_overlap_counts_once() -> None:
    story = Story()
    agent = story.node("a", 0, 10)
    for start, end in ((1, 4), (2, 3), (3, 6), (8, 9)):
        story.tool("search", agent, start, end)
    assert story.report().figures.tools[0].busy_s == 6


def test_work_outside_any_agent_is_charged_to_nobody() -> None:
    story = Story()
    story.model("gemini-2.5-flash", story.root, 0, 1)
    (nobody,) = story.report().figures.agents
    assert (nobody.name, nobody.calls, nobody.success_rate, nobody.efficiency_score) == (NO_AGENT, 0, None, None)
    assert nobody.cost_usd == Decimal("0.000585")


def test_bottlenecks_are_the_agents_that_held_the_critical_path() -> None:
    story = Story(end=10)
    story.node("first", 0, 4)
    story.node("aside", 4, 5)
    story.node("long", 4, 10)
    figures = story.report().figures
    assert [(each.agent, each.path_s, each.share) for each in figures.bottlenecks] == [
        ("long", 6, pytest.approx(0.6)),
        ("first", 4, pytest.approx(0.4)),
    ]
    assert figures.critical_path_s == 10


def test_the_share_of_cheaper_models_counts_calls_whose_rank_is_known() -> None:
    story = Story()
    agent = story.node("a", 0, 9)
    for place, name in enumerate(("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "mystery")):
        story.model(name, agent, place, place + 1)
    cheaper = story.report().figures.cheaper_models
    assert (cheaper.calls, cheaper.ranked_calls, cheaper.share) == (2, 3, pytest.approx(2 / 3))


def test_waste_is_charged_to_the_agent_on_whose_spans_it_lies() -> None:
    figures = recording().report().figures
    agents = parts(figures.agents)
    # 2 s of 12.8 s were repeats, of 30 points.
    assert agents["web_agent"].efficiency_score == 95
    assert agents["observer"].efficiency_score == 100
    assert agents["sequence_generator"].rating == "C"


@pytest.mark.parametrize(("said", "rate"), [(None, 0), (True, 1), (False, 0)])
def test_an_outcome_overrides_what_errors_suggest(said: bool | None, rate: float) -> None:
    story = Story()
    story.operations[0] = msgspec.structs.replace(story.operations[0], error_type="ValueError")
    summary = story.summary()
    if said is not None:
        summary = msgspec.structs.replace(summary, success=said)
    assert figures_of(breakdown_of(summary)).success_rate == rate


def a_suggestion(rule: str, name: str = "x", impact: float = 0.6, usd: str | None = None) -> Suggestion:
    savings = Savings(SavingBasis.REPRICED, None, Decimal(usd)) if usd is not None else None
    return Suggestion(
        rule, rule.lower(), Level.NOTICE, f"{name} {impact}", impact, Complexity.LOW, 1.0, (f"agent:{name}",),
        savings=savings,
    )  # fmt: skip


def a_breakdown(place: int) -> Breakdown:
    story = Story(f"g{place}", end=place + 2, trace_id=f"{place:032x}")
    agent = story.node(f"agent{place % 3}", 0, place + 1, error_type="E" if place % 2 else None)
    story.model("gemini-2.5-pro", agent, 0, 0.1 * place, f"0.1{place}" if place % 4 else None)
    story.tool("t", agent, 0, 1)
    summary = story.summary()
    summary = msgspec.structs.replace(
        summary, suggestions=(a_suggestion("COST002", f"agent{place % 3}", 0.1 * (place % 9), f"0.0{place}"),)
    )
    summary = msgspec.structs.replace(summary, score=0.1 * place)
    return breakdown_of(summary)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_breakdowns_add_up_to_the_same_in_any_order_and_grouping(places: list[int], random: Random, cut: int) -> None:
    forth, back = Breakdown(), Breakdown()
    for place in places:
        forth.merge(a_breakdown(place))
    random.shuffle(places)
    groups = (Breakdown(), Breakdown())
    for number, place in enumerate(places):
        groups[number < cut].merge(pickle.loads(pickle.dumps(a_breakdown(place))))  # noqa: S301 - our own
    for group in groups:
        back.merge(group)
    assert figures_of(back) == figures_of(forth)
    assert forth.runs == len(places)


def test_the_same_suggestion_in_several_runs_is_one_with_the_savings_of_all() -> None:
    whole = Breakdown()
    for usd in ("0.01", "0.02"):
        story = Story()
        summary = story.summary()
        summary = msgspec.structs.replace(summary, suggestions=(a_suggestion("COST002", usd=usd),))
        whole.merge(breakdown_of(summary))
    (finding,) = figures_of(whole).suggestions
    assert (finding.runs, finding.cost_usd) == (2, Decimal("0.03"))


def test_suggestions_of_rules_that_judge_a_session_are_left_out_where_they_are_shared() -> None:
    summary = recording().summary()
    shared = breakdown_of(summary, shared=frozenset({"LAT001", "COST001"}))
    assert {opportunity.suggestion.rule for opportunity in shared.opportunities.values()} == {"REP001"}


def test_names_beyond_the_bound_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 3)
    story = Story()
    agent = story.node("a", 0, 9)
    for place in range(6):
        story.tool(f"tool{place}", agent, place, place + 1)
    tools = breakdown_of(story.summary()).tools
    assert set(tools) == {"tool0", "tool1", "tool2", OTHER}
    assert tools[OTHER].calls == 3


def test_of_too_many_suggestions_the_weightiest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPPORTUNITIES", 2)
    summary = Story().summary()
    said = tuple(a_suggestion("COST002", str(place), place / 10) for place in range(6))
    summary = msgspec.structs.replace(summary, suggestions=said)
    assert [key for _, key in sorted(breakdown_of(summary).opportunities)] == ["agent:4", "agent:5"]


def test_operations_that_are_in_no_part_are_counted() -> None:
    summary = recording().summary()
    assert figures_of(breakdown_of(summary)).left_out == 0
    assert figures_of(breakdown_of(summary, rows=summary.rows[:5])).left_out == 13


def test_the_best_suggestions_are_of_different_rules_first() -> None:
    summary = Story().summary()
    said = (
        *(a_suggestion("LAT001", str(place), 0.9) for place in range(4)),
        a_suggestion("COST002", impact=0.5),
        a_suggestion("REP001", impact=0.5),
    )
    summary = msgspec.structs.replace(summary, suggestions=said)
    findings = figures_of(breakdown_of(summary)).suggestions
    assert [each.rule for each in best(findings, 3)] == ["LAT001", "COST002", "REP001"]
    assert [each.rule for each in best(findings, 4)] == ["LAT001", "LAT001", "COST002", "REP001"]
    assert best(findings, 99) == list(findings)


def test_cached_input_is_a_line_of_its_own() -> None:
    story = recording()
    for place, operation in enumerate(story.operations):
        if operation.kind is OperationKind.INFERENCE and operation.cost is not None and operation.cost.total_usd:
            cost = msgspec.structs.replace(operation.cost, cache_read_usd=Decimal("0.0001"))
            story.operations[place] = msgspec.structs.replace(operation, cost=cost)
    assert story.report().figures.costs.cached_usd == Decimal("0.0004")


def test_a_breakdown_is_not_changed_by_what_is_made_of_it() -> None:
    whole = breakdown_of(recording().summary())
    before = deepcopy(whole)
    figures_of(whole)
    assert whole == before


@pytest.mark.parametrize(("picodollars", "usd"), [(0, "0"), (1, "1E-12"), (10**13, "1E+1"), (1_500_000_000, "0.0015")])
def test_picodollars_are_exact(picodollars: int, usd: str) -> None:
    assert usd_of(picodollars) == Decimal(usd)


@pytest.mark.parametrize("kind", [Line, Totals, Breakdown])
def test_merging_adds_up_every_number_that_there_is(kind: type[Any]) -> None:
    one: Any = kind()
    other: Any = kind()
    names = getattr(kind, "__struct_fields__", None) or [field.name for field in fields(kind)]
    numbers = [name for name in names if isinstance(getattr(one, name), (int, Decimal))]
    assert len(numbers) > 10
    for place, name in enumerate(numbers):
        setattr(one, name, type(getattr(one, name))(place + 1))
        setattr(other, name, type(getattr(one, name))(100 * place))
    one.merge(other)
    assert [getattr(one, name) for name in numbers] == [place + 1 + 100 * place for place in range(len(numbers))]


def test_merging_takes_in_what_each_name_of_others_did() -> None:
    one, other = Breakdown(), Breakdown()
    for table in ("agents", "models", "tools", "services"):
        getattr(one, table)["both"] = Line(calls=1)
        getattr(other, table).update({"both": Line(calls=2), "new": Line(calls=3)})
    one.merge(other)
    for table in ("agents", "models", "tools", "services"):
        assert {name: line.calls for name, line in getattr(one, table).items()} == {"both": 3, "new": 3}
