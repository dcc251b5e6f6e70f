from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

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
        ("[settings]\nemit = 5", "span_event | log_event | both"),
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
    _, (warning,) = config.load_with_warnings({"AGENTPERF_FINGERPRINT_KEYS": "s3cret"})
    assert "AGENTPERF_FINGERPRINT_KEYS" in warning
    assert "did you mean AGENTPERF_FINGERPRINT_KEY?" in warning
    assert "s3cret" not in warning


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


@pytest.fixture
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_logged", set[str]())


@pytest.mark.usefixtures("nothing_logged")
def test_a_variable_that_is_no_setting_is_ignored_and_logged_once_with_the_nearest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    env = {"AGENTPERF_REPORTPATH": "secret", "AGENTPERF_MAX_SESSIONS": "7"}
    assert [config.load(env).max_sessions for _ in range(3)] == [7, 7, 7]
    assert [record.getMessage() for record in caplog.records] == [
        "otel-agentperf: there is no setting AGENTPERF_REPORTPATH, so it is ignored; did you mean AGENTPERF_REPORT_PATH?"
    ]
    assert caplog.records[0].levelname == "WARNING"


@pytest.mark.usefixtures("nothing_logged")
def test_a_variable_that_resembles_no_setting_is_logged_with_all_that_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config.load({"AGENTPERF_ZZZZ": "1"})
    assert "allowed: AGENTPERF_BASELINE_FROM, AGENTPERF_BASELINE_STORE, " in caplog.text
    assert "AGENTPERF_GUARD" not in caplog.text


@pytest.mark.usefixtures("nothing_logged")
def test_a_key_of_the_file_that_is_no_setting_is_ignored_and_the_others_are_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text("[settings]\nmax_session = 5\nmetrics = false\nconfig = 'other.toml'\n")
    assert config.load({"AGENTPERF_CONFIG": str(file)}).metrics is False
    assert "there is no setting max_session" in caplog.text
    assert "did you mean max_sessions?" in caplog.text
    assert "there is no setting config" in caplog.text


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=20))
def test_no_unknown_variable_changes_a_setting_whatever_its_name_or_value(name: str) -> None:
    variable = f"AGENTPERF_{name}"
    if variable in config.variables():
        return
    settings, warnings = config.load_with_warnings({variable: "secret value", "AGENTPERF_EMIT": "both"})
    assert settings == config.Settings(emit="both")
    assert all("secret" not in warning for warning in warnings)
    assert len(warnings) == (0 if name == "GUARD" else 1)


@pytest.mark.parametrize(
    ("variable", "value", "near"),
    [
        ("AGENTPERF_EMIT", "log-event", "log_event"),
        ("AGENTPERF_REPORT_FORMAT", "htm", "html"),
        ("AGENTPERF_BUDGET_ACTION", "raised", "raise"),
        ("AGENTPERF_REPORT_PATH", "{traceid}.html", "{trace_id}"),
    ],
)
def test_a_wrong_value_is_refused_with_the_nearest_that_is_allowed(variable: str, value: str, near: str) -> None:
    with pytest.raises(config.SettingsError) as caught:
        config.load({variable: value})
    assert f"(did you mean {near}?)" in str(caught.value)


def test_a_table_of_the_file_that_does_not_exist_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "agentperf.toml"
    file.write_text("[price]\n")
    with pytest.raises(config.SettingsError, match=r"did you mean prices\?"):
        config.load({"AGENTPERF_CONFIG": str(file)})
