from __future__ import annotations

from pathlib import Path

import pytest

from otel_agentperf import config


def test_nothing_set_means_the_defaults() -> None:
    assert config.load({}) == config.Settings()


def test_the_environment_wins_over_the_file_and_code_over_both(tmp_path: Path) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text('[settings]\nemit = "both"\nmax_sessions = 7\noptimization_threshold = 0.25\n')
    env = {"AGENTPERF_CONFIG": str(file), "AGENTPERF_MAX_SESSIONS": "8"}
    settings = config.load(env, optimization_threshold=0.75)
    assert (settings.emit, settings.max_sessions, settings.optimization_threshold) == ("both", 8, 0.75)


def test_prices_and_rule_options_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text("[prices.services.maps]\nper_call_usd = 0.5\n[rules.LAT001]\nthreshold_s = 2\n")
    settings = config.load({"AGENTPERF_CONFIG": str(file)})
    assert settings.prices == {"services": {"maps": {"per_call_usd": 0.5}}}
    assert settings.rules == {"LAT001": {"threshold_s": 2}}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AGENTPERF_EMIT", "smoke", "span_event | log_event | both"),
        ("AGENTPERF_ENABLED", "maybe", "true or false"),
        ("AGENTPERF_MAX_SESSIONS", "0", "a whole number from 1 to"),
        ("AGENTPERF_MAX_SESSIONS", "many", "a whole number from 1 to"),
        ("AGENTPERF_OPTIMIZATION_THRESHOLD", "1.5", "a number from 0 to 1"),
        ("AGENTPERF_OPTIMIZATION_THRESHOLD", "nan", "a number from 0 to 1"),
        ("AGENTPERF_CONFIG", "nowhere.toml", "a readable TOML file"),
        ("AGENTPERF_BUDGET_RUN_USD", "much", "a number from 0 to"),
        ("AGENTPERF_BUDGET_RUN_USD", "-1", "a number from 0 to"),
        ("AGENTPERF_BUDGET_SESSION_TOKENS", "1.5", "a whole number from 0 to"),
        ("AGENTPERF_BUDGET_SESSION_TIME", "0.0001", "0, or a number from 0.001 to"),
        ("AGENTPERF_BUDGET_UNPRICED", "raise", "ignore | stop"),
        ("AGENTPERF_BUDGET_ACTION", "stop", "raise | report"),
        ("AGENTPERF_REPORT_FORMAT", "pdf", "terminal | json | markdown | html"),
        ("AGENTPERF_REPORT_PATH", "{run}/{date}.html", "no other fields than {run}, {trace_id}, {span_id}"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(config.SettingsError) as caught:
        config.load({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[settings]\nemitt = 'both'", "emitt"),
        ("[settings]\nemit = 5", "span_event | log_event | both"),
        ("[settings]\nconfig = 'other.toml'", "config"),
        ("[setings]\nemit = 'both'", "the tables settings, prices, rules, apply"),
        ("prices = 5", "the tables settings, prices, rules, apply"),
        ("[settings\n", "valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong_in_it(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text(text)
    with pytest.raises(config.SettingsError) as caught:
        config.load({"AGENTPERF_CONFIG": str(file)})
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_misspelt_setting_is_named_without_its_value_which_may_be_a_secret() -> None:
    with pytest.raises(config.SettingsError) as caught:
        config.load({"AGENTPERF_FINGERPRINT_KEYS": "canary"})
    assert "AGENTPERF_FINGERPRINT_KEYS" in str(caught.value)
    assert "AGENTPERF_FINGERPRINT_KEY," in str(caught.value)
    assert "canary" not in str(caught.value)


def test_every_setting_has_a_sentence_and_accepts_its_own_default() -> None:
    for name, row in config.setting_rows().items():
        assert row.sentence.endswith(".")
        default: object = [] if row.default == () else row.default
        assert row.parse(name, default) == row.default, name


def test_an_unknown_setting_in_code_is_refused() -> None:
    with pytest.raises(config.SettingsError, match="no_such"):
        config.load({}, no_such=1)


def test_a_wrong_content_mode_warns_once_and_records_none_since_the_variable_is_not_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    env = {config.CONTENT_ENV: "true of old"}
    assert [config.load(env).capture_content for _ in range(2)] == ["no_content", "no_content"]
    assert len(caplog.records) == 1
    assert "true of old" in caplog.text
    assert config.load({config.CONTENT_ENV: " SPAN_ONLY "}).capture_content == "span_only"
    with pytest.raises(config.SettingsError):
        config.load({}, capture_content="true")
