from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.loop import model

ROOT = Path(__file__).parents[2]
GENAI = version("google-genai")
pytestmark = pytest.mark.skipif(
    GENAI.startswith("1."), reason=f"google-genai {GENAI} does not ask again after a time-out, which the arms count on"
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """A few runs of one seed of every arm, in a world where every run comes to a dead page."""
    folder = tmp_path_factory.mktemp("loop")
    text = model.FILE.read_text(encoding="utf-8")
    file, output = folder / "model.toml", folder / "rows.jsonl"
    file.write_text(text.replace("learn = 3\n", "learn = 2\nrunaway = 0.4\n"), encoding="utf-8")
    command = [sys.executable, "tests/benchmarks", "loop", "--scenarios", "thin_data", "--seeds", "1", "--runs", "4"]
    command += ["--arms", "without,advised,guarded,both,applied", "--jobs", "1", "--file", str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTPERF_", "OTEL_"))}
    done = subprocess.run(
        [*command, "--output", str(output)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in output.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["arm"]].append(row)
    return found


def test_every_arm_is_played_and_has_the_same_luck(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert set(rows) == {"without", "advised", "guarded", "both", "applied"}
    fates = {arm: [row["ran_away"] for row in found] for arm, found in rows.items()}
    assert len(set(map(tuple, fates.values()))) == 1
    assert True in fates["without"]
    assert False in fates["without"]


def test_a_budget_changes_nothing_but_the_runs_that_it_stops(rows: dict[str, list[dict[str, Any]]]) -> None:
    stopped = [row["stopped"] for row in rows["guarded"]]
    assert "usd" in stopped
    for before, after in zip(rows["without"], rows["guarded"], strict=True):
        if after["stopped"]:
            assert after["ran_away"]
            assert not after["success"]
            assert after["cost_usd"] < before["cost_usd"]
        else:
            assert after == {**before, "arm": "guarded"}


def test_advice_is_followed(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Of a step that was seen too little, a click goes to flash; regions that need nothing of one another go at once."""
    assert all(set(row["asked"]["web_agent"]) == {"gemini-2.5-pro"} for row in rows["without"])
    assert any("gemini-2.5-flash" in row["asked"]["web_agent"] for row in rows["advised"])
    assert sum(row["took_s"] for row in rows["advised"]) < sum(row["took_s"] for row in rows["without"])
