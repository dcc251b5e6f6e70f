"""The queries in deploy/: of every rule and of every panel, and the names that they are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"

AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group"}
WORDS = {"and", "or", "unless", "by", "on", "without", "group_left", "ignoring", "offset", "bool"}
_STRING = r'"(?:[^"\\]|\\.)*"'


@dataclass(frozen=True)
class Asked:
    """One query, and where it stands."""

    place: str
    expr: str

    def __str__(self) -> str:
        return self.place


def rule_groups() -> Iterator[dict[str, Any]]:
    """The groups of all rule files."""
    for path in sorted(RULES.glob("*.yml")):
        yield from yaml.safe_load(path.read_text())["groups"]


def rules(kind: str) -> dict[str, dict[str, Any]]:
    """All rules by name; `kind` is `alert` or `record`."""
    return {rule[kind]: rule for group in rule_groups() for rule in group["rules"] if kind in rule}


def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards by the names of their files."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the place where it stands; rows are none."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


def of_panels() -> list[Asked]:
    """The queries of all panels."""
    return [
        Asked(f"{place} {target['refId']}", target["expr"]) for place, panel in panels() for target in panel["targets"]
    ]


def of_rules() -> list[Asked]:
    """The queries of all rules."""
    both = [*rules("record").items(), *rules("alert").items()]
    return [Asked(name, rule["expr"]) for name, rule in both]


def with_values(expr: str, rate_interval: str = "1m", time_range: str = "1h") -> str:
    """The query as Grafana asks it where every service and graph is chosen."""
    given = {"__rate_interval": rate_interval, "__range": time_range, "service": ".+", "graph": ".+"}
    asked = re.sub(r"\$(\w+)", lambda found: given[found[1]], expr)
    assert "$" not in asked
    return asked


def selectors(expr: str) -> set[str]:
    """The series that a query selects, as `name{labels}`."""
    bare = re.sub(r"#.*", "", expr)
    named = rf"([a-zA-Z_][\w:]*)\s*(\{{(?:{_STRING}|[^}}\"])*\}})?"
    found: set[str] = set()
    for match in re.finditer(
        rf"{_STRING}|\b(?:by|on|group_left|ignoring|without)\s*\([^)]*\)|\$\w+|\b\d\w*|{named}|(\{{(?:{_STRING}|[^}}\"])*\}})",
        bare,
    ):
        name, labels, alone = match[1], match[2], match[3]
        if alone:
            found.add(alone)
        elif name and name not in WORDS | AGGREGATIONS and not bare[match.end() :].lstrip().startswith("("):
            found.add(f"{name}{labels or ''}")
    return found


def metric_names(expr: str) -> set[str]:
    """The names of the metrics that a query asks for; of a pattern, the shortest name that it stands for."""
    names = {re.match(r'[\w:]+|\{__name__=~"(\w+)', one) for one in selectors(expr)}
    return {found[1] or found[0] for found in names if found is not None}


def label_names(expr: str) -> set[str]:
    """The labels that a query matches or groups by."""
    bare = re.sub(r"#.*", "", expr)
    groups = re.findall(r"\b(?:by|on|group_left|ignoring|without)\s*\(([^)]*)\)", re.sub(_STRING, '""', bare))
    listed = {name.strip() for group in groups for name in group.split(",")}
    matched = {
        label for one in selectors(bare) for label in re.findall(rf"[{{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*{_STRING}", one)
    }
    return (listed | matched) - {"", "__name__"}


def links() -> list[tuple[str, str]]:
    """The TraceQL of each link to traces, with its place; variables of Grafana are still in it."""
    found: list[tuple[str, str]] = []
    for place, panel in panels():
        for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links") or ():
            (panes,) = re.findall(r"panes=(.*)$", link["url"])
            (pane,) = json.loads(unquote(panes)).values()
            found.append((f"{place}: {link['title']}", pane["queries"][0]["query"]))
    return found
