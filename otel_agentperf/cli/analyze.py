"""`otel-agentperf analyze SOURCE...`: the rules over traces on file or in a backend.

Exit codes: 0 nothing to complain of, 1 a suggestion that `--fail-on` names or a budget that was
overrun, 2 wrong use or nothing that could be read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from otel_agentperf import config
from otel_agentperf.cli.sources import Unusable, engine_of, replayed, source_options, sources_of, titled, told_plainly
from otel_agentperf.plugins import all_rules
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.report.collection import TOP, By
from otel_agentperf.report.console import ReportWriter
from otel_agentperf.report.document import AnyReport
from otel_agentperf.report.render import Format, render
from otel_agentperf.report.text import counted

FOUND = 1


def codes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Codes of rules, by commas."""
    del context, parameter
    found = tuple(part.strip().upper() for part in (value or "").split(",") if part.strip())
    known = [rule.code for rule in all_rules()]
    for code in found:
        if code not in known:
            raise click.BadParameter(f"there is no rule {code}; there are {', '.join(known)}")
    return found


@click.command("analyze")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--format", "form", type=click.Choice([f.value for f in Format]), default=Format.TERMINAL.value, show_default=True
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there.")
@click.option(
    "--by", type=click.Choice([b.value for b in By]), default=By.RUN.value, show_default=True, help="What to list."
)
@click.option("--session", "session_id", help="Report on the session of this id alone.")
@click.option("--top", type=click.IntRange(1, 1000), default=TOP, show_default=True, help="How many to list.")
@click.option(
    "--fail-on",
    callback=codes,
    metavar="CODE,...",
    help="Exit with 1 where one of these rules finds something with at least AGENTPERF_OPTIMIZATION_THRESHOLD.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Exit with 1 where all that is reported on cost more, or a part of it has no known price.",
)
@click.option(
    "--baseline",
    metavar="BASELINE",
    help="Tell the rules that this is normal: a store, an exported file, or its address.",
)
@source_options
def analyze(
    sources: tuple[str, ...],
    form: str,
    output: Path | None,
    by: str,
    session_id: str | None,
    top: int,
    fail_on: tuple[str, ...],
    budget: float | None,
    baseline: str | None,
    **asked: Any,
) -> None:
    """Judge traces on file or in a backend, and report what to change.

    SOURCE is a file, a folder, a glob or a URL that fsspec reads, holding OTLP as JSON or protobuf, Jaeger's
    JSON or what the SDK's console exporter prints, plain, .gz or .zst; or the address of Tempo or Jaeger, such
    as http://localhost:3200. A file that is not read is named, with what it looks like and what to do.

    \b
    Exits with
      0  where nothing is to be complained of,
      1  where a rule of --fail-on found something that matters, or --budget was overrun,
      2  where it was used wrongly, or nothing could be read.
    """  # noqa: D301 - click wants that very character
    with told_plainly():
        settings = config.load()
        chosen = engine_of(asked)
        found = sources_of(sources, asked)
        outcome = replayed(found, settings, chosen, top=top, session_id=session_id, baseline=baseline or "")
        if not outcome.sums.spans:
            raise Unusable(f"there is no span in {titled(found)}")
        report = outcome.report(titled(found), By(by)) if session_id is None else outcome.session()
        _write(report, Format(form), output)
    _judge(outcome, fail_on, budget)


def _write(report: AnyReport, form: Format, output: Path | None) -> None:
    if output is None and form is Format.TERMINAL:
        ReportWriter(sys.stdout).report(report)
        return
    text = render(report, form)
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8")
    click.echo(f"written to {output}", err=True)


def _judge(outcome: Outcome, fail_on: Sequence[str], budget: float | None) -> None:
    """End with 1 where there is something to complain of."""
    fired = outcome.fired()
    complaints = [f"{code} found {counted(fired[code], 'thing')} to change" for code in fail_on if fired[code]]
    if budget is not None:
        complaints.extend(_over_budget(outcome, budget))
    for complaint in complaints:
        click.echo(complaint, err=True)
    if complaints:
        raise SystemExit(FOUND)


def _over_budget(outcome: Outcome, budget: float) -> list[str]:
    """What is to be said against a budget; what nobody can price is not within it."""
    totals = outcome.whole.totals
    billed = totals.billed_calls
    if totals.cost_usd > Decimal(str(budget)):
        return [f"${totals.cost_usd:,.4f} is more than the budget of ${budget:,.4f}"]
    if totals.unpriced_calls:
        priced = totals.priced_calls
        known = f", the other {priced:,} cost ${totals.cost_usd:,.4f}" if priced > 0 else ""
        unknown = f"the price of {totals.unpriced_calls:,} of {billed:,} billed calls is unknown{known}"
        return [f"{unknown}: nobody can say that this is within the budget of ${budget:,.4f}"]
    return []
