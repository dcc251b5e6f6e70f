from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_agentperf import config, semconv
from otel_agentperf.config import SettingsError
from otel_agentperf.model import OperationKind
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.rules import RULES
from otel_agentperf.rules.base import Group, Option
from tests.rules.test_cases import final_suggestions, load
from tests.telemetry import observed

GROUPS = sorted({rule.group.value for rule in RULES})
OPTIONS = [
    pytest.param(rule.code, name, option, id=f"{rule.code} {name}")
    for rule in RULES
    for name, option in rule.options.items()
]
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def codes(**settings: object) -> list[str]:
    return [rule.code for rule in chosen_rules(config.load({}, **settings))]


def in_file(path: Path, text: str) -> config.Settings:
    file = path / "settings.toml"
    file.write_text(text)
    return config.load({"AGENTPERF_CONFIG": str(file)})


def test_no_two_rules_share_a_code_or_a_name() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


@every_rule
def test_a_rule_is_selected_and_ignored_by_its_code(rule: Any) -> None:
    assert codes(rules_select=rule.code) == [rule.code]
    assert rule.code not in codes(rules_ignore=rule.code)
    assert len(codes(rules_ignore=rule.code)) == len(codes()) - 1


@pytest.mark.parametrize("group", GROUPS)
def test_rules_are_selected_and_ignored_by_their_group(group: str) -> None:
    mine = [rule.code for rule in RULES if rule.group is Group(group)]
    assert codes(rules_select=group) == mine
    assert codes(rules_ignore=group) == [code for code in codes() if code not in mine]


def test_to_ignore_a_rule_wins_over_selecting_it() -> None:
    assert codes(rules_select="latency,REP001", rules_ignore="LAT001,repetition") == [
        rule.code for rule in RULES if rule.group is Group.LATENCY and rule.code != "LAT001"
    ]


@pytest.mark.parametrize("key", ["AGENTPERF_RULES_SELECT", "AGENTPERF_RULES_IGNORE"])
def test_an_unknown_name_is_rejected_with_all_that_there_are(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        chosen_rules(config.load({key: "LAT001,LAT999"}))
    said = str(caught.value)
    assert f"{key} = 'LAT999' is not allowed; allowed: " in said
    assert all(name in said for name in (*codes(), *GROUPS))


@every_rule
def test_a_rule_without_options_in_the_file_has_its_defaults(rule: Any) -> None:
    (made,) = chosen_rules(config.load({}, rules_select=rule.code))
    for name, option in rule.options.items():
        assert getattr(made, name) == option.default
        assert option.minimum <= option.default <= option.maximum


@pytest.mark.parametrize(("code", "name", "option"), OPTIONS)
def test_an_option_is_taken_from_the_file(tmp_path: Path, code: str, name: str, option: Option) -> None:
    smallest = int(option.minimum) if isinstance(option.default, int) else option.minimum
    given = in_file(tmp_path, f"[settings]\nrules_select = ['{code}']\n[rules.{code}]\n{name} = {smallest!r}\n")
    (made,) = chosen_rules(given)
    assert getattr(made, name) == smallest


@pytest.mark.parametrize(("code", "name", "option"), OPTIONS)
def test_an_option_that_is_not_allowed_is_named_with_what_is(
    tmp_path: Path, code: str, name: str, option: Option
) -> None:
    wrong = ["'much'", "true", "nan", repr(option.minimum - 1), repr(option.maximum * 2)]
    if isinstance(option.default, int):
        wrong.append("1.5")
    for value in wrong:
        with pytest.raises(SettingsError) as caught:
            chosen_rules(in_file(tmp_path, f"[rules.{code}]\n{name} = {value}\n"))
        assert f"[rules.{code}] {name} = " in str(caught.value)
        assert f"number from {option.minimum:g} to {option.maximum:g}" in str(caught.value)


@every_rule
def test_an_option_that_a_rule_does_not_have_is_rejected(tmp_path: Path, rule: Any) -> None:
    with pytest.raises(SettingsError, match=rf"\[rules.{rule.code}\] no_such_option = 1"):
        chosen_rules(in_file(tmp_path, f"[rules.{rule.code}]\nno_such_option = 1\n"))


@every_rule
def test_what_a_rule_says_becomes_an_event_from_the_threshold_on(rule: Any) -> None:
    case = next(iter(load(rule.code)["fires"].values()))
    suggestion = final_suggestions(rule.code, case)[0]
    impact = suggestion.impact_score
    assert 0 < impact <= 1
    for threshold, events in ((impact, 1), (impact + 0.001, 0)):
        settings = config.Settings(fingerprint_key="test", metrics=False, optimization_threshold=threshold)
        with observed(settings=settings, instrument=False) as telemetry:
            span = telemetry.provider.get_tracer(semconv.SCOPE_API).start_span("invoke_workflow graph", start_time=1)
            frame = telemetry.pipeline.open(OperationKind.WORKFLOW, "graph", span, 1, None)
            telemetry.pipeline.teller.suggestions([suggestion], frame, 2)
            telemetry.pipeline.close(frame, {}, end_ns=3)
            assert len(telemetry.suggestions(rule.code)) == events
