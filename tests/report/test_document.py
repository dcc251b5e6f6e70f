from __future__ import annotations

import json
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf.model import Level
from otel_agentperf.report.collection import By
from otel_agentperf.report.document import SCHEMA, document, to_json
from tests import report_schema
from tests.report.runs import Story, a_session, a_suggestion, collected, large, recording, suggesting

CHECK: Any = cast("Any", jsonschema).Draft202012Validator(json.loads(report_schema.FILE.read_text()))
REPORTS: dict[str, Any] = {
    "run": lambda: recording().report(),
    "large run": lambda: large().report(),
    "run without its root": lambda: recording().report(root_seen=False),
    "empty run": lambda: Story(end=0).report(),
    "session": a_session,
    **{f"runs by {by}": lambda by=by: collected(by=by) for by in By},
    "no runs": lambda: collected(0),
}


def test_the_schema_that_is_shipped_is_up_to_date() -> None:
    assert report_schema.FILE.read_text() == report_schema.written(), "run: python tests/report_schema.py"


@pytest.mark.parametrize("name", REPORTS)
def test_every_kind_of_report_is_valid(name: str) -> None:
    made = json.loads(to_json(REPORTS[name]()))
    CHECK.validate(made)
    assert made["schema"] == SCHEMA


def test_the_schema_refuses_what_is_no_report() -> None:
    made = document(recording().report())
    wrong: list[dict[str, Any]] = [{**made, "schema": "otel-agentperf/report/2"}, {**made, "figures": {}}, {}]
    for broken in wrong:
        with pytest.raises(jsonschema.ValidationError):
            CHECK.validate(broken)


def test_every_figure_of_many_meanings_is_described() -> None:
    described = report_schema.schema()["$defs"]["Figures"]["properties"]
    for field in ("success_rate", "critical_path_s", "savings", "by_cost", "left_out"):
        assert described[field]["description"]


def test_money_is_a_number_with_all_its_digits() -> None:
    assert '"total_usd": 0.1491505' in to_json(recording().report())


def test_on_one_line_it_says_the_same() -> None:
    report = recording().report()
    line = to_json(report, indent=None)
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(to_json(report))


def test_a_session_gives_its_report_as_plain_values() -> None:
    session = a_session()
    made = session.to_dict()
    assert made == json.loads(to_json(session))
    assert (made["kind"], made["id"], made["open_runs"], made["figures"]["runs"]) == ("session", "rec-17", 1, 2)


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=30) | st.just("\ud800 half a pair"))
def test_no_name_breaks_the_document(name: str) -> None:
    story = Story(name, session=name)
    story.tool(name, story.node(name, 0, 1), 0, 1, error_type=name)
    CHECK.validate(json.loads(to_json(story.report())))


def test_suggestions_are_ranked_by_impact_money_and_time() -> None:
    figures = document(
        suggesting(*(a_suggestion(f"A{number}", Level.NOTICE, 0.5 + number / 20) for number in range(5)))
    )["figures"]
    said = {each["id"]: each for each in figures["suggestions"]}
    impacts = [each["impact_score"] for each in figures["suggestions"]]
    assert impacts == sorted(impacts, reverse=True)
    times = [said[each]["time_s"] for each in figures["by_time"]]
    assert len(times) == 5
    assert times == sorted(times, reverse=True)


def test_a_report_on_many_runs_holds_those_that_stand_out_in_detail() -> None:
    made = document(collected(12, top=3))
    assert [run["name"] for run in made["dearest"]] == ["graph_11", "graph_10", "graph_9"]
    assert [run["name"] for run in made["slowest"]] == ["graph_11", "graph_10", "graph_9"]
    assert [run["kind"] for run in made["runs"]] == ["run"] * 3
    assert made["session_count"] == 4
    assert len(made["sessions"]) == 3
