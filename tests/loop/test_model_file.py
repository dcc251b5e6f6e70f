from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks.loop import model


def changed(tmp_path: Path, before: str, after: str) -> Path:
    text = model.FILE.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "model.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    return path


def test_the_file_is_valid_and_every_scenario_tells_what_each_step_asks() -> None:
    facts = model.load()
    assert len(facts.scenarios) >= 5
    for scenario in facts.scenarios.values():
        assert set(scenario.models) == set(model.STEPS)
        assert set(scenario.models.values()) <= set(scenario.allowed)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("plan_is_lost = 0.15", "plan_is_lost = 1.5", "bad.plan_is_lost"),
        ("base_s = 2.2", "base = 2.2", "unknown field `base`"),
        ("spread = 0.35", "", "spread"),
        ('orchestrator = "gemini-2.5-pro"', 'orchestrator = "gemini-9"', "no model ['gemini-9']"),
        ('orchestrator = "gemini-2.5-pro"', 'planner = "gemini-2.5-pro"', "must tell of every step"),
        ("[good.observer]", "[good.reader]", "must be"),
        ('arms = ["without"', 'arms = ["beforehand"', "beforehand"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        model.load(changed(tmp_path, before, after))


def test_a_drift_changes_what_it_names_and_only_after_it_has_begun() -> None:
    facts = model.load()
    scenario = facts.scenarios["drift"]
    assert scenario.drift is not None
    flash = scenario.drift.model
    before, after = (facts.good_at(scenario, "web_agent", flash, drifted=drifted) for drifted in (False, True))
    assert after < before
    assert facts.good_at(scenario, "observer", flash, drifted=True) == facts.good["observer"][flash]
