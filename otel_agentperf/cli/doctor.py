"""`otel-agentperf doctor`: what is there, what is missing, and what would go wrong."""

from __future__ import annotations

import os
import textwrap

import click

from otel_agentperf.cli.checks import all_findings
from otel_agentperf.cli.checks.finding import Finding, Level
from otel_agentperf.cli.checks.trial import trial

_COLORS = {Level.OK: "green", Level.NOTE: "yellow", Level.WRONG: "red"}
_WIDTH, _INDENT = 80, 7


@click.command("doctor")
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check what is installed and set; exit with 1 if something is wrong.

    Connections to the Collector are tried. Where all that is right, a program that does nothing is started under
    opentelemetry-instrument; it sends an empty request over OTLP and no span.
    """
    findings = all_findings(os.environ)
    for finding in findings:
        _print(finding)
    if not _count(findings, Level.WRONG):
        for finding in trial(os.environ):
            _print(finding)
            findings.append(finding)
    wrong, notes = _count(findings, Level.WRONG), _count(findings, Level.NOTE)
    if wrong:
        click.echo(f"\n{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
        ctx.exit(1)
    if notes:
        click.echo(f"\nNo error was found; {notes} {'note says' if notes == 1 else 'notes say'} what to know.")
    else:
        click.echo("\nNothing is wrong.")


def _print(finding: Finding) -> None:
    lines = textwrap.wrap(finding.sentence, _WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False)
    click.secho(finding.level.value.upper().ljust(_INDENT), fg=_COLORS[finding.level], nl=False)
    click.echo(("\n" + " " * _INDENT).join(lines))


def _count(findings: list[Finding], level: Level) -> int:
    return sum(finding.level is level for finding in findings)
