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
            store.add(lessons.tally.all(), day_of(time.time_ns()), runs=lessons.runs.items())
        except (RefusedError, KnownRunsError, DamagedError) as error:
            raise Unusable(str(error)) from None
        except sqlite3.Error as error:
            raise Unusable(f"{path} cannot be written: {error}") from None
        for note in outcome.notes():
            click.echo(note, err=True)
        known = f"; {counted(lessons.known, 'run')} had been learned before" if lessons.known else ""
        click.echo(f"learned from {counted(len(lessons.runs), 'run')}{known}")
        if store.refused:
            click.echo(f"{path} is full: {counted(store.refused, 'day')} of further names are not in it", err=True)
        click.echo(
            f"{path} knows {counted(len(store), 'graph, node, tool or model', 'graphs, nodes, tools and models')}"
        )
