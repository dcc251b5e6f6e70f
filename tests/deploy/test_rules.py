from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.deploy import queries
from tests.deploy.contract import (
    LABELS_OF_PROMETHEUS,
    LABELS_OF_SYSTEM_METRICS,
    OF_SYSTEM_METRICS,
    attribute_labels,
    exported_names,
)

ALERTS, RECORDED = queries.rules("alert"), queries.rules("record")
TESTS = queries.DEPLOY / "prometheus" / "tests"
COLLECTORS_OWN = re.compile(r"otelcol_\w+")
OF_PROMETHEUS = {"up", "ALERTS"}


def expectations() -> list[dict[str, Any]]:
    return [
        moment
        for path in sorted(TESTS.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())["tests"]
        for moment in case["alert_rule_test"]
    ]


def seconds(duration: str) -> int:
    parts = re.findall(r"(\d+)([hms])", duration)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


@pytest.mark.parametrize("asked", [*queries.of_rules(), *queries.of_panels()], ids=str)
def test_every_query_asks_for_metrics_and_labels_that_exist(asked: queries.Asked) -> None:
    names = queries.metric_names(asked.expr)
    assert names or asked.expr.startswith("vector(")
    unknown = {name for name in names if not COLLECTORS_OWN.fullmatch(name)}
    assert unknown <= exported_names() | RECORDED.keys() | OF_PROMETHEUS | OF_SYSTEM_METRICS
    assert queries.label_names(asked.expr) <= attribute_labels() | LABELS_OF_PROMETHEUS | LABELS_OF_SYSTEM_METRICS


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_it_means_how_urgent_it_is_and_where_the_way_out_stands(name: str) -> None:
    rule = ALERTS[name]
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    headings = re.findall(r"^### (\w+)$", (queries.DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert rule["annotations"]["runbook"] == f"deploy/RUNBOOK.md#{name.lower()}"
    assert name in headings


def test_the_runbook_has_entries_for_alerts_that_exist_alone() -> None:
    text = (queries.DEPLOY / "RUNBOOK.md").read_text()
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert {entry.split("\n", 1)[0] for entry in entries} == ALERTS.keys()
    for entry in entries:
        assert {"**Means.**", "**Look.**", "**Do.**"} <= set(re.findall(r"\*\*\w+\.\*\*", entry)), entry[:40]


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_tested_one_step_before_its_time_and_at_it(name: str) -> None:
    moments = [one for one in expectations() if one["alertname"] == name]
    fires = {seconds(str(one["eval_time"])) for one in moments if one["exp_alerts"]}
    silent = {seconds(str(one["eval_time"])) for one in moments if not one["exp_alerts"]}
    assert fires
    assert all(moment - 30 in silent for moment in fires)


@pytest.mark.parametrize("name", ALERTS)
def test_labels_that_an_alert_speaks_of_are_those_that_it_has(name: str) -> None:
    rule = ALERTS[name]
    spoken = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    tests = [one for one in expectations() if one["alertname"] == name and one["exp_alerts"]]
    assert all(spoken <= one["exp_alerts"][0]["exp_labels"].keys() for one in tests)


def test_the_values_that_are_the_users_stand_in_one_file_and_are_all_used() -> None:
    settings = yaml.safe_load((queries.RULES / "settings.yml").read_text())["groups"][0]["rules"]
    used = {name for asked in queries.of_rules() for name in queries.metric_names(asked.expr)}
    assert {rule["record"] for rule in settings} <= used
