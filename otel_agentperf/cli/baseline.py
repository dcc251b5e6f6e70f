"""`otel-agentperf baseline show | diff | export | merge`: what was learned, looked at and carried about."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from otel_agentperf.advice.calibration import Calibration
from otel_agentperf.advice.calibration import Tally as AdviceTally
from otel_agentperf.analysis.observations import day_of
from otel_agentperf.baselines import portable
from otel_agentperf.baselines.advised import total
from otel_agentperf.baselines.comparing import LEAST_CHANGE, Change, SubjectLines, changes, lines_of
from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.baselines.opening import Baseline, UnreadableError, normals_of, opened
from otel_agentperf.baselines.packing import DamagedError
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import KEPT_DAYS, Tally
from otel_agentperf.baselines.trend import Trend
from otel_agentperf.cli import baseline_tables as tables
from otel_agentperf.report.text import counted

_FORM = click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
_KIND = click.option("--kind", type=click.Choice([kind.value for kind in SubjectKind]), help="Of this kind alone.")


@click.group("baseline")
def baseline() -> None:
    """Look at what was learned, compare it, carry it about.

    A BASELINE is a store (what AGENTPERF_BASELINE_STORE and `learn --store` name), a file that `export` or
    `merge` wrote, or the http or https address of such a file.
    """


@contextmanager
def _told_plainly() -> Generator[None]:
    try:
        yield
    except (UnreadableError, RefusedError, DamagedError, sqlite3.Error, OSError) as error:
        raise click.ClickException(str(error)) from None


@baseline.command("show")
@click.argument("name", metavar="BASELINE")
@click.option("--name", "like", help="Only what has this in its name, or in that of its graph or node.")
@_KIND
@_FORM
def show(name: str, like: str | None, kind: str | None, form: str) -> None:
    """Show what is normal for each graph, node, tool and model, and what came of advice.

    What came of advice is left out of the table where --name or --kind asks for something else.
    """
    with _told_plainly():
        found = opened(name)
        normals = normals_of(found)
        lines = [lines_of(normals, subject) for subject in _chosen(found, like, kind)]
        newest = found.newest_day
        advice = Calibration.from_dict(total(found.advised))
    if form == "json":
        subjects, came = [_as_json(each) for each in lines], [_advice_as_json(*each) for each in advice.counts()]
        _print_json({"baseline": name, "newest_day": _date(newest), "subjects": subjects, "advice": came})
        return
    console = Console(highlight=False)
    console.print(*tables.shown(lines, console.width), sep="\n")
    console.print(Text(f"{counted(len(lines), 'subject')}, the last day {_date(newest) or 'unknown'}"))
    if rising := tables.trends(lines):
        console.print("", *rising, sep="\n")
    if len(advice) and not like and kind is None:
        console.print("", *tables.advised(advice), sep="\n")


@baseline.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--name", "like", help="Only what has this in its name, or in that of its graph or node.")
@click.option(
    "--least",
    type=click.FloatRange(min=0),
    default=LEAST_CHANGE,
    show_default=True,
    help="The least change to be told, as a share of what was before.",
)
@_KIND
@_FORM
def diff(before: str, after: str, like: str | None, least: float, kind: str | None, form: str) -> None:
    """Show whose mean, median or 95th percentile differs between two baselines."""
    with _told_plainly():
        one, other = opened(before), opened(after)
        subjects = {*_chosen(one, like, kind), *_chosen(other, like, kind)}
        found = list(changes(normals_of(one), normals_of(other), subjects, least))
    if form == "json":
        _print_json({"before": before, "after": after, "changes": [_change_as_json(change) for change in found]})
        return
    console = Console(highlight=False)
    if found:
        console.print(tables.compared(found))
        console.print(Text(f"* from {tables.FEWEST} samples in one of them: it may well be chance"))
    console.print(Text(f"{counted(len(found), 'change')} of more than {least:.0%}"))


@baseline.command("export")
@click.argument("name", metavar="BASELINE")
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
def export(name: str, output: Path) -> None:
    """Write a baseline as one file (gzipped JSON), for AGENTPERF_BASELINE_FROM."""
    with _told_plainly():
        _write([opened(name)], output)


@baseline.command("merge")
@click.argument("names", nargs=-1, required=True, metavar="BASELINE...")
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
def merge(names: tuple[str, ...], output: Path) -> None:
    """Add baselines up to one file, the same in whatever order they are named.

    Do not name a store together with its own export: what is in both counts twice. An --output that ends
    with .db becomes a store.
    """
    with _told_plainly():
        _write([opened(name) for name in names], output)


def _write(baselines: Sequence[Baseline], output: Path) -> None:
    whole = Tally()
    for each in baselines:
        for subject, days in each.all():
            whole.merge(subject, days)
        whole.add_advised(each.advised)
    newest = whole.newest_day
    if newest is not None:
        whole.drop_before(newest - KEPT_DAYS + 1)
    if output.suffix == ".db":
        if output.exists():
            raise click.ClickException(f"{output} is there already; nothing was written")
        today = newest if newest is not None else day_of(time.time_ns())
        Store(output).add(whole.all(), today, advised=whole.advised)
    else:
        output.write_bytes(portable.written(whole.all(), whole.advised))
    click.echo(f"{counted(len(whole), 'subject')} written to {output}", err=True)


def _chosen(found: Baseline, like: str | None, kind: str | None) -> list[Subject]:
    return [
        subject
        for subject, _ in found.all()
        if (kind is None or subject.kind.value == kind)
        and (not like or any(like in part for part in (subject.name, subject.graph, subject.node)))
    ]


# -- JSON ----------------------------------------------------------------------------------


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))


def _date(day: int | None) -> str | None:
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86_400)) if day is not None else None


def _who(subject: Subject) -> dict[str, Any]:
    return {"kind": subject.kind.value, "name": subject.name, "graph": subject.graph, "node": subject.node}


def _as_json(each: SubjectLines) -> dict[str, Any]:
    return {
        **_who(each.subject),
        "outcomes": each.outcomes._asdict() if each.outcomes is not None else None,
        "measures": {measure.value: asdict(line) for measure, line in each.lines.items()},
        "trends": {measure.value: _trend_as_json(found) for measure, found in each.trends.items()},
    }


def _trend_as_json(found: Trend) -> dict[str, Any]:
    return {
        "direction": "improving" if found.is_improving else "declining",
        "days": found.values,
        "per_day": found.slope,
        "change_percent": round(found.change_percent, 1),
        "p_value": found.p_value,
    }


def _advice_as_json(kind: str, source: str, tally: AdviceTally) -> dict[str, Any]:
    return {
        "kind": kind,
        "source": source,
        **asdict(tally),
        "time_realised": tables.share(tally.time_ratios, tally.time_claims),
        "cost_realised": tables.share(tally.cost_ratios, tally.cost_claims),
    }


def _change_as_json(change: Change) -> dict[str, Any]:
    return {
        **_who(change.subject),
        "measure": change.measure.value,
        "before": asdict(change.before) if change.before is not None else None,
        "after": asdict(change.after) if change.after is not None else None,
    }
