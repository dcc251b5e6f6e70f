"""`otel-agentperf doctor`: what is there, what is missing, and what would go wrong."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from collections.abc import Iterator

import click

from otel_agentperf.cli.finding import Finding, Level, wrong

_COLORS = {Level.OK: "green", Level.NOTE: "yellow", Level.WRONG: "red"}
_WIDTH, _INDENT = 80, 7


@click.command("doctor")
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check what is installed and set; exit with 1 if something is wrong.

    Connections to the Collector are tried. Where all that is right, a program that does nothing is started under
    opentelemetry-instrument; it sends an empty request over OTLP and no span.
    """
    counts: Counter[Level] = Counter()
    for finding in _findings():
        _print(finding)
        counts[finding.level] += 1
    if errors := counts[Level.WRONG]:
        click.echo(f"\n{errors} {'thing is' if errors == 1 else 'things are'} wrong.")
        ctx.exit(1)
    if notes := counts[Level.NOTE]:
        click.echo(f"\nNo error was found; {notes} {'note says' if notes == 1 else 'notes say'} what to know.")
    else:
        click.echo("\nNothing is wrong.")


def _findings() -> Iterator[Finding]:
    try:
        from otel_agentperf.cli.checks import all_findings  # noqa: PLC0415 - fails where OpenTelemetry refuses a variable
        from otel_agentperf.cli.checks.trial import trial  # noqa: PLC0415 - as above
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever OpenTelemetry raises when it is imported is the finding
        yield wrong(f"OpenTelemetry cannot even be imported, so programs fail or nothing is traced: {error}")
        return
    findings = all_findings(os.environ)
    yield from findings
    if not any(finding.level is Level.WRONG for finding in findings):
        yield from trial(os.environ)


def _print(finding: Finding) -> None:
    lines = textwrap.wrap(finding.sentence, _WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False)
    click.secho(finding.level.value.upper().ljust(_INDENT), fg=_COLORS[finding.level], nl=False)
    click.echo(("\n" + " " * _INDENT).join(lines))
