from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from otel_agentperf import cli
from otel_agentperf.cli.group import group
from otel_agentperf.rules import RULES


def run(*args: str) -> Result:
    return CliRunner().invoke(group, args)


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    program = (
        "import sys; from otel_agentperf.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in sys.modules if n.startswith('otel_agentperf.cli.')))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for command in ("demo", "doctor", "explain", "prices", "rules"):
        assert f"\n  {command} " in said
    assert said.endswith("['otel_agentperf.cli.group']\n")


@pytest.mark.parametrize("command", ["demo", "doctor", "explain", "prices", "rules"])
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_the_install_line_is_printed_and_the_exit_code_is_two(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from otel_agentperf.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, 'pip install "otel-agentperf[cli]"\n', "")


def test_another_missing_module_is_not_taken_for_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "otel_agentperf.cli.group")
    monkeypatch.setitem(sys.modules, "otel_agentperf._version", None)
    with pytest.raises(ModuleNotFoundError):
        cli.main([])


def test_rules_lists_each_rule_with_its_options_and_defaults() -> None:
    output = run("rules").output
    for rule in RULES:
        assert f"{rule.code}  {rule.name}  (group {rule.group.value}, scope {rule.scope.value})" in output
        for name, option in rule.options.items():
            told = f"{name} = {option.default:g} {option.unit}".rstrip()
            assert f"    {told}: {option.sentence}" in output


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_explain_prints_a_rules_doc_under_its_fixed_heads(rule: type) -> None:
    code = str(rule.code)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
    output = run("explain", code).output
    assert output.startswith(code)
    for head in ("What it finds:", "Why it costs:", "Example:", "Instead:", "Limits:", "How it judges:", "Options,"):
        assert head in output


@pytest.mark.parametrize("name", ["rep001", "repeated_action", " REP001 "])
def test_a_rule_is_found_by_code_or_name_in_any_case(name: str) -> None:
    assert run("explain", name).output.startswith("REP001 repeated_action")


def test_an_unknown_rule_ends_with_one_and_close_names() -> None:
    result = run("explain", "REP01")
    assert result.exit_code == 1
    assert "no rule is called 'REP01'. Close: REP001" in result.output


def test_a_rule_that_resembles_nothing_ends_with_one_and_all_names() -> None:
    result = run("explain", "zzzzzz")
    assert result.exit_code == 1
    assert "Known: " + ", ".join(rule.code for rule in RULES) in result.output
