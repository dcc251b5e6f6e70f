"""Agents beneath a span that is no agent work, and calls whose parent is not in the file."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.replay.forms import Request
from tests.replay.replaying import put, replayed, told
from tests.replay.test_scopes import asked, span

KNOWS_REMOTE, IS_REMOTE = 0x100, 0x200


def agent(number: int, parent: int, start_s: int, end_s: int, name: str = "a", **more: str) -> Request:
    return span(
        number, parent, start_s, end_s, gen_ai__operation__name="invoke_agent", gen_ai__agent__name=name, **more
    )


def tool(number: int, parent: int, start_s: int, end_s: int) -> Request:
    return span(number, parent, start_s, end_s, gen_ai__operation__name="execute_tool", gen_ai__tool__name="t")


def node(number: int, parent: int, start_s: int, end_s: int) -> Request:
    return span(number, parent, start_s, end_s, gen_ai__operation__name="invoke_node", gen_ai__node__name="n")


def plain(number: int, parent: int, start_s: int, end_s: int) -> Request:
    return span(number, parent, start_s, end_s, http__request__method="POST")


def report_on(path: Path, *spans: Request, services: int = 1, **options: Any) -> Any:
    """The report on these spans, which come in any order and from as many services."""
    shuffled = list(spans)
    Random(len(spans)).shuffle(shuffled)  # noqa: S311 - an order
    batches: list[Any] = []
    for number in range(services):
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"shop{number}"}}]}
        own = [one for one in shuffled if one.get("service", 0) == number]
        batches.append({"resource": resource, "scopeSpans": [{"scope": {"name": "app"}, "spans": own}]})
    return told(replayed(put(path / "a.json", json.dumps({"resourceSpans": batches}).encode()), **options))


def sums(path: Path, *spans: Request, **options: Any) -> tuple[int, int, float]:
    """Runs, model calls and seconds in all."""
    figures = report_on(path, *spans, **options)["figures"]
    return figures["runs"], figures["calls"]["model"], figures["duration_s"]


def test_an_agent_beneath_a_plain_root_is_the_only_run_and_a_call_beside_it_counts(tmp_path: Path) -> None:
    spans = [plain(1, 0, 0, 100), agent(2, 1, 1, 95), asked(3, 2, 2, 90), asked(4, 1, 95, 99)]
    report = report_on(tmp_path, *spans)
    figures = report["figures"]
    assert (figures["runs"], figures["calls"]["model"], figures["duration_s"]) == (1, 2, 94.0)
    assert figures["tokens"]["input"] == 1400
    assert figures["success_rate"] == 1.0
    assert [(run["name"], run["figures"]["calls"]["model"]) for run in report["runs"]] == [("a", 1)]


@pytest.mark.parametrize("before", [True, False])
def test_it_makes_no_difference_whether_the_call_comes_first(before: bool, tmp_path: Path) -> None:
    call = asked(4, 1, 1, 3) if before else asked(4, 1, 60, 70)
    assert sums(tmp_path, plain(1, 0, 0, 100), call, agent(2, 1, 5, 50), asked(3, 2, 6, 9)) == (1, 2, 45.0)


def test_plain_spans_between_the_root_and_the_agent_make_no_difference(tmp_path: Path) -> None:
    spans = [plain(1, 0, 0, 100), plain(5, 1, 1, 60), agent(2, 5, 5, 50), asked(3, 2, 6, 9), plain(6, 1, 61, 70)]
    assert sums(tmp_path, *spans, asked(4, 6, 62, 69), tool(7, 6, 63, 64)) == (1, 2, 45.0)


def test_a_plain_root_without_an_agent_is_a_run(tmp_path: Path) -> None:
    assert sums(tmp_path, plain(1, 0, 0, 100), asked(2, 1, 5, 9), tool(3, 1, 10, 12)) == (1, 1, 100.0)


def test_a_tool_in_which_an_agent_runs_is_no_run_beside_it(tmp_path: Path) -> None:
    report = report_on(tmp_path, tool(1, 0, 0, 100), agent(2, 1, 5, 50), asked(3, 2, 6, 9))
    assert (report["figures"]["runs"], report["figures"]["calls"]["tool"], report["figures"]["duration_s"]) == (
        1,
        1,
        45,
    )


def test_two_agents_at_once_are_two_runs_and_take_as_long_as_at_least_one_of_them_ran(tmp_path: Path) -> None:
    spans = [
        plain(1, 0, 0, 100),
        agent(2, 1, 0, 60, "a"),
        agent(3, 1, 20, 100, "b"),
        asked(4, 2, 1, 9),
        asked(5, 3, 21, 29),
    ]
    assert sums(tmp_path, *spans) == (2, 2, 100.0)
    later = [
        plain(1, 0, 0, 100),
        agent(2, 1, 0, 30, "a"),
        agent(3, 1, 70, 100, "b"),
        asked(4, 2, 1, 9),
        asked(5, 3, 71, 79),
    ]
    assert sums(tmp_path, *later) == (2, 2, 60.0)


def test_agents_of_two_sessions_at_once_take_no_longer_than_the_clock_says(tmp_path: Path) -> None:
    one = agent(2, 1, 0, 60, gen_ai__conversation__id="s1")
    other = agent(3, 1, 20, 100, gen_ai__conversation__id="s2")
    report = report_on(tmp_path, plain(1, 0, 0, 100), one, other, asked(4, 2, 1, 9), asked(5, 3, 21, 29))
    assert report["figures"]["duration_s"] == 100.0
    assert {each["id"]: each["figures"]["duration_s"] for each in report["sessions"]} == {"s1": 60.0, "s2": 80.0}


def test_the_shares_of_agents_at_once_are_of_all_the_time_that_they_ran(tmp_path: Path) -> None:
    figures = report_on(tmp_path, plain(1, 0, 0, 50), agent(2, 1, 0, 50, "a"), agent(3, 1, 0, 50, "b"))["figures"]
    assert {part["name"]: part["path_share"] for part in figures["agents"]} == {"a": 0.5, "b": 0.5}
    assert figures["critical_path_s"] == 50.0


def test_an_agent_that_calls_one_of_another_service_takes_no_longer_than_it_took(tmp_path: Path) -> None:
    remote = {**agent(3, 2, 20, 60, "b"), "service": 1}
    call = {**asked(4, 3, 21, 29), "service": 1}
    assert sums(tmp_path, agent(1, 0, 0, 100), asked(5, 1, 1, 9), tool(2, 1, 10, 70), remote, call, services=2) == (
        2,
        2,
        100.0,
    )


# -- parents that are not in the file ------------------------------------------------------


def test_calls_beneath_one_absent_parent_are_one_run(tmp_path: Path) -> None:
    assert sums(tmp_path, asked(2, 9, 0, 10), tool(3, 9, 11, 12), asked(4, 9, 13, 20)) == (1, 2, 20.0)


def test_calls_beneath_two_absent_parents_are_two_runs(tmp_path: Path) -> None:
    assert sums(tmp_path, asked(2, 9, 0, 10), asked(3, 9, 11, 12), asked(4, 8, 13, 20), tool(5, 8, 21, 22))[0] == 2


def test_calls_of_two_services_beneath_one_absent_parent_are_two_runs(tmp_path: Path) -> None:
    spans = [asked(2, 9, 0, 10), asked(3, 9, 11, 12), {**asked(4, 9, 13, 20), "service": 1}]
    assert sums(tmp_path, *spans, {**asked(5, 9, 21, 22), "service": 1}, services=2)[0] == 2


def test_agents_beneath_an_absent_parent_are_runs_of_their_own(tmp_path: Path) -> None:
    agents = [agent(2, 9, 0, 10, "a"), agent(3, 9, 5, 25, "b")]
    assert sums(tmp_path, *agents, asked(4, 2, 1, 2), asked(5, 3, 6, 7)) == (2, 2, 25.0)


def test_calls_beside_an_agent_beneath_an_absent_parent_are_one_run_more(tmp_path: Path) -> None:
    spans = [agent(2, 9, 0, 40), asked(3, 2, 1, 2), asked(4, 9, 41, 45), asked(5, 9, 46, 50)]
    report = report_on(tmp_path, *spans)
    assert sorted((run["name"], run["figures"]["duration_s"], run["root_seen"]) for run in report["runs"]) == [
        ("?", 9.0, False),
        ("a", 40.0, True),
    ]
    assert report["figures"]["duration_s"] == 49.0


def test_nodes_beneath_an_absent_parent_show_that_it_was_a_graph(tmp_path: Path) -> None:
    spans = [node(2, 9, 0, 40), asked(3, 2, 1, 2), agent(4, 9, 41, 45), asked(5, 4, 42, 43)]
    assert sums(tmp_path, *spans) == (1, 2, 45.0)


def test_a_parent_in_another_process_makes_each_call_a_run_as_it_was_live(tmp_path: Path) -> None:
    spans = [{**one, "flags": KNOWS_REMOTE | IS_REMOTE} for one in (asked(2, 9, 0, 10), asked(3, 9, 11, 12))]
    assert sums(tmp_path, *spans)[0] == 2


def test_no_idle_time_is_found_while_an_agent_ran_beside_the_calls(tmp_path: Path) -> None:
    beneath = [asked(2, 1, 0, 10), agent(3, 1, 10, 500), asked(4, 3, 11, 499), asked(5, 1, 500, 510)]
    for spans in ([plain(1, 0, 0, 510), *beneath], beneath):
        rules = {finding["rule"] for finding in report_on(tmp_path, *spans)["figures"]["suggestions"]}
        assert "LAT004" not in rules
