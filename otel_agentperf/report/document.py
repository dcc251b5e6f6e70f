"""A report as JSON, in a form with a version: what `report-1.schema.json` beside this file describes.

Fields are added without a new version; one that changes its meaning or goes away brings
`otel-agentperf/report/2`. Money is in US dollars, times are in seconds or RFC 3339. What is
unknown is `null`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, cast

import msgspec

from otel_agentperf._version import VERSION
from otel_agentperf.analysis.figures import Figures
from otel_agentperf.report.collection import By, ReportSet
from otel_agentperf.report.heads import RunLine, line_of, moment
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.session import SessionReport
from otel_agentperf.report.spans import SpanLine
from otel_agentperf.report.trends import TrendLine

SCHEMA = "otel-agentperf/report/1"
GENERATOR = f"otel-agentperf {VERSION}"

AnyReport = RunReport | SessionReport | ReportSet


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A run: one outermost graph or agent execution and all beneath it."""

    schema: Literal["otel-agentperf/report/1"] = SCHEMA
    kind: Literal["run"] = "run"
    generator: str = GENERATOR
    name: str
    session_id: str | None
    trace_id: str
    span_id: str
    """Of the run's root."""
    start_time: datetime
    status: str
    """`ok`, `failed`, `root not seen` or the run's outcome."""
    success: bool
    outcome: str | None
    error_type: str | None
    root_seen: bool
    """False where the root's span never came: only what was seen is summed."""
    critical_path: tuple[str, ...]
    """The agents that decided how long it took, first to last."""
    notes: tuple[str, ...]
    """What a reader must know to read the rest rightly."""
    figures: Figures
    spans: tuple[SpanLine, ...]
    """Its operations, each beneath its parent; at most 300."""
    spans_left_out: int


class SessionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A session: the runs that share a conversation id."""

    schema: Literal["otel-agentperf/report/1"] = SCHEMA
    kind: Literal["session"] = "session"
    generator: str = GENERATOR
    id: str
    start_time: datetime | None
    end_time: datetime | None
    open_runs: int
    """Runs that go on; they are in no figure yet."""
    figures: Figures
    runs: tuple[RunLine, ...]
    trends: tuple[TrendLine, ...]
    """What becomes slower or faster, dearer or cheaper from run to run."""


class RunsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Many runs: the sums of all, and those that stand out."""

    schema: Literal["otel-agentperf/report/1"] = SCHEMA
    kind: Literal["runs"] = "runs"
    generator: str = GENERATOR
    title: str
    """Where they come from."""
    by: By
    top: int
    """How many runs, sessions, agents or models are listed."""
    start_time: datetime | None
    end_time: datetime | None
    notes: tuple[str, ...]
    figures: Figures
    dearest: tuple[RunLine, ...]
    slowest: tuple[RunLine, ...]
    sessions: tuple[SessionReport, ...]
    """The dearest sessions."""
    session_count: int
    runs: tuple[RunDocument, ...]
    """The dearest and the slowest runs in detail."""


_encoder = msgspec.json.Encoder(decimal_format="number")


def document(report: AnyReport) -> dict[str, Any]:
    """A report as dictionaries, lists, strings and numbers."""
    return cast("dict[str, Any]", msgspec.json.decode(_encoded(report)))


def to_json(report: AnyReport, indent: int | None = 2) -> str:
    """A report as JSON with a line end.

    Args:
        report: on a run, a session or many runs.
        indent: spaces for each level; `None` puts everything on one line.
    """
    encoded = _encoded(report)
    return (encoded if indent is None else msgspec.json.format(encoded, indent=indent)).decode() + "\n"


def _encoded(report: AnyReport) -> bytes:
    made = _document(report)
    try:
        return _encoder.encode(made)
    except UnicodeEncodeError:  # half a surrogate pair in somebody's name
        return _encoder.encode(_mended(msgspec.to_builtins(made, builtin_types=(Decimal,))))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_mended(item) for item in cast("list[Any]", value)]
    return value


def _document(report: AnyReport) -> RunDocument | SessionDocument | RunsDocument:
    if isinstance(report, RunReport):
        return _run(report)
    if isinstance(report, SessionReport):
        return SessionDocument(
            id=report.id,
            start_time=report.start_time,
            end_time=report.end_time,
            open_runs=report.open_runs,
            figures=report.figures,
            runs=report.runs,
            trends=report.trends,
        )
    return RunsDocument(
        title=report.title,
        by=report.by,
        top=report.top,
        start_time=report.start_time,
        end_time=report.end_time,
        notes=report.notes,
        figures=report.figures,
        dearest=tuple(map(line_of, report.dearest)),
        slowest=tuple(map(line_of, report.slowest)),
        sessions=report.sessions,
        session_count=report.session_count,
        runs=tuple(map(_run, report.standing_out)),
    )


def _run(report: RunReport) -> RunDocument:
    return RunDocument(
        name=report.name,
        session_id=report.session_id,
        trace_id=report.trace_id,
        span_id=report.span_id,
        start_time=moment(report.start_ns),
        status=report.status,
        success=report.success,
        outcome=report.outcome,
        error_type=report.error_type,
        root_seen=report.root_seen,
        critical_path=report.critical_path,
        notes=report.notes,
        figures=report.figures,
        spans=report.spans,
        spans_left_out=report.spans_left_out,
    )
