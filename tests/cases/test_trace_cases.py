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
FIGURES: dict[str, Callable[[Any], Any]] = {
    "model_calls": lambda figures: figures["calls"]["model"],
    "input_tokens": lambda figures: figures["tokens"]["input"],
    "output_tokens": lambda figures: figures["tokens"]["output"],
    "runs": lambda figures: figures["runs"],
}
"""Totals that must be equal."""


def analyzed(path: Path) -> Result:
    return RUNNER.invoke(group, ["analyze", str(path), "--format", "json", "--workers", "1"])


def figures_of(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["figures"]


def check(kind: str, expected: Any, path: Path, result: Result) -> None:
    """Hold one expectation against what was reported."""
    match kind:
        case "stderr_names_file":
            assert (path.name in result.stderr) is expected
            assert result.exit_code == 2, "none of its files could be read"
            return
        case "stderr_text":
            assert expected in result.stderr
            return
        case _:
            figures = figures_of(result)
    suggestions = figures["suggestions"]
    rules = {suggestion["rule"] for suggestion in suggestions}
    match kind:
        case "cost_usd":
            assert figures["costs"]["total_usd"] == pytest.approx(expected, rel=1e-9, abs=0)
        case "cost_usd_not":
            assert figures["costs"]["total_usd"] != expected
        case "rating_not":
            assert figures["rating"] != expected
        case "duration_s_at_most":
            assert figures["duration_s"] <= expected
        case "savings_time_s_at_most":
            times = [figures["savings"]["time_s"], *(suggestion["time_s"] or 0 for suggestion in suggestions)]
            assert max(times) <= expected
        case "rules_present":
            assert set(expected) <= rules
        case "rules_absent":
            assert rules.isdisjoint(expected)
        case "no_text":
            descriptions = [item["description"].lower() for item in suggestions if item["rule"] == "LAT001"]
            assert [word for word in expected if any(word.lower() in text for text in descriptions)] == []
        case _:
            assert FIGURES[kind](figures) == expected


@pytest.mark.parametrize("case", CASES, ids=[Path(case["file"]).stem for case in CASES])
def test_a_trace_gets_the_right_answer(case: dict[str, Any]) -> None:
    path = FOLDER / case["file"]
    result = analyzed(path)
    for kind, expected in case["expect"].items():
        check(kind, expected, path, result)


def test_every_file_has_a_case() -> None:
    assert {path.name for path in (FOLDER / "traces").iterdir()} == {Path(case["file"]).name for case in CASES}
