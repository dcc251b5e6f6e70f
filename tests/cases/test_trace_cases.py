"""Every case of `cases.json`, through the command line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from otel_agentperf.cli.group import group

FOLDER = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
# Before 8.2 click mixed the streams unless it was asked not to; from then on it has no such parameter.
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
RUNNER = CliRunner(**_APART)
EXACT: dict[str, Callable[[Any], Any]] = {
    "model_calls": lambda figures: figures["calls"]["model"],
    "input_tokens": lambda figures: figures["tokens"]["input"],
    "output_tokens": lambda figures: figures["tokens"]["output"],
    "runs": lambda figures: figures["runs"],
    "cost_usd": lambda figures: figures["costs"]["total_usd"],
}
"""Totals that must be equal."""
NEVER: dict[str, Callable[[Any], Any]] = {
    "cost_usd_not": lambda figures: figures["costs"]["total_usd"],
    "rating_not": lambda figures: figures["rating"],
}
AT_MOST: dict[str, Callable[[Any], list[float]]] = {
    "duration_s_at_most": lambda figures: [figures["duration_s"]],
    "savings_time_s_at_most": lambda figures: [
        figures["savings"]["time_s"],
        *(suggestion["time_s"] or 0 for suggestion in figures["suggestions"]),
    ],
}


def analyzed(path: Path) -> Result:
    return RUNNER.invoke(group, ["analyze", str(path), "--format", "json", "--workers", "1"])


def check_unread(expect: dict[str, Any], path: Path, result: Result) -> None:
    assert expect.keys() == {"stderr_names_file", "stderr_text"}
    assert result.exit_code == 2
    assert (path.name in result.stderr) is expect["stderr_names_file"]
    assert expect["stderr_text"] in result.stderr


def check(kind: str, expected: Any, figures: Any) -> None:
    """Compare one expectation with what was reported."""
    suggestions = figures["suggestions"]
    rules = {suggestion["rule"] for suggestion in suggestions}
    if kind in EXACT:
        assert EXACT[kind](figures) == pytest.approx(expected, rel=1e-9, abs=0)
    elif kind in NEVER:
        assert NEVER[kind](figures) != expected
    elif kind in AT_MOST:
        assert max(AT_MOST[kind](figures)) <= expected
    elif kind == "rules_present":
        assert set(expected) <= rules
    elif kind == "rules_absent":
        assert rules.isdisjoint(expected)
    else:
        assert kind == "no_text"
        descriptions = [item["description"].lower() for item in suggestions if item["rule"] == "LAT001"]
        assert [word for word in expected if any(word.lower() in text for text in descriptions)] == []


@pytest.mark.parametrize("case", CASES, ids=[Path(case["file"]).stem for case in CASES])
def test_a_trace_gets_the_right_answer(case: dict[str, Any]) -> None:
    path = FOLDER / case["file"]
    result = analyzed(path)
    if any(kind.startswith("stderr") for kind in case["expect"]):
        check_unread(case["expect"], path, result)
        return
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)["figures"]
    for kind, expected in case["expect"].items():
        check(kind, expected, figures)


def test_every_file_has_a_case() -> None:
    assert {path.name for path in (FOLDER / "traces").iterdir()} == {Path(case["file"]).name for case in CASES}
