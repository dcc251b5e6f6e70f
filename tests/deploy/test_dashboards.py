from __future__ import annotations

import re

import pytest

from deploy.grafana.source.__main__ import files
from tests.deploy import queries

PANELS = dict(queries.panels())
TITLES = ("Agents: money", "Agents: one system", "Agents: overview", "Agents: resources")


def test_what_is_checked_in_is_what_the_code_makes() -> None:
    made = dict(files())
    assert made.keys() == {path.name for path in queries.DASHBOARDS.glob("*.json")}
    for name, text in made.items():
        assert (queries.DASHBOARDS / name).read_text() == text, f"python -m deploy.grafana.source writes {name} anew"


def test_there_are_four_dashboards_and_each_leads_to_the_others() -> None:
    dashboards = queries.dashboards()
    assert sorted(one["title"] for one in dashboards.values()) == sorted(TITLES)
    for name, dashboard in dashboards.items():
        assert name == f"{dashboard['uid']}.json"
        (link,) = dashboard["links"]
        assert set(link["tags"]) <= set(dashboard["tags"])
        assert link["includeVars"]
        assert link["keepTime"]


@pytest.mark.parametrize("place", PANELS)
def test_every_panel_has_a_title_a_sentence_a_unit_and_a_source_that_can_be_chosen(place: str) -> None:
    panel = PANELS[place]
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${prometheus}"}
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


def test_no_two_panels_of_a_dashboard_lie_on_each_other() -> None:
    for name, dashboard in queries.dashboards().items():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, f"{name}: {panel['title']}"
            assert at["x"] + at["w"] <= 24
            taken |= cells


def test_panels_over_time_take_the_rate_interval_that_fits_what_is_shown() -> None:
    for place, panel in PANELS.items():
        for target in panel["targets"]:
            assert not re.search(r"rate\([^)]*\[(?!\$__rate_interval)", target["expr"]), place


def test_variables_in_queries_are_those_of_the_dashboard() -> None:
    for name, dashboard in queries.dashboards().items():
        known = {one["name"] for one in dashboard["templating"]["list"]} | {"__rate_interval", "__range"}
        asked = {
            variable
            for panel in dashboard["panels"]
            for target in panel.get("targets") or ()
            for variable in re.findall(r"\$(\w+)", target["expr"])
        }
        assert asked <= known, name


def test_a_link_to_traces_asks_for_labels_that_the_series_of_its_panel_have() -> None:
    for place, traceql in queries.links():
        panel = PANELS[place.rsplit(": ", 1)[0]]
        for label in re.findall(r"\$\{__field\.labels\.(\w+)\}", traceql):
            assert all(label in queries.label_names(target["expr"]) for target in panel["targets"]), place


def test_every_panel_on_durations_and_costs_of_runs_leads_to_traces() -> None:
    linked = {place.rsplit(": ", 1)[0] for place, _ in queries.links()}
    about_runs = {
        place
        for place, panel in PANELS.items()
        if panel["type"] == "timeseries"
        and any(re.search(r"agentperf_(run|node)_\w+_bucket", target["expr"]) for target in panel["targets"])
    }
    assert about_runs
    assert about_runs <= linked
    for place in about_runs:
        assert any(target.get("exemplar") for target in PANELS[place]["targets"]), place
