"""`otel-agentperf analyze SOURCE...`: the rules over traces on file or in a backend.

Exit codes: 0 nothing to complain of, 1 a suggestion that `--fail-on` names or a budget that was
overrun, 2 wrong use or nothing that could be read.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from otel_agentperf import config
from otel_agentperf.cli.progress import progress_bar
from otel_agentperf.config import Settings, SettingsError
from otel_agentperf.plugins import all_rules
from otel_agentperf.replay import backends
from otel_agentperf.replay.engines import ReplayEngine, WorkerDiedError
from otel_agentperf.replay.extras import MissingExtraError
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome, UnknownSessionError
from otel_agentperf.replay.places import LineNumbers
from otel_agentperf.replay.replay import replay
from otel_agentperf.replay.sources import NoSourceError, Source, files
from otel_agentperf.replay.troubles import TroubleTeller
from otel_agentperf.report.collection import TOP, By
from otel_agentperf.report.console import ReportWriter
from otel_agentperf.report.document import AnyReport
from otel_agentperf.report.render import Format, render
from otel_agentperf.report.render import MissingExtraError as FormatNeedsExtraError
from otel_agentperf.report.text import counted

FOUND, UNUSABLE = 1, 2
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])\Z")


class Unusable(click.ClickException):
    """Wrong use, or nothing that could be read."""

    exit_code = UNUSABLE


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A time as Unix seconds: so long ago (`90m`, `2d`), or ISO 8601, in UTC where it names no zone."""
    del context, parameter
    if value is None:
        return None
    text = value.strip()
    ago = _AGO.match(text)
    if ago:
        return time.time() - float(ago[1]) * _UNITS_S[ago[2]]
    if text == "now":
        return time.time()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a time ago, such as 90m, 6h or 2d, nor ISO 8601") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def codes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Codes of rules, by commas."""
    del context, parameter
    found = tuple(part.strip().upper() for part in (value or "").split(",") if part.strip())
    known = [rule.code for rule in all_rules()]
    for code in found:
        if code not in known:
            raise click.BadParameter(f"there is no rule {code}; there are {', '.join(known)}")
    return found


def header(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Headers of HTTP; a value may be a secret and is not told."""
    del context, parameter
    found: dict[str, str] = {}
    for value in values:
        name, equals, said = value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter("a header is written NAME=VALUE")
        found[name.strip()] = said.strip()
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
    "--since",
    callback=moment,
    metavar="TIME",
    help="Ask a backend from then on: 90m, 6h, 2d or ISO 8601.  [default: 1h]",
)
@click.option("--until", callback=moment, metavar="TIME", help="Ask a backend until then.  [default: now]")
@click.option("--query", help="Ask Tempo with this TraceQL.")
@click.option("--service", help="Ask a backend for traces of this service.")
@click.option("--limit", type=click.IntRange(1), help="Ask a backend for so many traces at most.  [default: 1000]")
@click.option(
    "--header",
    "headers",
    callback=header,
    metavar="NAME=VALUE",
    multiple=True,
    help="Send this to a backend, such as a token.",
)
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Where the Dask scheduler is, such as tcp://10.0.0.1:8786.")
@click.option("--workers", type=click.IntRange(1), help="Processes of the local engine.  [default: one a core]")
def analyze(
    sources: tuple[str, ...],
    form: str,
    output: Path | None,
    by: str,
    session_id: str | None,
    top: int,
    fail_on: tuple[str, ...],
    budget: float | None,
    engine: str,
    scheduler: str | None,
    workers: int | None,
    **asked: Any,
) -> None:
    """Judge traces on file or in a backend, and report what to change.

    SOURCE is a file, a folder, a glob or a URL that fsspec reads, holding OTLP as JSON, JSON lines or
    protobuf, or Jaeger's JSON, plain, .gz or .zst; or the address of Tempo or Jaeger, such as
    http://localhost:3200.

    \b
    Exits with
      0  where nothing is to be complained of,
      1  where a rule of --fail-on found something that matters, or --budget was overrun,
      2  where it was used wrongly, or nothing could be read.
    """  # noqa: D301 - click wants that very character
    with _told_plainly():
        settings = config.load()
        chosen = _engine(engine, scheduler, workers)
        found = _sources(sources, asked)
        outcome = _replay(found, settings, chosen, top, session_id)
        if not outcome.sums.spans:
            raise Unusable(f"there is no span in {_titled(found)}")
        report = outcome.report(_titled(found), By(by)) if session_id is None else outcome.session()
        _write(report, Format(form), output)
    _judge(outcome, fail_on, budget)


@contextmanager
def _told_plainly() -> Generator[None]:
    """What is not to be had, or wrong, in one line."""
    try:
        yield
    except (
        SettingsError,
        NoSourceError,
        MissingExtraError,
        FormatNeedsExtraError,
        UnknownSessionError,
        WorkerDiedError,
        OSError,
    ) as error:
        message = str(error.args[0]) if isinstance(error, LookupError) else str(error)
        raise Unusable(message.removeprefix("otel-agentperf: ")) from None


def _titled(sources: Sequence[Source]) -> str:
    rest = len(sources) - 1
    return f"{sources[0].name} and {rest} more" if rest else sources[0].name


def _engine(name: str, scheduler: str | None, workers: int | None) -> ReplayEngine:
    if name == "local":
        if scheduler:
            raise click.UsageError("--scheduler goes with --engine dask")
        return LocalEngine(workers)
    if not scheduler:
        raise click.UsageError("--engine dask needs --scheduler ADDRESS")
    if workers:
        raise click.UsageError("--workers goes with --engine local; a Dask cluster has its own")
    from otel_agentperf.replay.on_dask import DaskEngine  # noqa: PLC0415 - needs an extra

    return DaskEngine(scheduler)


def _sources(names: Sequence[str], asked: dict[str, Any]) -> list[Source]:
    addresses = [name for name in names if backends.is_backend(name)]
    if not addresses:
        for option, value in asked.items():
            if value:
                raise click.UsageError(f"--{option.removesuffix('s')} goes with the address of a backend")
    if asked["query"] and asked["service"]:
        raise click.UsageError("--service is not added to --query; name the service in the query")
    until_s = asked["until"] if asked["until"] is not None else time.time()
    since_s = asked["since"] if asked["since"] is not None else until_s - _UNITS_S["h"]
    if since_s >= until_s:
        raise click.UsageError("--since must lie before --until")
    wanted = backends.Filter(
        since_s,
        until_s,
        asked["query"] or "",
        asked["service"] or "",
        asked["limit"] or backends.Filter.limit,
        asked["headers"],
    )
    return [*files(name for name in names if name not in addresses), *(backends.source(n, wanted) for n in addresses)]


def _replay(
    sources: Sequence[Source], settings: Settings, engine: ReplayEngine, top: int, session_id: str | None
) -> Outcome:
    with progress_bar(sum(source.size for source in sources)) as bar:
        teller = TroubleTeller(bar.say, LineNumbers())
        outcome = replay(
            sources,
            settings,
            engine,
            top=top,
            session_id=session_id,
            on_troubles=teller.take,
            on_progress=bar.update,
        )
        teller.finish()
    return outcome


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
    billed = totals.inference_calls + totals.embedding_calls + totals.service_calls
    if totals.cost_usd > Decimal(str(budget)):
        return [f"${totals.cost_usd:,.4f} is more than the budget of ${budget:,.4f}"]
    if totals.unpriced_calls:
        priced = billed - totals.unpriced_calls
        known = f", the other {priced:,} cost ${totals.cost_usd:,.4f}" if priced > 0 else ""
        unknown = f"the price of {totals.unpriced_calls:,} of {billed:,} billed calls is unknown{known}"
        return [f"{unknown}: nobody can say that this is within the budget of ${budget:,.4f}"]
    return []
