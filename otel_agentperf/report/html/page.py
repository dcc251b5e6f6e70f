"""The page: one file of HTML that works offline, printed, in the light and in the dark.

No script, nothing fetched; a content security policy in the page forbids both. Every name
goes through `plain` and is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from otel_agentperf.analysis.figures import Figures, Finding
from otel_agentperf.report import resources, split
from otel_agentperf.report.collection import By
from otel_agentperf.report.document import GENERATOR, SCHEMA, AnyReport
from otel_agentperf.report.heads import RunLine, line_of, moment
from otel_agentperf.report.html import figures as draws
from otel_agentperf.report.html.names import plain
from otel_agentperf.report.notes import on_sums
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.session import SessionReport
from otel_agentperf.report.spans import SpanLine
from otel_agentperf.report.text import (
    UNKNOWN,
    counted,
    described,
    money,
    once,
    percent,
    saves,
    savings_in,
    seconds,
    tokens,
)
from otel_agentperf.report.trends import in_words

_MAX_ELSEWHERE = 4


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a place on the page; without a place, the words alone."""

    words: str
    place: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """A suggestion as the page shows it."""

    anchor: str
    finding: Finding
    saves: str
    links: tuple[Link, ...]
    more: int
    """Spans that are not on the page, beyond the first four of them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of one scope, and the tables beneath it."""

    split: Markup | None
    agents_money: Markup | None
    models_money: Markup | None
    mix: Markup | None


@dataclass(frozen=True, slots=True)
class RunSection:
    """A run as the page shows it."""

    id: str
    report: RunReport
    advice: tuple[Advice, ...]
    waterfall: tuple[Markup, ...]


def to_html(report: AnyReport) -> str:
    """A report as one page.

    Args:
        report: on a run, a session or many runs.
    """
    if isinstance(report, RunReport):
        return _page(
            report.name,
            report.figures,
            what="run",
            facts=_run_facts(report),
            status=report.status,
            notes=report.notes,
            sections=(_run_section("run", report),),
        )
    if isinstance(report, SessionReport):
        return _page(
            f"session {report.id}",
            report.figures,
            what="session",
            facts=_period(report.start_time, report.end_time),
            notes=(
                *((_open(report.open_runs),) if report.open_runs else ()),
                *in_words(report.trends),
                *on_sums(report.figures),
            ),
            lists=(("Its last runs", report.runs),),
        )
    by_session = report.by is By.SESSION
    return _page(
        report.title,
        report.figures,
        what=counted(report.figures.runs, "run"),
        facts=_period(report.start_time, report.end_time),
        notes=(*report.notes, *on_sums(report.figures)),
        lists=()
        if by_session
        else (
            ("The dearest runs", tuple(map(line_of, report.dearest))),
            ("The slowest runs", tuple(map(line_of, report.slowest))),
        ),
        sessions=report.sessions,
        session_count=report.session_count,
        sections=tuple(
            _run_section(f"run{number}", run)
            for number, run in enumerate(report.standing_out, 1)
            if report.by is By.RUN
        ),
    )


def _page(
    title: str,
    figures: Figures,
    *,
    what: str,
    facts: Sequence[tuple[str, str]],
    status: str = "",
    notes: Sequence[str] = (),
    lists: Sequence[tuple[str, Sequence[RunLine]]] = (),
    sessions: Sequence[SessionReport] = (),
    session_count: int = 0,
    sections: Sequence[RunSection] = (),
) -> str:
    style = _STYLE.render()
    alone = sections[0] if len(sections) == 1 else None
    text = _PAGE.render(
        title=title,
        what=what,
        facts=facts,
        status=status,
        notes=notes,
        figures=figures,
        advice=alone.advice if alone is not None else _advice("all", figures, ()),
        best=_best(figures, alone.id if alone is not None else "all"),
        picture=_picture(figures),
        shares=split.shares(figures.costs),
        used=list(resources.facts(figures)),
        used_titles=resources.TITLES,
        used_rows=resources.rows(figures),
        lists=[(name, lines) for name, lines in lists if lines],
        sessions=sessions,
        session_count=session_count,
        sections=sections,
        alone=alone,
        generator=GENERATOR,
        schema=SCHEMA,
        style=Markup(style),  # noqa: S704 - a file of ours
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    return text + "\n"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("otel_agentperf.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    filters: dict[str, Any] = {
        "seconds": seconds,
        "money": money,
        "tokens": tokens,
        "percent": percent,
        "word": draws.word,
        "ended": draws.ended,
        "moment": _moment,
        "counted": counted,
        "described": described,
        "savings_in": savings_in,
        "once": once,
        "remarks": split.remarks,
        "grounding": split.grounding,
        "is_grounded": split.is_grounded,
        "spent_on": split.phrases,
    }
    cast("Any", environment).filters.update(filters)
    return environment


def _finalized(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    if value is None:
        return UNKNOWN
    return plain(value) if isinstance(value, str) else value


def _moment(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC") if time is not None else UNKNOWN


def _run_facts(report: RunReport) -> list[tuple[str, str]]:
    facts = [("began", _moment(moment(report.start_ns)))]
    if report.session_id:
        facts.insert(0, ("session", report.session_id))
    if report.trace_id:
        facts.append(("trace", report.trace_id))
    return facts


def _period(start: datetime | None, end: datetime | None) -> list[tuple[str, str]]:
    return [("from", _moment(start)), ("to", _moment(end))] if start is not None else []


def _open(runs: int) -> str:
    return f"{counted(runs, 'run goes', 'runs go')} on and {'is' if runs == 1 else 'are'} in no figure yet."


def _run_section(run_id: str, report: RunReport) -> RunSection:
    return RunSection(
        id=run_id,
        report=report,
        advice=_advice(run_id, report.figures, report.spans),
        waterfall=tuple(draws.waterfall(run_id, report.spans, report.figures.duration_s)),
    )


def _advice(run_id: str, figures: Figures, spans: Sequence[SpanLine]) -> tuple[Advice, ...]:
    by_id = {span.span_id: span for span in spans}
    return tuple(_advised(run_id, finding, by_id) for finding in figures.suggestions)


def _advised(run_id: str, finding: Finding, by_id: Mapping[str, SpanLine]) -> Advice:
    links = [_link(run_id, span_id, by_id.get(span_id)) for span_id in _in_order(finding.span_ids, by_id)]
    here = [link for link in links if link.place is not None]
    elsewhere = [link for link in links if link.place is None]
    return Advice(
        anchor=f"{run_id}-{finding.id}",
        finding=finding,
        saves=saves(finding),
        links=(*here, *elsewhere[:_MAX_ELSEWHERE]),
        more=max(0, len(elsewhere) - _MAX_ELSEWHERE),
    )


def _in_order(span_ids: Sequence[str], by_id: Mapping[str, SpanLine]) -> list[str]:
    """Spans in order of start; those that are not at hand last."""
    return sorted(span_ids, key=lambda each: by_id[each].start_s if each in by_id else inf)


def _link(run_id: str, span_id: str, span: SpanLine | None) -> Link:
    if span is None:
        return Link(span_id, None)
    return Link(f"{draws.word(span.kind)} {span.name} at {seconds(max(0.0, span.start_s))}", f"{run_id}-{span_id}")


def _best(figures: Figures, run_id: str) -> list[tuple[str, list[tuple[str, Finding]]]]:
    """The suggestions that save the most money, and the most time: three of each."""
    by_id = {finding.id: finding for finding in figures.suggestions}
    lists = (("money", figures.by_cost), ("time", figures.by_time))
    return [(name, [(f"{run_id}-{each}", by_id[each]) for each in ids[:3]]) for name, ids in lists if ids]


def _picture(figures: Figures) -> Picture:
    return Picture(
        split=draws.money_split("money-split", split.shares(figures.costs)),
        agents_money=draws.money_by("money-by-agent", "agent", figures.agents),
        models_money=draws.money_by("money-by-model", "model", figures.models),
        mix=draws.token_mix("tokens-by-model", "model", figures.models),
    )


# Compiled here: an exporter's thread must not import what compiling needs, see `PriceBook.load`.
_STYLE, _PAGE = map(_environment().get_template, ("report.css", "report.html"))
