"""What a reader of sums must know to read them rightly."""

from __future__ import annotations

from otel_agentperf.analysis.figures import Figures
from otel_agentperf.report import split
from otel_agentperf.report.text import counted


def on_sums(figures: Figures) -> tuple[str, ...]:
    """The notes on the sums of a session or of many runs."""
    calls = figures.calls
    notes: list[str] = []
    if not figures.runs:
        notes.append("No agent work is in these spans.")
    if calls.unpriced:
        notes.append(split.unpriced_note(figures))
    if calls.reported:
        notes.append(reported(calls.reported))
    notes += split.estimate_note(figures)
    if figures.left_out:
        notes.append(left_out(figures.left_out))
    return tuple(notes)


def reported(number: int) -> str:
    """The note on usage that is reported on the spans of agents or graphs, for requests that have none."""
    spans = "1 span of an agent or graph reports" if number == 1 else f"{number:,} spans of agents or graphs report"
    return f"{spans} usage of model calls that have no span here: their tokens and cost are in the sums."


def left_out(number: int) -> str:
    """The note on operations that are in the sums and in no table."""
    return (
        f"{counted(number, 'operation')} more than are kept of a run, or without a span here: "
        "in the sums, and in no table."
    )
