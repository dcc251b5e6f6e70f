from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.replay.replaying import replayed, told

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("name", ["written_by_0_1.jsonl", "printed_by_0_1.json"])
def test_spans_of_version_0_1_are_read(name: str) -> None:
    outcome = replayed(DATA / name)
    report = told(outcome)
    figures = report["figures"]
    calls = figures["calls"]
    assert (figures["runs"], calls["model"], calls["tool"], calls["service"], calls["errors"]) == (1, 2, 5, 1, 0)
    assert (figures["tokens"]["input"], figures["tokens"]["output"], calls["unpriced"]) == (20, 10, 1)
    assert outcome.whole.totals.cost_usd == Decimal("0.000078")
    assert sorted(agent["name"] for agent in figures["agents"]) == ["plan", "search"]
    assert [session["id"] for session in report["sessions"]] == ["thread-7"]
    assert [run["name"] for run in report["runs"]] == ["trip"]
