"""`otel-agentperf rules`: every rule with its options and their defaults."""

from __future__ import annotations

import click

from otel_agentperf.plugins import all_rules
from otel_agentperf.rules import AnyRule


@click.command("rules")
def rules() -> None:
    """List the rules: code, name, group, scope, and options with their defaults."""
    for rule in all_rules():
        click.echo(f"{rule.code}  {rule.name}  (group {rule.group.value}, scope {rule.scope.value})")
        for line in option_lines(rule):
            click.echo(f"    {line}")
    click.echo("\notel-agentperf explain CODE says what a rule finds and what to do about it.")


def option_lines(rule: type[AnyRule]) -> list[str]:
    """The options of a rule, a line each: name, default, unit, meaning."""
    return [
        f"{name} = {option.default:g} {option.unit}: {option.sentence}".replace(" :", ":")
        for name, option in rule.options.items()
    ]
