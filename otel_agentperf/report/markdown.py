"""A report as Markdown that fits a pull request's comment: sums, the best fixes, tables to unfold.

Names stand in code spans, where nothing in them is read as markup, a mention or a reference;
other people's words are escaped. At most some 30 rows in all, whatever the size of the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from otel_agentperf.analysis.figures import Figures, Finding, Part, best
from otel_agentperf.report import resources, split
from otel_agentperf.report.collection import By, ReportSet
from otel_agentperf.report.heads import RunLine, line_of
from otel_agentperf.report.notes import on_sums
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.session import SessionReport
from otel_agentperf.report.text import (
    UNKNOWN,
    clean,
    counted,
    described,
    money,
    once,
    percent,
    saves,
    savings_in,
    seconds,
    tokens,
    usd,
)
from otel_agentperf.report.trends import in_words

MAX_FINDINGS = 5
MAX_ROWS = 10
MAX_WORDS = 600
MAX_NAME = 80
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")
_ADDRESS = re.compile(r"[@#](?=\w)|(?<=\w)(?=://)|www(?=\.)", re.IGNORECASE)
"""Where a mention, a reference or an address would begin that is made a link without any markup."""
_JOINER = "\u2060"


def to_markdown(report: RunReport | SessionReport | ReportSet) -> str:
    """A report as Markdown.

    Args:
        report: on a run, a session or many runs.
    """
    if isinstance(report, RunReport):
        lines = _run(report)
    elif isinstance(report, SessionReport):
        lines = _session(report)
    else:
        lines = _set(report)
    return "\n".join(lines) + "\n"


def code(name: str, limit: int = MAX_NAME) -> str:
    """A name as a code span."""
    name = clean(name).replace("`", "'").replace("|", "¦").strip() or UNKNOWN
    return f"`{name if len(name) <= limit else name[: limit - 1] + '…'}`"


def words(text: str) -> str:
    """Somebody's words, with nothing in them that is read as markup, an address or a mention."""
    text = clean(text)
    if len(text) > MAX_WORDS:
        text = text[: MAX_WORDS - 1] + "…"
    return _MARKUP.sub(r"\\\1", _ADDRESS.sub(rf"\g<0>{_JOINER}", text))


def _run(report: RunReport) -> Iterator[str]:
    yield f"### {code(report.name)}: {words(report.status)}"
    yield ""
    yield from _sums(report.figures, report.notes)
    if report.critical_path:
        path = " → ".join(
            code(name) + (f" x {times}" if (times := len(list(same))) > 1 else "")
            for name, same in groupby(report.critical_path)
        )
        yield f"Critical path: {path}"
        yield ""
    yield from _findings(report.figures)
    yield from _parts(report.figures)
    where = [f"trace {code(report.trace_id)}"] if report.trace_id else []
    where += [f"session {code(report.session_id)}"] if report.session_id else []
    if where:
        yield f"<sub>{', '.join(where)}</sub>"


def _session(report: SessionReport) -> Iterator[str]:
    yield f"### Session {code(report.id)}: {counted(report.figures.runs, 'run')}"
    yield ""
    still_open = [f"{counted(report.open_runs, 'run')} still open."] if report.open_runs else []
    yield from _sums(report.figures, [*still_open, *in_words(report.trends), *on_sums(report.figures)])
    yield from _findings(report.figures)
    yield from _parts(report.figures)
    yield from _runs("Its last runs", report.runs[-MAX_ROWS:])


def _set(report: ReportSet) -> Iterator[str]:
    yield f"### {code(report.title)}: {counted(report.figures.runs, 'run')}"
    yield ""
    yield from _sums(report.figures, [*report.notes, *on_sums(report.figures)])
    yield from _findings(report.figures)
    rows = min(report.top, MAX_ROWS)
    match report.by:
        case By.AGENT:
            yield from _table_of("agent", report.figures.agents, rows)
        case By.MODEL:
            yield from _table_of("model", report.figures.models, rows)
        case By.SESSION:
            yield from _sessions(report, rows)
        case By.RUN:
            yield from _parts(report.figures)
            yield from _runs("The dearest runs", [line_of(run) for run in report.dearest[:rows]])
            yield from _runs("The slowest runs", [line_of(run) for run in report.slowest[:rows]])


def _sums(figures: Figures, notes: Iterable[str]) -> Iterator[str]:
    calls = figures.calls
    facts = [f"**{seconds(figures.duration_s)}**"]
    if calls.billed:
        facts.append(f"**{_dollars(split.total(figures))}**")
        facts += map(_dollars, split.remarks(figures))
    if figures.not_scored is None:
        facts.append(f"rating {words(figures.rating or UNKNOWN)}")
        facts.append(f"efficiency {figures.efficiency_score}/100")
    else:
        facts.append(f"not rated: {words(figures.not_scored)}")
    facts.append(f"{tokens(figures.tokens.input)} tokens in, {tokens(figures.tokens.output)} out")
    facts.append(counted(calls.model + calls.embedding, "model call"))
    if calls.tool:
        facts.append(counted(calls.tool, "tool call"))
    if calls.errors:
        facts.append(counted(calls.errors, "error"))
    if figures.runs != 1:
        facts.append(f"{percent(figures.success_rate)} succeeded")
    yield " · ".join(facts)
    yield ""
    spent_on = split.phrases(figures.costs)
    if spent_on:
        yield f"Cost: {' · '.join(map(_dollars, spent_on))}"
        yield ""
    session = figures.session_savings
    if could := savings_in(figures.savings, _usd):
        here = " of this run" if session is not None else ""
        yield f"Following every suggestion could have saved{here} **{', '.join(could)}**{once(figures)}."
        yield ""
    if session is not None and (could := savings_in(session, _usd)):
        yield f"In its whole session so far: **{', '.join(could)}**."
        yield ""
    for note in notes:
        yield f"> {words(note)}"
        yield ""


def _findings(figures: Figures) -> Iterator[str]:
    findings = [each for each in figures.suggestions if not each.below_threshold]
    minor = [each for each in figures.suggestions if each.below_threshold]
    if not findings:
        yield "No suggestion reaches the threshold." if minor else "No rule found anything to change."
        yield ""
    chosen = best(findings, MAX_FINDINGS)
    for number, each in enumerate(chosen, 1):
        yield f"{number}. **{words(each.rule)} {words(each.type.replace('_', ' '))}** ({each.level.value}) at {code(each.applies_to[0])}  "
        yield f"   {words(described(each.description, each.runs))}{_saves(each)}"
    rest = [each for each in findings if each not in chosen]
    if rest:
        yield ""
        yield f"Also: {_named(rest)}"
    if findings:
        yield ""
    if minor:
        yield f"<sub>Of little impact, below the threshold of {figures.threshold:g}: {_named(minor)}</sub>"
        yield ""


def _named(findings: Sequence[Finding]) -> str:
    named = ", ".join(f"{words(each.rule)} {code(each.applies_to[0], 40)}" for each in findings[:MAX_ROWS])
    return named + (f" and {len(findings) - MAX_ROWS:,} more" if len(findings) > MAX_ROWS else "")


def _saves(finding: Finding) -> str:
    what = saves(finding, _usd)
    return f" *{what[0].upper()}{what[1:]}.*" if what else ""


def _usd(amount: Decimal) -> str:
    return _dollars(usd(amount))


def _dollars(amount: str) -> str:
    """An amount whose dollar sign begins no formula."""
    return amount.replace("$", "\\$").replace("<", "&lt;")


def _parts(figures: Figures) -> Iterator[str]:
    for name, parts in (("agent", figures.agents), ("model", figures.models), ("tool", figures.tools)):
        if parts:
            yield f"<details><summary>By {name}</summary>"
            yield ""
            yield from _table_of(name, parts, MAX_ROWS)
            yield "</details>"
            yield ""
    yield from _resources(figures)


def _resources(figures: Figures) -> Iterator[str]:
    used, rows = list(resources.facts(figures)), resources.rows(figures)
    if not used and not rows:
        return
    yield "<details><summary>CPU and memory</summary>"
    yield ""
    if used:
        yield " · ".join(used)
        yield ""
    if rows:
        yield from _table(resources.TITLES, [(code(name), *cells) for name, *cells in rows])
    yield "</details>"
    yield ""


def _table_of(name: str, parts: Sequence[Part], rows: int) -> Iterator[str]:
    is_billed = name != "tool"
    is_grounded = split.is_grounded(parts)
    yield from _table(
        (
            name,
            "calls",
            "errors",
            "time",
            *(("tokens in", "out", "cost") if is_billed else ()),
            *(("grounding",) if is_grounded else ()),
        ),
        [
            (
                code(part.name),
                *((f"{part.calls:,}", f"{part.errors:,}", seconds(part.busy_s)) if part.calls else ("", "", "")),
                *(_billed(part) if is_billed else ()),
                *((_dollars(split.grounding(part)),) if is_grounded else ()),
            )
            for part in parts[:rows]
        ],
    )
    if len(parts) > rows:
        yield f"and {counted(len(parts) - rows, 'more ' + name)}"
        yield ""


def _billed(part: Part) -> tuple[str, str, str]:
    cost = _dollars(money(part.cost_usd, part.unpriced_calls))
    return tokens(part.tokens.input), tokens(part.tokens.output), cost


def _runs(title: str, runs: Sequence[RunLine]) -> Iterator[str]:
    if not runs:
        return
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from _table(
        ("run", "ended", "time", "cost", "rating", "efficiency", "trace"),
        [
            (
                code(run.name),
                words(run.status),
                seconds(run.duration_s),
                _dollars(money(run.cost_usd, run.unpriced_calls)),
                words(run.rating or ""),
                "" if run.efficiency_score is None else str(run.efficiency_score),
                code(run.trace_id),
            )
            for run in runs
        ],
    )
    yield "</details>"
    yield ""


def _sessions(report: ReportSet, rows: int) -> Iterator[str]:
    yield f"{counted(report.session_count, 'session')}, the dearest first:"
    yield ""
    yield from _table(
        ("session", "runs", "succeeded", "time", "cost", "rating", "could save"),
        [
            (
                code(session.id),
                f"{session.figures.runs:,}",
                percent(session.figures.success_rate),
                seconds(session.figures.duration_s),
                _dollars(money(session.figures.costs.total_usd, session.figures.calls.unpriced)),
                session.figures.rating or "",
                _dollars(money(session.figures.savings.cost_usd)),
            )
            for session in report.sessions[:rows]
        ],
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|---|{'---:|' * (len(titles) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
