"""`otel-agentperf explain CODE`: the doc of a rule, as its module has it."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import cleandoc

import click

from otel_agentperf.cli.rules import option_lines
from otel_agentperf.plugins import all_rules, doc_of
from otel_agentperf.rules import AnyRule


@click.command("explain")
@click.argument("code")
def explain(code: str) -> None:
    """Explain the rule CODE: what it finds, why it costs, what to do, its formulas and options."""
    rule = _find(code)
    if rule is None:
        raise click.ClickException(_unknown(code))
    click.echo(doc_of(rule))
    click.echo(f"\nHow it judges: {cleandoc(rule.__doc__ or '')}")
    click.echo(f"\nGroup: {rule.group.value}. Scope: {rule.scope.value}. Effort to follow: {rule.complexity.value}.")
    lines = option_lines(rule)
    if lines:
        click.echo(f"\nOptions, under [rules.{rule.code}] in the file that AGENTPERF_CONFIG names:")
    for line in lines:
        click.echo(f"    {line}")


def _find(code: str) -> type[AnyRule] | None:
    wanted = code.strip().lower()
    return next((rule for rule in all_rules() if wanted in (rule.code.lower(), rule.name)), None)


def _unknown(code: str) -> str:
    rules = all_rules()
    known = {rule.code.lower(): rule.code for rule in rules} | {rule.name: rule.code for rule in rules}
    close = dict.fromkeys(known[name] for name in get_close_matches(code.lower(), known, n=5, cutoff=0.5))
    names = close or dict.fromkeys(rule.code for rule in rules)
    return f"no rule is called {code!r}. {'Close' if close else 'Known'}: {', '.join(names)}"
