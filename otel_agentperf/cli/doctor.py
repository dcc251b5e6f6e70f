"""`otel-agentperf doctor`: what is there, what is set, what is wrong."""

from __future__ import annotations

import os
import textwrap

import click

from otel_agentperf.cli.checks import Level, all_findings

_COLORS = {Level.OK: "green", Level.NOTE: "yellow", Level.WRONG: "red"}
_WIDTH, _INDENT = 80, 7


@click.command("doctor")
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check libraries, entry points, exporters and settings; exit with 1 if something is wrong."""
    findings = all_findings(os.environ)
    for finding in findings:
        lines = textwrap.wrap(finding.sentence, _WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False)
        click.secho(finding.level.value.upper().ljust(_INDENT), fg=_COLORS[finding.level], nl=False)
        click.echo(("\n" + " " * _INDENT).join(lines))
    wrong = sum(finding.level is Level.WRONG for finding in findings)
    if wrong:
        click.echo(f"\n{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
        ctx.exit(1)
    click.echo("\nNothing is wrong.")
