from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

import otel_agentperf
from otel_agentperf import config, plugins, semconv
from otel_agentperf.cli.group import group
from otel_agentperf.config import SettingsError
from otel_agentperf.rules import RULES
from tests.readme import README
from tests.telemetry import observed

HEAD = """
from otel_agentperf.model import Complexity, OperationKind
from otel_agentperf.rules.base import Group, Option, Rule, Scope

class Good(Rule[None]):
    code, name, group, scope = "MINE001", "mine", Group.COST, Scope.RUN
    watches, complexity = frozenset({OperationKind.TOOL}), Complexity.LOW
    def start(self): return None
    def observe(self, state, operation, view): return ()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a distribution of one module, with rules under its entry points."""

    def installed(module: str, **entries: str) -> None:
        (tmp_path / "my_rules.py").write_text(module)
        info = tmp_path / "my_rules-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rules\nVersion: 1.0\n")
        points = "".join(f"{name} = my_rules:{value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{points}")
        plugins.users_rules.cache_clear()

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield installed
    sys.modules.pop("my_rules", None)
    plugins.users_rules.cache_clear()


def example() -> str:
    """The rule that the README shows."""
    found = re.search(r"```python\n(.*?class SlowTool.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_rule_of_the_readme_fires_in_a_program(install: Callable[..., None]) -> None:
    install(example(), slow_tool="SlowTool")
    settings = config.Settings(rules={"MINE001": {"limit_s": 0}})
    with observed(settings=settings) as telemetry:
        with otel_agentperf.action("crawl"):
            pass
        said = telemetry.suggestions("MINE001")
    assert [(event.attributes or {})[semconv.SUGGESTION_APPLIES_TO] for event in said] == [("tool:crawl",)]


def test_its_limit_is_the_default_without_settings(install: Callable[..., None]) -> None:
    install(example(), slow_tool="SlowTool")
    with observed() as telemetry:
        with otel_agentperf.action("crawl"):
            pass
        assert telemetry.suggestions("MINE001") == []


def test_a_rule_of_the_user_is_listed_and_explained_like_ours(install: Callable[..., None]) -> None:
    install(example(), slow_tool="SlowTool")
    listed = CliRunner().invoke(group, ["rules"]).output
    assert "MINE001  slow_tool  (group latency, scope run)\n    limit_s = 10 s: Longest call that is fine." in listed
    explained = CliRunner().invoke(group, ["explain", "mine001"]).output
    assert explained.startswith("MINE001 slow_tool\n")
    assert "How it judges: A tool call that takes longer than the limit." in explained
    assert "limit_s = 10 s" in explained


def test_settings_switch_a_rule_of_the_user_and_reject_what_it_does_not_know(install: Callable[..., None]) -> None:
    install(example(), slow_tool="SlowTool")

    def codes(**settings: object) -> list[str]:
        return [rule.code for rule in plugins.chosen_rules(config.load({}, **settings))]

    assert codes()[-1] == "MINE001"
    assert codes(rules_select="MINE001") == ["MINE001"]
    assert "MINE001" in codes(rules_select="latency")
    assert "MINE001" not in codes(rules_ignore="latency")
    with pytest.raises(SettingsError, match=r"\[rules.MINE001\] limit = 3 .* allowed: limit_s"):
        codes(rules={"MINE001": {"limit": 3}})


def test_an_entry_point_that_is_written_wrongly_is_said_and_ours_go_on(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    install(example(), slow_tool="SlowTool()")
    assert plugins.all_rules() == RULES
    (record,) = caplog.records
    assert "SlowTool()" in record.getMessage()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("Missing", "it cannot be loaded ("),
        ("GROUP_NAME", "it is no class that derives from otel_agentperf.rules.base.Rule"),
        ("Plain", "it is no class that derives from otel_agentperf.rules.base.Rule"),
        ("Rule", "Rule lacks code (text such as MINE001), name (text such as slow_checkout), group"),
        ("NoWatches", "NoWatches lacks watches (a frozenset of model.OperationKind)"),
        ("NoObserve", "NoObserve lacks observe()"),
        ("OverSession", "lacks merge(), which a rule over a session needs, since runs may be judged apart, judge()"),
        ("OverProcess", "lacks judge(), which a rule over a process needs"),
        ("Ours", "its code COST001 belongs to otel-agentperf itself"),
        ("Small", "Small lacks code (text such as MINE001)"),
        ("Options", "Options lacks options (a dictionary of rules.base.Option by name)"),
        ("Demanding", "it cannot be loaded (RuntimeError: no"),
    ],
)
def test_what_is_no_rule_is_named_in_the_log_and_left_out(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture, rule: str, said: str
) -> None:
    others = """
GROUP_NAME = "cost"
class Plain: pass
class NoWatches(Good): watches = None
class NoObserve(Rule[None]):
    code, name, group, scope = "MINE003", "mine", Group.COST, Scope.RUN
    watches, complexity = frozenset({OperationKind.TOOL}), Complexity.LOW
    def start(self): return None
class OverSession(Good): scope = Scope.SESSION
class OverProcess(Good):
    scope = Scope.PROCESS
    def merge(self, state, other): return state
class Ours(Good): code = "COST001"
class Small(Good): code = "mine"
class Options(Good): options = {"limit": 3}
class Demanding(Good):
    code = "MINE002"
    def __init__(self, options=None): raise RuntimeError("no")
"""
    install(HEAD + others, bad=rule, good="Good")
    with caplog.at_level(logging.ERROR, "otel_agentperf"):
        assert [found.code for found in plugins.users_rules()] == ["MINE001"]
        plugins.users_rules()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert messages[0].startswith(f"otel-agentperf: the rule bad (my_rules:{rule}) is left out: ")
    assert said in messages[0]


def test_of_two_rules_with_one_code_the_first_one_counts(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    install(HEAD + "class Again(Good): pass\n", first="Good", second="Again")
    with caplog.at_level(logging.ERROR, "otel_agentperf"):
        assert [found.__name__ for found in plugins.users_rules()] == ["Good"]
    assert "its code MINE001 belongs to my_rules:Good" in caplog.text


def test_one_entry_point_that_is_found_twice_is_one_rule(install: Callable[..., None]) -> None:
    install(HEAD, good="Good")
    found = tuple(metadata.entry_points(group=plugins.GROUP))
    assert [rule.code for rule in plugins.load((*found, *found))] == ["MINE001"]
