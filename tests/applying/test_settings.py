from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_agentperf import config
from otel_agentperf.advice.applying import NodeRule, parse_apply
from otel_agentperf.live.pipeline import Pipeline

FLASH = "gemini-2.5-flash"


def test_the_table_of_a_node_is_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text(
        '[apply.plan]\nmodels = ["gemini-2.5-flash"]\n[apply."graph/act"]\ntimeout = true\nshare = 0.2\nexplore = false\n'
    )
    settings = config.load({"AGENTPERF_CONFIG": str(file)})
    assert parse_apply(settings.apply) == {
        "plan": NodeRule((FLASH,), timeout=False, share=0.1, max_share=0.9, explore=True),
        "graph/act": NodeRule((), timeout=True, share=0.2, max_share=0.9, explore=False),
    }


def test_no_environment_variable_switches_it_on() -> None:
    settings, (warning,) = config.load_with_warnings({"AGENTPERF_APPLY": "plan"})
    assert "there is no setting AGENTPERF_APPLY" in warning
    assert Pipeline(settings).applying is None


@pytest.mark.parametrize(
    ("table", "key", "value", "allowed"),
    [
        ({"plan": 5}, '[apply."plan"]', "5", "a table with models, timeout, share, max_share, explore"),
        ({"plan": {}}, '[apply."plan"]', "{}", "models (a list of names), timeout = true, or both"),
        ({"": {"timeout": True}}, '[apply.""]', "{'timeout': True}", "the name of a node"),
        ({"plan": {"modles": []}}, '[apply."plan"] modles', "[]", "models, timeout"),
        ({"plan": {"models": FLASH}}, '[apply."plan"] models', f"'{FLASH}'", "a list of general Gemini models"),
        ({"plan": {"models": []}}, '[apply."plan"] models', "[]", "a list of general Gemini models"),
        ({"plan": {"models": ["gpt-5"]}}, '[apply."plan"] models', "'gpt-5'", "a list of general Gemini models"),
        ({"plan": {"models": [FLASH, 7]}}, '[apply."plan"] models', "7", "a list of general Gemini models"),
        ({"plan": {"models": ["gemini-1.5-pro"]}}, '[apply."plan"] models', "'gemini-1.5-pro'", "generation 2"),
        ({"plan": {"models": [f"models/{FLASH}"]}}, '[apply."plan"] models', f"'models/{FLASH}'", "a list"),
        ({"plan": {"timeout": "yes"}}, '[apply."plan"] timeout', "'yes'", "true or false"),
        ({"plan": {"timeout": True, "share": 0}}, '[apply."plan"] share', "0", "a number from 0.01 to 0.95"),
        ({"plan": {"timeout": True, "share": float("nan")}}, '[apply."plan"] share', "nan", "0.01 to 0.95"),
        ({"plan": {"timeout": True, "share": True}}, '[apply."plan"] share', "True", "0.01 to 0.95"),
        ({"plan": {"timeout": True, "max_share": 1.0}}, '[apply."plan"] max_share', "1.0", "0.01 to 0.95"),
        (
            {"plan": {"timeout": True, "max_share": 0.05}},
            '[apply."plan"] max_share',
            "0.05",
            "from share (0.1) to 0.95",
        ),
        ({"plan": {"timeout": True, "explore": 1}}, '[apply."plan"] explore', "1", "true or false"),
    ],
)
def test_whatever_is_wrong_is_named_with_its_key_value_and_what_is_allowed(
    table: dict[str, Any], key: str, value: str, allowed: str
) -> None:
    with pytest.raises(config.SettingsError) as caught:
        Pipeline(config.Settings(apply=table))
    message = str(caught.value)
    assert f"{key} = {value} is not allowed" in message
    assert allowed in message
