"""The report on a session or on many runs as lines for a terminal: sums, the best fixes, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from otel_agentperf.analysis.figures import Figures, Part
from otel_agentperf.report import advice, phrases, split
from otel_agentperf.report.collection import By, ReportSet
from otel_agentperf.report.heads import RunLine, line_of
from otel_agentperf.report.layout import Layout
from otel_agentperf.report.notes import on_sums
from otel_agentperf.report.session import SessionReport
from otel_agentperf.report.text import clean, counted, money, percent, seconds, tokens
from otel_agentperf.report.trends import in_words

MAX_PARTS = 10
"""Agents, models, tools or services in a table, where no number is asked for."""
_RUNS = ("run", "ended", "time", "cost", "rating", "efficiency", "trace")
_SESSIONS = ("session", "runs", "succeeded", "time", "cost", "rating", "could save")


def session_lines(layout: Layout, report: SessionReport) -> Iterator[Text]:
    """The lines of the report on a session."""
    figures = report.figures
    yield Text()
    yield layout.title(f"session {clean(report.id)}", counted(figures.runs, "run"), "bold")
    notes = [f"{counted(report.open_runs, 'run')} still open, in no figure yet."] if report.open_runs else []
    notes += in_words(report.trends)
    yield from _sums(layout, figures, notes)
    yield from advice.best(layout, figures)
    yield from _parts(layout, figures, MAX_PARTS)
    yield from layout.resources(figures)
    yield from _runs(layout, "Its last runs", report.runs)
    yield from advice.others(layout, figures)


def set_lines(layout: Layout, report: ReportSet) -> Iterator[Text]:
    """The lines of the report on many runs."""
    figures = report.figures
    yield Text()
    yield layout.title(clean(report.title), counted(figures.runs, "run"), "bold")
    yield from _sums(layout, figures, report.notes)
    yield from advice.best(layout, figures)
    match report.by:
        case By.AGENT:
            yield from _table(layout, "agent", figures.agents, report.top)
        case By.MODEL:
            yield from _table(layout, "model", figures.models, report.top)
        case By.SESSION:
            yield from _sessions(layout, report)
        case By.RUN:
            yield from _parts(layout, figures, MAX_PARTS)
            yield from layout.resources(figures)
            yield from _runs(layout, "The dearest runs", [line_of(run) for run in report.dearest])
            yield from _runs(layout, "The slowest runs", [line_of(run) for run in report.slowest])
    yield from advice.others(layout, figures)


def _sums(layout: Layout, figures: Figures, notes: Iterable[str]) -> Iterator[Text]:
    yield from layout.facts(phrases.sums(figures))
    yield from layout.facts(
        [Text(f"{percent(figures.success_rate)} succeeded"), *phrases.judged(figures, figures.rating)]
    )
    costs, share = figures.costs, figures.cheaper_models.share
    yield from layout.facts(phrases.spent_on(figures))
    others = [
        *([f"wasted {money(costs.wasted_usd)}"] if costs.wasted_usd else []),
        *([f"per action {money(costs.per_action_usd)}"] if costs.per_action_usd else []),
        *([f"cheaper models {percent(share)} of calls"] if share is not None else []),
    ]
    if costs.total_usd is not None:
        yield from layout.facts(map(Text, others))
    if figures.bottlenecks:
        held = ", ".join(f"{clean(each.agent)} {percent(each.share)}" for each in figures.bottlenecks[:3])
        yield from layout.wrapped(Text.assemble(("decided the time: ", "dim"), held))
    for note in (*notes, *on_sums(figures)):
        yield from layout.wrapped(Text(clean(note), "yellow"))


def _parts(layout: Layout, figures: Figures, top: int) -> Iterator[Text]:
    for name, parts in (("agent", figures.agents), ("model", figures.models), ("tool", figures.tools)):
        yield from _table(layout, name, parts, top)


def _table(layout: Layout, name: str, parts: Sequence[Part], top: int) -> Iterator[Text]:
    if not parts:
        return
    is_billed = name != "tool"
    is_grounded = split.is_grounded(parts)
    titles = (
        name,
        "calls",
        "errors",
        "time",
        *(("in", "out", "cost") if is_billed else ()),
        *(("grounding",) if is_grounded else ()),
    )
    rows = [
        (
            clean(part.name),
            *((f"{part.calls:,}", f"{part.errors:,}", seconds(part.busy_s)) if part.calls else ("", "", "")),
            *(
                (tokens(part.tokens.input), tokens(part.tokens.output), money(part.cost_usd, part.unpriced_calls))
                if is_billed
                else ()
            ),
            *((split.grounding(part),) if is_grounded else ()),
        )
        for part in parts[:top]
    ]
    yield Text()
    yield from layout.table(titles, rows)
    if len(parts) > top:
        yield Text(f"  {layout.signs.dots} and {counted(len(parts) - top, 'more ' + name)}", "dim")


def _runs(layout: Layout, title: str, runs: Sequence[RunLine]) -> Iterator[Text]:
    if not runs:
        return
    yield Text()
    yield Text(title, "bold")
    rows = [
        (
            clean(run.name),
            layout.short(clean(run.status), 12),
            seconds(run.duration_s),
            money(run.cost_usd, run.unpriced_calls),
            clean(run.rating or ""),
            "" if run.efficiency_score is None else str(run.efficiency_score),
            clean(run.trace_id)[:8],
        )
        for run in runs
    ]
    yield from layout.table(_RUNS, rows)


def _sessions(layout: Layout, report: ReportSet) -> Iterator[Text]:
    yield Text()
    count = report.session_count
    if not count:
        yield Text("No run here has a conversation id.", "bold")
        return
    is_part = count > len(report.sessions)
    of_all = f"The dearest {len(report.sessions)} of {counted(count, 'session')}"
    yield Text(of_all if is_part else counted(count, "session"), "bold")
    rows = [
        (
            clean(session.id),
            f"{session.figures.runs:,}",
            percent(session.figures.success_rate),
            seconds(session.figures.duration_s),
            money(session.figures.costs.total_usd, session.figures.calls.unpriced),
            session.figures.rating or "",
            money(session.figures.savings.cost_usd),
        )
        for session in report.sessions
    ]
    yield from layout.table(_SESSIONS, rows)
