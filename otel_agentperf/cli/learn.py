"""`otel-agentperf learn SOURCE... --store FILE`: a baseline from exported traces."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import click

from otel_agentperf import config
from otel_agentperf.analysis.observations import day_of
from otel_agentperf.baselines.packing import DamagedError
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import KEPT_DAYS
from otel_agentperf.baselines.writing import KnownRunsError
from otel_agentperf.cli.sources import (
    Unusable,
    engine_of,
    replayed,
    source_options,
    sources_of,
    titled,
    told_plainly,
)
from otel_agentperf.plugins import all_rules
from otel_agentperf.report.text import counted


@click.command("learn")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--store",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The baseline that is added to; made where there is none.",
)
@source_options
def learn(sources: tuple[str, ...], path: Path, **asked: Any) -> None:
    """Learn from traces on file or in a backend what is normal, and add it to a baseline.

    SOURCE is what `otel-agentperf analyze` reads. Each run counts once: the store remembers which it has taken
    in, for 90 days, so the same file again, or a window that overlaps the last one, adds only what is new. Do not
    feed the store of a running service (AGENTPERF_BASELINE_STORE) with the service's own traces: it has learned
    from those runs already.

    Runs that are more than 90 days old are left out. It exits with 2 where nothing could be read, or written, or
    where there was no run to learn from.
    """
    with told_plainly():
        # Rules say nothing here: what is learned does not depend on them.
        settings = config.load(rules_select=(), rules_ignore=tuple(rule.code for rule in all_rules()))
        engine = engine_of(asked)
        found = sources_of(sources, asked)
        store = Store(path, say=lambda message: click.echo(message, err=True))
        try:
            store.check_writable()
            outcome = replayed(found, settings, engine, learns=True, known_in=str(path))
            lessons = outcome.sums.lessons
            if not outcome.sums.spans:
                raise Unusable(f"there is no span in {titled(found)}")
            for note in outcome.notes():
                click.echo(note, err=True)
            today = day_of(time.time_ns())
            kept = {run: day for run, day in lessons.runs.items() if day > today - KEPT_DAYS}
            too_old = len(lessons.runs) - len(kept)
            if not kept and not lessons.known:
                raise Unusable(f"nothing was learned from {titled(found)}: {_nothing(too_old)}")
            store.add(lessons.tally.all(), today, runs=kept.items())
        except (RefusedError, KnownRunsError, DamagedError) as error:
            raise Unusable(str(error)) from None
        except sqlite3.Error as error:
            raise Unusable(f"{path} cannot be written: {error}") from None
        known = f"; {counted(lessons.known, 'run')} had been learned before" if lessons.known else ""
        left_out = f"; {_left_out(too_old)}" if too_old else ""
        click.echo(f"learned from {counted(len(kept), 'run')}{known}{left_out}")
        if store.refused:
            click.echo(f"{path} is full: {counted(store.refused, 'day')} of further names are not in it", err=True)
        click.echo(
            f"{path} knows {counted(len(store), 'graph, node, tool or model', 'graphs, nodes, tools and models')}"
        )
        store.tidy()


def _left_out(too_old: int) -> str:
    return f"{counted(too_old, 'run')} more than {KEPT_DAYS} days old left out"


def _nothing(too_old: int) -> str:
    if not too_old:
        return "there is no run in it"
    return f"what is in it ({counted(too_old, 'run')}) is more than {KEPT_DAYS} days old"
